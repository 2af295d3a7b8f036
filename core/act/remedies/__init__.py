"""The remedies there are, and how the settings and a playbook set them up."""

from __future__ import annotations

from collections.abc import Mapping

from core.act.remedies.airflow import Airflow
from core.act.remedies.documentation import Documentation
from core.act.remedies.kubernetes import KubernetesRollback
from core.act.remedies.sandbox import Sandbox
from core.act.remedies.webhook import ActionWebhook
from core.act.remedy import Remedy, Request, remedies
from core.settings import Settings

__all__ = [
    "ActionWebhook",
    "Airflow",
    "Documentation",
    "KubernetesRollback",
    "Remedy",
    "Request",
    "Sandbox",
    "build_remedy",
    "remedies",
]


def build_remedy(settings: Settings, name: str, params: Mapping[str, object]) -> Remedy:
    """The remedy ``name`` with a playbook's parameters; addresses it does not name are those of the settings.

    Raises: ConfigError for an unknown remedy or a wrong parameter.
    """
    name = name or Documentation.name
    urls = {
        Airflow.name: settings.airflow_url,
        ActionWebhook.name: settings.action_webhook_url,
        KubernetesRollback.name: settings.action_webhook_url,
    }
    known = {"url": urls[name]} if urls.get(name) else {}
    return remedies.build(name, {**known, **params})
