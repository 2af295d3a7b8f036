"""People who may sign in: add, change the role, map to Slack, end access."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import streamlit as st

from core.access import ROLES
from core.errors import WorkbenchError
from core.service import people
from core.store.people import User
from ui import auth, cards, data, words

SHOWN = 25
MAY = {
    "viewer": "reads everything",
    "responder": "handles incidents, approves actions, sends messages",
    "admin": "also changes settings, schedules, users and tokens",
}
HOW = """1. Copy `.streamlit/secrets.toml.example` to `.streamlit/secrets.toml` and fill in your provider (Google,
   Microsoft Entra, Okta, Keycloak, any with OpenID Connect).
2. Make yourself the first administrator: `python cli.py user add you@example.com --role admin`
3. Start the workbench again. People you add here sign in with that e-mail address."""


def local_note() -> None:
    """Without a login: what that means, and how to get one."""
    if auth.login_configured():
        return
    with st.container(border=True):
        st.markdown("**No login is configured.** Whoever sits at this machine is the administrator, and nobody else "
                    "can connect.")  # fmt: skip
        with st.expander("Set up a login", icon=":material/key:", key="people_how"):
            st.markdown(HOW)


def listing() -> None:
    """Everybody of the tenant, each with their role and what an administrator can do about them."""
    st.header("Users")
    me = auth.current()
    st.caption(f"Tenant {cards.safe(me.tenant)}. " + " ".join(f"**{r.capitalize()}** {MAY[r]}." for r in ROLES))
    _add()
    told("people_users")
    everybody = people.users(data.bench(), me)
    if not everybody:
        st.info("Nobody can sign in yet. Add the first person above.", icon=":material/person_add:")
        return
    wanted = st.text_input("Find", key="people_find", placeholder="address", width=280) if len(everybody) > 5 else ""
    found = [u for u in everybody if (wanted or "").strip().casefold() in u.email]
    for user in found[:SHOWN]:
        _person(user, data.bench().ctx.clock.now(), own=user.email == me.user)
    if len(found) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(found)} are shown; find the others by their address.")
    elif not found:
        st.caption("No address contains that.")


def _add() -> None:
    with (
        st.form("people_add", clear_on_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        email = st.text_input("E-mail address", key="people_email", placeholder="name@example.com", width=300)
        role = st.selectbox("Role", ROLES, key="people_role", width=160)
        pressed = st.form_submit_button("Add", icon=":material/person_add:", type="primary")
    if pressed:
        attempt("people_users", lambda: people.add_user(data.bench(), auth.current(), email or "", role))


def _person(user: User, now: datetime, *, own: bool) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small", key=f"people_{user.id}"):
        with st.container(width="stretch", gap=None):
            st.text(user.email + (" (you)" if own else ""))  # Markdown would make a link of it
            st.caption(" · ".join(_facts(user, now)))
        if user.disabled_at:
            st.badge("no access", icon=":material/block:", color="red")
        st.selectbox(
            f"Role of {user.email}", ROLES, index=ROLES.index(people.role_of(user.role)), width=150,
            label_visibility="collapsed", key=f"people_role_{user.id}_{user.role}", disabled=bool(user.disabled_at),
            on_change=_set_role, args=(user.id, user.role),
        )  # fmt: skip
        with st.popover("Manage", icon=":material/manage_accounts:", type="tertiary", key=f"people_more_{user.id}"):
            _manage(user)


def _facts(user: User, now: datetime) -> list[str]:
    seen = f"last seen {words.moment(user.last_seen_at)} UTC" if user.last_seen_at else "has not signed in yet"
    return [
        seen,
        f"added {_when(user, now)} by {_plain(user.created_by)}",
        *([f"Slack {user.slack_user_id}"] * bool(user.slack_user_id)),
    ]


def _when(user: User, now: datetime) -> str:
    return "today" if now - user.created_at < timedelta(days=1) else f"on {user.created_at:%d %b %Y}"


def _plain(text: str) -> str:
    """A name without the mark that would make a link of an address."""
    return cards.safe(text.split("@")[0])


def _manage(user: User) -> None:
    key = f"people_slack_{user.id}"
    st.text_input(
        "Slack member ID", user.slack_user_id or "", key=key, placeholder="U012ABCDEF",
        help="Buttons pressed in Slack by this member count as this person. In Slack: profile, three dots, Copy "
        "member ID.",
        on_change=_set_slack, args=(user.id, key),
    )  # fmt: skip
    if user.disabled_at:
        st.button(
            "Give access back", icon=":material/lock_open:", key=f"people_back_{user.id}",
            on_click=_set_disabled, args=(user.id, False),
        )  # fmt: skip
    else:
        st.button(
            "End access", icon=":material/block:", key=f"people_end_{user.id}", on_click=_set_disabled,
            args=(user.id, True), help="Ends every session at once; tokens this person made stop working.",
        )  # fmt: skip


def _set_role(user_id: str, before: str) -> None:
    role = str(st.session_state[f"people_role_{user_id}_{before}"])
    if not attempt("people_users", lambda: people.set_role(data.bench(), auth.current(), user_id, role)):
        del st.session_state[f"people_role_{user_id}_{before}"]


def _set_slack(user_id: str, key: str) -> None:
    slack = str(st.session_state[key])
    attempt("people_users", lambda: people.set_slack(data.bench(), auth.current(), user_id, slack))


def _set_disabled(user_id: str, disabled: bool) -> None:
    attempt("people_users", lambda: people.set_disabled(data.bench(), auth.current(), user_id, disabled=disabled))


def attempt(key: str, change: Callable[[], object]) -> bool:
    """Whether the change was made; why not is told by :func:`told` with the same key."""
    try:
        change()
    except WorkbenchError as error:
        st.session_state[f"{key}_problem"] = error
        return False
    return True


def told(key: str) -> None:
    """Why the last change was not made, once."""
    error = st.session_state.pop(f"{key}_problem", None)
    if error is not None:
        cards.problem(error)
