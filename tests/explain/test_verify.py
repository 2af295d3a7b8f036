"""The number lock: the rules' text always passes, and one wrong digit is always caught."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.explain.evidence import Question
from core.explain.rules import explain_by_rules
from core.explain.verify import verify
from core.model import Evidence, Explanation
from tests.explain.conftest import demo_question

Ask = Callable[..., Question]
FACT = Evidence(
    id="E1",
    kind="metric",
    source="revenue.refunds",
    statement="Refunds",
    numbers={
        "value": 17500.0, "baseline": 5578.571428, "previous": 5800.0, "vs_baseline_abs": 11921.428572,
        "vs_baseline_pct": 213.7004, "dod_pct": 201.724, "baseline_points": 7.0,
    },
    start=datetime(2025, 12, 13, tzinfo=UTC),
    end=datetime(2025, 12, 14, tzinfo=UTC),
    data=({"metric": "refunds", "label": "Refunds", "system": "revenue", "baseline_from": "2025-12-06T00:00"},),
)  # fmt: skip
RATE = Evidence(
    id="E2",
    kind="metric",
    source="traffic.conversion_rate",
    statement="Conversion",
    numbers={"value": 0.0388, "baseline": 0.049986, "vs_baseline_pct": -22.3778, "vs_baseline_abs": -0.011186},
    data=({"metric": "conversion_rate", "label": "Conversion rate", "system": "traffic"},),
)
CHECK = Evidence(id="E3", kind="check", source="revenue", statement="Check failed: 3 of 14 values are null.")
SCOPE = Evidence(
    id="E4", kind="note", source="detect", statement="", numbers={"judged_metrics": 12.0, "concerned_systems": 4.0}
)
FACTS = (FACT, RATE, CHECK, SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "Refunds rose to 17,500, 213.70% above the 7-day mean of 5,578.57.",
        "Refunds rose by 214% to $17.5K on 13 December 2025 [E1].",
        "Refunds are 3.1 times their mean, +11,921 more; on Dec 13th they were 5,800 the day before.",
        "Refunds: 0.0175M.",
        "Conversion rate fell to 3.88% (-22.38%), from 0.0500.",
        "Conversion dropped 22.4 percent between 2025-12-06 and 2025-12-13.",
        "3 of 14 values are null.",
        "12 judged metrics, in four systems; 4 systems.",
        "No figure at all, INC-0A1B2C3D, p99 and v2.3.1 included.",
    ],
)
def test_what_the_evidence_holds_passes(text: str) -> None:
    assert verify(text, FACTS).unmatched == ()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Refunds rose to 17,501.", "17,501"),
        ("Refunds rose by 213.71%.", "213.71%"),
        ("Refunds rose by -213.70%.", "-213.70%"),
        ("Refunds fell to 0.0388.", "0.0388"),  # a figure of another metric
        ("Refunds rose by 17,500%.", "17,500%"),
        ("Refunds are 4.1 times their mean.", "4.1"),
        ("Refunds rose to 17.6K.", "17.6K"),
        ("Conversion fell to 3.98%.", "3.98%"),
        ("It began on 2025-12-12.", "2025-12-12"),
        ("It began on 2025-13-13.", "2025-13-13"),
        ("It began on 12 December.", "12 December"),
        ("It began at 09:30.", "09:30"),
        ("See [E9].", "E9"),
        ("{E1.nothing} it is.", "{E1.nothing}"),
        ("7 judged metrics moved.", "7"),
        ("Five systems moved.", "Five"),
        ("The 8-day mean is meant.", "8"),
        ("It cost .07 of it.", ".07"),
    ],
)
def test_what_the_evidence_does_not_hold_is_flagged(text: str, wrong: str) -> None:
    found = verify(text, FACTS)
    assert found.unmatched == (wrong,)
    assert found.flagged == (text,)


def test_only_the_sentence_at_fault_is_flagged() -> None:
    found = verify("Refunds rose to 17,500. Refunds rose to 18,500.\nRefunds: 5,800.", FACTS)
    assert found.flagged == ("Refunds rose to 18,500.",)
    assert found.checked == 3


@pytest.mark.parametrize("day", [f"2025-12-{d:02}" for d in range(2, 14)])
def test_the_rules_text_always_passes(demo: Ask, day: str) -> None:
    found = explain_by_rules(demo(day))
    assert found.verification.unmatched == ()
    assert found.verification.checked > 0


DAYS = {day: explain_by_rules(demo_question(day)) for day in ("2025-12-13", "2025-12-12", "2025-12-05")}


def _also_true(text: str, at: int, found: Explanation) -> bool:
    """Whether the changed figure or date happens to be another true one: no lock can see that."""
    day = next((m for m in re.finditer(r"\d{4}-\d\d-\d\d", text) if m.start() <= at < m.end()), None)
    if day is not None:
        return verify(day.group(), found.evidence).unmatched == ()
    token = next(m for m in re.finditer(r"[\d,]*\d(?:\.\d+)?", text) if m.start() <= at < m.end())
    value, half = float(token.group().replace(",", "")), 0.5 * 10.0 ** -len(token.group().partition(".")[2])
    return any(abs(abs(n) - value) <= half for fact in found.evidence for n in fact.numbers.values())


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(DAYS)), st.data())
def test_one_wrong_digit_is_caught(day: str, data: st.DataObject) -> None:
    found = DAYS[day]
    text = "\n".join([found.summary, *(f"{d.metric}: {d.evidence}" for d in found.drivers)])
    at = data.draw(st.sampled_from([i for i, c in enumerate(text) if c.isdigit()]))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != text[at]]))
    wrong = text[:at] + digit + text[at + 1 :]
    if not _also_true(wrong, at, found):
        assert verify(wrong, found.evidence).unmatched != ()
