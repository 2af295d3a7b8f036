"""Run all demo alerts: what was expected of each beside what came, without effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from core.errors import WorkbenchError
from core.service import demo_alerts
from core.service.demo_alerts import Confusion, Expected
from ui import auth, cards, data
from ui.alert_story import ACTION

ASKED, DONE = "di_demo_asked", "di_demo_done"


def show() -> None:
    """The button, how many came as expected, and each alert."""
    st.header("Demo alerts")
    st.caption(
        "Each labelled demo alert and scenario is judged by itself, by the rules, with the demo's context. "
        "Nothing is kept or sent."
    )
    st.button("Run all demo alerts", type="primary", icon=":material/playlist_play:", key="di_demo", on_click=_ask)
    if st.session_state.pop(ASKED, False):
        try:
            with st.spinner("Judging every demo alert…"):
                st.session_state[DONE] = demo_alerts.run_all(data.bench(), auth.current())
        except WorkbenchError as problem:
            st.session_state.pop(DONE, None)
            cards.problem(problem)
    done: Sequence[Expected] | None = st.session_state.get(DONE)
    if done:
        _result(done)


def _ask() -> None:
    st.session_state[ASKED] = True


def _result(done: Sequence[Expected]) -> None:
    bad = [e for e in done if not e.passed]
    if bad:
        st.error(f"{len(bad)} of {len(done)} came otherwise than expected.", title="Failed", icon=":material/error:")
    else:
        st.success(f"All {len(done)} came as expected.", title="Passed", icon=":material/verified:")
    confusion(demo_alerts.demo_truth(done))
    rows = _order(done)
    differs = {"what differs": [cards.safe("; ".join(e.failures)) for e in rows]} if bad else {}
    st.table(
        {
            "": [":green-badge[pass]" if e.passed else ":red-badge[fail]" for e in rows],
            "alert": [cards.safe(e.name) for e in rows],
            "truth": [e.truth for e in rows],
            "expected": [_told(e.expected.get("action")) for e in rows],
            "got": [_told(e.got.get("action")) for e in rows],
            "severity": [str(e.got.get("severity") or "").lower() for e in rows],
            "confidence": [_two(e.got.get("confidence")) for e in rows],
            **differs,
        },
        border="horizontal", hide_index=True, alt=f"{len(done)} demo alerts: expected against got",
    )  # fmt: skip


def _order(done: Sequence[Expected]) -> list[Expected]:
    """What failed first."""
    return sorted(done, key=lambda e: e.passed)


def _told(action: object) -> str:
    return ACTION[str(action)][2] if str(action) in ACTION else str(action or "")


def _two(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else ""


def confusion(of: Confusion) -> None:
    """How much was filtered, and how much of what people were told was noise, with n."""
    told = of.noise_told + of.real_told
    quiet = of.noise_filtered + of.real_filtered
    with st.grid(columns="auto", min_column_width=140, gap="small"):
        _figure("Filter rate", _share(of.filter_rate), f"{quiet} of {of.n} labelled")
        _figure("False positives", _share(of.false_positive_rate), f"{of.noise_told} of {told} told")
        _figure("Noise, filtered", str(of.noise_filtered), f"of {of.noise_filtered + of.noise_told}")
        _figure("Real, filtered", str(of.real_filtered), f"of {of.real_filtered + of.real_told}; must be 0",
                "red" if of.real_filtered else "gray")  # fmt: skip


def _share(value: float | None) -> str:
    return "no data" if value is None else f"{value:.2f} %"


def _figure(label: str, value: str, told: str, color: Literal["red", "gray"] = "gray") -> None:
    st.metric(label, value, delta=told, delta_color=color, delta_arrow="off", border=True)
