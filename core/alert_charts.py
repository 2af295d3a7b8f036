"""Altair charts of data incidents: counts, the alerts of a storm in time, lineage, a run's steps against budgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from core.charts import Palette
from core.lineage import Edge, Lineage, same_table

if TYPE_CHECKING:
    import altair as alt

    Layered = alt.LayerChart | alt.FacetChart

NAMED = 24  # so many members of a storm have a line of their own; more share one a source
MOST_NODES = 60
LONGEST = 24  # characters of a name in the graph


def counts(frame: pd.DataFrame, *, palette: Palette) -> Layered:
    """One bar for each name, the largest first.

    Shape: ``frame`` has columns name, count and tone (line, bad, mark or muted).
    """
    import altair as alt

    _unchecked()
    most = max(int(frame["count"].max()), 1)
    tones = ["line", "bad", "mark", "muted"]
    base = alt.Chart(frame).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=130, ticks=False, domain=False)),
        x=alt.X("count:Q", axis=None, scale=alt.Scale(domain=[0, most * 1.18])),
        tooltip=[alt.Tooltip("name:N", title="What"), alt.Tooltip("count:Q", title="Incidents", format=",")],
    )
    bar = base.mark_bar(cornerRadius=2, height=16).encode(
        color=alt.Color(
            "tone:N", legend=None, scale=alt.Scale(domain=tones, range=[getattr(palette, t) for t in tones])
        )
    )
    text = base.mark_text(align="left", dx=5, color=palette.muted).encode(text=alt.Text("count:Q", format=","))
    drawn: Layered = alt.layer(bar, text).properties(height=alt.Step(26))
    return drawn


def storm_frame(members: Sequence[Mapping[str, object]], candidate: str | None) -> pd.DataFrame:
    """The alerts of an incident, and changes before them, that have a time, oldest first.

    Shape: columns at (UTC, no zone), line (where it is drawn), title, source, severity and role (first, lead or
    other); a line of its own for each alert of a small storm, one a source for a large one.
    """
    known = [m for m in members if m.get("at")]
    rows = []
    for m in sorted(known, key=lambda m: str(m["at"])):
        role = "lead" if m.get("role") == "lead" else "first" if m.get("alert_id") == candidate else "other"
        at = datetime.fromisoformat(str(m["at"])).astimezone(UTC).replace(tzinfo=None)
        title, source = str(m.get("title") or ""), str(m.get("source") or "")
        rows.append((at, title if len(known) <= NAMED else source, title, source, str(m.get("severity") or ""), role))
    return pd.DataFrame(rows, columns=["at", "line", "title", "source", "severity", "role"])


def storm(frame: pd.DataFrame, *, palette: Palette) -> Layered:
    """Each alert as a point in time; the one it is judged by is red, the earliest before it is marked.

    Shape: ``frame`` as :func:`storm_frame` gives it.
    """
    import altair as alt

    _unchecked()
    roles = ["first", "lead", "other"]
    base = alt.Chart(frame).encode(
        x=alt.X("at:T", title=None, axis=alt.Axis(labelOverlap=True, format="%H:%M"), scale=alt.Scale(nice=True)),
        y=alt.Y("line:N", sort=None, title=None, axis=alt.Axis(labelLimit=220, grid=True, ticks=False, domain=False)),
        tooltip=[
            alt.Tooltip("at:T", title="At (UTC)", format="%d %b %H:%M:%S"),
            alt.Tooltip("title:N", title="Alert"),
            alt.Tooltip("source:N", title="From"),
            alt.Tooltip("severity:N", title="Severity"),
        ],
    )
    point = base.mark_point(filled=True, size=130, opacity=1, stroke=palette.edge, strokeWidth=1).encode(
        color=alt.Color(
            "role:N", legend=None, scale=alt.Scale(domain=roles, range=[palette.mark, palette.bad, palette.muted])
        ),
        shape=alt.Shape("role:N", legend=None, scale=alt.Scale(domain=roles, range=["diamond", "circle", "circle"])),
    )
    text = base.mark_text(dy=-14, fontSize=11, color=palette.muted).encode(text=alt.Text("at:T", format="%H:%M"))
    layers = [point, text] if len(frame) <= NAMED else [point]
    drawn: Layered = alt.layer(*layers).properties(height=alt.Step(34))
    return drawn


def lineage_frames(of: Lineage, entity: str, path: Iterable[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nodes and edges of the graph around an entity, placed by how many steps they are from it.

    Shape: nodes with columns name, label, x, y, kind (entity, upstream, table or report), owner and hit; edges with
    columns x, y, x2, y2, from, to and hit. ``hit`` marks what the incident runs through: ``path``, or everything
    downstream when that names nothing.
    """
    depth = _depths(of, entity)
    names = sorted(depth, key=lambda n: (depth[n], n))[:MOST_NODES]
    columns: dict[int, list[str]] = {}
    for name in names:
        columns.setdefault(depth[name], []).append(name)
    place = {n: (d, (i + 1) / (len(col) + 1)) for d, col in columns.items() for i, n in enumerate(col)}
    hit = _hit(of, entity, tuple(path))
    kinds, owners = {e.end: e.kind for e in of.edges}, {e.end: e.owner for e in of.edges}
    nodes = [(n, _short(n), *place[n], _kind(n, entity, depth[n], kinds), owners.get(n, ""), n in hit) for n in names]
    edges = [
        (*place[a], *place[b], a, b, a in hit and b in hit)
        for a, b in ((_same(e.start, entity), _same(e.end, entity)) for e in of.edges)
        if a in place and b in place
    ]
    return (
        pd.DataFrame(nodes, columns=["name", "label", "x", "y", "kind", "owner", "hit"]),
        pd.DataFrame(edges, columns=["x", "y", "x2", "y2", "from", "to", "hit"]),
    )


def _same(name: str, entity: str) -> str:
    return entity if same_table(name, entity) else name


def _depths(of: Lineage, entity: str) -> dict[str, int]:
    """How many steps each node is from the entity; what feeds it is at -1."""
    depth = {entity: 0}
    for edge in of.path:  # nearest first
        start, end = _same(edge.start, entity), _same(edge.end, entity)
        depth.setdefault(end, depth.get(start, 0) + 1)
    for edge in of.edges:
        if edge not in of.path:
            depth.setdefault(_same(edge.start, entity), -1)
    return depth


def _hit(of: Lineage, entity: str, path: tuple[str, ...]) -> set[str]:
    """What the named tables are reached through, and they themselves."""
    ends = {_same(e.end, entity) for e in of.path}
    named = {n for n in ends if any(same_table(n, p) for p in path)} or ends
    hit, into = {entity}, dict[str, list[Edge]]()
    for edge in of.path:
        into.setdefault(_same(edge.end, entity), []).append(edge)
    queue = list(named)
    while queue:
        here = queue.pop()
        if here in hit:
            continue
        hit.add(here)
        queue += [_same(e.start, entity) for e in into.get(here, [])[:1]]
    return hit


def _kind(name: str, entity: str, depth: int, kinds: Mapping[str, str]) -> str:
    if name == entity:
        return "entity"
    return "upstream" if depth < 0 else "report" if kinds.get(name) == "report" else "table"


def _short(name: str) -> str:
    """The table without its database and schema; reports keep their words."""
    own = name if " " in name else name.rsplit(".", 1)[-1]
    return own if len(own) <= LONGEST else f"{own[: LONGEST - 1]}…"


def lineage(nodes: pd.DataFrame, *, edges: pd.DataFrame, palette: Palette) -> Layered:
    """The graph from left to right: what feeds the entity, the entity, what is made from it.

    Shape: both frames as :func:`lineage_frames` gives them.
    """
    import altair as alt

    _unchecked()
    left, right = float(nodes["x"].min()), float(nodes["x"].max())
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[left - 0.35, right + 0.85], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[1, 0]))
    hit = "datum.hit"
    line = (
        alt.Chart(edges)
        .mark_rule()
        .encode(
            x=x, y=y, x2="x2:Q", y2="y2:Q",
            color=alt.condition(hit, alt.value(palette.bad), alt.value(palette.muted)),
            strokeWidth=alt.condition(hit, alt.value(2.4), alt.value(1)),
            opacity=alt.condition(hit, alt.value(0.85), alt.value(0.45)),
        )
    )  # fmt: skip
    kinds = ["entity", "upstream", "table", "report"]
    base = alt.Chart(nodes).encode(
        x=x, y=y,
        tooltip=[
            alt.Tooltip("name:N", title="Name"),
            alt.Tooltip("kind:N", title="What"),
            alt.Tooltip("owner:N", title="Owner"),
        ],
    )  # fmt: skip
    node = base.mark_point(filled=True, size=170, opacity=1, stroke=palette.edge, strokeWidth=1.5).encode(
        color=alt.condition(hit, alt.value(palette.bad), alt.value(palette.muted)),
        shape=alt.Shape(
            "kind:N", legend=None, scale=alt.Scale(domain=kinds, range=["diamond", "circle", "circle", "square"])
        ),
    )
    text = base.mark_text(align="left", dx=11, dy=-11, fontSize=12, color=palette.muted).encode(text="label:N")
    tallest = int(nodes.groupby("x").size().max())
    drawn: Layered = alt.layer(line, node, text, height=max(110, 62 * tallest))
    return drawn


def steps(frame: pd.DataFrame, *, palette: Palette) -> Layered:
    """How long each step took; those from which on a budget was used up are red.

    Shape: ``frame`` has columns step, seconds, over and told.
    """
    import altair as alt

    _unchecked()
    most = max(float(frame["seconds"].max()), 0.001)
    base = alt.Chart(frame).encode(
        y=alt.Y("step:N", sort=None, title=None, axis=alt.Axis(labelLimit=110, ticks=False, domain=False))
    )
    x = alt.X("seconds:Q", axis=None, scale=alt.Scale(domain=[0, most * 1.35]))
    bar = base.mark_bar(cornerRadius=2, height=14).encode(
        x=x,
        color=alt.condition("datum.over", alt.value(palette.bad), alt.value(palette.line)),
        tooltip=[alt.Tooltip("step:N", title="Step"), alt.Tooltip("told:N", title="Took")],
    )
    text = base.mark_text(align="left", dx=5, color=palette.muted).encode(x=x, text="told:N")
    drawn: Layered = alt.layer(bar, text).properties(height=alt.Step(24))
    return drawn


def _unchecked() -> None:
    """Switches Altair's schema checks off: they take most of the time of drawing, and tests draw with them on."""
    from altair.utils import schemapi

    schemapi.disable_debug_mode()
