"""Charts of data incidents: what is drawn where, and what is highlighted."""

from __future__ import annotations

import json

from core import alert_charts, charts
from core.lineage import Edge, around

EDGES = (
    Edge("raw.events", "prod.events"),
    Edge("prod.events", "daily", owner="bi"),
    Edge("prod.events", "weekly"),
    Edge("daily", "Board", "report", "cfo"),
    Edge("other", "elsewhere"),
)


def member(n: int, minute: int, role: str = "same") -> dict[str, object]:
    at = f"2025-12-13T10:{minute:02d}:00+00:00"
    return {"alert_id": f"A{n}", "title": f"alert {n}", "at": at, "source": f"tool{n % 2}", "role": role}


def test_storm_is_in_time_order_with_its_lead_and_its_first() -> None:
    frame = alert_charts.storm_frame([member(1, 40, "lead"), member(2, 5), {"alert_id": "A3", "title": "x"}], "A2")
    assert frame["title"].tolist() == ["alert 2", "alert 1"]  # what has no time is not drawn
    assert frame["role"].tolist() == ["first", "lead"]
    assert frame["line"].tolist() == ["alert 2", "alert 1"]


def test_a_large_storm_shares_a_line_a_source() -> None:
    frame = alert_charts.storm_frame([member(n, n) for n in range(alert_charts.NAMED + 1)], None)
    assert sorted(set(frame["line"])) == ["tool0", "tool1"]
    drawn = alert_charts.storm(frame, palette=charts.DARK).to_dict()
    assert len(drawn["layer"]) == 1  # so many points have no label each


def test_lineage_is_placed_by_distance_and_the_path_is_marked() -> None:
    of = around(EDGES, "prod.events")
    nodes, edges = alert_charts.lineage_frames(of, "prod.events", ["daily"])
    place = dict(zip(nodes["name"], nodes["x"], strict=True))
    assert place == {"raw.events": -1, "prod.events": 0, "daily": 1, "weekly": 1, "Board": 2}
    kinds = dict(zip(nodes["name"], nodes["kind"], strict=True))
    assert (kinds["prod.events"], kinds["raw.events"], kinds["Board"]) == ("entity", "upstream", "report")
    assert set(nodes[nodes["hit"]]["name"]) == {"prod.events", "daily"}
    assert edges[edges["hit"]][["from", "to"]].to_numpy().tolist() == [["prod.events", "daily"]]


def test_a_path_to_a_report_runs_through_what_it_is_made_from() -> None:
    nodes, _ = alert_charts.lineage_frames(around(EDGES, "prod.events"), "prod.events", ["Board"])
    assert set(nodes[nodes["hit"]]["name"]) == {"prod.events", "daily", "Board"}


def test_without_names_everything_downstream_is_hit() -> None:
    nodes, _ = alert_charts.lineage_frames(around(EDGES, "events"), "events", [])  # the end of its name is enough
    assert set(nodes[nodes["hit"]]["name"]) == {"events", "daily", "weekly", "Board"}


def test_a_circle_of_tables_ends() -> None:
    of = around((Edge("a", "b"), Edge("b", "a")), "a")
    nodes, edges = alert_charts.lineage_frames(of, "a", [])
    assert sorted(nodes["name"]) == ["a", "b"]
    assert json.dumps(alert_charts.lineage(nodes, edges=edges, palette=charts.LIGHT).to_dict())
