from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audit.chain import GENESIS, Head, canonical, digest, sealed, verify
from core.model import AuditEntry, Json

NOW = datetime(2025, 12, 14, 9, tzinfo=UTC)
LINE = AuditEntry(
    seq=0,
    id="e1",
    timestamp=NOW,
    agent="ana",
    incident_id="INC-1",
    action="send",
    decision={"b": 1, "a": [True, None]},
    approved_by="bo",
    correlation_id="run-1",
    tenant="acme",
    prev_hash="",
    hash="",
)


def chain(length: int) -> tuple[list[AuditEntry], Head]:
    head, lines = Head(), []
    for n in range(length):
        lines.append(sealed(replace(LINE, id=f"e{n}"), head))
        head = Head(lines[-1].seq, lines[-1].hash)
    return lines, head


def test_canonical_json_is_one_text_for_one_value() -> None:
    assert canonical({"b": 1.0, "a": "é"}) == canonical({"a": "é", "b": 1.0}) == '{"a":"\\u00e9","b":1.0}'
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical(float("nan"))


def test_a_chain_starts_at_genesis_and_holds() -> None:
    lines, head = chain(4)
    assert lines[0].prev_hash == GENESIS
    assert verify(lines, head).ok
    assert verify([], Head()).ok


CHANGES: dict[str, object] = {
    "seq": 9,
    "id": "other",
    "timestamp": NOW + timedelta(microseconds=1),
    "agent": "x",
    "incident_id": None,
    "action": "x",
    "decision": {"b": 1, "a": [True]},
    "approved_by": None,
    "correlation_id": "x",
    "tenant": "x",
    "prev_hash": "x",
    "hash": "x",
}


def test_every_field_is_covered() -> None:
    assert set(CHANGES) == {f.name for f in fields(AuditEntry)}


@pytest.mark.parametrize("name", CHANGES)
def test_changing_any_field_breaks_the_chain_there(name: str) -> None:
    lines, head = chain(4)
    lines[2] = replace(lines[2], **{name: CHANGES[name]})
    check = verify(lines, head)
    assert (check.ok, check.bad_seq) == (False, 3)


def test_a_line_resealed_by_a_forger_breaks_at_the_next() -> None:
    lines, head = chain(4)
    forged = replace(lines[1], action="nothing happened")
    lines[1] = replace(forged, hash=digest(forged))
    assert verify(lines, head).bad_seq == 3


def test_a_forged_last_line_does_not_match_the_head() -> None:
    lines, head = chain(2)
    forged = replace(lines[1], action="nothing happened")
    assert verify([lines[0], replace(forged, hash=digest(forged))], head).bad_seq == 2


def test_the_same_moment_in_another_zone_is_the_same_line() -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    assert digest(replace(LINE, timestamp=berlin)) == digest(LINE)


json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=3), json_values, max_size=3), min_size=1, max_size=5), st.data())
def test_any_removed_or_swapped_line_is_noticed(decisions: list[dict[str, Json]], data: st.DataObject) -> None:
    head, lines = Head(), []
    for decision in decisions:
        lines.append(sealed(replace(LINE, decision=decision), head))
        head = Head(lines[-1].seq, lines[-1].hash)
    assert verify(lines, head).ok
    gone = data.draw(st.integers(0, len(lines) - 1))
    assert verify(lines[:gone] + lines[gone + 1 :], head).bad_seq == gone + 1
