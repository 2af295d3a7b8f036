"""Segments as people use them: previewed, counted day by day, accepted, imported; and a killed run leaves no half."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from core.access import Principal
from core.errors import Conflict, Forbidden, InputError, NotFound
from core.model import Json, Segment, Snapshot
from core.service import audience, segments, snapshots
from core.service.workbench import Workbench
from core.store.trail import Trail
from tests.service.conftest import Hand

Opened = Callable[[], Workbench]
HEAD = "id,ltv,last_active_days,plan,email,full_name,converted\n"
DAY_1 = HEAD + (
    "1,1500,3,pro,ana@example.com,Ana A,true\n"
    "2,1000,1,pro,bo@example.com,Bo B,false\n"
    "3,2400,7,free,cy@example.com,Cy C,false\n"
    "4,5000,8,free,di@example.com,Di D,true\n"
    "5,,2,pro,ed@example.com,Ed E,false\n"
)
DAY_2 = DAY_1.replace("1,1500,3", "1,900,3").replace("4,5000,8", "4,5000,2") + "6,3000,1,pro,f@example.com,Fi F,true\n"


def rule(field: str, how: str, value: Json) -> dict[str, Json]:
    return {"field": field, "operator": how, "value": value}


RULES: dict[str, Json] = {"rules": [rule("ltv", ">", 1000), rule("last_active_days", "<=", 7)]}
HIGH: dict[str, Json] = {"name": "High-value", "definition": RULES}
PRO: dict[str, Json] = {"name": "Pro", "definition": {"rules": [rule("plan", "==", "pro")]}}


@pytest.fixture
def stocked(wb: Workbench, who: Principal) -> Workbench:
    audience.upload(wb, who, "people.csv", DAY_1.encode())
    segments.create(wb, who, HIGH)
    segments.create(wb, who, PRO)
    return wb


def trail(wb: Workbench) -> list[str]:
    with wb.store.read() as books:
        assert books.audit.verify("default").ok
        return [e.action for e in books.audit.list("default", limit=500)]


def test_a_preview_counts_masks_and_compares(stocked: Workbench, who: Principal) -> None:
    """PU-02."""
    saved = segments.get(stocked, who, "high-value")
    found = audience.preview(stocked, who, {"rules": [rule("ltv", ">=", 1000)]}, saved)
    assert (found.count, found.total, found.saved, found.shared) == (4, 5, 2, 2)
    assert [row["id"] for row in found.sample] == [1, 2, 3, 4]
    assert {(row["email"], row["full_name"]) for row in found.sample} == {("[masked]", "[masked]")}
    alone = audience.preview(stocked, who, RULES)
    assert (alone.count, alone.saved, alone.shared) == (2, None, None)
    with pytest.raises(InputError, match=r"definition.rules\[0\].field: there is no column 'nobody'"):
        audience.preview(stocked, who, {"rules": [rule("nobody", ">", 1)]})


def test_suggestions_are_frequent_values_and_tell_nobody(stocked: Workbench, who: Principal) -> None:
    assert audience.suggestions(stocked, who, "plan") == (audience.Suggestion("pro", 3), audience.Suggestion("free", 2))
    assert audience.suggestions(stocked, who, "plan", "R") == audience.suggestions(stocked, who, "plan")
    assert [s.value for s in audience.suggestions(stocked, who, "plan", "fre")] == ["free"]
    assert audience.suggestions(stocked, who, "plan", "%") == ()
    assert audience.suggestions(stocked, who, "email") == audience.suggestions(stocked, who, "full_name") == ()
    with pytest.raises(InputError, match="no field 'nobody'"):
        audience.suggestions(stocked, who, "nobody")


def test_overlap_is_who_two_segments_share(stocked: Workbench, who: Principal) -> None:
    odd = Segment("odd", "Odd", {"rules": [rule("gone", ">", 1)]})
    everyone = Segment("all", "All", {"rules": [{"field": "id", "operator": "not_null"}]})
    found = audience.overlap(stocked, who, [*segments.listing(stocked, who), odd, everyone])
    assert [s.id for s in found.segments] == ["high-value", "pro", "all"]
    assert found.shared.tolist() == [[2, 1, 2], [1, 3, 3], [2, 3, 5]]


def test_the_next_day_sees_who_entered_and_left(stocked: Workbench, who: Principal, clock: Hand) -> None:
    """PU-04, PU-05."""
    first = snapshots.take(stocked, who)
    assert {s.segment: (s.size, s.velocity_in, s.velocity_out) for s in first.snapshots} == {
        "high-value": (2, None, None),
        "pro": (3, None, None),
    }
    clock.forward(days=1)
    audience.upload(stocked, who, "people.csv", DAY_2.encode())
    for _ in range(2):  # the second of the day is compared with yesterday too
        clock.forward(minutes=1)
        second = snapshots.take(stocked, who)
        assert {s.segment: (s.size, s.velocity_in, s.velocity_out) for s in second.snapshots} == {
            "high-value": (3, 2, 1),
            "pro": (4, 1, 0),
        }
    assert second.replaced == 2
    assert [s.size for s in snapshots.history(stocked, who, "high-value")] == [2, 3]
    assert len(snapshots.history(stocked, who)) == 4
    assert trail(stocked)[:4] == ["snapshots_taken", "snapshots_taken", "people_uploaded", "snapshots_taken"]


def test_only_watched_segments_are_counted_and_one_that_fails_stops_nobody(stocked: Workbench, who: Principal) -> None:
    """PU-15, PU-26."""
    segments.create(stocked, who, {**PRO, "name": "Quiet", "baseline": {"monitoringEnabled": False}})
    segments.create(stocked, who, {**PRO, "name": "Off", "is_active": False})
    audience.upload(stocked, who, "people.csv", DAY_1.replace("ltv", "lifetime").encode())
    done = snapshots.take(stocked, who)
    assert [s.segment for s in done.snapshots] == ["pro"]
    assert "there is no column 'ltv'" in done.failed["high-value"]
    with pytest.raises(InputError, match="'ltv'"):
        snapshots.take(stocked, who, "high-value")
    assert snapshots.take(stocked, who, "off").snapshots[0].size == 3
    assert "1 could not be counted: High-value" in snapshots.job(stocked, who)


def test_what_was_an_attribute_stays_one(stocked: Workbench, who: Principal, clock: Hand) -> None:
    """And nothing that tells who somebody is ever becomes one."""
    places = DAY_1.replace("plan", "place")
    audience.upload(stocked, who, "people.csv", places.encode())
    segments.create(stocked, who, {"name": "All", "definition": {"rules": [{"field": "id", "operator": "not_null"}]}})
    assert set(snapshots.take(stocked, who, "all").snapshots[0].shares) == {"place"}
    clock.forward(days=1)
    rows = "".join(f"{i},{i}.5,{i},place {i},p{i}@example.com,P {i},true\n" for i in range(10, 300))
    audience.upload(stocked, who, "people.csv", (places + rows).encode())
    shares = snapshots.take(stocked, who, "all").snapshots[0].shares
    assert set(shares) == {"place"}
    assert len(shares["place"]) == 31
    assert sum(shares["place"].values()) == pytest.approx(1)


def test_a_killed_run_leaves_no_half_snapshot(
    stocked: Workbench, who: Principal, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    class Killed(BaseException):
        pass

    def die(*_args: object, **_more: object) -> None:
        raise Killed

    before = trail(stocked)
    monkeypatch.setattr(Trail, "append", die)
    with pytest.raises(Killed):
        snapshots.take(stocked, who)
    monkeypatch.undo()
    again = opened()
    assert snapshots.history(again, who) == ()
    assert trail(again) == before
    with again.store.read() as books:
        assert books.people_tables.before("default", "2999-01-01") is None


def test_snapshots_are_kept_for_400_days(stocked: Workbench, who: Principal, clock: Hand) -> None:
    snapshots.take(stocked, who)
    clock.forward(days=401)
    snapshots.take(stocked, who)
    assert len(snapshots.history(stocked, who, "pro")) == 1


def test_uploaded_snapshots_replace_and_say_what_was_rejected(stocked: Workbench, who: Principal, clock: Hand) -> None:
    snapshots.take(stocked, who)
    rows = f"segment,ts,size\nPro,{clock.now().date()},77\nPro,2026-01-01,70\nNobody,2026-01-01,1\n"
    parsed = snapshots.upload(stocked, who, "s.csv", rows.encode())
    assert (len(parsed.snapshots), [r.line for r in parsed.rejects]) == (2, [4])
    assert [s.size for s in snapshots.history(stocked, who, "pro")] == [70, 77]
    with pytest.raises(InputError, match="Line 2: segment is 'Nobody'"):
        snapshots.upload(stocked, who, "s.csv", b"segment,ts,size\nNobody,2026-01-01,1\n")


def test_accepting_starts_the_baselines_of_one_type(stocked: Workbench, who: Principal, clock: Hand) -> None:
    """PU-08."""
    segments.accept_as_new_normal(stocked, who, "pro", "size_jump")
    since = clock.now() - timedelta(days=1)
    kept = segments.accept_as_new_normal(stocked, who, "pro", "inactivity_creep", since)
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert kept.normal_since == {"size_jump": midnight, "inactivity_creep": since}
    assert segments.update(stocked, who, "pro", PRO).normal_since == kept.normal_since
    for kind, at in (("size", None), ("size_jump", clock.now() + timedelta(seconds=1))):
        with pytest.raises(InputError):
            segments.accept_as_new_normal(stocked, who, "pro", kind, at)


def test_what_is_exported_can_be_imported_elsewhere(stocked: Workbench, who: Principal) -> None:
    text = segments.export_yaml(stocked, who)
    stranger = Principal("eve", "other", "responder")
    done = segments.import_yaml(stocked, stranger, text)
    assert [s.id for s in done.created] == ["high-value", "pro"]
    again = segments.import_yaml(stocked, stranger, text.replace("1000", "2000"))
    assert [(len(again.created), [s.id for s in again.updated], len(again.unchanged))] == [(0, ["high-value"], 1)]
    assert segments.get(stocked, stranger, "high-value").definition["rules"][0]["value"] == 2000
    assert segments.get(stocked, who, "high-value").definition["rules"][0]["value"] == 1000
    assert segments.export_yaml(stocked, who, ["pro"]).count("name:") == 1
    with pytest.raises(NotFound):
        segments.export_yaml(stocked, who, ["nobody"])


def test_an_import_is_all_or_nothing(stocked: Workbench, who: Principal) -> None:
    before = segments.listing(stocked, who)
    good = segments.export_yaml(stocked, who).replace("1000", "2000")
    bad = good + "- {name: Odd, definition: {rules: [{field: nobody, operator: is_null}]}}\n"
    with pytest.raises(InputError, match=r"segments\[2\].definition.rules\[0\].field"):
        segments.import_yaml(stocked, who, bad)
    assert segments.listing(stocked, who) == before


def test_a_change_over_an_outdated_reading_is_refused(stocked: Workbench, who: Principal) -> None:
    seen = segments.get(stocked, who, "pro").updated_at
    segments.update(stocked, who, "pro", {**PRO, "owner": "bo"}, seen=seen)
    with pytest.raises(Conflict, match="changed meanwhile"):
        segments.update(stocked, who, "pro", {**PRO, "owner": "cy"}, seen=seen)


def test_a_viewer_may_look_and_not_touch(stocked: Workbench) -> None:
    viewer = Principal("vera", "default", "viewer")
    assert audience.preview(stocked, viewer, RULES).count == 2
    for act in (
        lambda: segments.create(stocked, viewer, PRO),
        lambda: segments.delete(stocked, viewer, "pro"),
        lambda: snapshots.take(stocked, viewer),
        lambda: audience.upload(stocked, viewer, "p.csv", b"id\n1\n"),
        lambda: audience.ask(stocked, Principal("rob", "default", "responder"), "SELECT 1"),
    ):
        with pytest.raises(Forbidden):
            act()


def test_a_select_is_asked_anew_at_every_snapshot(stocked: Workbench, who: Principal, tmp_path: Path) -> None:
    from pydantic import SecretStr

    url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE people (id INTEGER, plan TEXT)"))
        connection.execute(text("INSERT INTO people VALUES (1, 'pro'), (2, 'free')"))
    given = stocked.ctx.settings.model_copy(update={"telltale_warehouse_url": SecretStr(url)})
    wb = replace(stocked, ctx=replace(stocked.ctx, settings=given))
    audience.ask(wb, who, "SELECT id, plan FROM people")
    assert snapshots.take(wb, who, "pro").snapshots[0].size == 1
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO people VALUES (3, 'pro')"))
    assert snapshots.take(wb, who, "pro").snapshots[0].size == 2
    engine.dispose()


def test_without_a_table_of_ones_own_the_demos_is_counted(wb: Workbench, who: Principal, clock: Hand) -> None:
    """PU-03: and what the demo says of its last day is what is counted."""
    clock.at = datetime(2026, 1, 8, 12, tzinfo=UTC)
    assert segments.seed_demo(wb, who)
    assert not segments.seed_demo(wb, who)
    assert [s.id for s in segments.listing(wb, who)] == ["churned", "enterprise", "high-value", "power", "trial"]
    told = {s.segment: s.size for s in snapshots.history(wb, who) if s.ts.date() == clock.now().date()}
    assert {s.segment: s.size for s in snapshots.take(wb, who).snapshots} == told
    found = segments.documents(wb, "default")
    assert (len(found["segments"]), len(found["snapshots"])) == (5, 40)
    assert segments.documents(wb, "other") == {}
    audience.upload(wb, who, "people.csv", DAY_1.encode())
    assert audience.fields(wb, who)[-2].name == "full_name"
    audience.reset(wb, who)
    assert "full_name" not in [c.name for c in audience.fields(wb, who)]


def test_the_demo_ends_today(wb: Workbench, who: Principal, clock: Hand) -> None:
    segments.seed_demo(wb, who)
    kept: tuple[Snapshot, ...] = snapshots.history(wb, who, "high-value")
    assert [s.size for s in kept] == [20000] * 5 + [11600] * 3
    assert (clock.now().date() - kept[-1].ts.date()).days == 0
