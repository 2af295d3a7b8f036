"""A model's wording of the evidence: asked within a budget, read strictly, filled in and checked by code.

The rules' explanation is always made first and stands whenever the model gives no better one. A model can
make neither the light milder nor the confidence higher: figures, directions and actions stay code's.
"""

from __future__ import annotations

from core.context import Context
from core.errors import BudgetExceeded, ConfigError, ProviderError, StoreError
from core.explain.answer import SCHEMA, SCHEMA_VERSION, InvalidAnswer, read_answer
from core.explain.asking import Asking, Form
from core.explain.evidence import Question
from core.explain.prompt import prompt_for
from core.explain.reading import adopt
from core.explain.rules import explain_by_rules
from core.model import Explanation

FORM = Form(SCHEMA, "explanation", SCHEMA_VERSION, read_answer)


def explain(question: Question, ctx: Context | None = None, *, template: str = "", min_ai: float = 0.55) -> Explanation:
    """The explanation of a run: the rules' own, or a model's wording of it when one is configured and does well.

    Abstains: a model answer is not used when it is missing, invalid, over budget or less sure than ``min_ai``;
        ``fallback_reason`` then says why, and the tokens it cost are still shown.
    """
    rules = explain_by_rules(question)
    if ctx is None or ctx.model is None:
        return rules
    asking = Asking.of(ctx, ctx.model, FORM)
    try:
        prompt = asking.redacted(prompt_for(question, rules, template))
        answer = asking.answer(prompt)
    except ProviderError as exc:
        return asking.bill(rules, exc.reason or "provider error")
    except (BudgetExceeded, ConfigError, StoreError) as exc:
        return asking.bill(rules, f"{exc.code}: {exc.message}")
    except InvalidAnswer as exc:
        return asking.bill(rules, f"invalid answer: {exc}")
    if answer.confidence < min_ai:
        return asking.bill(rules, f"the model's confidence {answer.confidence:.2f} is below {min_ai:.2f}")
    return asking.bill(adopt(question, rules, asking.without_secrets(answer), prompt.withheld), "")
