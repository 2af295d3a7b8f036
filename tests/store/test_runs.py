from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import Conflict, NotFound
from core.store.books import Store
from tests.store.samples import RUN, SOON


def test_a_run_comes_back_unchanged_whatever_its_texts_hold(store: Store) -> None:
    with store.begin() as books:
        books.runs.save(RUN)
    with store.read() as books:
        back = books.runs.get("acme", "run-1")
    assert back == RUN
    assert list(back.report) == ["z", "a", "text"]


def test_another_tenants_run_is_not_found(store: Store) -> None:
    with store.begin() as books:
        books.runs.save(RUN)
        with pytest.raises(NotFound):
            books.runs.get("other", "run-1")
        with pytest.raises(Conflict):
            books.runs.save(replace(RUN, tenant="other"))


def test_runs_are_listed_newest_first_and_without_reports(store: Store) -> None:
    later = replace(RUN, id="run-2", ended_at=SOON + timedelta(hours=1), headline="Quiet")
    with store.begin() as books:
        books.runs.save(later)
        books.runs.save(RUN)
        books.runs.save(replace(RUN, id="run-3", playbook="order_sla"))
        assert [r.id for r in books.runs.list("acme", "daily_kpis")] == ["run-2", "run-1"]
        assert books.runs.list("acme", limit=1)[0].report == {}
        assert books.runs.latest("acme", "daily_kpis") == later
        assert books.runs.latest("acme", "segment_drift") is None


def test_saving_a_run_again_replaces_its_report(store: Store) -> None:
    with store.begin() as books:
        books.runs.save(RUN)
        books.runs.save(replace(RUN, report={"deliveries": []}))
    with store.read() as books:
        assert books.runs.get("acme", "run-1").report == {"deliveries": []}


def test_an_idempotency_key_names_one_run_of_a_tenant(store: Store) -> None:
    with store.begin() as books:
        books.runs.save(RUN, "key")
        with pytest.raises(Conflict, match="key"):
            books.runs.save(replace(RUN, id="run-2"), "key")
        books.runs.save(replace(RUN, id="run-3", tenant="other"), "key")
    with store.read() as books:
        assert books.runs.by_key("acme", "key") == RUN
        assert books.runs.by_key("acme", "none") is None
