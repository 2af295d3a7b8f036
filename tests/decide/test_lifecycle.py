from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.decide.lifecycle import ALLOWED, SYSTEM, Repeat, allowed, move, on_repeat, parse_status, repeat
from core.errors import Conflict, InputError
from core.model import Incident, IncidentStatus, Severity, TimelineEntry

NOW = datetime(2025, 12, 14, 9, tzinfo=UTC)
DAY = timedelta(hours=24)
S = IncidentStatus

OPEN = Incident(
    incident_id="INC-0000AAAA",
    tenant="acme",
    playbook="daily_kpis",
    dedup_key="kpi:2025-12-13",
    type="kpi",
    severity=Severity.MEDIUM,
    status=S.OPEN,
    title="Refunds up",
    subject="refunds",
    detected_at=NOW,
    created_at=NOW,
    updated_at=NOW,
    run_id="run-1",
    timeline=(TimelineEntry(NOW, "opened", SYSTEM),),
)
TABLE = {  # acceptance README, "Incident state machine"
    "OPEN": "ACKNOWLEDGED IN_PROGRESS RESOLVED DISMISSED",
    "ACKNOWLEDGED": "IN_PROGRESS RESOLVED DISMISSED",
    "IN_PROGRESS": "MITIGATED RESOLVED DISMISSED",
    "MITIGATED": "IN_PROGRESS RESOLVED",
    "RESOLVED": "CLOSED OPEN",
    "DISMISSED": "OPEN",
    "CLOSED": "",
}


@pytest.mark.parametrize("before", list(S))
@pytest.mark.parametrize("to", list(S))
def test_exactly_the_moves_of_the_table_are_allowed(before: S, to: S) -> None:
    incident = replace(OPEN, status=before)
    if to.value in TABLE[before.value].split():
        assert move(incident, to, "ana", NOW, "because").status is to
        return
    with pytest.raises(Conflict) as caught:
        move(incident, to, "ana", NOW, "because")
    assert all(name in caught.value.hint for name in TABLE[before.value].split())


def test_resolving_says_who_and_when_and_reopening_takes_it_back() -> None:
    resolved = move(OPEN, S.RESOLVED, "ana", NOW)
    assert (resolved.resolved_by, resolved.resolved_at) == ("ana", NOW)
    reopened = move(resolved, S.OPEN, "bo", NOW + DAY)
    assert (reopened.resolved_by, reopened.resolved_at) == (None, None)


def test_acknowledging_and_starting_name_the_person() -> None:
    started = move(move(OPEN, S.ACKNOWLEDGED, "ana", NOW), S.IN_PROGRESS, "bo", NOW)
    assert (started.acknowledged_by, started.assignee) == ("ana", "bo")
    mitigated = move(started, S.MITIGATED, SYSTEM, NOW)
    assert move(mitigated, S.IN_PROGRESS, "cy", NOW).assignee == "bo"


def test_a_dismissal_needs_a_reason_and_only_a_person_undoes_it() -> None:
    with pytest.raises(InputError, match="reason"):
        move(OPEN, S.DISMISSED, "ana", NOW, "  ")
    dismissed = move(OPEN, S.DISMISSED, "ana", NOW, "planned campaign")
    assert dismissed.timeline[-1] == TimelineEntry(NOW, "OPEN to DISMISSED: planned campaign", "ana")
    with pytest.raises(Conflict):
        move(dismissed, S.OPEN, SYSTEM, NOW)
    assert allowed(S.DISMISSED, SYSTEM) == ()
    assert move(dismissed, S.OPEN, "ana", NOW).status is S.OPEN


def test_a_move_needs_an_actor() -> None:
    with pytest.raises(InputError, match="person"):
        move(OPEN, S.ACKNOWLEDGED, " ", NOW)


@pytest.mark.parametrize(
    ("status", "age", "expected"),
    [
        (S.OPEN, DAY * 30, Repeat.OCCURRENCE),
        (S.MITIGATED, DAY * 30, Repeat.OCCURRENCE),
        (S.RESOLVED, DAY, Repeat.REOPEN),
        (S.RESOLVED, DAY + timedelta(microseconds=1), Repeat.NEW),
        (S.CLOSED, timedelta(), Repeat.NEW),
        (S.DISMISSED, timedelta(), Repeat.NEW),
    ],
)
def test_what_a_repeat_does(status: S, age: timedelta, expected: Repeat) -> None:
    assert on_repeat(replace(OPEN, status=status, resolved_at=NOW), NOW + age) is expected
    assert on_repeat(None, NOW) is Repeat.NEW


def test_a_repeat_counts_and_severity_only_rises() -> None:
    worse = replace(OPEN, severity=Severity.CRITICAL, title="Refunds tripled", run_id="run-2", body={"n": 2})
    twice, rose = repeat(OPEN, worse, NOW)
    assert (twice.occurrences, twice.severity, rose) == (2, Severity.CRITICAL, True)
    assert (twice.title, twice.run_id, twice.body) == ("Refunds tripled", "run-2", {"n": 2})
    thrice, rose = repeat(twice, OPEN, NOW)
    assert (thrice.occurrences, thrice.severity, rose) == (3, Severity.CRITICAL, False)


def test_a_repeat_within_a_day_reopens_and_later_is_refused() -> None:
    resolved = move(OPEN, S.RESOLVED, "ana", NOW)
    again, _ = repeat(resolved, OPEN, NOW + DAY)
    assert (again.status, again.occurrences, again.resolved_at) == (S.OPEN, 2, None)
    assert [e.event for e in again.timeline[-2:]] == ["RESOLVED to OPEN: seen again", "occurrence 2"]
    with pytest.raises(Conflict, match="new incident"):
        repeat(resolved, OPEN, NOW + DAY * 2)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("open", S.OPEN),
        ("Acknowledged", S.ACKNOWLEDGED),
        ("investigating", S.IN_PROGRESS),
        ("in_progress", S.IN_PROGRESS),
        ("In Progress", S.IN_PROGRESS),
        ("mitigated", S.MITIGATED),
        ("resolved", S.RESOLVED),
        ("closed", S.CLOSED),
        ("ignored", S.DISMISSED),
        ("false_positive", S.DISMISSED),
        ("dismiss", S.DISMISSED),
    ],
)
def test_status_words(word: str, status: S) -> None:
    assert parse_status(word) is status


def test_an_unknown_status_word_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'done'.*OPEN.*investigating"):
        parse_status("done")


steps = st.lists(
    st.tuples(st.sampled_from(S), st.sampled_from(["ana", SYSTEM]), st.integers(-60, 100_000)), max_size=25
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_any_sequence_keeps_the_rules(sequence: list[tuple[S, str, int]]) -> None:
    incident, now = OPEN, NOW
    for to, actor, seconds in sequence:
        now += timedelta(seconds=seconds)
        before = incident
        if to in allowed(before.status, actor):
            incident = move(before, to, actor, now, "because")
            assert to in ALLOWED[before.status]
            assert incident.timeline[:-1] == before.timeline
            assert incident.updated_at > before.updated_at
        else:
            with pytest.raises(Conflict):
                move(before, to, actor, now, "because")
        assert (incident.status in (S.RESOLVED, S.CLOSED)) == (incident.resolved_at is not None)
        assert (incident.resolved_by is None) == (incident.resolved_at is None)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(Severity), min_size=1, max_size=12))
def test_severity_is_the_worst_ever_seen(severities: list[Severity]) -> None:
    incident = OPEN
    rises = 0
    for severity in severities:
        incident, rose = repeat(incident, replace(OPEN, severity=severity), NOW)
        rises += rose
    assert incident.severity == max(Severity.MEDIUM, *severities)
    assert incident.occurrences == len(severities) + 1
    assert rises <= 2
