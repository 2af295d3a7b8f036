"""The only place that builds concrete things: settings in, workbench out."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from core.act.channels import build_channels
from core.adapters.clock import SystemClock
from core.adapters.http import SafeHttp
from core.adapters.llm import OpenAIModel
from core.adapters.smtp import SmtpMailer
from core.context import Context
from core.engine.sql import SqlEngine
from core.playbook import read_playbooks
from core.ports import Clock
from core.redaction import RedactingFilter, Redactor
from core.service.background import Background
from core.service.workbench import Workbench
from core.settings import Settings, read_settings
from core.store.books import Store

ROOT = Path(__file__).parent.parent


@cache
def workbench() -> Workbench:
    """The process's one workbench, from the environment."""
    return build(read_settings())


@cache
def background() -> Background:
    """The process's one set of background threads, not yet started."""
    return Background(workbench())


def build(settings: Settings, clock: Clock | None = None) -> Workbench:
    """A workbench with these settings. Raises: ConfigError, StoreError."""
    redactor = Redactor(settings.secrets)
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactingFilter(redactor))
    clock = clock or SystemClock()
    store = Store.open(settings.database_url, redactor)
    ctx = Context(
        settings=settings,
        clock=clock,
        engine=SqlEngine(settings.telltale_home / "tables"),
        http=SafeHttp(allow=settings.http_hosts),
        ledger=store.ledger(clock, settings.telltale_budget_tokens, settings.telltale_budget_usd),
        model=_model(settings, clock),
        mailer=_mailer(settings),
    )
    shipped = settings.telltale_playbooks or ROOT / "playbooks"
    series, events = read_playbooks(shipped)
    return Workbench(
        ctx=ctx,
        store=store,
        playbooks=series,
        events=events,
        channels=build_channels(settings),
        data=ROOT / "data",
        shipped=shipped,
    )


def _model(settings: Settings, clock: Clock) -> OpenAIModel | None:
    """The language model; None without a key: rules only."""
    if settings.openai_api_key is None:
        return None
    price = (settings.telltale_model_price_in, settings.telltale_model_price_out)
    return OpenAIModel(
        settings.openai_base_url,
        settings.openai_api_key.get_secret_value(),
        settings.telltale_model,
        clock=clock,
        profile=settings.telltale_model_profile,
        prices=(price[0], price[1]) if price[0] is not None and price[1] is not None else None,
    )


def _mailer(settings: Settings) -> SmtpMailer | None:
    """The mail server; None without a host: e-mail is off."""
    if settings.smtp_host is None:
        return None
    password = settings.smtp_password
    return SmtpMailer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=password.get_secret_value() if password else None,
    )
