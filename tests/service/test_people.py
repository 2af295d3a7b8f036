"""People and tokens as an administrator handles them, and what the audit says of it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from core.access import Principal, Role
from core.errors import Conflict, Forbidden, InputError, NotFound
from core.service import people, tokens
from core.service.people import Outside
from core.service.workbench import Workbench
from tests.service.conftest import Hand


@pytest.fixture
def admin(wb: Workbench) -> Principal:
    return Principal("cli", wb.tenant, "admin")


def claims(clock: Hand, **changes: object) -> dict[str, object]:
    person = {"is_logged_in": True, "iss": "https://idp", "sub": "1", "iat": clock.at.timestamp()}
    return {**person, "email": "ana@x.example", "email_verified": True, **changes}


def lines(wb: Workbench) -> list[tuple[str, dict[str, object]]]:
    with wb.store.read() as books:
        return [(e.action, dict(e.decision)) for e in books.audit.list(wb.tenant, limit=100)][::-1]


def test_first_login_of_a_verified_address_binds_it(wb: Workbench, admin: Principal, clock: Hand) -> None:
    people.add_user(wb, admin, " Ana@X.example ", "admin")
    assert people.admit(wb, claims(clock, email_verified=False)) is Outside.UNKNOWN
    assert people.admit(wb, claims(clock)) == Principal("ana@x.example", wb.tenant, "admin")
    renamed = claims(clock, email="married@x.example", email_verified=False)
    assert people.admit(wb, renamed) == Principal("ana@x.example", wb.tenant, "admin")
    assert people.admit(wb, claims(clock, sub="2")) is Outside.UNKNOWN
    assert people.admit(wb, claims(clock, iss="https://other")) is Outside.UNKNOWN


def test_last_seen_is_written_once_a_minute_and_a_login_once(wb: Workbench, admin: Principal, clock: Hand) -> None:
    people.add_user(wb, admin, "ana@x.example", "viewer")
    cookie, first = claims(clock), clock.at
    people.admit(wb, cookie)
    clock.forward(seconds=59)
    people.admit(wb, cookie)
    assert people.users(wb, admin)[0].last_seen_at == first
    clock.forward(seconds=1)
    people.admit(wb, cookie)
    assert people.users(wb, admin)[0].last_seen_at == first + timedelta(minutes=1)
    assert [action for action, _ in lines(wb)] == ["user_added", "login"]


def test_a_login_from_the_future_is_none(wb: Workbench, admin: Principal, clock: Hand) -> None:
    people.add_user(wb, admin, "ana@x.example", "viewer")
    assert people.admit(wb, claims(clock, iat=clock.at.timestamp() + 301)) is Outside.SIGNED_OUT


def test_who_is_turned_away_is_written_down_once_a_login(wb: Workbench, clock: Hand) -> None:
    for _ in range(3):
        assert people.admit(wb, claims(clock)) is Outside.UNKNOWN
    (line,) = lines(wb)
    assert line == ("access_refused", {"actor": "ana@x.example", "iss": "https://idp", "why": "unknown"})


def test_what_a_role_does_not_hold_is_written_down_once_a_minute(wb: Workbench, clock: Hand) -> None:
    vera = Principal("vera@x.example", wb.tenant, "viewer")
    for _ in range(3):
        people.refused(wb, vera, "POST /x", Forbidden("No."))
    clock.forward(minutes=1)
    people.refused(wb, vera, "POST /x", Forbidden("No."))
    assert [action for action, _ in lines(wb)] == ["access_refused"] * 2


def test_every_change_is_audited_with_who_made_it_and_without_a_secret(
    wb: Workbench, admin: Principal, clock: Hand
) -> None:
    user = people.add_user(wb, admin, "ana@x.example", "viewer")
    people.set_role(wb, admin, user.id, "responder")
    people.set_slack(wb, admin, user.id, "u012abc")
    people.set_disabled(wb, admin, user.id, disabled=True)
    people.set_disabled(wb, admin, user.id, disabled=False)
    token, secret = tokens.add(wb, admin, "ci", ["incidents:read"], 30)
    tokens.revoke(wb, admin, token.id)
    found = lines(wb)
    assert [action for action, _ in found] == [
        "user_added", "role_changed", "slack_user_mapped", "user_disabled", "user_enabled", "token_created",
        "token_revoked",
    ]  # fmt: skip
    assert {body["actor"] for _, body in found} == {"cli"}
    assert found[1][1] == {"user": "ana@x.example", "from": "viewer", "to": "responder", "actor": "cli"}
    assert secret not in json.dumps(found)


def test_the_last_administrator_stays_one(wb: Workbench, admin: Principal) -> None:
    ana = people.add_user(wb, admin, "ana@x.example", "admin")
    for change in (
        lambda: people.set_role(wb, admin, ana.id, "viewer"),
        lambda: people.set_disabled(wb, admin, ana.id, disabled=True),
    ):
        with pytest.raises(Conflict, match="last administrator"):
            change()
    people.add_user(wb, admin, "bo@x.example", "admin")
    assert people.set_role(wb, admin, ana.id, "viewer").role == "viewer"


def test_a_slack_user_is_the_person_an_administrator_named(wb: Workbench, admin: Principal) -> None:
    ana = people.add_user(wb, admin, "ana@x.example", "responder")
    people.set_slack(wb, admin, ana.id, "U012ABC")
    assert people.by_slack(wb, "U012ABC") == Principal("ana@x.example", wb.tenant, "responder")
    assert people.by_slack(wb, "U012ABC", tenant="other") is None
    assert people.by_slack(wb, "U999") is None
    assert people.by_slack(wb, "") is None
    people.add_user(wb, admin, "bo@x.example", "admin")
    people.set_disabled(wb, admin, ana.id, disabled=True)
    assert people.by_slack(wb, "U012ABC") is None


@pytest.mark.parametrize("email", ["", "ana", "a@b@c", "a b@c.de", "<a@b.de>", "a@b.de,c@d.de", "a" * 70 + "@b.de"])
def test_only_an_address_is_one(wb: Workbench, admin: Principal, email: str) -> None:
    with pytest.raises(InputError, match="not an e-mail address"):
        people.add_user(wb, admin, email, "viewer")


@pytest.mark.parametrize("slack", ["ana", "U", "X123", "U12 3", "U" * 40])
def test_only_a_member_id_is_one(wb: Workbench, admin: Principal, slack: str) -> None:
    ana = people.add_user(wb, admin, "ana@x.example", "viewer")
    with pytest.raises(InputError, match="Slack member id"):
        people.set_slack(wb, admin, ana.id, slack)


@pytest.mark.parametrize(
    ("name", "scopes", "days", "field"),
    [
        ("", ["incidents:read"], 30, "name"),
        ("x" * 101, ["incidents:read"], 30, "name"),
        ("ci", [], 30, "scopes"),
        ("ci", ["all"], 30, "scopes"),
        ("ci", ["incidents:read"], 0, "days"),
        ("ci", ["incidents:read"], 367, "days"),
    ],
)
def test_a_token_has_a_name_scopes_and_an_end(
    wb: Workbench, admin: Principal, name: str, scopes: list[str], days: int, field: str
) -> None:
    with pytest.raises(InputError) as refused:
        tokens.add(wb, admin, name, scopes, days)
    assert refused.value.field == field


def test_an_administrator_handles_only_their_tenant(wb: Workbench, admin: Principal) -> None:
    ana = people.add_user(wb, admin, "ana@x.example", "viewer")
    token, _ = tokens.add(wb, admin, "ci", ["incidents:read"], 30)
    far = Principal("cli", "far", "admin")
    assert people.users(wb, far) == ()
    assert tokens.listing(wb, far) == ()
    for change in (
        lambda: people.set_role(wb, far, ana.id, "admin"),
        lambda: people.set_slack(wb, far, ana.id, "U012ABC"),
        lambda: people.set_disabled(wb, far, ana.id, disabled=True),
        lambda: tokens.revoke(wb, far, token.id),
    ):
        with pytest.raises(NotFound):
            change()
    people.end_sessions(wb, Principal("ana@x.example", "far", "viewer"))
    assert people.users(wb, admin)[0].valid_after is None


@pytest.mark.parametrize("role", ["viewer", "responder"])
def test_a_token_that_manages_is_made_by_who_manages(wb: Workbench, role: Role) -> None:
    with pytest.raises(Forbidden):
        tokens.add(wb, Principal("x", wb.tenant, role), "ci", ["incidents:read"], 30)
    limited = Principal("x", wb.tenant, "admin", scopes=frozenset({"tools:manage"}), token="robot")
    with pytest.raises(Forbidden, match="The token robot does not hold incidents:write"):
        tokens.add(wb, limited, "ci", ["incidents:write"], 30)


def test_tenants_are_those_of_people_and_of_the_process(wb: Workbench) -> None:
    people.add_user(wb, Principal("cli", "far", "admin"), "ana@x.example", "viewer")
    assert people.tenants(wb) == tuple(sorted({wb.tenant, "far"}))
