"""Starting or clearing Airflow jobs over its REST API v2 (Airflow 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from core.act.remedy import Remedy, Request, call, filled, outcome, remedies, values
from core.context import Context
from core.errors import ConfigError, InputError, ProviderError
from core.model import Action, JsonObject

_NAME = r"^([A-Za-z0-9_.-]{1,250}|\{[a-z_]{1,40}\})$"
_LONGEST_NOTE = 1000


class Job(BaseModel):
    """What an action type does: runs the DAG anew, or clears ``tasks`` of the run that the action names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dag: str = Field(pattern=_NAME, description="Name of the DAG, or {name}: that parameter of the action")
    run: bool = Field(False, description="Clear the whole run that the action names; without one, start a new run")
    tasks: tuple[str, ...] = Field((), description="Tasks to clear; empty: the DAG is triggered")
    downstream: bool = Field(True, description="Clear what follows these tasks, too")


@remedies.register("airflow", "Airflow")
class Airflow(Remedy):
    """Triggers a DAG run whose ``dag_run_id`` is the action's id, so that a repeat is refused; or clears tasks.

    Source: Airflow 3 REST API v2.
    """

    url: str = ""
    jobs: Mapping[str, Job] = Field(default_factory=dict, description="Job of each action type")

    def preview(self, action: Action, subject: str) -> Request:
        """The request without its token. Raises: ConfigError, InputError."""
        if not self.url:
            raise ConfigError("Airflow is not set up.", hint="Set AIRFLOW_URL.", field="url")
        job = self.jobs.get(action.proposal.action_type)
        if job is None:
            raise ConfigError(f"There is no Airflow job for {action.proposal.action_type}.", field="jobs")
        run = action.proposal.params.get("dag_run_id") if job.run else None
        verb = f"dagRuns/{quote(str(run), safe='')}/clear" if run else "clearTaskInstances" if job.tasks else "dagRuns"
        path = filled(f"/api/v2/dags/{job.dag}/", values(action, subject))
        headers = {"Content-Type": "application/json", "Idempotency-Key": action.action_id}
        body = _clear_run(action) if run else _clear(action, job) if job.tasks else _trigger(action, subject)
        return Request("POST", f"{self.url.rstrip('/')}{path}{verb}", headers, body)

    def execute(self, action: Action, subject: str, ctx: Context) -> JsonObject:
        """Makes the request with a token; a run of this id that exists already is success.

        Raises: ConfigError, InputError, ProviderError.
        """
        request = self.preview(action, subject)
        reply = call(request, {"Authorization": f"Bearer {self._token(ctx)}"}, ctx)
        if reply.status == 409 and "dag_run_id" in request.body and "logical_date" in request.body:
            return {"status": 409, "answer": f"Airflow has a run {action.action_id} already.", "already": True}
        return outcome(reply, "Airflow")

    def _token(self, ctx: Context) -> str:
        """The configured token, else a new one for the configured account."""
        known = ctx.settings
        if known.airflow_token is not None:
            return known.airflow_token.get_secret_value()
        if not known.airflow_user or known.airflow_password is None:
            hint = "Set AIRFLOW_TOKEN, or AIRFLOW_USER and AIRFLOW_PASSWORD."
            raise ConfigError("Airflow's login is not set up.", hint=hint, field="AIRFLOW_TOKEN")
        login: JsonObject = {"username": known.airflow_user, "password": known.airflow_password.get_secret_value()}
        asked = Request("POST", f"{self.url.rstrip('/')}/auth/token", {"Content-Type": "application/json"}, login)
        reply = call(asked, {}, ctx)
        try:
            token = json.loads(reply.text)["access_token"] if reply.status in (200, 201) else None
        except (ValueError, TypeError, KeyError):
            token = None
        if not isinstance(token, str):
            raise ProviderError(f"Airflow gave no token ({reply.status}).", retryable=False, reason="login")
        return token


def _trigger(action: Action, subject: str) -> JsonObject:
    """``logical_date`` must be there and may be null."""
    about = {"subject": subject, "incident_id": action.incident_id, "action_id": action.action_id}
    conf: JsonObject = {**action.proposal.params, **about}
    return {"logical_date": None, "dag_run_id": action.action_id, "conf": conf, "note": _note(action)}


def _clear_run(action: Action) -> JsonObject:
    """Every task of the run starts anew, also one that hangs."""
    return {"dry_run": False, "only_failed": False, "note": _note(action)}


def _clear(action: Action, job: Job) -> JsonObject:
    run = action.proposal.params.get("dag_run_id")
    if not isinstance(run, str) or not run:
        raise InputError("Clearing tasks needs the action's parameter dag_run_id.", field="dag_run_id")
    return {
        "dry_run": False,
        "dag_run_id": run,
        "task_ids": list(job.tasks),
        "only_failed": True,
        "include_downstream": job.downstream,
        "note": _note(action),
    }


def _note(action: Action) -> str:
    return f"{action.action_id} for {action.incident_id}: {action.proposal.title}"[:_LONGEST_NOTE]
