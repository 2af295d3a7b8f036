"""Reading order events, invoices and policies: good ones equal, bad ones with the field or line that is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.load.order_files import event_table, read_events, read_invoices
from core.load.order_policies import parsed_policy, read_policy, shipped_policy
from core.load.orders import EVENT_TYPES, OrderEvent, event_doc, parse_event, parse_events
from core.load.policy_lint import lint_policy
from core.orders import parse_condition, policy_doc, policy_of

NOW = datetime(2025, 8, 18, 14, tzinfo=UTC)
GOOD = {
    "source": "wms",
    "event_type": "pick_completed",
    "event_id": "e1",
    "order_id": "ORD-1",
    "occurred_at": "2025-08-18T10:00:00Z",
}
names = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=128
)
kinds = st.sampled_from([(s, t) for s, types in EVENT_TYPES.items() for t in types])
whole = st.none() | st.integers(0, 2**53 - 1)
payloads = st.dictionaries(
    names.filter(lambda n: n not in {"source", "payload"}),
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | names,
    max_size=4,
)
events = st.builds(
    lambda kind, event_id, order_id, at, payload, carrier, n, flag: OrderEvent(
        kind[0], event_id, order_id, kind[1], at, payload, carrier, n, n, n, flag, not flag, flag, not flag
    ),
    kinds,
    names,
    names,
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    payloads,
    st.just("") | names,
    whole,
    st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(events)
def test_an_event_is_read_back_equal(event: OrderEvent) -> None:
    assert parse_event(json.loads(json.dumps(event_doc(event)))) == event


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*GOOD, "payload", "rush"]), inner, max_size=6)
        ),
        max_leaves=12,
    )
)
def test_whatever_comes_is_an_event_or_an_error_with_its_field(doc: object) -> None:
    try:
        told = parse_event(doc).event_id  # type: ignore[arg-type]
    except InputError as error:
        told = error.field or ""
    assert told


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event_id": ""}, "event_id"),
        ({"event_id": " "}, "event_id"),
        ({"event_id": "x" * 129}, "event_id"),
        ({"order_id": 5}, "order_id"),
        ({"order_id": "a\u0000"}, "order_id"),
        ({"source": "shop"}, "source"),
        ({"event_type": "order_paid"}, "event_type"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": "2025-02-30T10:00:00Z"}, "occurred_at"),
        ({"occurred_at": "2025-08-18"}, "occurred_at"),
        ({"occurred_at": 1755511200}, "occurred_at"),
        ({"payload": []}, "payload"),
        ({"payload": {"a": float("nan")}}, "payload"),
        ({"rush": "yes"}, "rush"),
        ({"line_count": -1}, "line_count"),
        ({"items_count": 1.5}, "items_count"),
        ({"total_amount_cents": True}, "total_amount_cents"),
    ],
)
def test_a_bad_field_is_named_e2_05(change: dict[str, object], field: str) -> None:
    with pytest.raises(InputError) as error:
        parse_event({**GOOD, **change})  # type: ignore[dict-item]
    assert error.value.field == field
    assert field in error.value.message


def test_times_become_utc_and_unknown_fields_are_kept() -> None:
    read = parse_event({**GOOD, "occurred_at": "2025-08-18T12:00:00+02:00", "financial_status": "paid"})
    assert read.occurred_at == datetime(2025, 8, 18, 10, tzinfo=UTC)
    assert read.payload == {"financial_status": "paid"}
    assert parse_event({**GOOD, "occurred_at": "2025-08-18T10:00"}).occurred_at == read.occurred_at
    assert read.occurred_at.utcoffset() == UTC.utcoffset(None) == timedelta(0)


def test_a_batch_keeps_good_events_and_lists_bad_ones_e2_05() -> None:
    good, bad = parse_events([GOOD, {**GOOD, "event_id": ""}, 7])
    assert [e.event_id for e in good] == ["e1"]
    assert [(b.index, b.field) for b in bad] == [(1, "event_id"), (2, "event")]


def test_a_route_of_one_source_takes_no_other() -> None:
    assert parse_event({k: v for k, v in GOOD.items() if k != "source"}, "wms").source == "wms"
    with pytest.raises(InputError, match="expected 'carrier'"):
        parse_event(GOOD, "carrier")  # type: ignore[arg-type]


def test_files_conserve_their_rows(tmp_path: Path) -> None:
    lines = [json.dumps(GOOD), "", "{", json.dumps(GOOD), json.dumps({**GOOD, "event_id": "e2"}), '{"a": NaN}']
    table = (
        "source,event_type,event_id,order_id,occurred_at,fragile,line_count,payload\n"
        'shopify,order_paid,c1,ORD-2,2025-08-18 09:00:00,TRUE,3,"{""a"": 1}"\n'
        "shopify,order_paid,c2,ORD-2,soon,,,\n"
    )
    read = read_events(
        {"events.jsonl": "\n".join(lines).encode(), "events.csv": table.encode()}, folder=tmp_path, now=NOW
    )
    made = read.table.provenance
    assert (made.rows, made.rejected_rows, read.duplicates) == (3, 4, 1)
    assert [(r.line, r.column) for r in read.rejects] == [(3, "event"), (6, "event"), (3, "occurred_at")]
    rows = pq.read_table(read.table.path).to_pylist()
    assert (rows[2]["fragile"], rows[2]["line_count"], rows[2]["payload"]) == (True, 3, '{"a": 1}')


def test_an_event_table_has_its_schema_without_a_row() -> None:
    assert event_table([], NOW).num_rows == 0


def test_invoices_by_other_column_names(tmp_path: Path) -> None:
    text = "order,total_cents,invoice_date\nA,100,2025-08-01\nB,1.5,\n,7,\nA,3,\n"
    read = read_invoices(text.encode(), name="invoices.csv", folder=tmp_path, now=NOW)
    (row,) = pq.read_table(read.table.path).to_pylist()
    assert (row["invoice_id"], row["amount_cents"], row["issued_at"]) == ("A", 100, datetime(2025, 8, 1, tzinfo=UTC))
    assert [r.line for r in read.rejects] == [3, 4, 5]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("sla:\n  pick_minutes: abc\n", 2, "expected a number"),
        ("sla:\n  pick_minutes: '120'\n", 2, "expected a number"),
        ("sla:\n  require_weekend_approval: 1\n", 2, "true or false"),
        ("sla:\n  pick_minutes: 1\n  pick_minutes: 2\n", 3, "given twice"),
        ("tariffs:\n  pick_fee_cents: -1\n", 2, "greater than or equal to 0"),
        ("tariffs:\n  pick_fee_cents: 1.5\n", 2, "valid integer"),
        ("reasons:\n  PICK_DELAY: {severity: huge}\n", 2, "expected one of"),
        ("label_map:\n  X: NOPE\n", 2, "Input should be"),
        ("order_rules:\n  - {if: 'what is this now', reason: OTHER, label: X}\n", 2, "is no condition"),
        ("sla: [\n", 2, "not valid YAML"),
        ("a: &x 1\nb: *x\n", 0, "alias"),
        ("- 1\n", 1, "expected sections"),
    ],
)
def test_a_bad_policy_names_its_line_e2_07(text: str, line: int, words: str) -> None:
    read = read_policy(text)
    assert read.policy is None
    assert read.errors[0].line == line
    assert words in str(read.errors[0])
    with pytest.raises(InputError, match=r"policies\.yaml"):
        parsed_policy(text)


def test_what_a_policy_leaves_out_is_the_default() -> None:
    read = read_policy("sla: {pick_minutes: 90}\nreasons:\n  PICK_DELAY: {severity: high}\nlabel_map: {lost: OTHER}\n")
    assert read.policy is not None
    assert (read.policy.sla.pick_minutes, read.policy.sla.pack_minutes) == (90, 180)
    assert read.policy.reasons["PICK_DELAY"].severity.name == "HIGH"  # type: ignore[index]
    assert list(read.policy.reasons) == list(shipped_policy().reasons)
    assert list(read.policy.label_map) == ["LOST"]
    assert policy_of(json.loads(json.dumps(policy_doc(read.policy)))) == read.policy


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(["sla:", "  pick_minutes: ", "1", "\n", "- ", "{", "reasons:", "*a", "&a", "? "]), max_size=20
    ).map("".join)
)
def test_no_text_breaks_the_reader(text: str) -> None:
    read = read_policy(text)
    assert (read.policy is None) == bool(read.errors)
    lint_policy(text)


def test_conditions_are_read_with_their_lists_and_joins() -> None:
    read = parse_condition("not delivered and estimated_delivery_date before now, or fulfillment_status = delayed")
    assert type(read).__name__ == "AnyOf"
    missing = parse_condition("shipping_address.zip missing, 00000, 99999 or not a postal code")
    assert (missing.field, missing.values, missing.postal) == ("shipping_address.zip", ("00000", "99999"), True)  # type: ignore[union-attr]
