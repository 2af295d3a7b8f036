"""Keys of machines: make one, see it once, revoke it; and who may send signed webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

import streamlit as st

from core.access import Scope
from core.service import tokens
from core.store.tokens import Token
from ui import auth, cards, data, words
from ui.people import attempt, told

DAYS = {30: "30 days", 90: "90 days", 365: "1 year"}
MADE = "people_token_made"  # the one place where a new secret waits until it was copied


def listing() -> None:
    """The tenant's keys, newest first."""
    st.header("API tokens")
    st.caption("For programs, as a bearer token in the Authorization header; never more than its maker may do.")
    _add()
    told("people_tokens")
    _made()
    now = data.bench().ctx.clock.now()
    kept = tokens.listing(data.bench(), auth.current())
    live = [t for t in kept if t.revoked_at is None and t.expires_at > now]
    if not live:
        st.info("No program has a token. Make one above.", icon=":material/key:")
    for token in live:
        _token(token)
    _ended([t for t in kept if t not in live], now)
    _senders()


def _add() -> None:
    with st.form("people_token", clear_on_submit=True):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            name = st.text_input(
                "Name", key="people_token_name", placeholder="nightly export", width=240, max_chars=100
            )
            days = st.selectbox(
                "Lasts", list(DAYS), format_func=DAYS.__getitem__, index=1, key="people_days", width=140
            )
        scopes = st.pills(
            "May", get_args(Scope), selection_mode="multi", default=["incidents:read"], key="people_scopes"
        )
        pressed = st.form_submit_button("Create token", icon=":material/key:", type="primary")
    if pressed:
        attempt("people_tokens", lambda: _create(name or "", list(scopes), int(days)))


def _create(name: str, scopes: list[str], days: int) -> None:
    token, secret = tokens.add(data.bench(), auth.current(), name, scopes, days)
    st.session_state[MADE] = (token.name, secret)


def _made() -> None:
    if MADE not in st.session_state:
        return
    name, secret = st.session_state[MADE]
    with st.container(border=True):
        st.success(f"Copy the token {cards.safe(name)} now: it is not shown again.", icon=":material/key:")
        st.code(secret, language=None)
        st.button("I have copied it", icon=":material/check:", key="people_copied", on_click=_copied)


def _copied() -> None:
    st.session_state.pop(MADE, None)


def _token(token: Token) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small", key=f"people_{token.id}"):
        with st.container(width="stretch", gap=None):
            st.markdown(f"**{cards.safe(token.name)}** {token.prefix}…")
            used = f"last used {words.moment(token.last_used_at)} UTC" if token.last_used_at else "never used"
            made = f"made by {cards.safe(token.created_by.split('@')[0])}"
            st.caption(f"{', '.join(token.scopes)} · {used} · until {words.moment(token.expires_at)} UTC · {made}")
        with st.popover("Revoke", icon=":material/key_off:", type="tertiary", key=f"people_ask_{token.id}"):
            st.markdown(f"Programs that use {cards.safe(token.name)} are refused from their next request on.")
            st.button(
                "Revoke it", icon=":material/key_off:", key=f"people_revoke_{token.id}", on_click=_revoke,
                args=(token.id,),
            )  # fmt: skip


def _revoke(token_id: str) -> None:
    attempt("people_tokens", lambda: tokens.revoke(data.bench(), auth.current(), token_id))


def _ended(ended: list[Token], now: datetime) -> None:
    if not ended:
        return
    with st.expander(f"Revoked and expired: {len(ended)}", key="people_ended"):
        st.table(
            {
                "token": [f"{cards.safe(t.name)} {t.prefix}…" for t in ended],
                "ended (UTC)": [words.moment(min(t.revoked_at or now, t.expires_at)) for t in ended],
                "last used (UTC)": [words.moment(t.last_used_at) or "never" for t in ended],
            },
            border="horizontal",
            alt="Tokens that count no longer",
        )


def _senders() -> None:
    st.header("Signed webhooks")
    tenant = auth.current().tenant
    names = sorted(name for of, name in data.bench().ctx.settings.senders if of == tenant)
    if names:
        st.markdown("Messages are taken from " + ", ".join(f"**{cards.safe(n)}**" for n in names) + ".")
    st.caption(
        "Senders sign each message by Standard Webhooks, with a secret of their own in TELLTALE_WEBHOOK_SECRETS."
    )
