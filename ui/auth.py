"""Who is using the page, asked anew at every decision: a role can change between two clicks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import cast
from urllib.parse import urlsplit

import streamlit as st

from core import access
from core.access import Principal, Scope
from core.bootstrap import workbench
from core.errors import ConfigError, Forbidden
from core.service import people
from core.service.people import Outside
from core.settings import read_settings


def login_configured() -> bool:
    """Whether ``.streamlit/secrets.toml`` has an ``[auth]`` section."""
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def login_settings() -> tuple[str, str]:
    """The secret of the login cookies, and the origin people see. Raises: ConfigError naming the key."""
    section = st.secrets["auth"]
    for key in ("cookie_secret", "redirect_uri"):
        if not isinstance(section.get(key), str) or not section[key]:
            raise ConfigError(f"[auth] in secrets.toml lacks {key}.", hint="See secrets.toml.example.", field=key)
    address = urlsplit(str(section["redirect_uri"]).replace("{port}", str(st.get_option("server.port"))))
    return str(section["cookie_secret"]), f"{address.scheme}://{address.netloc}"


def standing() -> Principal | Outside:
    """The person at the browser as the store knows them now, or why they are outside."""
    if not login_configured():
        return local()
    return people.admit(workbench(), cast("Mapping[str, object]", st.user.to_dict()))


def current() -> Principal:
    """The person at the browser; the local administrator when no login is configured.

    Raises: Forbidden for who is not signed in, or no longer has access.
    """
    who = standing()
    if isinstance(who, Outside):
        raise Forbidden(who.value, hint=_next(who))
    return who


@cache
def local() -> Principal:
    """The administrator of a workbench without login."""
    return access.local(read_settings().telltale_tenant)


def gate(who: Principal | Outside) -> None:
    """The sidebar says who is using the workbench; nothing after it runs for anybody outside."""
    if isinstance(who, Outside):
        _outside(who)
        st.stop()
    if not login_configured():
        st.sidebar.badge("Local mode: no login", icon=":material/lock_open:", color="gray")
        return
    with st.sidebar.container(horizontal=True, vertical_alignment="center", key="me"):
        st.badge(who.role, icon=":material/person:", color="gray", help=f"{who.user} · {who.tenant}")
        st.button(
            "Log out",
            icon=":material/logout:",
            type="tertiary",
            on_click=log_out,
            help="Ends your session here and in every other browser.",
            key="log_out",
        )


def _outside(why: Outside) -> None:
    if why in (Outside.SIGNED_OUT, Outside.ENDED):
        st.title("Sign in")
        st.markdown(why.value if why is Outside.ENDED else "Telltale asks your organisation who you are.")
        for name in _providers():
            label = f"Log in with {name}" if name else "Log in"
            st.button(label, icon=":material/login:", type="primary", on_click=st.login, args=(name,), key=f"in_{name}")
        return
    st.title("No access")
    st.error(f"{why.value} {_next(why)}", icon=":material/lock:")
    st.text(f"Signed in as {st.user.get('email') or st.user.get('sub')}.")
    st.button("Log out", icon=":material/logout:", on_click=st.logout, key="log_out")


def _next(why: Outside) -> str:
    return "Sign in." if why in (Outside.SIGNED_OUT, Outside.ENDED) else "Ask an administrator for access."


def _providers() -> list[str | None]:
    """The names of the configured providers; None stands for the only one."""
    section = st.secrets["auth"]
    named: list[str | None] = [
        name for name in section if isinstance(section[name], Mapping) and name != "client_kwargs"
    ]
    return [None] if "client_id" in section else named


def log_out() -> None:
    """No login before now counts, in this browser or another; then the provider's session ends too."""
    who = standing()
    if isinstance(who, Principal):
        people.end_sessions(workbench(), who)
    st.logout()


def require(scope: Scope) -> Principal:
    """The person at the browser, who has the scope; called at the top of every page. Otherwise the page ends here."""
    try:
        who = current()
        access.require(who, scope)
    except Forbidden as refusal:
        refused(refusal)
        st.error(str(refusal), title="No access", icon=":material/lock:")
        st.stop()
    return who


def refused(refusal: Forbidden) -> None:
    """Writes down that a known person asked for what their role does not hold."""
    who = standing()
    if isinstance(who, Principal):
        people.refused(workbench(), who, st.context.url or "page", refusal)
