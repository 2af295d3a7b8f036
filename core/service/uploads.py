"""Files on their way to becoming a source: read, corrected by hand, and put together as a draft."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from core.errors import InputError, NotFound, WorkbenchError
from core.load.file import Progress, table_name
from core.load.glimpse import First
from core.load.options import LoadOptions
from core.load.report import Loaded
from core.model import Column, ColumnType, Table
from core.service import previews, sources
from core.service.sources import NUMERIC, TIMES, SourceDefinition
from core.service.workbench import Workbench

KEPT_FOR = timedelta(days=1)  # originals are only needed while somebody corrects how they were read


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file as it was read, and with which corrections."""

    name: str
    size: int
    options: LoadOptions
    loaded: Loaded
    query: str = ""  # the SELECT that answered it; empty for a file

    @property
    def table(self) -> Table:
        """The loaded table."""
        return self.loaded.table

    @property
    def key(self) -> str:
        """Changes with the content and with how it is read."""
        return self.table.path.stem[:16]


@dataclass(frozen=True, slots=True)
class Draft:
    """Uploaded files with the definition proposed for them; ``problem`` says why there is none yet."""

    uploads: tuple[Upload, ...]
    definition: SourceDefinition | None
    reasons: tuple[str, ...] = ()
    problem: WorkbenchError | None = None


def receive(
    wb: Workbench, name: str, content: bytes, progress: Progress | None = None, first: First | None = None
) -> Upload:
    """An uploaded file, read with everything detected. Raises: InputError, TooLarge."""
    options = LoadOptions()
    return Upload(name, len(content), options, sources.read(wb, content, name, options, progress, first))


def draft(wb: Workbench, title: str, uploads: Sequence[Upload]) -> Draft:
    """A draft of one source over the files; tables with equal names are numbered."""
    kept = _told_apart(uploads)
    try:
        proposal = sources.propose(wb, title, [(u.loaded, u.options) for u in kept])
    except InputError as problem:
        return Draft(kept, None, problem=problem)
    definition, reasons = proposal.definition, proposal.reasons
    asked = zip(definition.tables, kept, strict=True)
    tables = tuple(t.model_copy(update={"query": u.query}) for t, u in asked)
    definition = definition.model_copy(update={"tables": tables})
    if not any(u.loaded.report.frequency for u in kept):
        freq = previews.natural(_longest(wb, definition))
        definition = definition.model_copy(update={"freq": freq})
        reasons = (*reasons[:-1], f"Times are irregular: values are gathered per {sources.PERIODS[freq]}.")
    return Draft(kept, definition, reasons)


def _told_apart(uploads: Sequence[Upload]) -> tuple[Upload, ...]:
    seen: dict[str, int] = {}
    kept = []
    for upload in uploads:
        name = table_name(upload.name)
        seen[name] = seen.get(name, 0) + 1
        kept.append(named(upload, name if seen[name] == 1 else f"{name}_{seen[name]}"))
    return tuple(kept)


def named(upload: Upload, table: str) -> Upload:
    """The upload with its table under another name."""
    old = upload.loaded.table
    fresh = replace(old, name=table, provenance=replace(old.provenance, table=table))
    return replace(upload, loaded=Loaded(fresh, upload.loaded.report))


def _longest(wb: Workbench, definition: SourceDefinition) -> timedelta:
    folder = wb.ctx.engine.folder()
    limits = [previews.period(wb.ctx.engine, t.table(folder), t.time) for t in definition.tables]
    return max((b - a for a, b in filter(None, limits)), default=timedelta(0))


def reread(wb: Workbench, upload: Upload, options: LoadOptions) -> Upload:
    """The same file read with other options.

    Raises: NotFound when the original is no longer kept; InputError when it cannot be read that way.
    """
    path = _folder(wb) / upload.table.provenance.sha256
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{upload.name}: the original is no longer kept.", hint="Upload the file again.") from None
    fresh = Upload(upload.name, upload.size, options, sources.read(wb, content, upload.name, options))
    return named(fresh, upload.table.name)


def with_time(upload: Upload, column: str) -> LoadOptions:
    """Options that make ``column`` the time column, typed as a time if it is not one yet."""
    found = upload.table.column(column)
    types = dict(upload.options.types)
    if found is not None and found.type not in TIMES:
        types[column] = ColumnType.TIMESTAMP
    return upload.options.model_copy(update={"time_column": column, "types": types})


def first_measure(columns: Sequence[Column], time_column: str) -> str | None:
    """The column that the first look shows: the leftmost number that is not an identifier."""
    numbers = (c.name for c in columns if c.type in NUMERIC and c.name != time_column)
    return next((name for name in numbers if not sources.is_id(name)), None)


def keep_original(wb: Workbench, content: bytes, sha256: str) -> Path:
    """Where the upload's bytes are kept for a day, so that it can be read another way without a second upload."""
    folder = _folder(wb)
    folder.mkdir(parents=True, exist_ok=True)
    oldest = time.time() - KEPT_FOR.total_seconds()
    for old in folder.iterdir():
        if old.stat().st_mtime < oldest:
            old.unlink(missing_ok=True)
    path = folder / sha256
    handle, partial = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
    os.replace(partial, path)
    return path


def _folder(wb: Workbench) -> Path:
    return wb.ctx.settings.telltale_home / "uploads"
