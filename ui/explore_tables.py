"""Under the chart: every metric, the parts of the chosen one, what changed in a range, and the receipt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
import streamlit as st

from core import charts
from core.audit.report import stamp
from core.detect.find import find, group_runs
from core.model import Delta, Finding
from core.parts import Parts, Reference, parts
from core.playbook import DetectorUse
from ui import cards, data, explore_mix, words
from ui import figures as drawn
from ui.explore import View, chosen_range, download

PARTS_SHOWN = 15
ROWS_SHOWN = 20  # a longer table scrolls
RIGHT = st.column_config.TextColumn(alignment="right")


def figures(view: View, delta: Delta) -> None:
    """The judged period's figures in one line."""
    m = delta.metric
    fired = bool(view.alarm[view.i, view.point])
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge("alarm" if fired else "inside its limits", color="red" if fired else "gray")
        st.markdown(
            f"**{words.figure(delta.value, m.kind, m.unit)}** · expected {words.figure(delta.baseline, m.kind, m.unit)}"
            f" · band {words.figure(delta.lower, m.kind)} to {words.figure(delta.upper, m.kind)}"
            f" · previous {words.figure(delta.previous, m.kind, m.unit)} ({words.percent(delta.dod_pct)})"
        )


def range_moves(view: View) -> None:
    """Two dates, or a range dragged on the chart, and what changed most in it."""
    st.header("What changed most in a range")
    index = view.panel.index
    first, last = index[0].date(), index[-1].date()
    for key in ("explore_from", "explore_to"):
        kept = st.session_state.get(key)
        if isinstance(kept, date) and not first <= kept <= last:
            st.session_state[key] = min(max(kept, first), last)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.date_input("From", None, first, last, key="explore_from", format="YYYY-MM-DD", width=190)
        st.date_input("To", None, first, last, key="explore_to", format="YYYY-MM-DD", width=190)
        st.toggle("Zoom the chart to it", key="explore_zoom")
        st.button("Clear", key="explore_clear", on_click=_clear, icon=":material/close:", type="tertiary")
    span = chosen_range()
    if span is None:
        start, end = st.session_state.get("explore_from"), st.session_state.get("explore_to")
        if start and end:
            st.warning("The range ends before it starts.", icon=":material/date_range:")
        else:
            st.caption("Drag on the chart, or give two dates: every metric and every part is ranked by its move.")
        return
    frame = data.moves(view.name, view.edits, *span)
    if frame.empty:
        st.info(
            "Nothing to compare: the range needs data, and an equally long stretch before it.", icon=":material/info:"
        )
        return
    _moves_table(frame, f"{span[0]:%Y-%m-%d} to {span[1]:%Y-%m-%d}")
    download("These rows as CSV", frame, f"{view.name}_moves.csv", "explore_moves_csv")


def _clear() -> None:
    for key in ("explore_from", "explore_to"):
        st.session_state[key] = None
    st.session_state["explore_zoom"] = False
    st.session_state["explore_round"] = st.session_state.get("explore_round", 0) + 1


def _moves_table(frame: pd.DataFrame, span: str) -> None:
    where = [f"{d} = {s}" if d else "total" for d, s in zip(frame["dimension"], frame["series"], strict=True)]
    shown = pd.DataFrame(
        {
            "metric": frame["metric"],
            "where": where,
            "before": [_short(v) for v in frame["before"]],
            "during": [_short(v) for v in frame["during"]],
            "change %": frame["change_pct"],
            "strength": frame["strength"],
        }
    )
    st.caption(
        f"{span}, mean per period against the equally long stretch before it. Strength is the move in the series' "
        "own standard deviations, so metrics of different size can be ranked together."
    )
    st.dataframe(
        shown, hide_index=True, alt=f"What changed most in {span}",
        column_config={
            "change %": st.column_config.NumberColumn(format="%+.1f %%"),
            "strength": st.column_config.NumberColumn(format="%+.1f sd"),
            "before": RIGHT,
            "during": RIGHT,
        },
    )  # fmt: skip


def _short(value: float) -> str:
    return words.figure(float(f"{value:.4g}") if abs(value) < 1000 else round(value))


def all_metrics(view: View, found: Sequence[Delta]) -> None:
    """Every metric at the judged period, concerned ones first."""
    st.header(f"All metrics on {words.short_moment(found[0].at, view.panel.freq)}")
    fired = view.alarm[:, view.point]
    order = sorted(
        range(len(found)), key=lambda k: (not fired[k], _good(found[k]), -abs(found[k].vs_baseline_pct or 0))
    )
    rows = [_row(found[k], bool(fired[k])) for k in order]
    event = st.dataframe(
        pd.DataFrame(rows), hide_index=True, key="explore_all", placeholder="n/a",
        height="content" if len(rows) <= ROWS_SHOWN else "auto",
        on_select="rerun", selection_mode="single-row",
        alt="Every metric with its value, previous value, baseline and deltas; concerned ones first",
        column_config={
            "last periods": st.column_config.LineChartColumn(color="gray"),
            "vs previous": st.column_config.NumberColumn(format="%+.2f %%"),
            "vs baseline": st.column_config.NumberColumn(format="%+.2f %%"),
            **{c: RIGHT for c in ("value", "previous", "baseline", "Δ baseline")},
        },
    )  # fmt: skip
    flat = pd.DataFrame(rows).drop(columns="last periods")
    with st.container(horizontal=True, vertical_alignment="center"):
        rows_picked = event["selection"]["rows"]
        if rows_picked and (other := found[order[rows_picked[0]]].metric).name != view.metric.name:
            st.button(
                f"Explore {other.label}", key="explore_switch", on_click=_switch, args=(other.name,), type="tertiary",
                icon=":material/query_stats:",
            )  # fmt: skip
        download("These rows as CSV", flat, f"{view.name}_{found[0].at:%Y-%m-%d}.csv", "explore_all_csv")


def _switch(metric: str) -> None:
    st.session_state["explore_metric"] = metric


def _good(delta: Delta) -> bool:
    return words.bad_way(delta) is not True


def _row(d: Delta, fired: bool) -> dict[str, object]:
    m = d.metric
    return {
        "metric": m.label,
        "state": "alarm" if fired else "",
        "value": words.figure(d.value, m.kind, m.unit),
        "previous": words.figure(d.previous, m.kind, m.unit),
        "vs previous": d.dod_pct,
        "baseline": words.figure(d.baseline, m.kind, m.unit),
        "Δ baseline": _signed(d),
        "vs baseline": d.vs_baseline_pct,
        "last periods": [v for v in d.history if v is not None],
        "system": m.system,
    }


def _signed(d: Delta) -> str:
    move = d.vs_baseline_abs
    return (
        ("+" if (move or 0) > 0 else "") + words.figure(move, d.metric.kind, d.metric.unit)
        if move is not None
        else "n/a"
    )


def drill(view: View, total: Delta) -> None:
    """The chosen metric by each dimension: what every part added to the change, and whether it is itself unusual."""
    if not view.book.dimensions:
        return
    st.header(f"{total.metric.label[:1].upper()}{total.metric.label[1:]} by dimension")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dimension = st.segmented_control(
            "Dimension", view.book.dimensions, default=view.book.dimensions[0], required=True,
            key=f"explore_dimension_{view.name}",
        )  # fmt: skip
        against: Reference = st.segmented_control(
            "Compared with", ["baseline", "previous"], default="baseline", required=True, key="explore_against"
        )
    split = _parts(view, total, str(dimension), against)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _bars(view, split, str(dimension), against)
    with right:
        _parts_table(split, total, str(dimension), against)
    explore_mix.effects(view, str(dimension), against)


def _parts(view: View, total: Delta, dimension: str, against: Reference) -> Parts:
    panel, baseline = data.fitted(view.name, view.edits, view.use, dimension)
    fired = data.alarms(view.name, view.edits, view.uses, dimension)[:, view.point]
    own = np.flatnonzero((panel.series["metric"] == total.metric.name).to_numpy())
    found = view.deltas(panel, baseline)
    spec = next(m for m in view.book.metrics if m.name == total.metric.name)
    return parts(spec, total, [found[k] for k in own], [bool(fired[k]) for k in own], against)


def _bars(view: View, split: Parts, dimension: str, against: Reference) -> None:
    reference = view.against if against == "baseline" else f"{words.period_word(view.panel.freq)} before"
    if split.change is None:
        st.info("Without a reference there is no change to divide yet.", icon=":material/info:")
        return
    if split.residual is None:
        is_ratio = next(m for m in view.book.metrics if m.name == view.metric.name).over is not None
        if is_ratio and against == "previous":
            explore_mix.bars(view, dimension)
            return
        st.info(
            "Averages and ratios of parts do not add up to the total's, so their own changes stand in the table."
            + (" Compared with the previous period, the change is divided into rate and mix." if is_ratio else ""),
            icon=":material/info:",
        )
        return
    frame = split.rows.dropna(subset=["change"]).head(PARTS_SHOWN)
    top = frame.iloc[0] if len(frame) else None
    title = (
        f"{top['part']} moved most: {_delta_words(float(top['change']))} of {_delta_words(split.change)}"
        if top is not None
        else "No part has a reference yet"
    )
    drawn.show(
        charts.bars,
        frame[["part", "change"]],
        label="part",
        value="change",
        title=title,
        palette=words.palette(),
        alt=f"{title}. Bars: the change of each {dimension} against the {reference}",
    )
    hidden = len(split.rows) - len(frame)
    st.caption(
        f"Parts {_delta_words(split.added or 0)} + residual {_delta_words(split.residual)} = total "
        f"{_delta_words(split.change)} against the {reference}."
        + (f" {hidden} smaller parts are in the sum, not in the chart." if hidden else "")
        + _why_residual(split, view, against)
    )


def _why_residual(split: Parts, view: View, against: Reference) -> str:
    if abs(split.residual or 0) <= 1e-9 * max(1.0, abs(split.change or 0)):
        return " The sum is exact."
    if against == "previous":
        return " The residual is what parts without a value on either side leave."
    return f" The residual is there because {view.use.method.replace('_', ' ')} baselines of parts need not add up."


def _delta_words(value: float) -> str:
    rounded = float(f"{value:.4g}") if abs(value) < 1000 else round(value)
    return ("+" if rounded > 0 else "") + words.figure(rounded + 0.0)


def _parts_table(split: Parts, total: Delta, dimension: str, against: Reference) -> None:
    kind, unit = total.metric.kind, total.metric.unit
    shown = pd.DataFrame(
        {
            dimension: split.rows["part"],
            "state": ["alarm" if hit else "" for hit in split.rows["fired"]],
            "value": [words.figure(_number(v), kind, unit) for v in split.rows["value"]],
            against: [words.figure(_number(v), kind, unit) for v in split.rows["reference"]],
            "change": [_delta_words(v) if np.isfinite(v) else "n/a" for v in split.rows["change"]],
            "change %": split.rows["change_pct"],
            "of the total": split.rows["share_pct"],
        }
    )
    st.dataframe(
        shown, hide_index=True, alt=f"{total.metric.label} by {dimension}",
        column_config={
            "change %": st.column_config.NumberColumn(format="%+.1f %%"),
            "of the total": st.column_config.NumberColumn(format="%.1f %%"),
            **{c: RIGHT for c in ("value", against, "change")},
        },
    )  # fmt: skip
    fired = int(split.rows["fired"].sum())
    st.caption(f"{fired} of {len(split.rows)} parts are themselves outside their limits.")


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def receipt(view: View, delta: Delta) -> None:
    """The periods the expectation was made from; the judged one is not among them."""
    used = [stamp(t, view.panel.freq) for t in delta.trained_on]
    judged = stamp(delta.at, view.panel.freq)
    label = f"Baseline receipt: {len(used)} {words.period_word(view.panel.freq)}s used, {judged} excluded"
    with st.expander(label, icon=":material/receipt:"):
        if not used:
            reasons = [a.reason for a in view.baseline.abstentions if a.series == view.i]
            st.markdown("No expectation at this period" + (f": {cards.safe(reasons[0])}." if reasons else "."))
            return
        given = ", ".join(f"{k} {v}" for k, v in view.baseline.params.items() if v is not None)
        st.caption(f"{view.baseline.method.replace('_', ' ')} ({given}), from earlier periods only.")
        listed = used if len(used) <= 60 else [*used[:3], f"… {len(used) - 6} more …", *used[-3:]]
        st.markdown(", ".join(listed))


def past_findings(view: View) -> None:
    """Every alarm of the metric over the history, newest first; a click judges that period."""
    found = [f for u in view.uses for f in _history(view, u)]
    found.sort(key=lambda f: f.start, reverse=True)
    st.header(f"Alarms in history ({len(found)})")
    if not found:
        st.caption("None with these limits. Try other detectors or parameters on the Detectors page.")
    for k, f in enumerate(found[:12]):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                stamp(f.start, view.panel.freq), key=f"explore_past_{k}", type="tertiary", icon=":material/event:",
                on_click=_judge, args=(stamp(f.start, view.panel.freq),), help="Judge this period and open its finding",
            )  # fmt: skip
            st.badge(f.severity.name.lower(), color=words.SEVERITY[f.severity])
            st.markdown(cards.safe(f.summary))
    if len(found) > 12:
        st.caption(f"{len(found) - 12} earlier ones are on the chart: choose All as the window.")


def _history(view: View, use: DetectorUse) -> tuple[Finding, ...]:
    panel, baseline, scores = data.scored(view.name, view.edits, use)
    found = find(panel, baseline, scores, window=range(panel.shape[1]), playbook=view.book.name)
    return group_runs([f for f in found if f.metric == view.metric.name])


def _judge(period: str) -> None:
    st.session_state["explore_at"] = period
    st.session_state["explore_open"] = True
