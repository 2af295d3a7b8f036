"""The Runbooks page without a browser: search, reading, writing, deleting, and going back to an earlier version."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Principal, local
from core.errors import Conflict, Forbidden, InputError
from core.service import casework, inputs, runbooks
from core.service.health import PLAYBOOK
from core.service.runbooks import Draft
from core.service.workbench import Workbench
from ui import auth

ANA = local("default")
POOL = "database-pool-exhaustion"
Open = Callable[..., AppTest]


def texts(at: AppTest) -> str:
    shown = (*at.markdown, *at.title, *at.header, *at.caption, *at.info, *at.success, *at.warning, *at.error)
    return "\n".join(str(e.value) for e in shown).replace("\\", "")


def listed(at: AppTest) -> list[str]:
    return [str(b.key).removeprefix("runbooks_open_") for b in at.button if str(b.key).startswith("runbooks_open_")]


def test_all_shipped_runbooks_are_listed(opened: Open) -> None:
    at = opened("runbooks")
    assert not at.exception
    assert set(listed(at)) == {POOL, "autoscaling", "dependency-failure", "rollback-deployment"}


def test_search_shows_score_fields_and_passage(opened: Open) -> None:
    """DP-12: with a typing mistake, offline; nothing above score 0 is said so."""
    at = opened("runbooks", runbooks_text="conection pool exhausted")
    assert listed(at)[0] == POOL
    shown = texts(at)
    assert "score 0." in shown
    assert "in title" in shown
    assert "Requests wait for a connection from the pool" in shown
    at = opened("runbooks", runbooks_text="xylophone")
    assert listed(at) == []
    assert "No runbook found" in texts(at)


def test_a_named_signal_comes_first_with_score_one(opened: Open) -> None:
    at = opened("runbooks", runbooks_signals="traffic_surge")
    assert listed(at)[0] == "autoscaling"
    assert "score 1.00" in texts(at)
    assert "in signals" in texts(at)


def test_one_reads_in_full(opened: Open) -> None:
    at = opened("runbooks", runbook=POOL)
    assert not at.exception
    assert at.title[0].value == "Database connection pool exhausted"
    assert "Look for connections that are never given back" in texts(at)
    assert "There is no runbook" in opened("runbooks", runbook="nope").warning[0].value.replace("\\", "")


def test_a_new_one_is_written_and_incidents_are_matched_with_it(opened: Open, bench: Workbench) -> None:
    """It takes part at once, while the tables are still the demo's."""
    at = opened("runbooks")
    at.button(key="runbooks_new").click().run()
    at.text_input(key="runbooks_f_title").set_value("Pool emergency").run()
    at.text_input(key="runbooks_f_signals").set_value("DatabaseConnectionTimeout, deployment").run()
    at.text_area(key="runbooks_f_content").set_value("# Pool emergency\n\n1. Call Ana.").run()
    assert "Call Ana." in texts(at)
    at.button(key="runbooks_save").click().run()
    assert not at.exception
    assert at.title[0].value == "Pool emergency"
    assert at.query_params["runbook"] == "pool-emergency"
    kept = runbooks.get(bench, ANA, "pool-emergency")
    assert (kept.origin, kept.draft.signals) == ("own", ("DatabaseConnectionTimeout", "deployment"))
    run = casework.run(bench, ANA, PLAYBOOK, ask_model=False)
    (incident,) = run.report["incidents"]
    assert incident["metrics"]["runbooks"][0]["runbook_id"] == "pool-emergency"
    assert incident["subject"] == "payment-service"


def test_without_a_text_it_is_not_saved_and_nothing_typed_is_lost(opened: Open, bench: Workbench) -> None:
    at = opened("runbooks")
    at.button(key="runbooks_new").click().run()
    at.text_input(key="runbooks_f_title").set_value("Half done").run()
    at.text_area(key="runbooks_f_content").set_value(" ").run()
    at.button(key="runbooks_save").click().run()
    assert "A runbook needs a text" in at.error[0].value
    assert at.text_input(key="runbooks_f_title").value == "Half done"
    at.button(key="runbooks_cancel").click().run()
    assert len(listed(at)) == 4


def test_an_edit_keeps_the_versions_and_the_way_back(opened: Open, bench: Workbench) -> None:
    for text in ("first text", "second text"):
        at = opened("runbooks", runbook=POOL)
        at.button(key="runbooks_edit").click().run()
        assert at.text_input(key="runbooks_f_id").disabled
        at.text_area(key="runbooks_f_content").set_value(text).run()
        at.button(key="runbooks_save").click().run()
    assert "second text" in texts(at)
    assert "edited" in texts(at)
    assert "History (2)" in texts(at)
    at.session_state["runbooks_version_1"] = True
    at.run()
    assert any("first text" in c.value for c in at.code)
    at.button(key="runbooks_restore_1").click().run()
    assert runbooks.get(bench, ANA, POOL).draft.content == "first text"
    at.button(key="runbooks_reset").click().run()
    assert runbooks.get(bench, ANA, POOL).origin == "shipped"


def test_a_deleted_shipped_one_is_gone_for_incidents_and_comes_back(opened: Open, bench: Workbench) -> None:
    at = opened("runbooks", runbook=POOL)
    at.button(key="runbooks_delete").click().run()
    assert POOL not in listed(at)
    files = inputs.files(bench, bench.events[PLAYBOOK], "default", demo=True)
    assert f"runbooks/{POOL}.md" not in files
    assert "metrics.csv" in files
    at.button(key=f"runbooks_back_{POOL}").click().run()
    assert POOL in listed(at)


def test_own_tables_keep_the_shipped_runbooks(bench: Workbench) -> None:
    content = b"ts,service,host,requests_total,error_count,latency_ms\n2025-01-01T00:00:00Z,a,h,1,0,1\n"
    inputs.put_file(bench, ANA, PLAYBOOK, "metrics.csv", content, "m.csv")
    files = inputs.files(bench, bench.events[PLAYBOOK], "default", demo=True)
    assert "logs.csv" not in files
    assert f"runbooks/{POOL}.md" in files


@pytest.mark.parametrize("runbook_id", ["../x", "Übung", "", "a b", "a" * 65, "-a"])
def test_an_id_is_a_plain_file_name(bench: Workbench, runbook_id: str) -> None:
    with pytest.raises(InputError, match="is not an id"):
        runbooks.save(bench, ANA, runbook_id, Draft("t", "c"))


def test_refusals_name_the_reason(bench: Workbench) -> None:
    with pytest.raises(Conflict, match="There is a runbook"):
        runbooks.save(bench, ANA, POOL, Draft("t", "c"), isnew=True)
    with pytest.raises(InputError, match="is not a web address"):
        runbooks.save(bench, ANA, "x", Draft("t", "c", url="javascript:alert(1)"))
    with pytest.raises(Forbidden):
        runbooks.save(bench, Principal("r", "default", "responder"), "x", Draft("t", "c"))
    with pytest.raises(InputError, match="does not read"):
        inputs.put_file(bench, ANA, PLAYBOOK, "runbooks/../../x.md", b"x", "x")


@pytest.mark.parametrize(
    "draft",
    [
        Draft("A: b", "text", tags=("x: y", "[z]")),
        Draft("---", "---\nnot: front\n---", signals=("- a",)),
        Draft("Grüße #1", "# h\n\ntext", service="s", incident_type="latency", url="https://x.example/a?b=c#d"),
        Draft("yes", "null", service="1", tags=("true", "2025-01-01")),
    ],
)
def test_what_is_written_reads_back_the_same(draft: Draft) -> None:
    assert runbooks.read("x.md", draft.markdown().encode()) == draft


def test_a_picture_in_a_runbook_loads_nothing(opened: Open, bench: Workbench) -> None:
    runbooks.save(bench, ANA, "pic", Draft("Pic", "see ![x](https://tracker.example/p.png) <img src=x>"))
    shown = texts(opened("runbooks", runbook="pic"))
    assert "![" not in shown
    assert "[x](https://tracker.example/p.png)" in shown


def test_another_tenant_sees_only_the_shipped_ones(bench: Workbench) -> None:
    runbooks.save(bench, ANA, "ours", Draft("Ours", "text"))
    assert "ours" not in {r.id for r in runbooks.listing(bench, local("other"))}


def test_a_viewer_reads(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "current", lambda: Principal("vera", "default", "viewer"))
    at = opened("runbooks", runbook=POOL)
    assert at.button(key="runbooks_edit").disabled
    assert opened("runbooks").button(key="runbooks_new").disabled
