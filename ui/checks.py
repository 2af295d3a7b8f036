"""What a suite said of a source: counts, results, failing rows, what is blocked, and earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core import charts
from core.check.spec import CheckSpec
from core.errors import WorkbenchError
from core.model import CheckStatus, JsonObject
from core.playbook import Playbook
from core.service import checks
from core.service.checks import Outcome
from ui import auth, cards, data, state, words

SHOWN = 8  # checks whose failing rows are laid out; the table lists all
ORDER = {CheckStatus.FAILED.value: 0, CheckStatus.ERROR.value: 1, CheckStatus.PASSED.value: 2}


def run_button(specs: Sequence[CheckSpec]) -> bool:
    """Whether the suite is to run now."""
    return st.button(
        f"Run {len(specs)} checks", type="primary", icon=":material/play_arrow:", key="quality_run", disabled=not specs
    )


def run(name: str, specs: Sequence[CheckSpec] | None) -> None:
    """Runs the saved suite, or ``specs`` instead of it, with progress; then shows the kept outcome."""
    with st.status("Warming up Great Expectations", expanded=True) as status:
        bar = st.progress(0.0)

        def tell(done: int, of: int, what: str) -> None:
            status.update(label=f"Checking {done} of {of}")
            bar.progress(done / max(of, 1), cards.safe(what)[:160] if what else "Done")

        try:
            kept = checks.run(data.bench(), auth.current(), name, specs, files=state.edits(name), progress=tell)
        except WorkbenchError as problem:
            status.update(label="Not run", state="error")
            cards.problem(problem)
            return
        status.update(label="Done", state="complete", expanded=False)
    st.query_params["check_run"] = kept.id
    st.rerun()


def chosen(history: Sequence[Outcome]) -> Outcome | None:
    """The run named in the address, else the newest."""
    asked = st.query_params.get("check_run")
    found = next((o for o in history if o.id == asked), None)
    return found or (history[0] if history else None)


def outcome(one: Outcome, book: Playbook) -> None:
    """Counts, what is blocked, and every result, the bad ones first."""
    failed, error = one.count(CheckStatus.FAILED), one.count(CheckStatus.ERROR)
    with st.container(horizontal=True, gap="small"):
        st.metric("Passed", one.count(CheckStatus.PASSED), border=True, width=150)
        st.metric("Failed", failed, border=True, width=150, help="Bad data: the expectation ran and was not met.")
        could_not = "The expectation could not run. That says nothing about the data."
        st.metric("Errors", error, border=True, width=150, help=could_not)
    st.caption(f"Ran {words.moment(one.ran_at)}" + (" on edited data or an unsaved suite" if one.edited else ""))
    _blocked(one, book)
    rows = sorted(one.rows, key=lambda r: ORDER.get(str(r["status"]), 3))
    st.dataframe(
        _table(rows),
        hide_index=True,
        key="quality_results",
        alt="Results of the checks",
        column_config={
            "Failing %": st.column_config.NumberColumn(format="%.2f"),
            "What was expected, and seen": st.column_config.TextColumn(width="large"),
        },
    )
    _failing(rows)


def _blocked(one: Outcome, book: Playbook) -> None:
    labels = {m.name: m.label or m.name for m in book.metrics}
    blocked = [labels.get(m, m) for m in one.blocked_metrics]
    blocked += [f"everything of {t}" for t in one.blocked_tables]
    if blocked:
        st.warning(
            f"{cards.safe(', '.join(blocked))}: moves of these are shown as data problems, not as business changes.",
            title="Blocked by failing checks",
            icon=":material/block:",
        )
    elif one.count(CheckStatus.FAILED):
        st.info("The failing checks lower the confidence of a run; they block no metric.", icon=":material/info:")
    elif not one.count(CheckStatus.ERROR):
        st.success("Every check passed; nothing is blocked.", icon=":material/check_circle:")


def _table(rows: Sequence[JsonObject]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Status": row["status"],
                "Check": str(row["check"]).removeprefix("expect_").replace("_", " "),
                "Table": row["table"],
                "Column": row["column"] or "",
                "Failing rows": row["unexpected_count"],
                "Failing %": row["unexpected_pct"],
                "What was expected, and seen": row["message"],
                "Critical": row["critical"],
                "Quality": row["dimension"],
            }
            for row in rows
        ]
    )


def _failing(rows: Sequence[JsonObject]) -> None:
    """The failing rows of each check that has some, and why the others could not run."""
    bad = [r for r in rows if r["status"] != CheckStatus.PASSED.value]
    for i, row in enumerate(bad[:SHOWN]):
        color, icon = words.CHECK[CheckStatus(str(row["status"]))]
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge(str(row["status"]), icon=icon, color=color)
                st.markdown(cards.safe(str(row["message"])))
            sample = row["sample"]
            if isinstance(sample, list | tuple) and sample:
                found = pd.DataFrame([dict(r) for r in sample if isinstance(r, Mapping)])
                found = found.rename(columns={"_row": "Row"})
                st.dataframe(found, hide_index=True, alt=f"Rows failing check {i + 1}", key=f"quality_rows_{i}")
    if len(bad) > SHOWN:
        st.caption(f"{len(bad) - SHOWN} more are in the table above.")


def report_button(one: Outcome, title: str) -> None:
    """Great Expectations' own page of this run, made when it is asked for."""
    from core.check.html import report_html

    st.download_button(
        "Great Expectations report",
        lambda: report_html(one.rows, title=title, at=one.ran_at),
        file_name=f"checks_{one.source}_{one.ran_at:%Y%m%d_%H%M}.html",
        mime="text/html",
        icon=":material/download:",
        on_click="ignore",
        key="quality_html",
    )


def timeline(history: Sequence[Outcome]) -> None:
    """Earlier runs: how many checks failed each time, and each one by its link."""
    worst = max(o.count(CheckStatus.FAILED) + o.count(CheckStatus.ERROR) for o in history)
    if len(history) > 1 and worst:
        frame = pd.DataFrame(
            [
                {"ts": o.ran_at, "status": s.value, "checks": o.count(s)}
                for o in history
                for s in (CheckStatus.FAILED, CheckStatus.ERROR)
            ]
        )
        title = f"At worst, {worst} of {len(history[0].rows)} checks did not pass"
        st.altair_chart(
            charts.check_history(frame, title=title, palette=words.palette()),
            alt=f"Failed checks and errors of {len(history)} runs",
        )
    for o in history[:10]:
        failed, error = o.count(CheckStatus.FAILED), o.count(CheckStatus.ERROR)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(f"{failed} failed" if failed else "passed", color="red" if failed else "green")
            if error:
                st.badge(f"{error} errors", color="orange")
            st.caption(words.moment(o.ran_at) + (" · edited" if o.edited else ""))
            st.button("Show", key=f"quality_show_{o.id}", type="tertiary", on_click=_show, args=(o.id,))


def _show(run_id: str) -> None:
    st.query_params["check_run"] = run_id
