"""From an event that was told to the exception, message and audit with its id. Source: E2-03, E2-04, E2-10, E2-31."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from pytest_httpserver import HTTPServer

from core import telemetry
from core.access import Principal
from core.load.correlation import correlation_id
from core.model import IncidentStatus, Json
from core.service import casework, exceptions, ingest, order_tables
from core.service.workbench import Workbench
from tests.adapters.mail_server import Post
from tests.service.conftest import HOOK, Hand

TEN = datetime(2025, 8, 18, 10, tzinfo=UTC)


@pytest.fixture
def clock() -> Hand:
    return Hand(TEN + timedelta(hours=3, minutes=1))


def tell(wb: Workbench, who: Principal, order: str, kind: str, at: datetime) -> ingest.Outcome:
    document: dict[str, Json] = {
        "source": "shopify" if kind == "order_paid" else "wms",
        "event_type": kind,
        "event_id": f"{order}-{kind}",
        "order_id": order,
        "occurred_at": at.isoformat(),
    }
    return ingest.one(wb, who, document)


def test_one_id_links_event_exception_message_and_audit(
    wb: Workbench, who: Principal, post: Post, httpserver: HTTPServer
) -> None:
    """E2-03 by scenario 1: paid 10:00, picked 13:00."""
    httpserver.expect_request(HOOK).respond_with_data("ok")
    sent = telemetry.value("slack_notifications_sent_total")
    told = tell(wb, who, "SO-1", "order_paid", TEN)
    tell(wb, who, "SO-1", "pick_completed", TEN + timedelta(hours=3))
    run = casework.run(wb, who, "order_sla", kind="api", ask_model=False)
    (found,), total = exceptions.page(wb, who, exceptions.Asked(order_id="SO-1"))
    assert (total, found.type, found.subject) == (1, "PICK_DELAY", "SO-1")
    assert found.body["correlation_id"] == told.correlation_id == correlation_id("default", "SO-1")
    with wb.store.read() as books:
        linked = books.audit.list("default", correlation_id=told.correlation_id)
        assert books.audit.verify("default").ok
    assert {line.action for line in linked} >= {"detected", "explanation", "decision", "message_queued"}
    assert {line.incident_id for line in linked} == {found.incident_id}
    exceptions.move(wb, who, found.incident_id, "ACKNOWLEDGED")
    with wb.store.read() as books:
        assert books.audit.list("default", correlation_id=told.correlation_id)[0].action == "incident_acknowledged"
    assert run.report["findings"]
    assert telemetry.value("slack_notifications_sent_total") == sent + 1
    assert telemetry.value("sla_breach_count", tenant="default", reason_code="PICK_DELAY") == 1
    assert telemetry.value("active_exceptions") == exceptions.stats(wb, who)["active"] == 1
    exceptions.move(wb, who, found.incident_id, "RESOLVED")
    assert telemetry.value("active_exceptions") == 0
    assert found.status is IncidentStatus.OPEN


def test_the_table_is_the_tenants_own_and_written_once(wb: Workbench, who: Principal) -> None:
    """E2-04."""
    at = wb.ctx.clock.now()
    assert order_tables.told(wb, "default", at) == {}
    tell(wb, who, "SO-1", "order_paid", TEN)
    first = order_tables.told(wb, "default", at)["events.parquet"]
    assert order_tables.told(wb, "default", at + timedelta(minutes=30))["events.parquet"] == first
    assert order_tables.told(wb, "acme", at) == {}
    tell(wb, who, "SO-2", "order_paid", TEN)
    second = order_tables.told(wb, "default", at)["events.parquet"]
    assert second != first
    assert [len(pq.read_table(path)) for path in (first, second)] == [1, 2]
    assert second.parent == wb.ctx.engine.folder().resolve()


def test_an_order_of_which_nothing_was_heard_for_a_week_is_left_out(wb: Workbench, who: Principal) -> None:
    tell(wb, who, "SO-1", "order_paid", TEN)
    tell(wb, who, "SO-2", "order_paid", TEN)
    tell(wb, who, "SO-2", "pick_completed", TEN + timedelta(days=2))
    late = TEN + timedelta(days=8)
    rows = pq.read_table(order_tables.told(wb, "default", late)["events.parquet"]).to_pylist()
    assert [(row["order_id"], row["event_type"]) for row in rows] == [
        ("SO-2", "order_paid"),
        ("SO-2", "pick_completed"),
    ]
