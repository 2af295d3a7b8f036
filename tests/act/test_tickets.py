"""Tickets against a Jira on loopback."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from core.act import tickets
from core.context import Context
from core.errors import ConfigError, InputError, ProviderError
from core.model import IncidentStatus, JsonObject, Light, Severity
from core.settings import Settings, read_settings
from tests.act.samples import ATTACK, INCIDENT, RED, context, everything_on

API = "/rest/api/3"


def jira(server: HTTPServer) -> Context:
    return context(everything_on(server.url_for("").rstrip("/")))


def sent(server: HTTPServer) -> list[tuple[str, str, object]]:
    return [(r.method, r.path, json.loads(r.get_data() or b"null")) for r, _ in server.log]


def empty(server: HTTPServer) -> None:
    server.expect_request(f"{API}/search/jql", method="POST").respond_with_json({"issues": [], "isLast": True})


def state(name: str, category: str) -> dict[str, object]:
    return {"name": name, "statusCategory": {"key": category}}


def test_a_ticket_is_searched_for_and_then_created_dp20(httpserver: HTTPServer) -> None:
    empty(httpserver)
    httpserver.expect_request(f"{API}/issue", method="POST").respond_with_json({"id": "1", "key": "OPS-1234"}, 201)
    ticket = tickets.open_ticket(INCIDENT, jira(httpserver))
    assert ticket == tickets.Ticket("OPS-1234", httpserver.url_for("/browse/OPS-1234"), created=True)
    (_, _, search), (_, _, create) = sent(httpserver)
    assert search == {
        "jql": 'project = "OPS" AND labels = "INC-0000AAAA" ORDER BY created ASC',
        "fields": ["summary"],
        "maxResults": 1,
    }
    fields = create["fields"]  # type: ignore[index]
    description = fields.pop("description")
    assert fields == {
        "project": {"key": "OPS"},
        "issuetype": {"name": "Task"},
        "summary": "[CRITICAL] Incident detected: payment-service",
        "labels": ["telltale", "INC-0000AAAA"],
        "priority": {"name": "Highest"},
    }
    assert (description["type"], description["version"]) == ("doc", 1)
    assert [b["type"] for b in description["content"]] == [
        "paragraph", "bulletList", "heading", "bulletList", "heading", "bulletList", "paragraph",
    ]  # fmt: skip
    assert description["content"][-1]["content"][0]["marks"] == [{"type": "link", "attrs": {"href": INCIDENT.link}}]
    assert "Error rate: 12.00 %" in json.dumps(description)
    login = httpserver.log[0][0].authorization
    assert login is not None
    assert (login.username, login.password) == ("bot@example.com", "canary-jira-token")


def test_one_that_is_there_is_not_created_again(httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{API}/search/jql").respond_with_json({"issues": [{"id": "1", "key": "OPS-7"}]})
    ticket = tickets.open_ticket(INCIDENT, jira(httpserver))
    assert (ticket.key, ticket.created) == ("OPS-7", False)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("severity", "light", "priority"),
    [
        (Severity.CRITICAL, Light.RED, "Highest"),
        (Severity.HIGH, Light.YELLOW, "High"),
        (Severity.MEDIUM, Light.YELLOW, "Medium"),
        (Severity.LOW, Light.GREEN, "Low"),
        (None, Light.RED, "Highest"),
    ],
)
def test_priorities(httpserver: HTTPServer, severity: Severity | None, light: Light, priority: str) -> None:
    empty(httpserver)
    httpserver.expect_request(f"{API}/issue").respond_with_json({"key": "OPS-1"}, 201)
    tickets.open_ticket(replace(INCIDENT, severity=severity, light=light), jira(httpserver))
    assert sent(httpserver)[1][2]["fields"]["priority"] == {"name": priority}  # type: ignore[index]


@pytest.mark.parametrize("incident", [None, "", 'x" OR project = SECRET'])
def test_without_an_incident_there_is_no_ticket(httpserver: HTTPServer, incident: str | None) -> None:
    with pytest.raises(InputError, match="incident"):
        tickets.open_ticket(replace(INCIDENT, incident_id=incident), jira(httpserver))
    assert httpserver.log == []


def nodes(node: object) -> list[JsonObject]:
    found: list[JsonObject] = [node] if isinstance(node, dict) else []
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return found + [n for part in inner for n in nodes(part)]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30) | st.sampled_from([ATTACK, "é\ud800\x00" * 3000, "\n\n", ""]), st.integers(0, 40))
def test_a_description_is_always_one_jira_takes(text: str, lines: int) -> None:
    told = (text,) * lines
    message = replace(RED, title=text, summary=text, drivers=told, actions=told, facts=((text, text),) * lines)
    fields = tickets.fields(message, "INC-1", "OPS", "Task")
    assert 0 < len(str(fields["summary"])) <= 255
    assert "\n" not in str(fields["summary"])
    assert all(n["text"] for n in nodes(fields["description"]) if n.get("type") == "text")
    assert len(json.dumps(fields)) < 6 * 32_767


def test_a_comment_is_text(httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{API}/issue/OPS-7/comment", method="POST").respond_with_json({"id": "1"}, 201)
    tickets.comment("OPS-7", f"Approved by ana\n\n{ATTACK}", jira(httpserver))
    ((_, _, body),) = sent(httpserver)
    first, second = body["body"]["content"]  # type: ignore[index]
    assert first == {"type": "paragraph", "content": [{"type": "text", "text": "Approved by ana"}]}
    assert second["content"][0]["text"].startswith("<!channel> <@U1> <script>")


@pytest.mark.parametrize(
    ("moves", "status", "taken"),
    [
        ([("11", "To Do", "new"), ("31", "Done", "done")], "done", "31"),
        ([("5", "Won't do", "done"), ("6", "Done", "done")], "Done", "6"),
        ([("8", "Untersuchung", "indeterminate")], "In Progress", "8"),
        ([("9", "Verified", "done")], "verified", "9"),
    ],
)
def test_a_transition_is_found_by_status(
    httpserver: HTTPServer, moves: list[tuple[str, str, str]], status: str, taken: str
) -> None:
    offered = [{"id": number, "name": "go", "to": state(name, category)} for number, name, category in moves]
    path = f"{API}/issue/OPS-7/transitions"
    httpserver.expect_request(path, method="GET").respond_with_json({"transitions": offered})
    httpserver.expect_request(path, method="POST").respond_with_data("", status=204)
    tickets.transition("OPS-7", status, jira(httpserver))
    assert sent(httpserver)[-1] == ("POST", path, {"transition": {"id": taken}})


def test_a_ticket_that_is_there_already_is_left(httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{API}/issue/OPS-7/transitions").respond_with_json({"transitions": []})
    httpserver.expect_request(f"{API}/issue/OPS-7", query_string="fields=status").respond_with_json(
        {"fields": {"status": state("Fertig", "done")}}
    )
    tickets.transition("OPS-7", "Done", jira(httpserver))
    assert [method for method, _, _ in sent(httpserver)] == ["GET", "GET"]
    with pytest.raises(ProviderError, match="no way to move OPS-7 to 'In Progress'; it can go to: nowhere") as caught:
        tickets.transition("OPS-7", "In Progress", jira(httpserver))
    assert (caught.value.reason, caught.value.retryable) == ("no_transition", False)


def test_every_status_of_an_incident_has_one_in_jira() -> None:
    assert set(tickets.STATUSES) == set(IncidentStatus)
    assert set(tickets.STATUSES.values()) == {"To Do", "In Progress", "Done"}


@pytest.mark.parametrize(
    ("status", "body", "retryable", "reason", "hinted"),
    [
        (400, '{"errorMessages":[],"errors":{"priority":"cannot be set"}}', False, "priority: cannot be set", False),
        (401, "<html>login</html>", False, "status 401", True),
        (403, "", False, "status 403", True),
        (404, '{"errorMessages":["No project"]}', False, "No project", True),
        (410, '{"errorMessages":["gone"],"errors":[]}', False, "gone", False),
        (429, "", True, "status 429", False),
        (503, "[" * 60_000, True, "status 503", False),
    ],
)
def test_refusals(httpserver: HTTPServer, status: int, body: str, retryable: bool, reason: str, hinted: bool) -> None:
    httpserver.expect_request(f"{API}/search/jql").respond_with_data(body, status=status, headers={"Retry-After": "5"})
    with pytest.raises(ProviderError) as caught:
        tickets.open_ticket(INCIDENT, jira(httpserver))
    error = caught.value
    assert (error.retryable, error.reason, error.retry_after_s, bool(error.hint)) == (retryable, reason, 5.0, hinted)
    assert "canary" not in str(error)


def test_an_answer_without_a_key_is_an_error(httpserver: HTTPServer) -> None:
    empty(httpserver)
    httpserver.expect_request(f"{API}/issue").respond_with_data("<html>", status=200)
    with pytest.raises(ProviderError, match="names no ticket"):
        tickets.open_ticket(INCIDENT, jira(httpserver))


def test_without_settings_tickets_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    off = Settings(_env_file=None)
    assert (tickets.is_configured(off), tickets.is_configured(everything_on())) == (False, True)
    with pytest.raises(ConfigError, match="JIRA_URL, JIRA_EMAIL and JIRA_TOKEN"):
        tickets.comment("OPS-7", "x", context(off))
    monkeypatch.setenv("JIRA_PROJECT", 'OPS" OR 1')
    with pytest.raises(ConfigError, match="JIRA_PROJECT"):
        read_settings(None)
