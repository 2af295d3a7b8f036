"""How long each step of a run took against its phase's budget."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core import alert_charts
from core.model import Json, JsonObject, Run
from ui import alert_data, cards, figures, links, words


def show(kept: Run | None) -> None:
    """Bars of the run's steps, red from the one on that used its phase's budget up; input and output one click away."""
    st.header("Steps of its newest run")
    found = alert_data.rows(kept.report.get("steps")) if kept else []
    if not found:
        st.caption("No times are kept of that run.")
        return
    frame = pd.DataFrame(
        [(str(s["step"]), _seconds(s), _over(s), clock(_seconds(s))) for s in found],
        columns=["step", "seconds", "over", "told"],
    )
    total = float(frame["seconds"].sum())
    over = [str(s["step"]) for s in found if _over(s)]
    st.markdown(f"**{clock(total)} in all**" + (f", :red[over budget in {', '.join(over)}]" if over else ""))
    figures.show(
        alert_charts.steps, frame, palette=words.palette(),
        alt="Seconds by step: " + ", ".join(f"{s} {t}" for s, t in zip(frame["step"], frame["told"], strict=True)),
    )  # fmt: skip
    st.caption(_budgets(found))
    box = st.expander("Input and output", icon=":material/timer:", key="di_steps", on_change="rerun")
    if box.open:
        with box:
            _table(found)
            assert kept is not None
            st.page_link(
                links.page("audit"), label="Its lines in the audit", icon=":material/receipt_long:",
                query_params={"audit_run": kept.id},
            )  # fmt: skip


def _table(found: Sequence[JsonObject]) -> None:
    st.table(
        {
            "step": [str(s["step"]) for s in found],
            "start": [str(s.get("start"))[11:23] for s in found],
            "took": [clock(_seconds(s)) for s in found],
            "input": [cards.safe(str(s.get("input") or "")) for s in found],
            "output": [cards.safe(str(s.get("output") or "")) for s in found],
            "status": [f":red-badge[{s['status']}]" if _over(s) else str(s.get("status") or "") for s in found],
        },
        border="horizontal", hide_index=True, alt="Steps with start, duration, input, output and status",
    )  # fmt: skip


def _budgets(found: Sequence[JsonObject]) -> str:
    """Each phase's time against its budget."""
    parts = []
    for phase in dict.fromkeys(str(s.get("phase")) for s in found):
        own = [s for s in found if s.get("phase") == phase]
        budget = own[0].get("budget_s")
        limit = f" of {budget:g} s" if isinstance(budget, int | float) else ""
        parts.append(f"{phase} {clock(sum(map(_seconds, own)))}{limit}")
    return "Budgets: " + " · ".join(parts) + ". Over a budget is told, never fatal."


def _over(step: JsonObject) -> bool:
    return step.get("status") == "over budget"


def _seconds(step: JsonObject) -> float:
    value: Json = step.get("seconds")
    return float(value) if isinstance(value, int | float) else 0.0


def clock(seconds: float) -> str:
    """A duration as people read it: ``12 ms``, ``1.4 s``."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
