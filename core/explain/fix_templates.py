"""How an alert of a kind is fixed: which adapter is asked for what, how it is verified, what it costs and risks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from core.alert import items, mapping
from core.errors import InputError
from core.model import Json, JsonObject, Proposal

PLAIN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class FixTemplate(BaseModel):
    """One row of the fixes: what is proposed for a CRITICAL alert of its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action_type: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$", description="Name of the action")
    title: str = Field(min_length=1, max_length=120, description="{entity} is filled in")
    adapter: Literal["airflow", "webhook", "sandbox"] = Field("airflow", description="Who carries it out")
    request: Mapping[str, JsonValue] = Field(default_factory=dict, description="Parameters of the adapter's request")
    verify: Literal["run_state", "freshness", "resolved_alert"] = Field(
        "run_state", description="The signal that is read again afterwards"
    )
    eta_minutes: int = Field(5, ge=0, le=10_000)
    risk_score: float = Field(0.5, ge=0, le=1)
    requires_approval: bool = True
    enabled: bool = Field(True, description="Whether it is proposed at all")

    @field_validator("request")
    @classmethod
    def _plain_values(cls, request: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        for key, value in request.items():
            if "://" in str(value) or key.lower() in ("url", "host", "command", "shell"):
                raise ValueError(f"'{key}': addresses and commands are configuration, not parameters")
        return request


DEFAULTS: Mapping[str, FixTemplate] = {
    "airflow_dag": FixTemplate(
        action_type="restart_dag", title="Restart {entity}", adapter="airflow", verify="run_state",
        eta_minutes=5, risk_score=0.2,
    ),
    "schema": FixTemplate(
        action_type="backfill_data", title="Backfill {entity}", adapter="airflow", verify="freshness",
        request={"backfill_dag": "backfill_table"}, eta_minutes=30, risk_score=0.4,
    ),
    "lock": FixTemplate(
        action_type="clear_lock", title="Clear the lock {entity}", adapter="webhook", verify="resolved_alert",
        eta_minutes=2, risk_score=0.3,
    ),
}  # fmt: skip


def read_template(given: Json) -> FixTemplate:
    """A template from JSON. Raises: InputError naming the field."""
    try:
        return FixTemplate.model_validate(given)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"Fix template: {where}: {first['msg']}.", field=where) from None


def templates(own: Mapping[str, FixTemplate], stored: Json) -> dict[str, FixTemplate]:
    """The templates by kind: the defaults, those of the playbook over them, the tenant's own over both."""
    edited = {kind: read_template(row) for kind, row in mapping(stored).items()}
    return {kind: t for kind, t in {**DEFAULTS, **own, **edited}.items() if t.enabled}


def proposal(template: FixTemplate, alert: JsonObject, values: JsonObject, set_up: Json, text: str) -> Proposal:
    """The fix of one incident. An adapter that is not set up is stood in for by the sandbox where that is allowed."""
    entity, ready = str(alert.get("entity")), {str(n) for n in items(set_up)}
    adapter = template.adapter if template.adapter in ready or "sandbox" not in ready else "sandbox"
    about: dict[str, Json] = {"entity": entity, "verify": template.verify}
    if template.action_type == "restart_dag":
        about["dag_id"] = entity
        if values.get("dag_run_id"):
            about["dag_run_id"] = values["dag_run_id"]
    if template.action_type == "backfill_data":
        about["table"] = entity
        about |= {k: values[k] for k in ("removed", "changed_at") if values.get(k)}
    if adapter != template.adapter:
        about["instead_of"] = template.adapter
    return Proposal(
        action_type=template.action_type,
        title=template.title.replace("{entity}", entity),
        description=text,
        eta_minutes=template.eta_minutes,
        risk_score=template.risk_score,
        params={**template.request, **about},
        adapter=adapter,
        requires_approval=template.requires_approval,
    )
