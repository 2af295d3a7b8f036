"""The Alerts page without a browser: channels off and on, outbox, retry, schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.access import local
from core.errors import ConfigError
from core.model import DeliveryState, Notification
from core.service import schedules
from core.store.books import Store
from ui.schedule import in_words

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture
def given_up(bench) -> str:
    """A message that failed for good."""
    note = Notification("slack", "Slack", "[RED] day", "Refunds tripled", {"text": "Refunds tripled"}, "slack:x", "r1")
    store: Store = bench.store
    with store.begin() as books:
        queued = books.outbox.enqueue(note, "default", "ana", AT)
        books.outbox.lease_due(AT, "w", 60)
        books.outbox.mark_failed(queued.id, "w", "Slack refused the message (404, no_service).")
    return queued.id


def test_channels_that_are_off_say_what_switches_them_on(opened):
    at = opened("alerts")
    assert not at.exception
    shown = "\n".join(c.value for c in at.caption)
    assert "Set SMTP_HOST and SMTP_TO in .env" in shown
    assert "Set SLACK_WEBHOOK_URL in .env" in shown
    assert "No run is kept yet" in at.info[0].value
    assert "Nothing was sent yet" in at.info[1].value


def test_a_failed_message_shows_its_payload_and_can_be_tried_again(opened, bench, given_up):
    at = opened("alerts")
    assert list(at.dataframe[0].value["state"]) == [["failed"]]
    at.session_state["alerts_outbox_None"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    at.run()
    assert at.error[0].value.startswith("Slack refused the message")
    assert at.code[0].value == "Refunds tripled"
    at.button(key="alerts_retry").click().run()
    with bench.store.read() as books:
        newest = books.outbox.list("default")[0]
    assert newest.id != given_up
    assert (newest.state, newest.created_by) == (DeliveryState.FAILED, "local")
    assert "The channel slack is off." in newest.error


def test_the_schedule_is_off_until_saved_and_refuses_nonsense(opened, bench):
    at = opened("alerts")
    assert "Off. It would run" in "\n".join(m.value for m in at.markdown)
    at.text_input(key="alerts_cron_daily_kpis").set_value("nonsense").run()
    assert "Schedule 'nonsense'" in at.error[0].value
    at.text_input(key="alerts_cron_daily_kpis").set_value("30 7 * * mon-fri")
    at.toggle(key="alerts_on_daily_kpis").set_value(True).run()
    at.button(key="alerts_schedule_save_daily_kpis").click().run()
    with bench.store.read() as books:
        kept = books.schedules.get("default", "daily_kpis")
    assert kept is not None
    assert (kept.cron, kept.enabled, kept.updated_by) == ("30 7 * * mon-fri", True, "local")
    assert "Next runs" in "\n".join(m.value for m in at.markdown)


def test_a_coming_time_in_words():
    assert in_words(AT + timedelta(hours=16), AT, "UTC") == "Tuesday 6 Jan 2026 01:00 UTC, in 16 hours"
    assert in_words(AT + timedelta(minutes=90), AT, "UTC").endswith("in 90 minutes")
    assert in_words(AT + timedelta(seconds=20), AT, "UTC").endswith("in 1 minute")
    with pytest.raises(ConfigError):
        schedules.upcoming("x", "UTC", AT)


def test_the_page_works_for_a_saved_source(opened, saved):
    days = "\n".join(f"2025-01-{d:02d},{d}" for d in range(1, 29))
    name = saved("sales", f"day,sales\n{days}\n".encode())
    at = opened("alerts", source=name)
    assert not at.exception
    assert any("sales" in h.value for h in at.header)
    assert local("default").can("tools:manage")
