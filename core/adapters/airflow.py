"""Reading from Airflow 3 over its REST API v2: recent runs, running ones, failed tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ConfigError, ProviderError
from core.model import Json
from core.ports import Http
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class AirflowReader:
    """GET requests with the configured token, or one that is fetched for the configured account."""

    settings: Settings
    http: Http
    timeout_s: float

    def get(self, path: str, token: str) -> Mapping[str, Json]:
        """The JSON object at a path of the API. Raises: ProviderError."""
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        reply = self.http.request("GET", f"{self._base()}{path}", b"", headers, self.timeout_s)
        if reply.status != 200:
            raise ProviderError(f"Airflow answered {reply.status}.", retryable=reply.status >= 500, reason="airflow")
        return _object(reply.text)

    def token(self) -> str:
        """A token to read with. Raises: ConfigError without a login, ProviderError when it is refused."""
        known = self.settings
        if known.airflow_token is not None:
            return known.airflow_token.get_secret_value()
        if not known.airflow_user or known.airflow_password is None:
            raise ConfigError("Airflow's login is not set up.", hint="Set AIRFLOW_TOKEN.", field="AIRFLOW_TOKEN")
        login = {"username": known.airflow_user, "password": known.airflow_password.get_secret_value()}
        reply = self.http.post(
            f"{self._base()}/auth/token", json.dumps(login).encode(), {"Content-Type": "application/json"},
            self.timeout_s,
        )  # fmt: skip
        found = _object(reply.text).get("access_token") if reply.status in (200, 201) else None
        if not isinstance(found, str):
            raise ProviderError(f"Airflow gave no token ({reply.status}).", retryable=False, reason="login")
        return found

    def _base(self) -> str:
        return (self.settings.airflow_url or "").rstrip("/")


def _object(text: str) -> Mapping[str, Json]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProviderError("Airflow's answer is no JSON object.", retryable=False, reason="airflow")
    return found
