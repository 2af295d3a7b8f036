"""One talk with a model: within the day's budget, with one repair turn, its good answers kept, its bill known."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import BaseModel

from core import telemetry
from core.context import Context
from core.errors import ProviderError
from core.explain.answer import InvalidAnswer
from core.explain.prompt import PROMPT_VERSION, Prompt, repair
from core.model import Explanation, Json
from core.ports import LanguageModel, Ledger, ModelReply, ModelRequest
from core.redaction import Redactor

ANSWER_TOKENS = 900
UNBILLED = frozenset(
    {"breaker_open", "connection", "rate_limited", "quota", "auth", "not_found", "bad_request", "server_error"}
)
A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Form(Generic[A]):
    """What an answer must look like, and how it is read from a reply (raises InvalidAnswer)."""

    schema: Mapping[str, Json]
    name: str
    version: str
    read: Callable[[str], A]


@dataclass
class Asking(Generic[A]):
    """One explanation's talk with the model, and its bill."""

    form: Form[A]
    model: LanguageModel
    ledger: Ledger
    redactor: Redactor
    timeout_s: float
    name: str = ""
    tokens: int = 0
    cost_usd: float | None = 0.0
    cached: bool = False

    @classmethod
    def of(cls, ctx: Context, model: LanguageModel, form: Form[A]) -> Asking[A]:
        """A talk with the context's ledger, secrets and timeout."""
        redactor = Redactor(ctx.settings.secrets, pii=True)
        return cls(form, model, ctx.ledger, redactor, ctx.settings.telltale_model_timeout_s)

    def redacted(self, prompt: Prompt) -> Prompt:
        """The prompt without secrets and personal data."""
        return replace(prompt, system=self.redactor.text(prompt.system), user=self.redactor.text(prompt.user))

    def answer(self, prompt: Prompt) -> A:
        """A valid answer, from the cache or the model, with one repair turn.

        Raises: InvalidAnswer, ProviderError, BudgetExceeded, StoreError.
        """
        key = self._key(prompt)
        kept = self.ledger.recall(key)
        if kept is not None:
            self.cached, self.name = True, self.model.name
            return self.form.read(kept)
        reply = self._ask(prompt)
        try:
            answer = self.form.read(reply.text)
        except InvalidAnswer as exc:
            telemetry.model_failed("invalid")
            reply = self._ask(self.redacted(repair(prompt, reply.text, str(exc))))
            answer = self._last(reply)
        self.ledger.remember(key, json.dumps(answer.model_dump(mode="json"), ensure_ascii=False))
        return answer

    def without_secrets(self, answer: A) -> A:
        """The answer with every secret and all personal data in its texts replaced."""
        return type(answer).model_validate(self.redactor.json(answer.model_dump(mode="json")))

    def _last(self, reply: ModelReply) -> A:
        try:
            return self.form.read(reply.text)
        except InvalidAnswer:
            telemetry.model_failed("invalid")
            raise

    def _ask(self, prompt: Prompt) -> ModelReply:
        """One question, paid from the day's budget: an upper bound before, what was really used after."""
        bound = math.ceil(len((prompt.system + prompt.user).encode()) / 3)
        reservation = self.ledger.reserve(bound + ANSWER_TOKENS, self.model.cost(bound, ANSWER_TOKENS) or 0.0)
        try:
            reply = self.model.ask(
                ModelRequest(
                    prompt.system, prompt.user, self.form.schema, self.form.name, ANSWER_TOKENS, self.timeout_s
                )
            )
        except ProviderError as exc:
            # A call that was cut off or refused may be billed for its prompt; the upper bound keeps the budget safe.
            used = 0 if exc.reason in UNBILLED else bound
            self._settle(reservation, used, self.model.cost(used, 0), exc.reason or "provider error")
            telemetry.model_failed(exc.reason or "provider error")
            raise
        self.name = reply.model
        self._settle(reservation, reply.prompt_tokens + reply.completion_tokens, reply.cost_usd, "")
        return reply

    def _settle(self, reservation: str, tokens: int, cost_usd: float | None, failure: str) -> None:
        self.ledger.settle(reservation, tokens, cost_usd, failure)
        telemetry.model_asked(tokens, cost_usd)
        self.tokens += tokens
        self.cost_usd = None if cost_usd is None or self.cost_usd is None else self.cost_usd + cost_usd

    def bill(self, explanation: Explanation, fallback_reason: str) -> Explanation:
        """The explanation with what it cost and why the rules stand, if they do."""
        return replace(
            explanation,
            fallback_reason=self.redactor.text(fallback_reason),
            model=self.name or self.model.name,
            tokens=self.tokens,
            cost_usd=self.cost_usd,
            cached=self.cached,
        )

    def _key(self, prompt: Prompt) -> str:
        """The same evidence, model, prompt and schema give the same key."""
        parts = [self.model.name, PROMPT_VERSION, self.form.version, prompt.system, prompt.user]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
