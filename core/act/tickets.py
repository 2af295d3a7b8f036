"""Tickets in Jira Cloud (REST v3): one per incident, its comments and its status. The caller records failures."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from core.act.delivery import answered, refused
from core.act.message import Message, clip, one_line, plain
from core.context import Context
from core.errors import ConfigError, InputError, ProviderError
from core.model import IncidentStatus, Json, JsonObject, Light, Severity
from core.ports import HttpReply, Method
from core.settings import Settings

PRIORITIES = {
    Severity.LOW: "Low",
    Severity.MEDIUM: "Medium",
    Severity.HIGH: "High",
    Severity.CRITICAL: "Highest",
}
_BY_LIGHT = {Light.GREEN: "Low", Light.YELLOW: "Medium", Light.RED: "Highest"}
STATUSES = {
    IncidentStatus.OPEN: "To Do",
    IncidentStatus.ACKNOWLEDGED: "To Do",
    IncidentStatus.IN_PROGRESS: "In Progress",
    IncidentStatus.MITIGATED: "In Progress",
    IncidentStatus.RESOLVED: "Done",
    IncidentStatus.CLOSED: "Done",
    IncidentStatus.DISMISSED: "Done",
}  # what an incident's status is called in Jira's own workflows
_CATEGORIES = {"to do": "new", "in progress": "indeterminate", "done": "done"}  # for workflows with names of their own
_HINTS = {
    401: "Check JIRA_EMAIL and JIRA_TOKEN.",
    403: "The account may not do this in JIRA_PROJECT.",
    404: "Check JIRA_URL, and that the account can see the ticket.",
}
SUMMARY, TEXT, LINES = 255, 4000, 20


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as people know it."""

    key: str  # e.g. OPS-1234
    url: str
    created: bool  # False: it was there before


def is_configured(settings: Settings) -> bool:
    """Whether there is a Jira to write to."""
    return bool(settings.jira_url and settings.jira_email and settings.jira_token)


def open_ticket(message: Message, ctx: Context) -> Ticket:
    """The ticket of the message's incident, found by its label or else created.

    Jira's search lags behind by seconds, so keep the key: this is for an attempt whose outcome is not known.
    Raises: ConfigError without settings, InputError without an incident, ProviderError when Jira refuses.
    """
    label = message.incident_id or ""
    settings = ctx.settings
    return opened(fields(message, label, settings.jira_project, settings.jira_issue_type), label, ctx)


def opened(described: JsonObject, label: str, ctx: Context) -> Ticket:
    """The ticket with this label, or a new one with these fields. Raises: as :func:`open_ticket`."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", label):
        raise InputError("A ticket needs the id of an incident.", field="incident_id")
    if found := _find(label, ctx):
        return Ticket(found, _browse(found, ctx), created=False)
    key = _key(answered(_call("POST", "/issue", {"fields": described}, ctx)))
    return Ticket(key, _browse(key, ctx), created=True)


def comment(key: str, text: str, ctx: Context) -> None:
    """``text`` stands under the ticket. Raises: ConfigError, ProviderError."""
    _call("POST", f"/issue/{quote(key, safe='')}/comment", {"body": _document(_paragraphs(text))}, ctx)


def transition(key: str, status: str, ctx: Context) -> None:
    """The ticket has the status of that name (any case), or for To Do, In Progress and Done one of that category.

    Raises: ConfigError; ProviderError with reason no_transition, listing where the ticket could go.
    """
    path = f"/issue/{quote(key, safe='')}"
    moves = _objects(answered(_call("GET", f"{path}/transitions", None, ctx)).get("transitions"))
    move = _leading(moves, status)
    if move is not None:
        _call("POST", f"{path}/transitions", {"transition": {"id": str(move["id"])}}, ctx)
        return
    fields = _object(answered(_call("GET", f"{path}?fields=status", None, ctx)).get("fields"))
    if not _is_called(_object(fields.get("status")), status):
        known = ", ".join(clip(one_line(str(_object(m.get("to")).get("name"))), 40) for m in moves[:8]) or "nowhere"
        message = f"Jira has no way to move {one_line(key)} to '{status}'; it can go to: {known}."
        raise ProviderError(message, retryable=False, reason="no_transition")


def _find(label: str, ctx: Context) -> str | None:
    query = f'project = "{ctx.settings.jira_project}" AND labels = "{label}" ORDER BY created ASC'
    body: JsonObject = {"jql": query, "fields": ["summary"], "maxResults": 1}
    issues = _objects(answered(_call("POST", "/search/jql", body, ctx)).get("issues"))
    return _key(issues[0]) if issues else None


def fields(message: Message, label: str, project: str, issue_type: str) -> JsonObject:
    """A new ticket's fields: plain text only, priority by severity, found again by its label."""
    priority = PRIORITIES[message.severity] if message.severity is not None else _BY_LIGHT[message.light]
    return {
        "project": {"key": project},
        "issuetype": {"name": issue_type},
        "summary": clip(message.headline, SUMMARY),
        "description": _description(message),
        "labels": ["telltale", label],
        "priority": {"name": priority},
    }


def _description(message: Message) -> JsonObject:
    blocks = _paragraphs(message.summary)
    if message.facts:
        blocks.append(_bullets(tuple(f"{label}: {value}" for label, value in message.facts)))
    for heading, lines in (("Why", message.drivers), ("What to do", message.actions)):
        if lines:
            blocks += [{"type": "heading", "attrs": {"level": 3}, "content": [_text(heading)]}, _bullets(lines)]
    if message.web_link:
        link: Json = {"type": "link", "attrs": {"href": message.web_link}}
        blocks.append({"type": "paragraph", "content": [{**_text("Open in Telltale"), "marks": [link]}]})
    return _document(blocks)


def _document(blocks: list[Json]) -> JsonObject:
    return {"type": "doc", "version": 1, "content": blocks}


def _paragraphs(text: str) -> list[Json]:
    """One paragraph a line; Jira refuses empty text."""
    lines = [line.strip() for line in clip(plain(text), TEXT).splitlines()]
    return [{"type": "paragraph", "content": [_text(line)]} for line in lines if line] or [
        {"type": "paragraph", "content": [_text("-")]}
    ]


def _bullets(lines: tuple[str, ...]) -> Json:
    shown = [clip(one_line(line), 300) or "-" for line in lines[:LINES]]
    if len(lines) > LINES:
        shown.append(f"and {len(lines) - LINES} more")
    items: list[Json] = [
        {"type": "listItem", "content": [{"type": "paragraph", "content": [_text(line)]}]} for line in shown
    ]
    return {"type": "bulletList", "content": items}


def _text(text: str) -> Mapping[str, Json]:
    """A text node: nothing in it is markup."""
    return {"type": "text", "text": text}


def _leading(moves: Sequence[Mapping[str, object]], status: str) -> Mapping[str, object] | None:
    """The move whose target has that name, else the first whose target is of its category."""
    named = [m for m in moves if one_line(str(_object(m.get("to")).get("name"))).casefold() == status.casefold()]
    return next(iter(named), None) or next((m for m in moves if _is_called(_object(m.get("to")), status)), None)


def _is_called(state: Mapping[str, object], status: str) -> bool:
    wanted = status.casefold()
    category = _object(state.get("statusCategory")).get("key")
    return str(state.get("name")).casefold() == wanted or category == _CATEGORIES.get(wanted, "")


def _key(issue: Mapping[str, object]) -> str:
    key = str(issue.get("key") or "")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*-[0-9]+", key):
        raise ProviderError("Jira's answer names no ticket.", retryable=False, reason="no_key")
    return key


def _browse(key: str, ctx: Context) -> str:
    return f"{(ctx.settings.jira_url or '').rstrip('/')}/browse/{key}"


def _call(method: Method, path: str, body: JsonObject | None, ctx: Context) -> HttpReply:
    settings = ctx.settings
    if settings.jira_url is None or settings.jira_email is None or settings.jira_token is None:
        hint = "Set JIRA_URL, JIRA_EMAIL and JIRA_TOKEN."
        raise ConfigError("Tickets are off.", hint=hint, field="JIRA_URL")
    login = f"{settings.jira_email}:{settings.jira_token.get_secret_value()}"
    headers = {
        "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
        "Accept": "application/json",
        "Content-Type": "application/json",
    }
    url = f"{settings.jira_url.rstrip('/')}/rest/api/3{path}"
    reply = ctx.http.request(method, url, json.dumps(body).encode() if body is not None else b"", headers)
    if not 200 <= reply.status < 300:
        raise refused("Jira", reply, ctx.clock.now(), reason=_reason(reply), hint=_HINTS.get(reply.status, ""))
    return reply


def _reason(reply: HttpReply) -> str:
    """Jira's own words: general messages and one for each wrong field."""
    answer = answered(reply)
    general = answer.get("errorMessages")
    said = [str(word) for word in general] if isinstance(general, list) else []
    said += [f"{field}: {word}" for field, word in _object(answer.get("errors")).items()]
    return clip(one_line("; ".join(said)), 300)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
