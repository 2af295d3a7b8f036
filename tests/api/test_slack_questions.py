"""A question by slash command is answered from stored incidents, with ids, to known people only. Source: E2-23."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.access import Principal
from core.bootstrap import build
from core.errors import WorkbenchError
from core.model import IncidentStatus, Severity
from core.service import people, questions
from core.service.workbench import Workbench
from core.settings import Settings
from server.identity import Identity, answering
from server.routes import slack
from tests.api.desk import Hand
from tests.store.samples import INCIDENT

SECRET = "test-secret"
ADMIN = Principal("cli", "acme", "admin")


@pytest.fixture
def wb(tmp_path: Path) -> Iterator[Workbench]:
    settings = Settings(
        _env_file=None, telltale_home=tmp_path, telltale_tenant="acme", slack_signing_secret=SecretStr(SECRET)
    )
    wb = build(settings, Hand())
    user = people.add_user(wb, ADMIN, "ana@acme.example", "viewer")
    people.set_slack(wb, ADMIN, user.id, "U0ANA")
    late = replace(INCIDENT, tenant="acme", playbook="order_sla", type="PICK_DELAY", severity=Severity.MEDIUM)
    with wb.store.begin() as books:
        for number, more in enumerate(
            (
                {"subject": "SO-1", "title": "SO-1: <picked> 60 min late"},
                {"subject": "SO-2", "title": "SO-2: carrier & van", "type": "CARRIER_ISSUE", "severity": Severity.HIGH},
                {"subject": "SO-3", "title": "SO-3: over", "status": IncidentStatus.RESOLVED},
                {"subject": "SO-1", "title": "not yours", "tenant": "other"},
            )
        ):
            incident = replace(late, incident_id=f"INC-0000A00{number}", dedup_key=str(number), **more)
            books.incidents.add(replace(incident, status=more.get("status", IncidentStatus.OPEN)))
    yield wb
    wb.store.close()


def ask(wb: Workbench, text: str, user: str = "U0ANA", trigger: str = "1", secret: str = SECRET) -> tuple[int, dict]:
    body = urlencode({"command": "/telltale", "text": text, "user_id": user, "trigger_id": trigger}).encode()
    at = int(wb.ctx.clock.now().timestamp())
    signed = hmac.new(secret.encode(), b"v0:%d:" % at + body, hashlib.sha256).hexdigest()
    mounted = slack.routes(lambda: wb, Identity(lambda: wb, None))
    app = Starlette(routes=mounted, exception_handlers={WorkbenchError: answering(lambda: wb)})
    reply = TestClient(app, base_url="http://127.0.0.1:8501").post(
        "/webhook/integrations/slack",
        content=body,
        headers={
            "x-slack-request-timestamp": str(at),
            "x-slack-signature": f"v0={signed}",
            "content-type": "application/x-www-form-urlencoded",
        },
    )
    return reply.status_code, reply.json()


def test_a_question_is_answered_with_ids(wb: Workbench) -> None:
    status, reply = ask(wb, "why is SO-1 late?")
    assert (status, reply["response_type"]) == (200, "ephemeral")
    assert reply["text"] == (
        "1 incident for 'why is SO-1 late?':\n"
        "• INC-0000A000 · MEDIUM · PICK_DELAY · SO-1 · OPEN: SO-1: &lt;picked&gt; 60 min late"
    )


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ("", ["INC-0000A001", "INC-0000A000"]),
        ("show me all open incidents please", ["INC-0000A001", "INC-0000A000"]),
        ("pick delay", ["INC-0000A000"]),
        ("PICK_DELAY", ["INC-0000A000"]),
        ("which orders are high", ["INC-0000A001"]),
        ("resolved", ["INC-0000A002"]),
        ("inc-0000a002", ["INC-0000A002"]),
        ("INC-0000A003", []),
        ("SO-9", []),
    ],
)
def test_words_select(wb: Workbench, asked: str, ids: list[str]) -> None:
    lines = questions.answer(wb, ADMIN, asked).split("\n")
    assert [line[2:14] for line in lines[1:]] == ids
    if not ids:
        assert lines[0].startswith("No ")


def test_only_the_first_are_shown(wb: Workbench) -> None:
    with wb.store.begin() as books:
        for i in range(20):
            books.incidents.add(replace(INCIDENT, tenant="acme", incident_id=f"INC-0000B{i:03}", dedup_key=f"b{i}"))
    lines = questions.answer(wb, ADMIN, "").split("\n")
    assert (lines[0], len(lines)) == ("22 incidents, the first 10 of them:", 11)


def test_who_is_nobody_hears_nothing(wb: Workbench) -> None:
    assert ask(wb, "SO-1", secret="other")[0] == 401
    assert ask(wb, "SO-1", user="U0BOB")[0] == 403
    assert ask(wb, "SO-1", trigger="")[0] == 400
    assert ask(wb, "SO-1", trigger="7")[0] == 200
    assert ask(wb, "SO-1", trigger="7")[0] == 401  # the same request again
