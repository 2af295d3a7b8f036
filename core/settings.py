"""Everything read from the environment, in one place; nothing else in the product reads it.

Values come from environment variables or a ``.env`` file. Secrets are ``SecretStr``: they print as
stars and are handed to the one adapter that needs them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ConfigError

Severity = Annotated[
    Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"], BeforeValidator(lambda v: v.upper() if isinstance(v, str) else v)
]


class Settings(BaseSettings):
    """The workbench's settings; each field's description is its line in the README and ``.env.example``."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    telltale_home: Path = Field(Path("var"), description="Folder for the state database, loaded tables and reports")
    telltale_database_url: SecretStr | None = Field(
        None, description="State store; default is a SQLite file in TELLTALE_HOME. PostgreSQL: postgresql+psycopg://..."
    )
    telltale_warehouse_url: SecretStr | None = Field(
        None, description="SQL source to load tables from; default is the embedded DuckDB over loaded files"
    )
    telltale_playbooks: Path | None = Field(
        None,
        description="Folder of your own copies of the playbooks (limits, adapters, runbooks); default: the shipped",
    )
    telltale_public_url: str = Field("http://localhost:8501", description="Address that links in messages point to")
    telltale_tenant: str = Field("default", description="Tenant of a workbench without login")
    telltale_session_hours: float = Field(8.0, gt=0, le=720, description="Hours after which a person signs in again")
    telltale_requests_per_minute: int = Field(
        600, ge=1, description="Requests a minute that one caller may make to the HTTP routes"
    )
    telltale_events_per_minute: int = Field(
        60_000, ge=1, description="Requests a minute that one caller may make to the routes that take order events"
    )
    telltale_webhook_secrets: SecretStr | None = Field(
        None,
        description="Secrets of senders of signed webhooks: name=whsec_... or tenant/name=whsec_..., comma separated",
    )
    telltale_timezone: str = Field("UTC", description="Time zone of schedules and of dates on screen")
    telltale_production: bool = Field(True, description="Off only on a developer's machine: allows SLACK_UNSIGNED")
    telltale_demo: bool = Field(True, description="Load the demo data on first start")
    telltale_max_upload_mb: int = Field(1024, ge=1, description="Largest file that is read, in MiB")
    telltale_idempotency_s: float = Field(
        86_400.0, ge=0, description="Seconds for which the keys of taken order events are also kept in memory"
    )
    telltale_ingest_retries: int = Field(
        3, ge=0, le=20, description="How often an order event that could not be kept is tried again by itself"
    )
    telltale_ingest_wait_s: float = Field(
        1.0, gt=0, description="Seconds until its first retry; each further one waits twice as long"
    )
    telltale_ingest_max_wait_s: float = Field(60.0, gt=0, description="Longest wait between two of its retries")
    telltale_http_allow: str = Field(
        "", description="Extra hosts outgoing webhooks may reach, comma separated (private addresses only when listed)"
    )

    openai_api_key: SecretStr | None = Field(
        None, description="Key of the OpenAI-compatible endpoint; empty = rules only"
    )
    openai_base_url: str = Field("https://api.openai.com/v1", description="OpenAI-compatible endpoint")
    telltale_model: str = Field("gpt-4o-mini", description="Model that words explanations")
    telltale_model_profile: Literal["openai", "llamacpp", "json_object", "text"] = Field(
        "openai", description="How the endpoint takes a JSON schema"
    )
    telltale_model_price_in: float | None = Field(
        None, ge=0, description="USD per million prompt tokens (empty: built-in table, else unknown)"
    )
    telltale_model_price_out: float | None = Field(
        None, ge=0, description="USD per million completion tokens (empty: built-in table, else unknown)"
    )
    telltale_model_timeout_s: float = Field(20.0, gt=0, description="Time limit of one model answer, in seconds")
    telltale_budget_tokens: int = Field(200_000, ge=0, description="Model tokens per UTC day")
    telltale_budget_usd: float = Field(20.0, ge=0, description="Model cost per UTC day, in USD")

    smtp_host: str | None = Field(None, description="Mail server; empty = e-mail off")
    smtp_port: int = Field(587, ge=1, le=65535, description="Mail server port")
    smtp_user: str | None = Field(None, description="Mail login")
    smtp_password: SecretStr | None = Field(None, description="Mail password")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="Connection security")
    smtp_from: str = Field("telltale@localhost", description="Sender address")
    smtp_to: str = Field("", description="Recipients, comma separated")
    smtp_min_severity: Severity = Field("LOW", description="Least severity that is mailed: LOW, MEDIUM, HIGH, CRITICAL")
    slack_webhook_url: SecretStr | None = Field(None, description="Slack incoming webhook; empty = Slack off")
    slack_bot_token: SecretStr | None = Field(
        None, description="Slack bot token (xoxb-...); with SLACK_CHANNEL the bot is told instead of the webhook"
    )
    slack_channel: str | None = Field(None, description="Channel the Slack bot writes to, e.g. C0123456789")
    slack_signing_secret: SecretStr | None = Field(
        None, description="Signing secret of the Slack app; empty = its buttons are refused"
    )
    slack_unsigned: bool = Field(
        False, description="Take unsigned Slack buttons too; counts only while TELLTALE_PRODUCTION is off"
    )
    slack_api_url: str = Field("https://slack.com/api", description="Slack Web API")
    slack_min_severity: Severity = Field("LOW", description="Least severity that is told on Slack")
    teams_webhook_url: SecretStr | None = Field(
        None, description="Microsoft Teams Workflows webhook; empty = Teams off"
    )
    teams_min_severity: Severity = Field("LOW", description="Least severity that is told on Teams")
    webhook_url: SecretStr | None = Field(
        None, description="Webhook for other programs such as n8n, signed; empty = webhook off"
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Signing secret of that webhook: whsec_ and base64 of 24 to 64 bytes (Standard Webhooks)"
    )
    webhook_min_severity: Severity = Field("LOW", description="Least severity that is posted to the webhook")
    pagerduty_routing_key: SecretStr | None = Field(
        None, description="Integration key of a PagerDuty service (Events API v2); empty = PagerDuty off"
    )
    pagerduty_url: str = Field(
        "https://events.pagerduty.com", description="PagerDuty events; in the EU https://events.eu.pagerduty.com"
    )
    pagerduty_min_severity: Severity = Field("LOW", description="Least severity that pages")
    jira_url: str | None = Field(
        None, description="Jira Cloud site, e.g. https://acme.atlassian.net; empty = tickets off"
    )
    jira_email: str | None = Field(None, description="Account that writes tickets")
    jira_token: SecretStr | None = Field(None, description="API token of that account")
    jira_project: str = Field("OPS", pattern=r"^[A-Z][A-Z0-9_]{1,254}$", description="Key of the project tickets go to")
    jira_issue_type: str = Field("Task", min_length=1, description="Type of the tickets")
    telltale_live_actions: bool = Field(
        False, description="Carry approved actions out; off = dry run: the exact request is shown and nothing is called"
    )
    telltale_action_hosts: str = Field(
        "", description="Hosts that actions may call besides those of the two addresses below, comma separated"
    )
    airflow_url: str | None = Field(None, description="Airflow 3 that actions start jobs on; empty = off")
    airflow_user: str | None = Field(None, description="Airflow account, where there is no AIRFLOW_TOKEN")
    airflow_password: SecretStr | None = Field(None, description="Password of that account")
    airflow_token: SecretStr | None = Field(None, description="Airflow API token (Bearer)")
    telltale_dbt_artifacts: str | None = Field(
        None, description="Folder or address below which dbt's manifest.json and run_results.json are; empty = off"
    )
    action_webhook_url: str | None = Field(None, description="Webhook that carries out actions, signed; empty = off")
    action_webhook_secret: SecretStr | None = Field(
        None, description="Its signing secret: whsec_ and base64 of 24 to 64 bytes (Standard Webhooks)"
    )

    @field_validator("telltale_timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"unknown time zone '{zone}'; expected a name such as Europe/Berlin") from None
        return zone

    @field_validator(
        "slack_webhook_url", "teams_webhook_url", "webhook_url", "slack_api_url", "pagerduty_url", "jira_url"
    )
    @classmethod
    def _web_address(cls, url: SecretStr | str | None) -> SecretStr | str | None:
        text = url.get_secret_value() if isinstance(url, SecretStr) else url
        if text and not _is_web_address(text):
            raise ValueError("expected an address such as https://host/path")
        return url

    @field_validator("webhook_secret", "action_webhook_secret")
    @classmethod
    def _standard_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        value = secret.get_secret_value() if secret else None
        if value is not None and not (value.startswith("whsec_") and 24 <= len(_decoded(value[6:])) <= 64):
            raise ValueError("expected whsec_ followed by base64 of 24 to 64 random bytes")
        return secret

    @property
    def database_url(self) -> str:
        """The state store's SQLAlchemy URL."""
        if self.telltale_database_url:
            return self.telltale_database_url.get_secret_value()
        return f"sqlite:///{(self.telltale_home / 'telltale.db').absolute()}"

    @property
    def http_hosts(self) -> frozenset[str]:
        """Hosts that outgoing calls may reach although they are private: the listed ones, and a configured service
        on this very machine.
        """
        from urllib.parse import urlsplit

        hosts = {h.strip() for h in self.telltale_http_allow.split(",") if h.strip()}
        hooks = (self.slack_webhook_url, self.teams_webhook_url, self.webhook_url)
        plain = (self.slack_api_url, self.pagerduty_url, self.jira_url, self.airflow_url, self.action_webhook_url)
        urls = (*plain, *(h.get_secret_value() for h in hooks if h))
        for url in urls:
            parts = urlsplit(url) if url else None
            if parts and parts.hostname in {"127.0.0.1", "localhost", "::1"}:
                hosts.add(f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname)
        return frozenset(hosts)

    @property
    def senders(self) -> Mapping[tuple[str, str], str]:
        """The secret of each sender of signed webhooks, by tenant and name. Raises: ConfigError."""
        text = self.telltale_webhook_secrets.get_secret_value() if self.telltale_webhook_secrets else ""
        found: dict[tuple[str, str], str] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            who, _, secret = entry.partition("=")
            tenant, _, name = who.strip().rpartition("/")
            if not name or not secret:
                raise ConfigError(
                    "TELLTALE_WEBHOOK_SECRETS: expected name=whsec_..., comma separated.",
                    field="TELLTALE_WEBHOOK_SECRETS",
                )
            found[tenant or self.telltale_tenant, name] = secret.strip()
        return found

    @property
    def action_hosts(self) -> frozenset[str]:
        """Hosts that actions may call: the listed ones and those of the configured Airflow and action webhook."""
        from urllib.parse import urlsplit

        hosts = {h.strip().lower() for h in self.telltale_action_hosts.split(",") if h.strip()}
        configured = (urlsplit(url).hostname for url in (self.airflow_url, self.action_webhook_url) if url)
        return frozenset(hosts | {host for host in configured if host})

    @property
    def recipients(self) -> tuple[str, ...]:
        """Mail recipients."""
        return tuple(a.strip() for a in self.smtp_to.split(",") if a.strip())

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value that is set: what must never be shown, logged, stored or sent."""
        return tuple(
            v.get_secret_value()
            for v in (getattr(self, n) for n in type(self).model_fields)
            if isinstance(v, SecretStr)
        ) + tuple(self.senders.values())


def _is_web_address(text: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _decoded(text: str) -> bytes:
    """The bytes that base64 stands for; none when it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def read_settings(env_file: Path | None = Path(".env")) -> Settings:
    """Settings from the environment and ``.env``.

    Raises: ConfigError naming the variable and what was expected.
    """
    try:
        return Settings(_env_file=env_file)
    except ValidationError as exc:
        first = exc.errors()[0]
        name = ".".join(str(p) for p in first["loc"]).upper()
        raise ConfigError(f"Setting {name}: {first['msg']}.", field=name) from None
