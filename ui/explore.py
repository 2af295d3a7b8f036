"""Explore: choose a metric and a baseline, see it against its band, and act on the chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

from core import charts, comparison
from core.audit.report import stamp
from core.baseline.deltas import deltas
from core.baseline.methods import baselines
from core.charts import Mark
from core.detect.find import finding_id
from core.load.export import write_csv
from core.model import Baseline, Bools, Delta, Metric, Panel
from core.pipeline import parse_as_of, target
from core.playbook import BaselineUse, DetectorUse, Playbook
from ui import cards, data, figures, forms, words

WINDOWS = {"30": 30, "90": 90, "all": charts.MAX_POINTS}
SHORT = {
    "previous": "Previous",
    "trailing_mean": "Trailing mean",
    "weekday_median": "Same weekday",
    "robust_seasonal": "Robust seasonal",
}
Edits = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class View:
    """Everything the page shows, for one metric at one period."""

    name: str
    book: Playbook
    edits: Edits
    own: bool  # the source's own baseline, unchanged
    use: BaselineUse
    uses: tuple[DetectorUse, ...]
    panel: Panel
    baseline: Baseline
    alarm: Bools
    i: int
    point: int
    window: int

    @property
    def metric(self) -> Metric:
        """The chosen metric."""
        return self.panel.metric(self.i)

    @property
    def against(self) -> str:
        """The baseline in words."""
        return words.reference(self.use.method, self.baseline.params, self.panel.freq)

    @property
    def span(self) -> slice:
        """The points on the chart: the last ones, or those around an earlier judged period."""
        last = self.panel.shape[1]
        if self.point < last - self.window:
            last = min(last, self.point + 1 + self.window // 3)
        return slice(max(0, last - self.window), last)

    def deltas(self, panel: Panel, baseline: Baseline) -> tuple[Delta, ...]:
        """Every series at the judged period."""
        return deltas(panel, baseline, self.point)


def choose(name: str, book: Playbook, edits: Edits) -> View:
    """The controls, and the view they ask for. Raises: WorkbenchError for people."""
    panel = data.panel(name, edits)
    asked = st.session_state.get("explore_at") or st.query_params.get("explore_at")
    labels = {m.name: m.label for m in panel.metrics.values()}
    _linked("metric", labels)
    own = comparison.paired(book, book.detectors[0])
    st.session_state["explore_freq"] = panel.freq
    first, second = (st.container(horizontal=True, vertical_alignment="bottom", gap="small") for _ in range(2))
    with first:
        chosen = st.selectbox("Metric", list(labels), format_func=labels.__getitem__, key="explore_metric", width=220)
        periods = data.dates(name, edits)
        _valid("explore_at", periods)
        at = st.selectbox("Period", periods, key="explore_at", bind="query-params", width=190)
        window = st.segmented_control(
            "Window", list(WINDOWS),
            format_func=lambda w: "All" if w == "all" else f"{w} {words.period_word(panel.freq)}s",
            default="90", required=True, key="explore_window",
        )  # fmt: skip
    with second:
        method = st.segmented_control(
            "Baseline", baselines.names, format_func=lambda n: SHORT.get(n, baselines.get(n).title),
            default=own.method, required=True, key=f"explore_method_{name}",
        )  # fmt: skip
        use = _parameters(str(method), own, book.country)
    if st.query_params.get("metric") != chosen:
        st.query_params["metric"] = str(chosen)
    same = use == own or (use.method == own.method and dict(use.params) == dict(own.params))
    uses = book.detectors if same else tuple(u.model_copy(update={"baseline": use}) for u in book.detectors)
    _, baseline = data.fitted(name, edits, use)
    return View(
        name, book, edits, same, use, uses, panel, baseline, data.alarms(name, edits, uses),
        list(labels).index(str(chosen)), target(panel, parse_as_of(at or asked), book), WINDOWS[str(window)],
    )  # fmt: skip


def _linked(name: str, options: Mapping[str, str]) -> None:
    """The chosen option, else the one in the address: a bound selectbox would write its label there."""
    key = f"explore_{name}"
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)
        if (asked := st.query_params.get(name)) in options:
            st.session_state[key] = asked


def _valid(key: str, options: Sequence[str] | Mapping[str, str]) -> None:
    """Forgets a remembered or linked choice that this source does not have."""
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]
    if key in st.query_params and st.query_params[key] not in options:
        del st.query_params[key]


def _parameters(method: str, own: BaselineUse, country: str | None) -> BaselineUse:
    """The baseline's own fields in a popover; the source's own parameters to begin with."""
    start = dict(own.params) if own.method == method else {}
    cls = baselines.get(method)
    with st.popover("Parameters", icon=":material/tune:"):
        st.caption((cls.__doc__ or cls.title).replace("`", ""))
        if country and "country" in cls.model_fields:
            start.setdefault("country", country)
        given = forms.fields(cls, f"explore_{method}", start)
    baselines.build(method, given)
    kept = {k: v for k, v in own.params.items() if own.method == method and k not in given and _default(method, k) == v}
    if country and given.get("country") == country:
        del given["country"]
    return BaselineUse(method=method, params={**kept, **given})


def _default(method: str, field: str) -> object:
    return baselines.get(method).model_fields[field].get_default(call_default_factory=True)


def message(view: View, delta: Delta) -> str:
    """The chart's title: where the metric stands at the judged period."""
    reason = next((a.reason for a in view.baseline.abstentions if a.series == view.i), "")
    return words.standing(delta, view.against, view.panel.freq, reason)


def chart(view: View, title: str) -> None:
    """Value, expectation, band, alarms and marks; a click opens the finding, dragging picks a range."""
    zoom = _zoom(view)
    frame = charts.span_frame(view.panel, view.i, view.baseline, view.alarm, zoom or view.span)
    marks = [*data.marks(view.name, view.edits), _judged(view)]
    first, last = frame["ts"].iloc[0], frame["ts"].iloc[-1]
    shown = [m for m in marks if first <= m.at <= last]
    st.header(cards.safe(title))
    figures.show(
        charts.series_chart, frame, key=chart_key(), on_select=picked, selection_mode=["brush", "pick"],
        title="", unit=view.metric.unit, palette=words.palette(), marks=shown, height=320,
        value_format=charts.value_format(view.metric, frame["value"].to_numpy(dtype=float)),
        alt=f"{title}. Line chart of {len(frame)} periods with its expected band; {int(frame['alarm'].sum())} alarms "
        f"and {len(shown)} marks.",
    )  # fmt: skip
    _below(view, frame, shown)


def chart_key() -> str:
    """The chart's key; a new one forgets what was selected on it."""
    return f"explore_chart_{st.session_state.get('explore_round', 0)}"


def picked() -> None:
    """A click on an alarm judges its period and opens the finding; a dragged range fills the two dates."""
    selection = st.session_state[chart_key()]["selection"]
    spot, brush = selection.get("pick"), selection.get("brush")
    if brush and brush.get("ts"):
        start, end = sorted(_moment(at) for at in brush["ts"])
        st.session_state["explore_from"], st.session_state["explore_to"] = start.date(), end.date()
    if spot:
        freq = st.session_state["explore_freq"]
        st.session_state["explore_at"] = stamp(_moment(spot[0]["ts"]), freq)
        st.session_state["explore_open"] = True


def _moment(at: float | str) -> datetime:
    """A time as the chart gives it: milliseconds, or text."""
    found = pd.to_datetime(at, utc=True) if isinstance(at, str) else pd.to_datetime(at, unit="ms", utc=True)
    moment: datetime = found.to_pydatetime()
    return moment


def _judged(view: View) -> Mark:
    return Mark(view.panel.index[view.point].to_pydatetime(), "The period that is judged below", "judged")


def _below(view: View, frame: pd.DataFrame, shown: Sequence[Mark]) -> None:
    """What the marks are in words, and the shown rows as a file."""
    freq = view.panel.freq
    said = [f"{words.short_moment(m.at, freq)}: {m.label}" for m in shown if m.kind != "judged"]
    more = f" and {len(said) - 4} more" if len(said) > 4 else ""
    special = view.baseline.params.get("country") and any(m.kind == "holiday" for m in shown)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(
            f"{len(frame)} of {view.panel.shape[1]} {words.period_word(freq)}s · click an alarm to open it, drag to "
            "ask what changed in a range"
            + (f" · dashed: {'; '.join(cards.safe(text) for text in said[-4:])}{more}" if said else "")
            + (" · bands are wider on holidays not seen before" if special else "")
        )
        download("Shown data as CSV", frame, f"{view.name}_{view.metric.name}.csv", "explore_csv")


def download(label: str, frame: pd.DataFrame, file: str, key: str) -> None:
    """A button that writes the rows as CSV, safe to open in a spreadsheet, when it is pressed."""
    st.download_button(
        label, lambda: write_csv(pa.Table.from_pandas(frame, preserve_index=False)), file_name=file, mime="text/csv",
        icon=":material/download:", key=key, type="tertiary", on_click="ignore",
    )  # fmt: skip


def open_finding(view: View) -> None:
    """After a click on an alarm: its finding goes into the address, from where the drawer opens it."""
    if not st.session_state.pop("explore_open", False):
        return
    if not view.alarm[view.i, view.point]:
        return
    if not view.own:
        st.toast("This alarm belongs to the baseline chosen here, not to the source's own.", icon=":material/info:")
        return
    scored = [data.scored(view.name, view.edits, u)[2] for u in view.uses]
    best = max(scored, key=lambda s: np.nan_to_num(s.score[view.i, view.point]))
    at = view.panel.index[view.point].to_pydatetime()
    found = finding_id(view.book.name, best.detector, view.metric.name, view.panel.labels(view.i), at)
    st.query_params["finding"] = found
    st.session_state.pop("shown_finding", None)


def _zoom(view: View) -> slice | None:
    """The chosen range, while the chart is zoomed to it."""
    picked_range = chosen_range()
    if picked_range is None or not st.session_state.get("explore_zoom"):
        return None
    inside = np.flatnonzero((view.panel.index >= picked_range[0]) & (view.panel.index <= picked_range[1]))
    if len(inside) < 2:
        return None
    return slice(max(int(inside[0]), int(inside[-1]) + 1 - charts.MAX_POINTS), int(inside[-1]) + 1)


def chosen_range() -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """The two dates, the last one whole; None while one is missing or they are the wrong way round."""
    start, end = st.session_state.get("explore_from"), st.session_state.get("explore_to")
    if not isinstance(start, date) or not isinstance(end, date) or end < start:
        return None
    return pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC") + pd.Timedelta("1D") - pd.Timedelta("1us")
