"""The cards that pages are made of: verdict, metrics, findings, the why, and problems."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

import streamlit as st

from core import charts
from core.audit.report import answer, stamp, to_json
from core.bootstrap import background
from core.errors import Forbidden, WorkbenchError
from core.model import Decision, Delta, Explanation, Finding, Light, Run, Source, Trace
from core.views import finding_of
from ui import auth, words


def problem(error: WorkbenchError) -> None:
    """What is wrong and what to do next; a refusal is also written down, whichever page it happened on."""
    if isinstance(error, Forbidden):
        auth.refused(error)
    st.error(error.message, title="This needs your attention", icon=":material/report:")
    if error.hint:
        st.caption(error.hint)


def verdict(
    trace: Trace, decision: Decision, headline: str, explanation: Explanation, run: Run | None, freq: str
) -> None:
    """Light, headline, and how sure: the first thing a person reads."""
    color, icon = words.LIGHT[decision.light]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(decision.light.upper(), icon=icon, color=color)
            st.badge(f"confidence {decision.confidence:.2f}", color="gray", help=_parts(explanation))
            source_badges(explanation)
            when = f"saved {run.ended_at:%H:%M} UTC as {run.id}" if run else "preview, not saved"
            st.caption(f"{stamp(trace.as_of, freq)} · {when}")
        st.header(headline)
        st.markdown(safe(explanation.summary))
        receipt = decision.receipt
        for line in receipt.overruled:
            st.warning(f"Overruled: {safe(line)}.", icon=":material/gavel:")
        with st.popover("Why this light", icon=":material/rule:", type="tertiary"):
            st.markdown(f"Row **{receipt.row}** of the decision table: {safe(receipt.because)}.")
            st.json({"inputs": to_json(receipt.inputs), "thresholds": to_json(receipt.thresholds)}, expanded=2)
            if receipt.nearest_flip:
                st.caption(f"Nearest flip: {safe(receipt.nearest_flip)}")


@st.fragment(run_every=1.5)
def checks_running() -> None:
    """Says that the checks are not done, and brings their results in when they are."""
    if not background().checks_soon():
        st.rerun()
    st.info(
        "The data checks are still running. Everything below is computed without them; "
        "a check that fails can turn a finding into a data problem.",
        icon=":material/hourglass_top:",
    )


def source_badges(explanation: Explanation) -> None:
    """Who worded the explanation, and how many of its numbers were found in the evidence."""
    if explanation.source is Source.AI:
        st.badge("AI", icon=":material/auto_awesome:", color="violet", help=f"Worded by {explanation.model}")
    else:
        why = explanation.fallback_reason or "Worded by rules; no model was asked."
        st.badge("Rules", icon=":material/rule:", color="gray", help=why)
    check = explanation.verification
    found = check.checked - len(check.unmatched)
    st.badge(
        f"{found}/{check.checked} numbers verified",
        icon=":material/verified:",
        color="orange" if check.unmatched else "green",
        help="Not found in the evidence: " + ", ".join(check.unmatched)
        if check.unmatched
        else "Each figure in the text was looked up in the evidence.",
    )


def _parts(explanation: Explanation) -> str:
    lines = [f"{name}: {value:+.2f}" for name, value in explanation.confidence.parts]
    if explanation.ai_confidence is not None:
        lines.append(f"the model's own: {explanation.ai_confidence:.2f}")
    return "\n\n".join(lines)


def metrics(trace: Trace) -> None:
    """One card a metric: value, delta against its baseline, the baseline, and the last periods; concerned first."""
    ranked = sorted(trace.deltas, key=lambda d: _rank(d, trace.findings))
    with st.grid(columns="auto", min_column_width=210, gap="small"):
        for delta in ranked:
            metric(delta, finding_of(delta, trace.findings), delta.metric.name in trace.checks.blocked_metrics)


def _rank(delta: Delta, findings: Sequence[Finding]) -> tuple[bool, float]:
    found = finding_of(delta, findings)
    return found is None, -abs(delta.vs_baseline_pct or 0.0) if found else 0.0


def metric(delta: Delta, finding: Finding | None, blocked: bool = False) -> None:
    """A metric with its delta and baseline together; colour only when a detector fired."""
    m = delta.metric
    pct = words.percent(delta.vs_baseline_pct, none="")
    change = pct or (
        f"{words.figure(delta.vs_baseline_abs, m.kind, m.unit)} (baseline 0)"
        if delta.vs_baseline_abs is not None
        else None
    )
    tone = words.delta_color(finding)
    with st.container(border=True, gap="xsmall"):
        st.metric(
            m.label,
            words.figure(delta.value, m.kind, m.unit),
            delta=change,
            delta_color=tone,
            delta_arrow=_arrow(delta.vs_baseline_abs or 0.0),
            delta_description=f"vs {words.figure(delta.baseline, m.kind)}",
            help=("A failing check blocks this metric: treat it as a data problem. " if blocked else "")
            + f"{m.system} · previous {words.figure(delta.previous, m.kind, m.unit)} ({words.percent(delta.dod_pct)})"
            f" · baseline: {delta.method.replace('_', ' ')} of {len(delta.trained_on)} periods",
        )
        _sparkline(delta, tone)


def _arrow(change: float) -> Literal["up", "down", "off"]:
    return "up" if change > 0 else "down" if change < 0 else "off"


def _sparkline(delta: Delta, tone: words.Color) -> None:
    palette = words.palette()
    dot = {"red": palette.bad, "blue": palette.line}.get(tone, palette.muted)
    drawn = charts.sparkline(delta.history, reference=delta.baseline, line=palette.muted, dot=dot)
    if drawn:
        about = f"{delta.metric.label}: the last {len(delta.history)} periods, the baseline dashed"
        st.image(drawn, width="stretch", alt=about)


def findings(trace: Trace) -> None:
    """Ranked findings; each opens as a drawer that has its own link."""
    if not trace.findings:
        told = f"Nothing fired. {len(trace.quiet)} metrics were judged and stayed inside their limits."
        st.info(told, icon=":material/check_circle:")
        return
    with st.container(border=True, gap="xsmall"):
        for f in trace.findings:
            with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
                with st.container(width=76):
                    st.badge(f.severity.name.lower(), color=words.SEVERITY[f.severity])
                with st.container(gap="xsmall"):
                    st.markdown(f"**{safe(f.label)}** · {safe(f.system)}  \n{safe(f.summary)}")
                    if f.suppressed_by:
                        st.badge("data problem", color="orange", help=f.suppressed_by)
                st.button(
                    "Details", key=f"open_{f.id}", on_click=_open, args=("finding", f.id), type="tertiary",
                    width="content",
                )  # fmt: skip
    if trace.quiet:
        st.caption("Quiet: " + ", ".join(trace.panel.metrics[m].label for m in trace.quiet))


def _open(param: str, value: str) -> None:
    st.query_params[param] = value
    st.session_state.pop(f"shown_{param}", None)


def why(explanation: Explanation) -> None:
    """Drivers, what to do, hypotheses and the evidence behind them."""
    for d in explanation.drivers:
        arrow = ":material/trending_up:" if d.direction == "up" else ":material/trending_down:"
        st.markdown(f"{arrow} **{safe(d.metric)}** ({safe(d.system)}): {safe(d.evidence)}")
    if explanation.recommended_actions:
        st.markdown("**What to do**")
        st.markdown("\n".join(f"1. {safe(a)}" for a in explanation.recommended_actions))
    with st.expander(f"Hypotheses ({len(explanation.hypotheses)})", icon=":material/psychology:"):
        for h in explanation.hypotheses:
            st.markdown(f"**{safe(h.cause)}** · {h.kind} · {h.confidence:.2f}")
            st.caption(
                f"for: {', '.join(h.supports) or 'nothing'} · against: {', '.join(h.contradicts) or 'nothing'}"
                + (f" · next: {safe(h.next_check)}" if h.next_check else "")
            )
    with st.expander(f"Evidence ({len(explanation.evidence)})", icon=":material/fact_check:"):
        for e in explanation.evidence:
            st.markdown(f"`{e.id}` {safe(e.statement)}")
            st.caption(f"{e.kind} · {e.source} · {e.status}")


def safe(text: str) -> str:
    """Text from data as plain words: nothing in it is taken as Markdown, HTML or a link."""
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">", "#", "|", "$", "~", ":"):
        text = text.replace(mark, f"\\{mark}")
    return text


def light_badge(light: Light | None) -> None:
    """A run's light as a badge; refused runs have none."""
    if light is None:
        st.badge("refused", icon=":material/block:", color="gray")
        return
    color, icon = words.LIGHT[light]
    st.badge(light.upper(), icon=icon, color=color)


def fine_print(trace: Trace, run: Run | None, artifact: str) -> None:
    """The exact JSON, the artifact to download, where the data came from, and everything withheld or abstained."""
    with st.expander("JSON, sources and notes", icon=":material/data_object:"):
        if run is not None:
            st.download_button(
                artifact,
                json.dumps(run.report, indent=1, ensure_ascii=False),
                file_name=artifact,
                mime="application/json",
                icon=":material/download:",
                on_click="ignore",
            )
        else:
            st.caption("Run and save to get the report artifact.")
        st.json(answer(trace.explanation), expanded=False)
        for p in trace.dataset.provenance:
            st.caption(f"{p.table} · {p.rows} rows, {p.rejected_rows} rejected · sha256 {p.sha256[:12]}")
        for note in trace.notes:
            st.markdown(f"- {safe(note)}")
