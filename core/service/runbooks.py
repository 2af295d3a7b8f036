"""A tenant's runbooks: those that ship with the playbook, edited or removed, and their own; every version is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from core.access import Principal, require
from core.errors import Conflict, InputError, NotFound
from core.explain.runbooks import Hit
from core.explain.runbooks import search as found_in
from core.load.services import read_runbook
from core.model import Json
from core.service import inputs
from core.service.health import PLAYBOOK
from core.service.workbench import Workbench
from core.store.inputs import StoredInput


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person writes: front matter and Markdown."""

    title: str
    content: str
    service: str = ""
    incident_type: str = ""
    tags: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    url: str = ""

    def markdown(self) -> str:
        """The runbook as a file: front matter between two ``---`` lines, then the text."""
        listed = {"tags": list(self.tags), "signals": list(self.signals)}
        plain = {"service": self.service, "incident_type": self.incident_type, **listed, "url": self.url}
        front = {"title": self.title, **{k: v for k, v in plain.items() if v}}
        head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)
        return f"---\n{head}---\n{self.content.strip()}\n"


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook as it is now. ``shipped`` says that one of this id comes with the playbook."""

    id: str
    draft: Draft
    shipped: bool
    stored: StoredInput | None  # the tenant's own version

    @property
    def origin(self) -> str:
        """``shipped``, ``edited`` or ``own``."""
        return "shipped" if self.stored is None else "edited" if self.shipped else "own"


@dataclass(frozen=True, slots=True)
class Version:
    """One change of a runbook. ``sha256`` is empty for going back to the shipped text or leaving none."""

    at: datetime
    who: str
    sha256: str
    removed: bool


def listing(wb: Workbench, who: Principal) -> tuple[Runbook, ...]:
    """Every runbook by title; what cannot be read is left out (``notes`` says why)."""
    require(who, "incidents:read")
    return _all(wb, who)[0]


def notes(wb: Workbench, who: Principal) -> tuple[str, ...]:
    """Why some runbooks cannot be read."""
    require(who, "incidents:read")
    return _all(wb, who)[1]


def get(wb: Workbench, who: Principal, runbook_id: str) -> Runbook:
    """One runbook. Raises: NotFound."""
    require(who, "incidents:read")
    found = next((r for r in listing(wb, who) if r.id == runbook_id), None)
    if found is None:
        raise NotFound(f"There is no runbook '{runbook_id}'.", field="runbook")
    return found


def _all(wb: Workbench, who: Principal) -> tuple[tuple[Runbook, ...], tuple[str, ...]]:
    shipped = inputs.shipped_runbooks(wb, PLAYBOOK)
    own = {s.file: s for s in inputs.listing(wb, who.tenant, PLAYBOOK) if inputs.RUNBOOK.fullmatch(s.file)}
    found, bad = [], []
    for file in sorted({*shipped, *own}):
        stored = own.get(file)
        if stored is not None and stored.sha256 == inputs.REMOVED:
            continue
        raw = inputs.content(wb, stored.sha256) if stored else shipped[file].read_bytes()
        try:
            found.append(Runbook(Path(file).stem, read(file, raw), file in shipped, stored))
        except InputError as error:
            bad.append(str(error))
    return tuple(sorted(found, key=lambda r: r.draft.title.casefold())), tuple(bad)


def read(file: str, raw: bytes) -> Draft:
    """A runbook file as a draft. Raises: InputError naming the file and what is wrong."""
    try:
        row = read_runbook(Path(file).name, raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8 text.", field="file") from None
    return Draft(
        title=str(row["title"]),
        content=str(row["content"]),
        service=str(row["service"]),
        incident_type=str(row["incident_type"]),
        tags=_texts(row["tags"]),
        signals=_texts(row["signals"]),
        url=str(row["url"]),
    )


def search(runbooks: Sequence[Runbook], text: str, signals: Sequence[str] = ()) -> tuple[Hit, ...]:
    """The best five runbooks for the text, those that name one of the signals first; empty when none fits."""
    rows = [
        {
            "runbook_id": r.id,
            "title": r.draft.title,
            "content": r.draft.content,
            "service": r.draft.service,
            "incident_type": r.draft.incident_type,
            "tags": list(r.draft.tags),
            "signals": list(r.draft.signals),
        }
        for r in runbooks
    ]
    return found_in(rows, text, signals) if rows else ()


def save(wb: Workbench, who: Principal, runbook_id: str, draft: Draft, *, isnew: bool = False) -> None:
    """The runbook is this from now on; a new one must not take another's id.

    Raises: InputError naming the field, Conflict for a taken id, Forbidden.
    """
    require(who, "tools:manage")
    file = _file(runbook_id)
    if isnew and any(r.id == runbook_id for r in listing(wb, who)):
        raise Conflict(f"There is a runbook '{runbook_id}' already.", hint="Choose another id, or edit that one.")
    if not draft.title.strip():
        raise InputError("A runbook needs a title.", field="title")
    if not draft.content.strip():
        raise InputError("A runbook needs a text: what to do, step by step.", field="content")
    if draft.url and (urlsplit(draft.url).scheme not in ("http", "https") or not urlsplit(draft.url).hostname):
        raise InputError(f"'{draft.url}' is not a web address.", hint="Expected https://...", field="url")
    text = draft.markdown()
    read(file, text.encode())  # what was written can be read again
    inputs.put_file(wb, who, PLAYBOOK, file, text.encode(), f"{runbook_id}.md")


def restore(wb: Workbench, who: Principal, runbook_id: str, sha256: str) -> None:
    """An earlier version of the runbook is the present one again. Raises: NotFound, Forbidden."""
    require(who, "tools:manage")
    if sha256 not in {v.sha256 for v in versions(wb, who, runbook_id)}:
        raise NotFound(f"There is no such version of {runbook_id}.", field="sha256")
    inputs.put_file(wb, who, PLAYBOOK, _file(runbook_id), inputs.content(wb, sha256), f"{runbook_id}.md")


def delete(wb: Workbench, who: Principal, runbook_id: str) -> None:
    """The runbook is gone; its versions stay in the audit. Raises: NotFound, Forbidden."""
    require(who, "tools:manage")
    runbook = get(wb, who, runbook_id)
    if runbook.shipped:
        inputs.put_file(wb, who, PLAYBOOK, _file(runbook_id), b"", "")
    else:
        inputs.remove(wb, who, PLAYBOOK, _file(runbook_id))


def reset(wb: Workbench, who: Principal, runbook_id: str) -> None:
    """The shipped text again, also of a shipped runbook that was deleted. Raises: Forbidden."""
    require(who, "tools:manage")
    inputs.remove(wb, who, PLAYBOOK, _file(runbook_id))


def deleted(wb: Workbench, who: Principal) -> tuple[str, ...]:
    """The ids of shipped runbooks that the tenant deleted."""
    require(who, "incidents:read")
    gone = [s.file for s in inputs.listing(wb, who.tenant, PLAYBOOK) if s.sha256 == inputs.REMOVED]
    return tuple(Path(file).stem for file in gone if file in inputs.shipped_runbooks(wb, PLAYBOOK))


def versions(wb: Workbench, who: Principal, runbook_id: str) -> tuple[Version, ...]:
    """Every change of the runbook, latest first."""
    require(who, "incidents:read")
    file = _file(runbook_id)
    with wb.store.read() as books:
        lines = books.audit.list(who.tenant, action="input_changed", limit=10_000)
    return tuple(
        Version(
            line.timestamp,
            str(line.decision.get("actor") or ""),
            str(line.decision.get("sha256") or ""),
            bool(line.decision.get("removed")) or line.decision.get("sha256") == inputs.REMOVED,
        )
        for line in lines
        if line.decision.get("file") == file and line.decision.get("playbook") == PLAYBOOK
    )


def signals_of(runbooks: Sequence[Runbook]) -> Mapping[str, int]:
    """Every signal with how many runbooks name it."""
    counted: dict[str, int] = {}
    for runbook in runbooks:
        for signal in runbook.draft.signals:
            counted[signal] = counted.get(signal, 0) + 1
    return counted


def _file(runbook_id: str) -> str:
    file = f"runbooks/{runbook_id}.md"
    if not inputs.RUNBOOK.fullmatch(file):
        raise InputError(
            f"'{runbook_id}' is not an id.",
            hint="Expected lower-case letters, digits and hyphens, e.g. database-pool-exhaustion.",
            field="runbook_id",
        )
    return file


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(v) for v in value) if isinstance(value, list) else ()
