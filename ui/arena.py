"""Detectors: choose, set, run, compare, and keep what works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core import charts, comparison
from core.audit.report import stamp
from core.baseline.methods import baselines
from core.detect.arena import ArenaRow, arena
from core.detect.detectors import detectors
from core.errors import WorkbenchError
from core.model import Baseline, Panel, Scores
from core.playbook import BaselineUse, DetectorUse, Playbook
from core.service import sources
from ui import auth, cards, data, figures, forms, words

Edits = Mapping[str, bytes]
PAIRED = "as paired"


def configure(name: str, book: Playbook) -> tuple[DetectorUse, ...]:
    """One form a chosen detector, filled with the source's own settings. Raises: WorkbenchError for people."""
    own = {u.detector: u for u in book.detectors}
    chosen = st.pills(
        "Detectors", detectors.names, selection_mode="multi", format_func=lambda n: detectors.get(n).title,
        default=[n for n in detectors.names if n in own or n == "band"], key=f"detectors_pick_{name}",
    )  # fmt: skip
    uses = []
    with st.grid(columns="auto", min_column_width=300, gap="small"):
        for detector in chosen:
            with st.container(border=True):
                uses.append(_form(name, book, own.get(str(detector), DetectorUse(detector=str(detector)))))
    return tuple(uses)


def _form(name: str, book: Playbook, use: DetectorUse) -> DetectorUse:
    cls, key = detectors.get(use.detector), f"detectors_{name}_{use.detector}"
    st.subheader(cls.title)
    st.caption(" ".join((cls.__doc__ or "").replace("`", "").split()))
    params = forms.fields(cls, key, use.params)
    detectors.build(use.detector, params)
    fits = comparison.paired(book, use.model_copy(update={"baseline": None}))
    options = [PAIRED, *baselines.names]
    title = baselines.get(fits.method).title
    picked = st.selectbox(
        "Baseline", options, index=options.index(use.baseline.method) if use.baseline else 0, key=f"{key}_baseline",
        format_func=lambda n: f"{title} (paired)" if n == PAIRED else baselines.get(n).title,
    )  # fmt: skip
    if picked == PAIRED:
        return DetectorUse(detector=use.detector, params=params)
    start = use.baseline.params if use.baseline and use.baseline.method == picked else {}
    with st.popover("Baseline parameters", icon=":material/tune:"):
        given = forms.fields(baselines.get(picked), f"{key}_{picked}", start)
    baselines.build(picked, given)
    return DetectorUse(detector=use.detector, params=params, baseline=BaselineUse(method=picked, params=given))


def run_button(name: str, uses: Sequence[DetectorUse]) -> tuple[DetectorUse, ...]:
    """Runs on demand; answers what was last run for this source."""
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Run over the history", type="primary", icon=":material/play_arrow:", key="detectors_run", disabled=not uses
        )  # fmt: skip
        kept: dict[str, tuple[DetectorUse, ...]] = st.session_state.setdefault("detectors_ran", {})
        if pressed:  # not a callback: that would get the forms as they were before the last edit
            kept[name] = tuple(uses)
        ran = kept.get(name, ())
        if ran and ran != tuple(uses):
            st.caption(":material/edit: The forms have changed since this run.")
    return ran


def results(name: str, edits: Edits, uses: Sequence[DetectorUse]) -> None:
    """What each detector would have done over the whole history of one metric, side by side."""
    panel = data.panel(name, edits)
    labels = [m.label for m in panel.metrics.values()]
    if st.session_state.get("detectors_metric") not in labels:
        st.session_state.pop("detectors_metric", None)
    st.header("Side by side")
    chosen = st.selectbox("Metric", labels, key="detectors_metric", width=260)
    i = labels.index(str(chosen))
    with st.spinner("Running the detectors over the history…"):
        lanes = [comparison.only(*data.scored(name, edits, u), i) for u in uses]
        ceilings = [data.ceiling(name, edits, u, i) for u in uses]
    titles = _distinct(uses)
    rows = arena(lanes[0][0], [(b, s) for _, b, s in lanes])
    _table(titles, rows, lanes)
    _notes(titles, rows, lanes, ceilings)
    _strips(titles, lanes, str(chosen))
    if len(uses) > 2:
        _overlap(titles, lanes)
    _charts(titles, lanes, str(chosen))


def _distinct(uses: Sequence[DetectorUse]) -> list[str]:
    return [comparison.name_of(u) for u in uses]


Lane = tuple[Panel, Baseline, Scores]


def _table(titles: Sequence[str], rows: Sequence[ArenaRow], lanes: Sequence[Lane]) -> None:
    frame = pd.DataFrame(
        {
            "detector": titles,
            "latest": [comparison.latest(s, 0) for _, _, s in lanes],
            "alarms": [r.alarms for r in rows],
            "per year": [r.alarms_per_series_year for r in rows],
            "alarmed periods": [r.alarm_points for r in rows],
            "judged periods": [r.judged_points for r in rows],
            "agrees": [None if r.agreement is None else r.agreement * 100 for r in rows],
            "largest score": [r.largest_score for r in rows],
            "baseline": [baselines.get(r.baseline).title for r in rows],
        }
    )
    st.dataframe(
        frame, hide_index=True, alt="Each detector's alarms, agreement and latest state",
        column_config={
            "detector": st.column_config.TextColumn(width="medium"),
            "alarms": st.column_config.NumberColumn(help="Alarms that touch in time count as one"),
            "per year": st.column_config.NumberColumn(format="%.1f", help="Alarms in a year of such data"),
            "agrees": st.column_config.NumberColumn(
                format="%.0f %%", help="Share of its alarmed periods that another one alarms on too"
            ),
            "largest score": st.column_config.NumberColumn(format="%.2f x", help="In multiples of its limit"),
        },
    )  # fmt: skip


def _notes(titles: Sequence[str], rows: Sequence[ArenaRow], lanes: Sequence[Lane], ceilings: Sequence[float]) -> None:
    """What a detector declines to say, and whether it could fire at all."""
    for title, row, (_, baseline, scores), most in zip(titles, rows, lanes, ceilings, strict=True):
        said = dict.fromkeys([a.reason for a in (*scores.abstentions, *baseline.abstentions)] + [row.note])
        if reasons := [cards.safe(r) for r in said if r]:
            st.info(f"**{cards.safe(title)}** abstains now: {'; '.join(reasons)}.", icon=":material/hourglass_empty:")
        elif np.isfinite(most) and most < 1:
            st.warning(
                f"**{cards.safe(title)}** cannot fire on the latest period: the largest score any value could have "
                f"there is {most:.2f} x its limit. Its history is too short or too restless.",
                icon=":material/vertical_align_top:",
            )


def _strips(titles: Sequence[str], lanes: Sequence[Lane], metric: str) -> None:
    parts = [
        pd.DataFrame({"ts": p.index[s.alarm[0]], "detector": title, "score": s.score[0, s.alarm[0]]})
        for title, (p, _, s) in zip(titles, lanes, strict=True)
    ]
    frame = pd.concat(parts)
    if frame.empty:
        st.info(f"None of them fired on {metric} over {lanes[0][0].shape[1]} periods.", icon=":material/check_circle:")
        return
    title = f"{frame['ts'].nunique()} periods of {metric} with an alarm, of {lanes[0][0].shape[1]}"
    span = (lanes[0][0].index[0].to_pydatetime(), lanes[0][0].index[-1].to_pydatetime())
    with st.container(border=True):
        figures.show(
            charts.strips,
            frame,
            title=title,
            palette=words.palette(),
            rows=titles,
            span=span,
            alt=f"{title}. One row of ticks for each detector",
        )


def _overlap(titles: Sequence[str], lanes: Sequence[Lane]) -> None:
    shared = comparison.overlap([s.alarm[0] for _, _, s in lanes]) * 100
    numbers = [str(k) for k in range(1, len(titles) + 1)]
    frame = pd.DataFrame(shared, columns=numbers)
    frame.insert(0, "detector", [f"{k} {t}" for k, t in zip(numbers, titles, strict=True)])
    with st.expander("Agreement of each pair", icon=":material/join_inner:"):
        st.dataframe(
            frame, hide_index=True, alt="Share of alarmed periods each pair of detectors has in common",
            column_config={n: st.column_config.NumberColumn(format="%.0f %%") for n in numbers},
        )  # fmt: skip


def _charts(titles: Sequence[str], lanes: Sequence[Lane], metric: str) -> None:
    with st.grid(columns="auto", min_column_width=420, gap="small"):
        for k, (title, (panel, baseline, scores)) in enumerate(zip(titles, lanes, strict=True)):
            frame = charts.series_frame(panel, 0, baseline, scores.alarm, last=180)
            count = int(frame["alarm"].sum())
            says = f"{title}: {count} {'period' if count == 1 else 'periods'} alarmed"
            with st.container(border=True):
                figures.show(
                    charts.series_chart, frame, key=f"detectors_chart_{k}",
                    title=says, unit=panel.metric(0).unit, palette=words.palette(), brush=False, height=230,
                    value_format=charts.value_format(panel.metric(0), panel.values),
                    alt=f"{metric}, {says}, last {len(frame)} periods with the expected band",
                )  # fmt: skip


def would_have_fired(name: str, edits: Edits, uses: Sequence[DetectorUse]) -> None:
    """Every finding these detectors would have made on this source's history, over all metrics."""
    found = [(t, f) for t, u in zip(_distinct(uses), uses, strict=True) for f in data.history(name, edits, u)]
    found.sort(key=lambda pair: pair[1].start, reverse=True)
    st.header(f"Would have fired ({len(found)})")
    if not found:
        st.caption("Nothing in the whole history. Lower a limit or choose another detector.")
        return
    freq = data.panel(name, edits).freq
    frame = pd.DataFrame(
        [
            {
                "period": stamp(f.start, freq),
                "metric": f.label,
                "severity": f.severity.name.lower(),
                "what": f.summary,
                "score": f.score,
                "detector": t,
            }
            for t, f in found[:200]
        ]
    )
    more = f" The newest 200 of {len(found)} are shown." if len(found) > 200 else ""
    st.caption(f"Over all metrics, before anything is saved; alarms that touch count as one.{more}")
    st.dataframe(
        frame, hide_index=True, alt="Findings these detectors would have made, newest first",
        column_config={
            "what": st.column_config.TextColumn(width="large"),
            "score": st.column_config.NumberColumn(format="%.2f x"),
        },
    )  # fmt: skip


def keep(name: str, uses: Sequence[DetectorUse]) -> None:
    """Saved sources take the detectors as their own; a playbook shows the lines for its file."""
    st.header("Keep these detectors")
    if (problem := st.session_state.pop("detectors_problem", None)) is not None:
        cards.problem(problem)
    if name in data.bench().playbooks:
        st.info(
            "A try-out for this session: a built-in playbook is not changed from here. "
            f"To keep it, put these lines into playbooks/{name}/playbook.yaml in place of its own detectors.",
            icon=":material/science:",
        )
    else:
        st.button(
            "Save as this source's detectors", icon=":material/save:", key="detectors_save", on_click=_save,
            args=(name, tuple(uses)), help="Today, Explore, schedules and alerts of this source use them from then on.",
        )  # fmt: skip
    st.code(comparison.as_yaml(uses), language="yaml")


def _save(name: str, uses: tuple[DetectorUse, ...]) -> None:
    wb, who = data.bench(), auth.current()
    try:
        held = sources.get(wb, who.tenant, name)
        sources.save(wb, who, held.model_copy(update={"detectors": uses}))
    except WorkbenchError as error:
        st.session_state["detectors_problem"] = error
    else:
        st.toast(f"Saved: {len(uses)} detectors now judge {held.title}.", icon=":material/check:")
