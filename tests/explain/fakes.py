"""Hand-written stand-ins for the model, the ledger and the context."""

from __future__ import annotations

import json
from typing import cast

from core.context import Context
from core.errors import BudgetExceeded, ProviderError
from core.ports import LanguageModel, ModelReply, ModelRequest
from core.settings import Settings

GOOD = {
    "status": "red",
    "summary": "Refunds rose by {E2.vs_baseline_pct} to {E2.value} [E2].",
    "top_drivers": [{"system": "revenue", "metric": "refunds", "direction": "up", "evidence": "{E2.value} [E2]"}],
    "recommended_actions": ["Review the refund queue."],
    "confidence": 0.8,
}


def said(**changes: object) -> str:
    """A good answer as JSON, with changes."""
    return json.dumps({**GOOD, **changes})


class ScriptedModel:
    """Answers from a script; an exception in it is raised."""

    name = "scripted"

    def __init__(self, *script: str | ProviderError, price: float | None = 0.001) -> None:
        self.script = list(script)
        self.price = price
        self.requests: list[ModelRequest] = []

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        return None if self.price is None else self.price * (prompt_tokens + completion_tokens)

    def ask(self, request: ModelRequest) -> ModelReply:
        self.requests.append(request)
        step = self.script.pop(0)
        if isinstance(step, ProviderError):
            raise step
        return ModelReply(step, "scripted-1", 100, 20, True, self.cost(100, 20), "json_schema")


class MemoryLedger:
    """A budget and a cache in memory."""

    def __init__(self, tokens: int = 200_000) -> None:
        self.left = tokens
        self.settled: list[tuple[int, float | None, str]] = []
        self.answers: dict[str, str] = {}
        self.open: set[str] = set()

    def reserve(self, tokens: int, cost_usd: float) -> str:
        if tokens > self.left:
            raise BudgetExceeded("The model budget is spent.")
        name = f"r{len(self.settled) + len(self.open)}"
        self.open.add(name)
        return name

    def settle(self, reservation: str, tokens: int, cost_usd: float | None, failure: str = "") -> None:
        self.open.remove(reservation)
        self.settled.append((tokens, cost_usd, failure))

    def recall(self, key: str) -> str | None:
        return self.answers.get(key)

    def remember(self, key: str, answer: str) -> None:
        self.answers[key] = answer


def context(model: LanguageModel | None, ledger: MemoryLedger | None = None, **settings: object) -> Context:
    """A context with a model, a ledger and settings; nothing else may be asked."""
    absent = cast("None", object())
    return Context(
        settings=Settings(_env_file=None, **settings),
        clock=absent,
        engine=absent,
        http=absent,
        ledger=ledger or MemoryLedger(),
        model=model,
    )
