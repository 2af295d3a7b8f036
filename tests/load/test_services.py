"""Service tables (DP-02, DP-03, DP-27): bad rows are set aside one by one, and the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.check.services import ServiceTables
from core.errors import InputError
from core.load.services import read_runbook
from core.model import CheckStatus, Dataset
from tests.services import DEPLOYMENTS, LOGS, METRICS, NOW, SERVICES, World, ago, csv, demo, world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    made = world(tmp_path)
    yield made
    made.engine.close()


def rows(here: World, data: Dataset, table: str) -> list[dict[str, object]]:
    return here.engine.fetch(here.engine.relation(data.tables[table]).select()).to_pylist()


def reasons(data: Dataset, table: str = "metrics") -> list[tuple[int, str]]:
    return [(r["line"], r["reason"]) for r in data.documents["rejects"][table]]


GOOD = (ago(1), "pay", "h1", 100, 2, 150.5)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((ago(1), "pay", "h1", -5, 0, 150), "requests_total is -5; expected 0 or more"),
        ((ago(1), "pay", "h1", 5, -1, 150), "error_count is -1; expected 0 or more"),
        ((ago(1), "pay", "h1", 5, 1, -150), "latency_ms is -150.0; expected 0 or more"),
        ((ago(1), "pay", "h1", 5, 6, 150), "error_count 6 is more than requests_total 5"),
        ((ago(1), "ghost", "h1", 5, 1, 150), "service ghost is not in services.csv"),
        ((ago(1), "pay", "h1", 5, 1, "slow"), "latency_ms is 'slow'; expected a number"),
        ((ago(1), "pay", "h1", 5, 1, "inf"), "latency_ms is 'inf'; expected a number"),
        ((ago(1), "pay", "h1", 5, 1, ""), "latency_ms is blank; expected a number"),
        ((ago(1), "pay", "h1", 5.5, 1, 3), "requests_total is '5.5'; expected a whole number"),
        ((ago(1), "", "h1", 5, 1, 3), "service is blank; expected text"),
        (("soon", "pay", "h1", 5, 1, 3), "ts is 'soon'; expected a time such as 2025-01-31T14:30:00Z"),
        (("2025-02-30T10:00:00Z", "pay", "h1", 5, 1, 3),
         "ts is '2025-02-30T10:00:00Z'; expected a time such as 2025-01-31T14:30:00Z"),
        ((ago(1), "pay", "h1", 5, 1), "5 cells where 6 were expected"),
    ],
)  # fmt: skip
def test_dp02_a_bad_row_is_set_aside_with_line_and_reason(here: World, row: tuple[object, ...], reason: str) -> None:
    data = here.load(
        {"metrics.csv": csv(METRICS, [GOOD, row, GOOD]), "services.csv": csv(SERVICES, [("pay", *"abcd")])}
    )
    assert reasons(data) == [(3, reason)]
    table = data.tables["metrics"].provenance
    assert (table.rows_in, table.rows, table.rejected_rows) == (3, 2, 1)
    assert [r["latency_ms"] for r in rows(here, data, "metrics")] == [150.5, 150.5]


def test_dp02_a_row_from_the_future_is_set_aside_and_loaded_once_its_time_has_come(here: World) -> None:
    files = {"metrics.csv": csv(METRICS, [GOOD, (ago(-1), "pay", "h1", 7, 0, 9)])}
    early = here.load(files)
    assert reasons(early) == [(3, f"ts {ago(-1).isoformat()} is in the future; it is 2025-01-15 12:00:30 UTC")]
    later = here.load(files, now=NOW + timedelta(minutes=1))
    assert reasons(later) == []
    assert len(rows(here, later, "metrics")) == 2
    assert len(rows(here, early, "metrics")) == 1  # the earlier look is not changed by the later


def test_no_latency_is_needed_where_nothing_was_asked(here: World) -> None:
    data = here.load({"metrics.csv": csv(METRICS, [(ago(1), "pay", "h1", 0, 0, "")])})
    assert rows(here, data, "metrics")[0]["latency_ms"] is None


def test_without_services_every_service_is_known(here: World) -> None:
    data = here.load({"metrics.csv": csv(METRICS, [(ago(1), "ghost", "h1", 5, 1, 150)])})
    assert data.tables["metrics"].provenance.rows == 1
    assert data.tables["services"].provenance.uri == "missing:services.csv"


def test_missing_optional_files_are_empty_tables_with_their_columns(here: World) -> None:
    data = here.load({"metrics.csv": csv(METRICS, [GOOD])})
    for name, header in (("logs", LOGS), ("deployments", DEPLOYMENTS), ("services", SERVICES)):
        assert rows(here, data, name) == []
        assert {c.name for c in data.tables[name].columns} == set(header.split(","))
        assert data.tables[name].provenance.rows_in == 0


def test_a_file_with_a_header_only_is_an_empty_table(here: World) -> None:
    data = here.load({"metrics.csv": f"{METRICS}\n".encode(), "logs.csv": f"{LOGS}\n".encode()})
    assert rows(here, data, "metrics") == rows(here, data, "logs") == []


def test_missing_metrics_or_column_is_said(here: World) -> None:
    with pytest.raises(
        InputError, match=r"metrics.csv: file is missing. Expected columns: ts, service, requests_total"
    ):
        here.load({"logs.csv": b""})
    with pytest.raises(InputError, match=r"metrics.csv: column 'error_count' missing. Found: ts, service"):
        here.load({"metrics.csv": b"ts,service,requests_total,latency_ms\n"})


def test_other_columns_other_orders_and_semicolons_are_read(here: World) -> None:
    text = "note;latency_ms;error_count;requests_total;TS;Service\nx;12.5;1;10;2025-01-15 12:00;pay\n"
    data = here.load({"metrics.csv": text.encode()})
    assert rows(here, data, "metrics") == [
        {"ts": NOW.replace(second=0), "service": "pay", "host": None, "requests_total": 10, "error_count": 1,
         "latency_ms": 12.5}
    ]  # fmt: skip


def test_levels_and_criticality_are_lower_case_and_quoted_commas_are_text(here: World) -> None:
    logs = f'{LOGS}\n{ago(1).isoformat()},pay,ERROR,"a, b ""c""",Boom,h1\n'.encode()
    data = here.load(
        {
            "metrics.csv": csv(METRICS, [GOOD]),
            "logs.csv": logs,
            "services.csv": csv(SERVICES, [("pay", "P", "HIGH", "", "")]),
        }
    )
    assert rows(here, data, "logs")[0]["level"] == "error"
    assert rows(here, data, "logs")[0]["message"] == 'a, b "c"'
    assert rows(here, data, "services")[0]["criticality"] == "high"


def test_a_service_listed_twice_counts_once(here: World) -> None:
    data = here.load(
        {
            "metrics.csv": csv(METRICS, [GOOD]),
            "services.csv": csv(SERVICES, [("pay", "A", "low", "", ""), ("pay", "B", "high", "", "")]),
        }
    )
    assert [r["team"] for r in rows(here, data, "services")] == ["A"]
    assert reasons(data, "services") == [(3, "service pay is listed twice; expected once")]


cell = st.one_of(
    st.integers(-3, 400), st.floats(allow_nan=True), st.sampled_from(["", "x", "1e3", "pay", "2025-01-15T11:59:00Z"])
)


@given(st.lists(st.lists(cell, min_size=4, max_size=7), max_size=15))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_dp02_rows_in_are_rows_loaded_and_rejected(here: World, table: list[list[object]]) -> None:
    data = here.load({"metrics.csv": csv(METRICS, [GOOD, *table])})
    found = data.tables["metrics"].provenance
    assert found.rows_in == len(table) + 1
    assert found.rows == len(rows(here, data, "metrics"))
    assert found.rejected_rows == len(reasons(data))


def test_dp02_rejected_rows_are_failed_checks_that_name_them(here: World) -> None:
    data = here.load({"metrics.csv": csv(METRICS, [GOOD, (ago(1), "pay", "h", 1, 2, 3)])})
    (result,) = ServiceTables().check(data, NOW)
    assert result.status is CheckStatus.FAILED
    assert not result.critical
    assert result.message == "metrics.csv: 1 of 2 rows rejected: line 3: error_count 2 is more than requests_total 1."
    (fine,) = ServiceTables().check(here.load({"metrics.csv": csv(METRICS, [GOOD])}), NOW)
    assert fine.status is CheckStatus.PASSED


# --- runbooks ---------------------------------------------------------------------------------


def test_a_runbook_is_its_front_matter_and_the_text_below(here: World) -> None:
    text = "---\r\ntitle: Pool full\r\ntags: [db, pool]\r\nsignals: A, B\r\nservice: pay\r\n---\r\n# Pool\r\nDo it.\r\n"
    assert read_runbook("pool-full.md", text) == {
        "runbook_id": "pool-full", "title": "Pool full", "service": "pay", "incident_type": "", "tags": ["db", "pool"],
        "signals": ["A", "B"], "url": "", "content": "# Pool\nDo it.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "title"),
    [("# Heading here\ntext", "Heading here"), ("just text", "my runbook"), ("---\n---\n# H", "H"), ("", "my runbook")],
)
def test_a_runbook_without_a_title_is_called_by_its_heading_or_file(text: str, title: str) -> None:
    assert read_runbook("my_runbook.md", text)["title"] == title


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\ntitle: [a\n---\n", r"r.md line 3: the part between the --- lines is not valid YAML"),
        ("---\n- a\n---\n", r"r.md: expected keys and values"),
        ("---\ntitle: [a]\n---\n", r"r.md: 'title' is a list or a mapping"),
        ("---\ntags: {a: b}\n---\n", r"r.md: 'tags' holds a mapping"),
    ],
)
def test_broken_front_matter_is_said(here: World, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_runbook("r.md", text)
    data = here.load({"metrics.csv": csv(METRICS, [GOOD]), "runbooks/r.md": text.encode()})
    assert len(data.documents["runbook_notes"]) == 1  # the run goes on without it


def test_runbooks_of_the_folder_stand_in_for_those_of_the_store(here: World) -> None:
    stored = [{"runbook_id": "kept"}]
    metrics = {"metrics.csv": csv(METRICS, [GOOD])}
    assert here.load(metrics, {"runbooks": stored}).documents["runbooks"] == stored
    own = here.load({**metrics, "runbooks/a.md": b"# A"}, {"runbooks": stored}).documents["runbooks"]
    assert [r["runbook_id"] for r in own] == ["a"]


# --- demo -------------------------------------------------------------------------------------


def test_dp03_demo_rows_reach_up_to_now_and_are_all_valid(here: World) -> None:
    data = here.load(demo())
    newest = max(r["ts"] for r in rows(here, data, "metrics"))
    assert timedelta(0) <= NOW - newest < timedelta(minutes=1)
    assert all(p.rejected_rows == 0 for p in data.provenance)
    assert demo() == demo()
    assert demo(1)["logs.csv"] != demo(2)["logs.csv"]


def test_dp27_demo_holds_what_it_promises(here: World) -> None:
    data = here.load(demo())
    assert {r["service"] for r in rows(here, data, "services")} == {
        "payment-service", "auth-service", "cart-service", "notification-service"
    }  # fmt: skip
    errors = [r for r in rows(here, data, "logs") if r["level"] in ("error", "critical")]
    kinds = "DatabaseConnectionTimeout HTTPConnectionError ValidationError NullPointerException TimeoutException"
    assert {r["error_type"] for r in errors} == set(kinds.split())
    recent = [r for r in errors if r["service"] == "payment-service" and r["ts"] >= ago(30)]
    assert len(recent) == 1000
    assert sum(r["error_type"] == "DatabaseConnectionTimeout" for r in recent) == 847
    (deployed,) = [r for r in rows(here, data, "deployments") if r["service"] == "payment-service"]
    assert (deployed["version"], deployed["previous_version"], deployed["author"]) == ("v2.4.1", "v2.3.9", "john.doe")
    assert deployed["description"] == "Updated database connection pool settings"
    assert len(data.documents["runbooks"]) >= 3
    assert all(r["tags"] and r["content"] for r in data.documents["runbooks"])
