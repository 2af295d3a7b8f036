"""The lists of the approvals page: each action with its age, expiry, exact request and decision in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.decide import proposals
from core.decide.proposals import TARGET_S
from core.model import Action, ActionState, Incident
from core.service import actions
from ui import auth, cards, data, links, resolver, service_data, words
from ui.incident_queue import open_incident

PER_PAGE = 8
REFRESH_S = 5.0
OVER = tuple(s for s in ActionState if s not in (ActionState.PROPOSED, ActionState.APPROVED))


def figures() -> None:
    """How much waits, what is in flight, and the time saved with its formula and how many incidents it rests on."""
    desk, now = service_data.desk(), data.bench().ctx.clock.now()
    waiting, saved = desk.waiting, actions.saved(data.bench(), auth.current())
    flying = [a for a in desk.actions if proposals.in_flight(a)]
    oldest = max((now - a.proposed_at for a in waiting), default=None)
    mean = (
        "no approval yet" if saved.measured_min is None else f"approved after {_minutes(saved.measured_min)} on average"
    )
    with st.grid(columns=4, min_column_width=160, gap="small"):
        st.metric(
            "Wait for a decision", len(waiting), border=True, delta_arrow="off",
            delta=f"oldest {resolver.size(oldest)}" if oldest is not None else "the inbox is empty",
            delta_color="orange" if waiting else "gray",
        )  # fmt: skip
        st.metric(
            "In flight", len(flying), border=True, delta_arrow="off", delta_color="gray",
            delta="carried out or being verified" if flying else "nothing is running",
        )  # fmt: skip
        st.metric(
            "Time saved per incident", "n/a" if saved.saved_min is None else _minutes(saved.saved_min), border=True,
            delta=f"n = {saved.n}", delta_color="gray", delta_arrow="off", delta_description=mean,
            help=f"{saved.formula}, over the incidents a person approved an action of. Manual baseline: "
            f"{saved.manual_min:g} min.",
        )  # fmt: skip
        st.metric(
            f"Approved within {TARGET_S / 60:g} min", f"{saved.within_target} of {saved.n}", border=True,
            delta="the target", delta_color="gray", delta_arrow="off",
        )  # fmt: skip
    if saved.n:
        st.caption(
            f"Time saved = {saved.formula} = {saved.manual_min:g} − {saved.measured_min:.1f} = "
            f"{saved.saved_min:.1f} min, n = {saved.n}."
        )


def _minutes(value: float) -> str:
    return f"{value:,.1f} min".replace("-", words.MINUS)


def lists() -> None:
    """Three lists; the first looks again by itself, so what was answered in Slack leaves it."""
    desk = service_data.desk()
    flying = tuple(a for a in desk.actions if proposals.in_flight(a))
    over = tuple(a for a in desk.actions if a.state in OVER and a not in flying)
    shown: Mapping[str, Callable[[], None]] = {
        "Waiting": lambda: _waiting(desk.waiting),
        "In flight": lambda: _flying(flying),
        "Decided": lambda: _decided(over),
    }
    chosen = st.segmented_control(
        "List", list(shown), default="Waiting", required=True, key="approvals_list", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    shown[str(chosen)]()
    st.fragment(_refresh, run_every=REFRESH_S)(_stamp(), [True])


def _stamp() -> tuple[tuple[str, str], ...]:
    return tuple((a.action_id, a.state) for a in service_data.desk().actions)


def _refresh(shown: tuple[tuple[str, str], ...], first: list[bool]) -> None:
    """Nothing at first, within the run that draws the page: what that run tells once would be lost."""
    if first:
        first.clear()
    elif "incident" not in st.query_params and _stamp() != shown:
        st.rerun()


def _waiting(found: Sequence[Action]) -> None:
    if not service_data.desk().actions:
        _nothing()
        return
    if not found:
        st.info("Nothing waits for a decision.", icon=":material/check_circle:")
        return
    if actions.mode(data.bench()) == "dry_run":
        st.caption(
            ":material/science: Dry run: an approved action is simulated and nothing is called. "
            "TELLTALE_LIVE_ACTIONS switches that off."
        )
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    kept = _filtered(found, row)
    if row.toggle("Soonest to expire first", key="approvals_soonest", bind="query-params"):
        kept.sort(key=lambda a: a.expires_at)
    _cards(kept, "waiting")


def _nothing() -> None:
    st.info(
        "No action was proposed yet. Incidents of services propose them: look at Services and choose Check now.",
        icon=":material/approval_delegation:",
    )
    st.page_link(links.page("services"), label="Go to Services", icon=":material/monitor_heart:")


def _flying(found: Sequence[Action]) -> None:
    if not found:
        st.info("Nothing is being carried out or verified.", icon=":material/check_circle:")
        return
    _cards(found, "flight")


def _decided(found: Sequence[Action]) -> None:
    if not found:
        st.info("Nothing was decided yet.", icon=":material/hourglass_empty:")
        return
    states = list(dict.fromkeys(a.state for a in found))
    wanted = st.pills(
        "Outcome", [str(s) for s in states], selection_mode="multi", key="approvals_state", bind="query-params",
        format_func=lambda s: resolver.STATE[ActionState(s)][2].capitalize(),
    )  # fmt: skip
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    _cards(_filtered([a for a in found if not wanted or a.state in wanted], row), "decided")


def _filtered(found: Sequence[Action], row: DeltaGenerator) -> list[Action]:
    """Those of the chosen types whose incident, title or id holds the text; newest first, then as their causes rank."""
    with row:
        text = st.text_input(
            "Search", key="approvals_text", placeholder="Service, incident, action", icon=":material/search:",
            bind="query-params", width=280,
        )  # fmt: skip
        kinds = st.pills(
            "Action", sorted({a.proposal.action_type for a in found}), selection_mode="multi",
            format_func=lambda k: k.replace("_", " ").capitalize(), key="approvals_type", bind="query-params",
        )  # fmt: skip
    wanted, names = (text or "").casefold().strip(), _incidents()
    kept = [
        a
        for a in found
        if (not kinds or a.proposal.action_type in kinds) and wanted in _text(a, names.get(a.incident_id))
    ]
    kept.sort(key=lambda a: (-a.proposed_at.timestamp(), a.incident_id, resolver.rank(a, names.get(a.incident_id))))
    return kept


def _text(a: Action, incident: Incident | None) -> str:
    subject = f"{incident.subject}\n{incident.title}" if incident else ""
    return f"{a.action_id}\n{a.incident_id}\n{a.proposal.title}\n{subject}".casefold()


def _incidents() -> dict[str, Incident]:
    return {i.incident_id: i for i in service_data.desk().incidents}


def _cards(found: Sequence[Action], name: str) -> None:
    if not found:
        st.info("Nothing matches these filters. Clear one to see more.", icon=":material/filter_alt_off:")
        return
    names = _incidents()
    pages = -(-len(found) // PER_PAGE)
    slot = st.container(gap="small")
    page = st.pagination(pages, key=f"approvals_page_{name}_{pages}") if pages > 1 else 1
    with slot:
        for action in found[(page - 1) * PER_PAGE : page * PER_PAGE]:
            _card(action, names.get(action.incident_id))


def _card(action: Action, incident: Incident | None) -> None:
    about = f":gray[{action.incident_id}]"
    if incident is not None:
        about = f"{cards.safe(incident.title)} · {incident.severity.name.lower()} · :gray[{incident.incident_id}]"
    rules = actions.rules(data.bench(), incident.playbook if incident else "")
    resolver.card(action, rules, "approvals", about, why=lambda: _why(action))


def _why(action: Action) -> None:
    st.button(
        "Why", key=f"approvals_why_{action.action_id}", icon=":material/troubleshoot:", type="tertiary",
        on_click=open_incident, args=(action.incident_id,), help=f"Open {action.incident_id}",
    )  # fmt: skip
