"""What the stages may use of the outside world: capabilities, never data."""

from __future__ import annotations

from dataclasses import dataclass

from core.ports import Clock, Engine, Http, LanguageModel, Ledger, Mailer
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """One frozen record of ports. An absent model, mailer or channel is None: off until configured."""

    settings: Settings
    clock: Clock
    engine: Engine
    http: Http
    ledger: Ledger
    model: LanguageModel | None = None
    mailer: Mailer | None = None
