"""What could be done about an incident: proposals with their exact request, the decision, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import streamlit as st

from core.act.remedies import Sandbox
from core.decide import proposals
from core.decide.proposals import ApprovalRules
from core.errors import WorkbenchError
from core.model import Action, ActionState, Incident
from core.service import actions
from ui import auth, cards, data, links, words

IN_FLIGHT_S, WAITING_S = 3.0, 10.0  # how often the panel looks again
STATE: Mapping[ActionState, tuple[words.Color, str, str]] = {
    ActionState.PROPOSED: ("yellow", ":material/pending_actions:", "waits for a decision"),
    ActionState.APPROVED: ("blue", ":material/thumb_up:", "approved"),
    ActionState.REJECTED: ("gray", ":material/thumb_down:", "rejected"),
    ActionState.EXECUTED: ("blue", ":material/play_arrow:", "executed"),
    ActionState.FAILED: ("red", ":material/error:", "failed"),
    ActionState.VERIFIED: ("green", ":material/verified:", "verified"),
    ActionState.VERIFY_FAILED: ("red", ":material/report:", "did not help"),
}
_S = ActionState
_ORDER = (_S.PROPOSED, _S.APPROVED, _S.EXECUTED, _S.VERIFY_FAILED, _S.FAILED, _S.VERIFIED, _S.REJECTED)


def panel(incident: Incident, key: str) -> None:
    """The incident's actions, looked at again by itself while one waits or is being carried out."""
    found = actions.of_incident(data.bench(), auth.current(), incident.incident_id)
    busy = any(proposals.in_flight(a) for a in found)
    waits = any(a.state is ActionState.PROPOSED and not a.proposal.is_reading for a in found)
    every = IN_FLIGHT_S if busy else WAITING_S if waits else None
    st.fragment(_panel, run_every=every)(incident, key, _stamp(found))


def _stamp(found: tuple[Action, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((a.action_id, a.state) for a in found)


def _panel(incident: Incident, key: str, shown: tuple[tuple[str, str], ...]) -> None:
    found = actions.of_incident(data.bench(), auth.current(), incident.incident_id)
    if _stamp(found) != shown:
        st.rerun()  # the rest of the page tells of it too
    if not found:
        st.caption("Nothing is proposed: no supported cause calls for a known remedy.")
        return
    if actions.mode(data.bench()) == "dry_run":
        st.caption(
            ":material/science: Dry run: what is approved shows its exact request and is simulated; nothing is called. "
            "TELLTALE_LIVE_ACTIONS switches that off."
        )
    for action in sorted(found, key=lambda a: rank(a, incident)):
        card(action, actions.rules(data.bench(), incident.playbook), key)


def rank(action: Action, incident: Incident | None) -> tuple[bool, int, int]:
    """Open decisions first, in the order of the causes they follow from; what is only to be read comes last."""
    steps = incident.body.get("recommendations") if incident else None
    kinds = [s.get("type") for s in steps if isinstance(s, Mapping)] if isinstance(steps, list) else []
    kind = action.proposal.action_type
    place = kinds.index(kind) if kind in kinds else len(kinds)
    return action.proposal.is_reading, _ORDER.index(action.state), place


def card(
    action: Action, rules: ApprovalRules, key: str, about: str = "", why: Callable[[], None] | None = None
) -> None:
    """One action from its proposal to its verification; ``about`` and ``why`` lead to the incident it belongs to."""
    p = action.proposal
    with st.container(border=True, gap="small", key=f"{key}_card_{action.action_id}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", width="content"):
                _badges(action, rules)
            if why is not None:
                why()
        st.markdown(f"**{cards.safe(p.title)}**" + (f"  \n{about}" if about else ""))
        if p.description:
            st.markdown(cards.safe(p.description))
        st.caption(_figures(action))
        if p.blocked:
            st.warning(f"Cannot be approved: {cards.safe(p.blocked)}.", icon=":material/block:")
        if p.is_reading:
            _reading(action, key)
            return
        _request(action, key)
        _decision(action, key)
        _story(action, rules)


def _badges(action: Action, rules: ApprovalRules) -> None:
    p = action.proposal
    if p.is_reading:
        st.badge("to read", icon=":material/menu_book:", color="gray")
        return
    color, icon, told = STATE[action.state]
    simulated = action.mode == "dry_run"
    if simulated and action.state is ActionState.EXECUTED:
        color, icon, told = "gray", ":material/science:", "simulated"
    st.badge(told, icon=icon, color=color)
    if simulated:
        st.badge("dry run", color="gray", help="Simulated: the exact request is shown and nothing is called.")
    else:
        st.badge("live", icon=":material/bolt:", color="orange", help="Carried out for real, then verified.")
    if p.adapter == Sandbox.name:
        told = "A made-up target for demos: nothing outside is called, and the demo's signal recovers."
        st.badge("sandbox", icon=":material/science:", color="violet", help=told)
    st.badge(p.action_type.replace("_", " "), color="gray")
    if rules.two_person and action.state is ActionState.PROPOSED:
        st.badge(f"{len(action.approvals)} of 2 approvals", icon=":material/group:", color="gray")


def _figures(action: Action) -> str:
    p, now = action.proposal, data.bench().ctx.clock.now()
    parts = []
    if not p.is_reading:
        parts += [f"about {p.eta_minutes} min", f"risk {p.risk_score:.2f}", f"by {cards.safe(p.adapter)}"]
    parts.append(f"proposed {ago(now - action.proposed_at)}")
    if action.state is ActionState.PROPOSED and not p.is_reading:
        parts.append(expiry(action, now))
    return " · ".join([*parts, action.action_id])


def ago(span: timedelta) -> str:
    """A time that has passed, as people say it: ``3 min ago``."""
    return "just now" if span < timedelta(minutes=1) else f"{size(span)} ago"


def size(span: timedelta) -> str:
    """A span in its largest fitting unit: ``45 s``, ``3 min``, ``5 h``, ``2 days``."""
    seconds = max(0.0, span.total_seconds())
    for unit, word in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= (2 * unit if word == "days" else unit):
            return f"{seconds / unit:.0f} {word}"
    return f"{seconds:.0f} s"


def expiry(action: Action, now: datetime) -> str:
    """When a proposal nobody decides on becomes void."""
    left = action.expires_at - now
    return f"expires in {size(left)}" if left > timedelta(0) else "expired"


def _reading(action: Action, key: str) -> None:
    runbook, url = action.proposal.params.get("runbook_id"), action.proposal.params.get("url")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if runbook:
            st.page_link(
                links.page("runbooks"), label="Open the runbook", icon=":material/menu_book:",
                query_params={"runbook": str(runbook)},
            )  # fmt: skip
        if isinstance(url, str) and url.startswith(("https://", "http://")):
            st.link_button(
                "In the wiki", url, icon=":material/open_in_new:", type="tertiary", key=f"{key}_{action.action_id}_url"
            )


def _request(action: Action, key: str) -> None:
    """The exact request, one click away; only an open one travels to the browser."""
    box = st.expander(
        "Exact request", icon=":material/code:", key=f"{key}_request_{action.action_id}", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        try:
            request = actions.preview(data.bench(), auth.current(), action.action_id)
        except WorkbenchError as error:
            cards.problem(error)
            return
        head = [f"{request.method} {request.url}", *(f"{k}: {v}" for k, v in request.headers.items())]
        st.code("\n".join(head), language="http", wrap_lines=True)
        st.json(dict(request.body), expanded=2)
        st.caption("Byte for byte what is sent; secret headers are added when it is made.")


def _decision(action: Action, key: str) -> None:
    error = st.session_state.pop(f"{key}_problem_{action.action_id}", None)
    if error is not None:
        cards.problem(error)
    if action.state is not ActionState.PROPOSED:
        return
    who = auth.current()
    if not who.can("actions:approve"):
        st.caption(f":material/lock: The role {who.role} reads; a responder or administrator decides.")
        return
    name = f"{key}_reason_{action.action_id}"
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.text_input(
            f"Reason about {action.action_id}", key=name, label_visibility="collapsed", width="stretch",
            placeholder="Reason; a rejection needs one",
        )  # fmt: skip
        st.button(
            "Approve", type="primary", icon=":material/check:", key=f"{key}_approve_{action.action_id}",
            on_click=_decide, args=(action.action_id, True, key), disabled=bool(action.proposal.blocked),
            help=f"{action.proposal.title}: " + ("simulated" if action.mode == "dry_run" else "carried out at once"),
        )  # fmt: skip
        st.button(
            "Reject", icon=":material/close:", key=f"{key}_reject_{action.action_id}", on_click=_decide,
            args=(action.action_id, False, key), help="It is not proposed again for this incident.",
        )  # fmt: skip


def _decide(action_id: str, yes: bool, key: str) -> None:
    """The role is read anew: it can have changed since the page was drawn."""
    reason = str(st.session_state.get(f"{key}_reason_{action_id}") or "")
    try:
        if yes:
            actions.approve(data.bench(), auth.current(), action_id, reason)
        else:
            actions.reject(data.bench(), auth.current(), action_id, reason)
    except WorkbenchError as error:
        st.session_state[f"{key}_problem_{action_id}"] = error


def _story(action: Action, rules: ApprovalRules) -> None:
    """Who decided and when, what was called, and what the signal said afterwards."""
    lines = _decided(action)
    result, checked = action.result, action.verify_result
    if action.state is ActionState.APPROVED:
        lines.append("Being carried out" if result.get("executing_since") else "Carried out within seconds")
    if action.executed_at is not None:
        what = "Simulated" if action.mode == "dry_run" else "Called"
        told = result.get("error") or result.get("answer") or ""
        lines.append(f"{what} {_clock(action.executed_at)}: {cards.safe(str(told))}")
    if lines:
        st.markdown("\n".join(f"- {line}" for line in lines))
    if action.mode == "dry_run" and action.state is ActionState.EXECUTED:
        st.caption("Nothing was called, so there is nothing to verify and the incident stays in progress.")
    elif action.state is ActionState.EXECUTED or checked:
        _readings(action, rules)


def _decided(action: Action) -> list[str]:
    reason = f": {cards.safe(action.reason)}" if action.reason else ""
    if action.rejected_by:
        return [f"Rejected by {cards.safe(action.rejected_by)} {_clock(action.updated_at)}{reason}"]
    if not action.approvals:
        return []
    names = " and ".join(cards.safe(a) for a in action.approvals)
    return [f"Approved by {names} {_clock(action.approved_at) if action.approved_at else ''}{reason}"]


def _readings(action: Action, rules: ApprovalRules) -> None:
    """How often the signal was read again, and what the last reading said."""
    checked = action.verify_result
    polls, at = checked.get("polls"), checked.get("at")
    when = f", last {_clock(datetime.fromisoformat(at))}" if isinstance(at, str) else ""
    count = polls if isinstance(polls, int) else 0
    told = f"{count} reading{'s' if count != 1 else ''} of the signal{when}"
    text = cards.safe(str(checked.get("text") or ""))
    if action.state is ActionState.VERIFIED:
        st.success(f"{text}  \n:gray[{told}]", icon=":material/verified:")
    elif action.state is ActionState.VERIFY_FAILED:
        st.error(f"{text}  \n:gray[{told}]", icon=":material/report:")
    else:
        limit = size(timedelta(seconds=rules.verify_timeout_s))
        st.info(
            f"Watching the signal every {rules.verify_poll_s:.0f} s for up to {limit}. {text}  \n:gray[{told}]",
            icon=":material/monitor_heart:",
        )


def _clock(at: datetime) -> str:
    return f"{words.moment(at)}:{at:%S} UTC"


def history(incident_id: str, key: str) -> None:
    """Every decision about the incident's actions as the audit has it."""
    box = st.expander("Decisions in the audit", icon=":material/receipt_long:", key=f"{key}_history", on_change="rerun")
    if not box.open:
        return
    with box:
        lines = actions.history(data.bench(), auth.current(), incident_id)
        if not lines:
            st.caption("Nothing was proposed yet.")
            return
        st.table(
            {
                "when (UTC)": [words.moment(line.timestamp) for line in lines],
                "what": [line.action.removeprefix("action_").replace("_", " ") for line in lines],
                "action": [cards.safe(str(line.decision.get("title", ""))) for line in lines],
                "who": [cards.safe(str(line.decision.get("actor", ""))) for line in lines],
                "reason": [cards.safe(str(line.decision.get("reason") or "")) for line in lines],
            },
            border="horizontal", hide_index=True, alt=f"Decisions about the actions of {incident_id}",
        )  # fmt: skip
