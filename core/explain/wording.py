"""A model's wording of the evidence: asked within a budget, read strictly, filled in and checked by code.

The rules' explanation is always made first and stands whenever the model gives no better one. A model can
make neither the light milder nor the confidence higher: figures, directions and actions stay code's.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace

from core import telemetry
from core.context import Context
from core.errors import BudgetExceeded, ConfigError, ProviderError, StoreError
from core.explain.answer import SCHEMA, SCHEMA_VERSION, Answer, InvalidAnswer, read_answer
from core.explain.evidence import Question
from core.explain.prompt import PROMPT_VERSION, Prompt, prompt_for, repair
from core.explain.reading import adopt
from core.explain.rules import explain_by_rules
from core.model import Explanation
from core.ports import LanguageModel, Ledger, ModelReply, ModelRequest
from core.redaction import Redactor

ANSWER_TOKENS = 900
UNBILLED = frozenset(
    {"breaker_open", "connection", "rate_limited", "quota", "auth", "not_found", "bad_request", "server_error"}
)


def explain(question: Question, ctx: Context | None = None, *, template: str = "", min_ai: float = 0.55) -> Explanation:
    """The explanation of a run: the rules' own, or a model's wording of it when one is configured and does well.

    Abstains: a model answer is not used when it is missing, invalid, over budget or less sure than ``min_ai``;
        ``fallback_reason`` then says why, and the tokens it cost are still shown.
    """
    rules = explain_by_rules(question)
    if ctx is None or ctx.model is None:
        return rules
    asking = _Asking(
        ctx.model, ctx.ledger, Redactor(ctx.settings.secrets, pii=True), ctx.settings.telltale_model_timeout_s
    )
    try:
        prompt = _redacted(prompt_for(question, rules, template), asking.redactor)
        answer = asking.answer(prompt)
    except ProviderError as exc:
        return asking.bill(rules, exc.reason or "provider error")
    except (BudgetExceeded, ConfigError, StoreError) as exc:
        return asking.bill(rules, f"{exc.code}: {exc.message}")
    except InvalidAnswer as exc:
        return asking.bill(rules, f"invalid answer: {exc}")
    if answer.confidence < min_ai:
        return asking.bill(rules, f"the model's confidence {answer.confidence:.2f} is below {min_ai:.2f}")
    return asking.bill(adopt(question, rules, _without_secrets(answer, asking.redactor), prompt.withheld), "")


def _redacted(prompt: Prompt, redactor: Redactor) -> Prompt:
    return replace(prompt, system=redactor.text(prompt.system), user=redactor.text(prompt.user))


def _without_secrets(answer: Answer, redactor: Redactor) -> Answer:
    return Answer.model_validate(redactor.json(answer.model_dump(mode="json")))


@dataclass
class _Asking:
    """One explanation's talk with the model, and its bill."""

    model: LanguageModel
    ledger: Ledger
    redactor: Redactor
    timeout_s: float
    name: str = ""
    tokens: int = 0
    cost_usd: float | None = 0.0
    cached: bool = False

    def answer(self, prompt: Prompt) -> Answer:
        """A valid answer, from the cache or the model, with one repair turn.

        Raises: InvalidAnswer, ProviderError, BudgetExceeded, StoreError.
        """
        key = _key(self.model.name, prompt)
        kept = self.ledger.recall(key)
        if kept is not None:
            self.cached, self.name = True, self.model.name
            return read_answer(kept)
        reply = self._ask(prompt)
        try:
            answer = read_answer(reply.text)
        except InvalidAnswer as exc:
            telemetry.model_failed("invalid")
            reply = self._ask(_redacted(repair(prompt, reply.text, str(exc)), self.redactor))
            answer = self._last(reply)
        self.ledger.remember(key, json.dumps(answer.model_dump(mode="json"), ensure_ascii=False))
        return answer

    def _last(self, reply: ModelReply) -> Answer:
        try:
            return read_answer(reply.text)
        except InvalidAnswer:
            telemetry.model_failed("invalid")
            raise

    def _ask(self, prompt: Prompt) -> ModelReply:
        """One question, paid from the day's budget: an upper bound before, what was really used after."""
        bound = math.ceil(len((prompt.system + prompt.user).encode()) / 3)
        reservation = self.ledger.reserve(bound + ANSWER_TOKENS, self.model.cost(bound, ANSWER_TOKENS) or 0.0)
        try:
            reply = self.model.ask(
                ModelRequest(prompt.system, prompt.user, SCHEMA, "explanation", ANSWER_TOKENS, self.timeout_s)
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


def _key(model: str, prompt: Prompt) -> str:
    """The same evidence, model, prompt and schema give the same key."""
    parts = [model, PROMPT_VERSION, SCHEMA_VERSION, prompt.system, prompt.user]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
