"""Where the context of alerts comes from: the warehouse's own schema, Airflow, dbt artifacts, a business table."""

from __future__ import annotations

from collections.abc import Mapping

from core.service.alert_contexts import Provider
from core.service.workbench import Workbench


def providers(wb: Workbench) -> Mapping[str, Provider]:
    """The providers that are set up, by the block they fill."""
    del wb
    return {}
