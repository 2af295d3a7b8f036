"""Tables of known columns whose bad rows are set aside one by one, with line and reason, while the rest is loaded."""

# ruff: noqa: S608  every name and literal in these statements is quoted by core.engine.duck or stands in a row rule
from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from core.engine.duck import connect, quoted_name, quoted_text
from core.errors import InputError
from core.load import dialect as dialects
from core.load.file import content_key
from core.load.layout import Layout, unique_names
from core.load.options import LoadOptions
from core.load.rejects import RejectList
from core.load.rows import file_records, is_blank, records
from core.load.spool import spooled
from core.load.staging import is_regular, stage, stage_in_bulk
from core.load.text import readable
from core.model import Column, ColumnType, Provenance, Reject, Table

JUDGED = "judged-"  # begins the names of these tables' files
KEPT_S = 6 * 3600.0
_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?)?"
)
_EXPECTED = {
    ColumnType.INTEGER: "a whole number",
    ColumnType.NUMBER: "a number",
    ColumnType.TIMESTAMP: "a time such as 2025-01-31T14:30:00Z",
    ColumnType.TEXT: "text",
}
_SQL = {
    ColumnType.INTEGER: "BIGINT",
    ColumnType.NUMBER: "DOUBLE",
    ColumnType.TIMESTAMP: "TIMESTAMPTZ",
    ColumnType.TEXT: "VARCHAR",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column the table has. An ``optional`` one may be missing from the file, a ``blank`` one may have no value."""

    name: str
    type: ColumnType = ColumnType.TEXT
    optional: bool = False
    blank: bool = False


@dataclass(frozen=True, slots=True)
class RowRule:
    """Rows for which ``bad`` holds are rejected; both are SQL over the table's columns, ``reason`` gives a text."""

    column: str
    bad: str
    reason: str


@dataclass(frozen=True, slots=True)
class Form:
    """What a table looks like: its columns, what a good row keeps to, and the order rows are stored in."""

    table: str
    fields: tuple[Field, ...]
    rules: tuple[RowRule, ...] = ()
    order: str = "ts"
    lower: tuple[str, ...] = field(default=())  # text columns kept in lower case


@dataclass(frozen=True, slots=True)
class JudgedTable:
    """A table and the first of the rows that were set aside."""

    table: Table
    rejects: tuple[Reject, ...]


def load_judged(
    source: Path | bytes, form: Form, *, name: str, folder: Path, now: datetime, key: str = ""
) -> JudgedTable:
    """The good rows of a delimited file as a typed table; every other row is counted and says why.

    ``key`` names what the row rules depend on besides the file, so that equal content has one stored copy.
    Raises: InputError when the file cannot be read or lacks a column.
    """
    folder = folder.resolve()
    with spooled(source, name=name, folder=folder) as spool:
        room = spool.path.parent
        rejects = RejectList(room / "rejects.csv")
        text = readable(spool.path, spool.head, name)
        with text.path.open(encoding="utf-8", newline="") as stream:
            head = [line for line, _ in zip(stream, range(dialects.SAMPLE_LINES), strict=False)]
        dialect = dialects.detected(head, LoadOptions(delimiter="," if "," in head[0] else None))
        shape = _shape(list(records(head, dialect)), form, name)
        raw = room / "raw.parquet"
        if is_regular(text, dialect, shape):
            rows_in = stage_in_bulk(text.path, dialect, shape, raw, rejects)
        else:
            rows_in = stage(file_records(text.path, dialect, shape.skip), shape, raw, rejects)
        _judge(folder, raw, room / "typed.parquet", form, shape, rejects)
        rejects.close()
        stored = content_key(spool.sha256, f"{form.table} {key} {rejects.count}")
        target = folder / f"{JUDGED}{stored}.parquet"
        os.replace(room / "typed.parquet", target)
    _forget_old(folder)
    uri = f"upload:{name}" if isinstance(source, bytes) else str(source)
    provenance = Provenance(form.table, uri, spool.sha256, rows_in - rejects.count, rejects.count, now)
    return JudgedTable(Table(form.table, _columns(form), target, provenance), tuple(rejects.first))


def _forget_old(folder: Path) -> None:
    """Tables of looks that are long over are removed: a table that grows by the minute has a new copy every minute."""
    oldest = time.time() - KEPT_S
    for path in folder.glob(f"{JUDGED}*.parquet"):
        with suppress(FileNotFoundError):  # another process was first
            if path.stat().st_mtime < oldest:
                path.unlink()


def empty_table(form: Form, *, name: str, folder: Path, now: datetime) -> Table:
    """The table without a row, for a file that is not there."""
    target = folder.resolve() / f"{content_key('', form.table)}.parquet"
    if not target.exists():
        values = ", ".join(f"NULL::{_SQL[f.type]} AS {quoted_name(f.name)}" for f in form.fields)
        draft = target.with_suffix(".draft")
        with connect(folder.resolve()) as connection:
            connection.execute(f"COPY (SELECT {values} LIMIT 0) TO {quoted_text(str(draft))} (FORMAT parquet)")
        os.replace(draft, target)
    return Table(form.table, _columns(form), target, Provenance(form.table, f"missing:{name}", "", 0, 0, now))


def _columns(form: Form) -> tuple[Column, ...]:
    return tuple(Column(f.name, f.type) for f in form.fields)


def _shape(head: Sequence[tuple[int, list[str], str | None]], form: Form, name: str) -> Layout:
    """The first row that is not blank names the columns. Raises: InputError naming those that are missing."""
    found = next(((line, cells) for line, cells, why in head if why is None and not is_blank(cells)), None)
    if found is None:
        raise InputError(f"{name}: no header was found; expected the column names in the first row.")
    line, originals = found
    names, _ = unique_names([c.strip().lower() for c in originals])
    missing = [f.name for f in form.fields if f.name not in names and not f.optional]
    if missing:
        listed = ", ".join(f"'{c}'" for c in missing)
        raise InputError(
            f"{name}: column{'s' if len(missing) > 1 else ''} {listed} missing.",
            hint=f"Found: {', '.join(names)}.",
            field=missing[0],
        )
    return Layout(line, line, tuple(names), tuple(originals), pad=False, ragged=True)


def _judge(folder: Path, raw: Path, target: Path, form: Form, shape: Layout, rejects: RejectList) -> None:
    """Writes the good rows to ``target`` in order, and lists the others."""
    texts = {f.name: _text(f, shape) for f in form.fields}
    typed = ", ".join(f"{_value(f, form)} AS {quoted_name(f.name)}" for f in form.fields)
    given = ", ".join(f"{text} AS {_given(name)}" for name, text in texts.items())
    cells = ", ".join(f"c{i}" for i in range(shape.width))
    tests = [*(_flaw(f) for f in form.fields), *((r.bad, r.reason, r.column) for r in form.rules)]
    which = " ".join(f"WHEN coalesce({bad}, false) THEN {i}" for i, (bad, _, _) in enumerate(tests))
    reason = " ".join(f"WHEN {i} THEN {text}" for i, (_, text, _) in enumerate(tests))
    names = ", ".join(quoted_name(f.name) for f in form.fields)
    judged = (
        f"WITH given AS (SELECT line, {cells}, {given} FROM read_parquet({quoted_text(str(raw))})), "
        f"typed AS (SELECT line, {cells}, {', '.join(_given(f.name) for f in form.fields)}, {typed} FROM given), "
        f"judged AS (SELECT *, CASE {which} END AS flaw FROM typed) "
    )
    with connect(folder) as connection:
        connection.execute(
            f"COPY ({judged} SELECT {names} FROM judged WHERE flaw IS NULL ORDER BY {quoted_name(form.order)}, line) "
            f"TO {quoted_text(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )
        bad = connection.execute(
            f"{judged} SELECT line, flaw, CASE flaw {reason} END, concat_ws(',', {cells}) FROM judged "
            f"WHERE flaw IS NOT NULL ORDER BY line"
        )
        while rows := bad.fetchmany(1_000):
            for line, flaw, why, text in rows:
                rejects.add(line, str(why), str(text), tests[flaw][2])


def _text(wanted: Field, shape: Layout) -> str:
    if wanted.name not in shape.names:
        return "NULL::VARCHAR"
    return f"nullif(trim(c{shape.names.index(wanted.name)}), '')"


def _given(name: str) -> str:
    return quoted_name(f"given {name}")


def _value(wanted: Field, form: Form) -> str:
    """The typed value; NULL where the cell does not hold one."""
    x = _given(wanted.name)
    if wanted.type is ColumnType.TEXT:
        return f"lower({x})" if wanted.name in form.lower else x
    if wanted.type is ColumnType.TIMESTAMP:
        return f"CASE WHEN regexp_full_match({x}, {quoted_text(_TIME)}) THEN try_cast({x} AS TIMESTAMPTZ) END"
    number = f"CASE WHEN regexp_full_match({x}, {quoted_text(_NUMBER)}) THEN try_cast({x} AS DOUBLE) END"
    finite = f"CASE WHEN isfinite({number}) THEN {number} END"
    if wanted.type is ColumnType.NUMBER:
        return finite
    return f"CASE WHEN {finite} = trunc({finite}) AND abs({finite}) < 9e15 THEN CAST({finite} AS BIGINT) END"


def _flaw(wanted: Field) -> tuple[str, str, str]:
    """When a cell is bad, what is said of it, and its column."""
    x, expected = _given(wanted.name), _EXPECTED[wanted.type]
    bad = f"{quoted_name(wanted.name)} IS NULL" + (f" AND {x} IS NOT NULL" if wanted.blank else "")
    said = quoted_text(f"{wanted.name} is ")
    shown = f"CASE WHEN {x} IS NULL THEN 'blank' ELSE '''' || left({x}, 60) || '''' END"
    return bad, f"{said} || {shown} || {quoted_text(f'; expected {expected}')}", wanted.name
