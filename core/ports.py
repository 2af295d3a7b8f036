"""Protocols of the outside world. Stages depend on these; ``adapters``, ``engine`` and ``store`` implement them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import pyarrow as pa
from sqlalchemy.sql import FromClause, Select

from core.model import Json, Table


class Clock(Protocol):
    """The time now; injectable, so every scenario replays at a fixed time."""

    def now(self) -> datetime:
        """The present moment, UTC-aware."""
        ...


class Engine(Protocol):
    """Where tables live and are aggregated. One SQLAlchemy Core statement runs on any engine."""

    def relation(self, table: Table) -> FromClause:
        """The stored table as something a SELECT can read from (columns by their names)."""
        ...

    def fetch(self, statement: Select[tuple[object, ...]]) -> pa.Table:
        """Runs one read-only SELECT. Raises: InputError when the statement is refused, ProviderError when it fails."""
        ...

    def folder(self) -> Path:
        """Where loaded tables are kept as ``<sha256>.parquet``."""
        ...


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a language model. ``schema`` is the JSON schema the answer must match."""

    system: str
    user: str
    schema: Mapping[str, Json]
    schema_name: str
    max_tokens: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A model's raw answer and what it cost. ``usage_known`` is False when the server sent no usage."""

    text: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    usage_known: bool
    cost_usd: float | None
    rung: str  # json_schema | json_object | text


class LanguageModel(Protocol):
    """Any OpenAI-compatible endpoint."""

    @property
    def name(self) -> str:
        """The configured model."""
        ...

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """USD for so many tokens, or None when the model's price is not known."""
        ...

    def ask(self, request: ModelRequest) -> ModelReply:
        """Raises: ProviderError with a named ``reason`` (timeout, rate_limited, quota, refusal, ...)."""
        ...


class Ledger(Protocol):
    """The model budget of a UTC day and the cache of good answers, shared by all processes."""

    def reserve(self, tokens: int, cost_usd: float) -> str:
        """Takes an upper bound from the day's budget; answers a reservation id. Raises: BudgetExceeded."""
        ...

    def settle(self, reservation: str, tokens: int, cost_usd: float | None, failure: str = "") -> None:
        """Replaces a reservation by what was really used (0 when unbilled); ``failure`` names why it failed."""
        ...

    def recall(self, key: str) -> str | None:
        """A good answer stored under ``key`` less than an hour ago."""
        ...

    def remember(self, key: str, answer: str) -> None:
        """Keeps a good answer. Failed answers are never kept."""
        ...


Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class HttpReply:
    """Status, headers (lower-case names) and the first 64 KiB of the body as text."""

    status: int
    headers: Mapping[str, str]
    text: str


class Http(Protocol):
    """An outgoing HTTP client that refuses private addresses (unless allowed) and never follows redirects."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float = 10.0) -> HttpReply:
        """Raises: ProviderError (retryable for timeouts and dropped connections), InputError for a refused URL."""
        ...

    def request(
        self, method: Method, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float = 10.0
    ) -> HttpReply:
        """The same with any method; an empty ``body`` is none. Raises: as :meth:`post`."""
        ...


class Mailer(Protocol):
    """Sends one e-mail."""

    def send(self, message: EmailMessage) -> str:
        """Answers the message id. Raises: ProviderError, retryable for 4xx replies and connection faults."""
        ...
