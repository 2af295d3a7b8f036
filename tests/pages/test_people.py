"""Users and tokens, as an administrator without login and with one sees them."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from core import access
from core.service import people, tokens
from core.service.workbench import Workbench

Opened = Callable[..., AppTest]
TITLE = "Users and tokens"


def told(at: AppTest) -> list[str]:
    return [e.value for e in at.error]


def captions(at: AppTest) -> str:
    return "\n".join(c.value for c in at.caption)


def test_local_mode_says_what_a_login_needs_and_what_to_do_next(opened: Opened) -> None:
    at = opened("people")
    assert [t.value for t in at.title] == [TITLE]
    assert any(m.value.startswith("**No login is configured.**") for m in at.markdown)
    assert any("cli.py user add" in m.value for m in at.markdown)
    assert [i.value for i in at.info] == [
        "Nobody can sign in yet. Add the first person above.",
        "No program has a token. Make one above.",
    ]


def test_a_person_is_added_and_changes_role(opened: Opened, bench: Workbench) -> None:
    at = opened("people")
    at.text_input(key="people_email").set_value("Ana@x.example")
    at.selectbox(key="people_role").set_value("admin")
    at.button[0].click().run()
    me = access.local(bench.tenant)
    (ana,) = people.users(bench, me)
    assert (ana.email, ana.role, ana.created_by) == ("ana@x.example", "admin", "local")
    assert "has not signed in yet · added today by local" in captions(at)
    at.selectbox(key=f"people_role_{ana.id}_admin").set_value("viewer").run()
    assert told(at) == ["ana@x.example is the last administrator."]
    people.add_user(bench, me, "bo@x.example", "admin")
    at.run()
    at.selectbox(key=f"people_role_{ana.id}_admin").set_value("viewer").run()
    assert told(at) == []
    assert people.users(bench, me)[0].role == "viewer"


def test_a_mistake_is_told_and_changes_nothing(opened: Opened, bench: Workbench) -> None:
    at = opened("people")
    at.text_input(key="people_email").set_value("ana")
    at.button[0].click().run()
    assert told(at) == ["'ana' is not an e-mail address."]
    assert people.users(bench, access.local(bench.tenant)) == ()
    at.run()
    assert told(at) == []


def test_slack_and_access_are_managed(opened: Opened, bench: Workbench) -> None:
    me = access.local(bench.tenant)
    ana = people.add_user(bench, me, "ana@x.example", "responder")
    at = opened("people")
    at.text_input(key=f"people_slack_{ana.id}").set_value("u012abc").run()
    assert people.by_slack(bench, "U012ABC") == access.Principal("ana@x.example", bench.tenant, "responder")
    assert "Slack U012ABC" in captions(at)
    at.button(key=f"people_end_{ana.id}").click().run()
    assert people.by_slack(bench, "U012ABC") is None
    assert at.selectbox(key=f"people_role_{ana.id}_responder").disabled
    at.button(key=f"people_back_{ana.id}").click().run()
    assert people.by_slack(bench, "U012ABC") is not None


def test_many_people_are_found_by_their_address(opened: Opened, bench: Workbench) -> None:
    me = access.local(bench.tenant)
    for i in range(30):
        people.add_user(bench, me, f"p{i:02}@x.example", "viewer")
    at = opened("people")
    assert "The first 25 of 30 are shown; find the others by their address." in captions(at)
    at.text_input(key="people_find").set_value("P29").run()
    assert [t.value for t in at.text] == ["p29@x.example"]


def test_a_token_is_shown_once_and_revoked(opened: Opened, bench: Workbench) -> None:
    at = opened("people")
    at.text_input(key="people_token_name").set_value("export")
    at.button[1].click().run()
    (shown,) = [c.value for c in at.code]
    who = tokens.resolve(bench, shown)
    assert who == access.Principal(
        "token:export", bench.tenant, "viewer", scopes=frozenset({"incidents:read"}), token="export"
    )
    at.button(key="people_copied").click().run()
    assert len(at.code) == 0
    (kept,) = tokens.listing(bench, access.local(bench.tenant))
    at.button(key=f"people_revoke_{kept.id}").click().run()
    assert tokens.resolve(bench, shown) is None
    assert [e.label for e in at.expander][-1] == "Revoked and expired: 1"


def test_another_tenants_people_and_tokens_are_not_shown(opened: Opened, bench: Workbench) -> None:
    far = access.Principal("cli", "far", "admin")
    people.add_user(bench, far, "far@x.example", "admin")
    tokens.add(bench, far, "far token", ["incidents:read"], 30)
    at = opened("people")
    assert "far@x.example" not in str(at.main)
    assert "far token" not in str(at.main)
