from __future__ import annotations

from datetime import timedelta

import pytest

from core.errors import Conflict, NotFound
from core.store.books import Store
from tests.store.samples import NOW, SOON, at_once


def test_a_person_is_bound_at_the_first_login_and_only_then(store: Store) -> None:
    with store.begin() as books:
        added = books.people.add("acme", "Ana@Example.com", "admin", "cli", NOW)
        assert (added.email, added.role, added.sub) == ("ana@example.com", "admin", None)
        assert books.people.bind("ANA@example.com", "https://idp", "1") == books.people.by_identity("https://idp", "1")
        assert books.people.bind("ana@example.com", "https://idp", "2") is None
        bound = books.people.get("acme", added.id)
        assert (bound.iss, bound.sub) == ("https://idp", "1")


def test_a_disabled_person_is_not_bound(store: Store) -> None:
    with store.begin() as books:
        added = books.people.add("acme", "ana@example.com", "admin", "cli", NOW)
        books.people.set_disabled("acme", added.id, SOON)
        assert books.people.bind("ana@example.com", "https://idp", "1") is None


def test_an_address_has_access_once_over_all_tenants(store: Store) -> None:
    with store.begin() as books:
        books.people.add("acme", "ana@example.com", "viewer", "cli", NOW)
        with pytest.raises(Conflict, match="has access already"):
            books.people.add("other", "ANA@example.com", "admin", "cli", NOW)


def test_another_tenants_person_is_not_found(store: Store) -> None:
    with store.begin() as books:
        ana = books.people.add("acme", "ana@example.com", "viewer", "cli", NOW)
        people = books.people
        for change in (
            lambda: people.get("other", ana.id),
            lambda: people.set_role("other", ana.id, "admin"),
            lambda: people.set_slack("other", ana.id, "U1"),
            lambda: people.set_disabled("other", ana.id, NOW),
            lambda: people.end_sessions("other", ana.id, NOW),
        ):
            with pytest.raises(NotFound):
                change()
        assert people.list("other") == ()
        assert people.list("acme") == (ana,)
        assert people.tenants() == ("acme",)


def test_disabling_ends_every_session_and_enabling_does_not_bring_them_back(store: Store) -> None:
    with store.begin() as books:
        ana = books.people.add("acme", "ana@example.com", "viewer", "cli", NOW)
        gone = books.people.set_disabled("acme", ana.id, SOON)
        assert (gone.disabled_at, gone.valid_after) == (SOON, SOON)
        back = books.people.set_disabled("acme", ana.id, None)
        assert (back.disabled_at, back.valid_after) == (None, SOON)


def test_a_slack_user_is_one_person(store: Store) -> None:
    with store.begin() as books:
        ana = books.people.add("acme", "ana@example.com", "viewer", "cli", NOW)
        bo = books.people.add("acme", "bo@example.com", "viewer", "cli", NOW)
        books.people.set_slack("acme", ana.id, "U1")
        with pytest.raises(Conflict, match="somebody else"):
            books.people.set_slack("acme", bo.id, "U1")
        found = books.people.by_slack("U1")
        assert found is not None
        assert found.id == ana.id
        books.people.set_slack("acme", ana.id, None)
        books.people.set_slack("acme", bo.id, "U1")


def test_a_token_is_known_by_its_hash_and_revoked_once(store: Store) -> None:
    with store.begin() as books:
        token = books.tokens.add(
            "acme",
            "ci",
            prefix="tlt_ab",
            sha256="00ff",
            scopes=["incidents:read"],
            owner=None,
            actor="ana",
            now=NOW,
            expires_at=NOW + timedelta(days=1),
        )
        assert books.tokens.by_hash("00ff") == token
        assert books.tokens.by_hash("00fe") is None
        assert token.scopes == ("incidents:read",)
        books.tokens.used(token.id, SOON)
        with pytest.raises(NotFound):
            books.tokens.revoke("other", token.id, SOON)
        assert books.tokens.revoke("acme", token.id, SOON).revoked_at == SOON
        assert books.tokens.revoke("acme", token.id, SOON + timedelta(days=1)).revoked_at == SOON
        assert books.tokens.list("acme")[0].last_used_at == SOON
        assert books.tokens.list("other") == ()


def test_a_signature_is_used_once_until_it_is_too_old(store: Store) -> None:
    ttl = timedelta(minutes=10)
    with store.begin() as books:
        assert books.replays.first_use("slack:a", NOW, ttl)
        assert not books.replays.first_use("slack:a", NOW + ttl - timedelta(seconds=1), ttl)
        assert books.replays.first_use("slack:b", NOW, ttl)
        assert books.replays.first_use("slack:a", NOW + ttl, ttl)


def test_of_twenty_at_once_one_is_the_first(store: Store) -> None:
    def use(_i: int) -> bool:
        with store.begin() as books:
            return books.replays.first_use("one", NOW, timedelta(minutes=10))

    assert sorted(map(str, at_once(20, use))) == ["False"] * 19 + ["True"]


def test_of_twenty_first_logins_at_once_one_binds(store: Store) -> None:
    with store.begin() as books:
        books.people.add("acme", "ana@example.com", "viewer", "cli", NOW)

    def sign_in(i: int) -> bool:
        with store.begin() as books:
            return books.people.bind("ana@example.com", "https://idp", str(i)) is not None

    assert sorted(map(str, at_once(20, sign_in))) == ["False"] * 19 + ["True"]
