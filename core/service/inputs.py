"""What a playbook of events reads: a tenant's own files and queries, what the store holds, or the demo's files."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from core.access import Principal, require
from core.decide import proposals
from core.errors import ConfigError, InputError, NotFound, TooLarge
from core.events import EventFiles
from core.load.export import write_csv
from core.load.sql import load_select, require_select
from core.model import Incident, Json
from core.playbook import EventPlaybook
from core.service import execution, incident_history, order_policies, order_tables, segments, tools
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.inputs import StoredInput

MIB = 1024 * 1024
HEALED_FOR = timedelta(hours=1)  # then the demo's fault comes back, for the next presentation
MAKING = threading.Lock()
REMOVED = hashlib.sha256(b"").hexdigest()  # a runbook without a word is one that was deleted
RUNBOOK = re.compile(r"runbooks/[a-z0-9][a-z0-9-]{0,63}\.md")


def folder(path: Path) -> dict[str, Path]:
    """Every file below ``path``, by its path inside it."""
    return {p.relative_to(path).as_posix(): p for p in sorted(path.rglob("*")) if p.is_file()}


def documents(wb: Workbench, playbook: str, tenant: str) -> Mapping[str, Json]:
    """The playbook's stored documents; empty when it reads everything from files."""
    if playbook == incident_history.PLAYBOOK:
        return incident_history.documents(wb, tenant)
    if playbook == order_policies.PLAYBOOK:
        return order_policies.documents(wb, tenant)
    return segments.documents(wb, tenant) if playbook == "segment_drift" else {}


def files(wb: Workbench, playbook: EventPlaybook, tenant: str, *, demo: bool, at: datetime | None = None) -> EventFiles:
    """The tenant's own files, queries asked anew; with ``demo`` the demo's while there are none.

    Of a playbook that is told its events, those of now (or of ``at``) are among the tenant's own.
    Runbooks that ship with the playbook always belong to them; the tenant's own take the place of those they replace.
    Raises: ProviderError or InputError when a query fails, ConfigError without a warehouse.
    """
    stored = listing(wb, tenant, playbook.name)
    own = {s.file: _answer(wb, s.query, s.file) if s.query else _path(wb, s.sha256) for s in stored}
    told = order_tables.told(wb, tenant, at or wb.ctx.clock.now()) if playbook.loader == order_tables.LOADER else {}
    own = {**told, **own}
    tables = bool(told) or any(s.file in playbook.inputs for s in stored)
    if not tables and not demo:
        return own
    given = {**shipped_runbooks(wb, playbook.name), **({} if tables else demo_files(wb, playbook, tenant)), **own}
    removed = {s.file for s in stored if s.sha256 == REMOVED}
    return {file: content for file, content in given.items() if file not in removed}


def shipped_runbooks(wb: Workbench, playbook: str) -> dict[str, Path]:
    """The runbooks that ship with the playbook, as ``runbooks/<id>.md``."""
    found = folder(wb.shipped / playbook / "runbooks")
    return {f"runbooks/{name}": path for name, path in found.items()}


def demo_files(wb: Workbench, playbook: EventPlaybook, tenant: str) -> EventFiles:
    """The demo's files: those that ship with the playbook, or made up to this minute where the playbook says so."""
    if playbook.live_demo:
        return folder(_made(wb, playbook, tenant))
    own = folder(wb.data / playbook.name)
    found = {k: p for k, p in own.items() if p.suffix != ".py" and "__pycache__" not in k}
    return {**shipped_runbooks(wb, playbook.name), **found}


def _made(wb: Workbench, playbook: EventPlaybook, tenant: str) -> Path:
    """The folder with the demo of this minute; earlier ones are removed. The sandbox's remedies show in it."""
    now = wb.ctx.clock.now()
    healed = max((h for h in execution.healed(wb, tenant).values() if now - h < HEALED_FOR), default=None)
    base = wb.ctx.settings.telltale_home / "demo" / playbook.name
    made = base / f"{now:%Y%m%dT%H%M}{f'-{healed:%H%M%S}' if healed else ''}"
    with MAKING:
        if not made.exists():
            part = base / f"{made.name}.part"
            shutil.rmtree(part, ignore_errors=True)
            tools.generate(playbook.name, 1, part, now=now, healed=healed)
            part.rename(made)
            for old in sorted(p for p in base.iterdir() if p.name < f"{now - timedelta(minutes=5):%Y%m%dT%H%M}"):
                shutil.rmtree(old, ignore_errors=True)
    return made


def listing(wb: Workbench, tenant: str, playbook: str) -> tuple[StoredInput, ...]:
    """The tenant's own inputs of the playbook, by file."""
    with wb.store.read() as books:
        return books.inputs.list(tenant, playbook)


def put_file(wb: Workbench, who: Principal, playbook: str, file: str, content: bytes, original: str) -> StoredInput:
    """The tenant's own content of one of the playbook's files, from now on.

    Raises: InputError for a file the playbook does not read, TooLarge, Forbidden.
    """
    require(who, "tools:manage")
    limit = wb.ctx.settings.telltale_max_upload_mb
    if len(content) > limit * MIB:
        raise TooLarge(f"{original}: larger than {limit} MiB.", field="file")
    sha256 = hashlib.sha256(content).hexdigest()
    path = _path(wb, sha256)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".part")
        fresh.write_bytes(content)
        fresh.rename(path)
    return _save(wb, who, playbook, file, sha256, original, "")


def put_query(wb: Workbench, who: Principal, playbook: str, file: str, query: str) -> StoredInput:
    """One SELECT on the warehouse instead of one of the playbook's files; it is asked at every run.

    Raises: InputError when it is refused or answers nothing, ConfigError, ProviderError, Forbidden.
    """
    require(who, "tools:manage")
    require_select(query)
    _known(wb, playbook, file)
    _answer(wb, query, file)
    return _save(wb, who, playbook, file, "", "", query)


def remove(wb: Workbench, who: Principal, playbook: str, file: str) -> None:
    """The file is no longer the tenant's own; with none left the demo's files are read. Raises: Forbidden."""
    require(who, "tools:manage")
    with wb.store.begin() as books:
        if books.inputs.remove(who.tenant, playbook, file):
            _audited(wb, books, who, playbook, {"file": file, "removed": True})


def _save(
    wb: Workbench, who: Principal, playbook: str, file: str, sha256: str, original: str, query: str
) -> StoredInput:
    _known(wb, playbook, file)
    stored = StoredInput(playbook, file, sha256, original, query, wb.ctx.clock.now(), who.user)
    with wb.store.begin() as books:
        books.inputs.set(who.tenant, stored)
        _audited(wb, books, who, playbook, {"file": file, "sha256": sha256, "original": original, "query": query})
    return stored


def _known(wb: Workbench, playbook: str, file: str) -> None:
    known = wb.events[playbook].inputs
    if file not in known and not (RUNBOOK.fullmatch(file) and shipped_runbooks(wb, playbook)):
        raise InputError(f"{playbook} does not read '{file}'.", hint=f"It reads {', '.join(known)}.", field="file")


def _audited(wb: Workbench, books: Books, who: Principal, playbook: str, what: Mapping[str, Json]) -> None:
    books.audit.append(
        who.tenant,
        "person",
        "input_changed",
        {"playbook": playbook, "actor": who.user, **what},
        wb.ctx.clock.now(),
        correlation_id=playbook,
        approved_by=who.user,
    )


def content(wb: Workbench, sha256: str) -> bytes:
    """What an upload held, also one that was replaced since. Raises: NotFound."""
    path = _path(wb, sha256)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256) or not path.exists():
        raise NotFound(f"There is no stored content {sha256[:12]}.", field="sha256")
    return path.read_bytes()


def _path(wb: Workbench, sha256: str) -> Path:
    return wb.ctx.settings.telltale_home / "inputs" / sha256


def _answer(wb: Workbench, query: str, file: str) -> bytes:
    url = wb.ctx.settings.telltale_warehouse_url
    if url is None:
        raise ConfigError("There is no warehouse.", hint="Set TELLTALE_WAREHOUSE_URL.", field="TELLTALE_WAREHOUSE_URL")
    loaded = load_select(
        url.get_secret_value(), query, table=Path(file).stem, folder=wb.ctx.engine.folder(), now=wb.ctx.clock.now()
    )
    return write_csv(wb.ctx.engine.fetch(wb.ctx.engine.relation(loaded.table).select()))


def in_flight(books: Books, incident: Incident) -> bool:
    """Whether an action of the incident was approved and is not over."""
    return any(proposals.in_flight(a) for a in books.actions.of_incident(incident.tenant, incident.incident_id))
