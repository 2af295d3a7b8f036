from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import Conflict, NotFound
from core.model import IncidentStatus, Severity
from core.store.books import Store
from tests.store.samples import INCIDENT, NOW, SOON, at_once, incident


def test_an_incident_comes_back_unchanged(store: Store) -> None:
    with store.begin() as books:
        books.incidents.add(INCIDENT)
    with store.read() as books:
        assert books.incidents.get("acme", INCIDENT.incident_id) == INCIDENT
        with pytest.raises(NotFound):
            books.incidents.get("other", INCIDENT.incident_id)


def test_a_second_open_incident_of_a_key_is_refused_and_the_transaction_lives_on(store: Store) -> None:
    with store.begin() as books:
        books.incidents.add(INCIDENT)
        with pytest.raises(Conflict, match="kpi:2025-12-13"):
            books.incidents.add(incident(2))
        books.incidents.add(incident(3, tenant="other"))
        found = books.incidents.find_open("acme", INCIDENT.dedup_key)
    assert found == INCIDENT


def test_twenty_threads_open_one_incident(store: Store) -> None:
    def act(i: int) -> None:
        with store.begin() as books:
            books.incidents.add(incident(i))

    outcomes = at_once(20, act)
    assert outcomes.count(None) == 1
    assert sum(isinstance(o, Conflict) for o in outcomes) == 19
    with store.read() as books:
        assert len(books.incidents.list("acme")) == 1


def test_a_change_over_an_outdated_reading_is_refused(store: Store) -> None:
    mine = replace(INCIDENT, status=IncidentStatus.ACKNOWLEDGED, updated_at=SOON)
    with store.begin() as books:
        books.incidents.add(INCIDENT)
        books.incidents.save(mine, expected=NOW)
        with pytest.raises(Conflict, match="ACKNOWLEDGED"):
            books.incidents.save(replace(INCIDENT, status=IncidentStatus.DISMISSED, updated_at=SOON), expected=NOW)
        assert books.incidents.get("acme", INCIDENT.incident_id) == mine
        with pytest.raises(NotFound):
            books.incidents.save(incident(9), expected=NOW)


def test_of_twenty_threads_that_acknowledge_one_wins(store: Store) -> None:
    with store.begin() as books:
        books.incidents.add(INCIDENT)

    def act(i: int) -> None:
        changed = replace(INCIDENT, acknowledged_by=f"person {i}", updated_at=SOON)
        with store.begin() as books:
            books.incidents.save(changed, expected=NOW)

    outcomes = at_once(20, act)
    assert outcomes.count(None) == 1
    assert sum(isinstance(o, Conflict) for o in outcomes) == 19


def test_a_closed_incident_frees_its_key_and_cannot_reopen_beside_a_new_one(store: Store) -> None:
    resolved = replace(INCIDENT, status=IncidentStatus.RESOLVED, updated_at=SOON)
    with store.begin() as books:
        books.incidents.add(INCIDENT)
        books.incidents.save(resolved, expected=NOW)
        assert books.incidents.find_open("acme", INCIDENT.dedup_key) is None
        assert books.incidents.find_latest("acme", INCIDENT.dedup_key) == resolved
        second = incident(2, created_at=SOON, updated_at=SOON)
        books.incidents.add(second)
        assert books.incidents.find_latest("acme", INCIDENT.dedup_key) == second
        reopened = replace(INCIDENT, updated_at=SOON + timedelta(seconds=1))
        with pytest.raises(Conflict, match="Another"):
            books.incidents.save(reopened, expected=SOON)
        assert books.incidents.get("acme", INCIDENT.incident_id) == resolved


def test_the_list_obeys_every_filter(store: Store) -> None:
    with store.begin() as books:
        books.incidents.add(INCIDENT)
        books.incidents.add(incident(2, dedup_key="b", severity=Severity.LOW, title="Late orders", updated_at=SOON))
        books.incidents.add(incident(3, dedup_key="c", status=IncidentStatus.CLOSED, playbook="order_sla"))

        def found(**filters: object) -> list[str]:
            return [i.incident_id for i in books.incidents.list("acme", **filters)]  # type: ignore[arg-type]

        assert found() == ["INC-00000002", "INC-00000003", "INC-0000AAAA"]
        assert found(limit=1) == ["INC-00000002"]
        assert found(statuses={IncidentStatus.CLOSED}) == ["INC-00000003"]
        assert found(severities={Severity.LOW}) == ["INC-00000002"]
        assert found(playbook="order_sla") == ["INC-00000003"]
        assert found(text="LATE ord") == ["INC-00000002"]
        assert found(text="50% on_") == ["INC-00000003", "INC-0000AAAA"]
        assert found(text="50%x") == found(text="on-Monday") == []
        counts = books.incidents.counts("acme")
    assert (counts[IncidentStatus.OPEN], counts[IncidentStatus.CLOSED], counts[IncidentStatus.MITIGATED]) == (2, 1, 0)
