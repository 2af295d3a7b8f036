from __future__ import annotations

from core.explain.evidence import Question
from core.explain.rules import explain_by_rules
from core.model import Explanation


def explain(question: Question) -> Explanation:
    return explain_by_rules(question)
