"""Who is using the page, asked anew at every decision: a role can change between two clicks."""

from __future__ import annotations

from functools import cache

import streamlit as st

from core import access
from core.access import Principal, Scope
from core.errors import Forbidden
from core.settings import read_settings


def login_configured() -> bool:
    """Whether ``.streamlit/secrets.toml`` has an ``[auth]`` section."""
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def current() -> Principal:
    """The person at the browser; the local administrator when no login is configured.

    Raises: Forbidden when a login is configured, because nobody can be signed in yet.
    """
    if login_configured():
        raise Forbidden("A login is configured, but this version cannot sign anybody in.")
    return local()


@cache
def local() -> Principal:
    """The administrator of a workbench without login."""
    return access.local(read_settings().telltale_tenant)


def gate() -> None:
    """The sidebar says who is using the workbench; nothing after it runs for anybody unknown."""
    require("incidents:read")
    st.sidebar.badge("Local mode: no login", icon=":material/lock_open:", color="gray")


def require(scope: Scope) -> Principal:
    """The person at the browser, who has the scope; called at the top of every page. Otherwise the page ends here."""
    try:
        who = current()
        access.require(who, scope)
    except Forbidden as refusal:
        st.error(str(refusal), title="No access", icon=":material/lock:")
        st.stop()
    return who
