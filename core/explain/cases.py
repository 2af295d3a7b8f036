"""Explaining one case of a playbook of events: its findings, and everything else the look at the data found."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.context import Context
from core.model import CheckReport, Dataset, Explanation, Finding, JsonObject, Proposal, Severity
from core.plugins import Plugin, Registry
from core.ports import Engine


@dataclass(frozen=True, slots=True)
class CaseQuestion:
    """All that may be looked at to explain one case. ``findings`` are the case's, ``others`` the rest of the look's."""

    playbook: str
    title: str
    type: str
    subject: str
    now: datetime
    findings: tuple[Finding, ...]
    others: tuple[Finding, ...]
    checks: CheckReport
    dataset: Dataset
    engine: Engine
    params: JsonObject = field(default_factory=dict)  # the playbook's own numbers for explaining
    memo: dict[str, object] = field(default_factory=dict, compare=False)  # worked out once for all cases of the look


@dataclass(frozen=True, slots=True)
class Explained:
    """The rules' explanation of a case, with what incident and report keep of it."""

    explanation: Explanation
    title: str  # the case in one line
    metrics: JsonObject = field(default_factory=dict)
    receipt: JsonObject = field(default_factory=dict)
    proposals: tuple[Proposal, ...] = ()
    facts: JsonObject = field(default_factory=dict)  # numbers that the decision table may ask for, besides the metrics
    recommendation_types: Mapping[str, str] = field(default_factory=dict)  # type: what it means, for a model's wording
    answer: JsonObject = field(default_factory=dict)  # the decision in the playbook's own output schema, if it has one
    raised: Severity | None = None  # how severe a model holds the case to be; it counts where that is graver


class CaseExplainer(Plugin):
    """Explains cases by rules: evidence first, hypotheses ranked, confidence computed from named parts."""

    @abstractmethod
    def explain(self, question: CaseQuestion) -> Explained:
        """Always a full answer; where nothing supports a cause it says so, with confidence 0."""
        raise NotImplementedError

    def word(
        self, question: CaseQuestion, explained: Explained, ctx: Context, *, min_ai: float, template: str
    ) -> Explained:
        """The same in a model's words; a playbook with an answer schema of its own does this its own way."""
        from core.explain.case_wording import word

        return replace(explained, explanation=word(question, explained, ctx, min_ai=min_ai, template=template))


case_explainers: Registry[CaseExplainer] = Registry("case explainer")
