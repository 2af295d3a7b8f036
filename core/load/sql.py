"""A table from the warehouse: one SELECT over any SQLAlchemy URL, read-only and bounded."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import URL, Connection, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from core.engine.arrow import normalised
from core.engine.duck import connect
from core.errors import ConfigError, InputError, ProviderError, TooLarge
from core.load.file import described
from core.load.formats import Format
from core.load.layout import unique_names
from core.load.report import Loaded, LoadReport
from core.load.timeline import timeline
from core.load.typed import TypedColumn
from core.model import Column, ColumnType, Provenance, Reject, Table

MAX_ROWS = 1_000_000
TIMEOUT_S = 60.0
_CHUNK = 20_000
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)


def load_select(
    url: str,
    query: str,
    *,
    table: str,
    folder: Path,
    now: datetime,
    max_rows: int = MAX_ROWS,
    timeout_s: float = TIMEOUT_S,
    time_column: str | None = None,
) -> Loaded:
    """The rows of one SELECT as a typed Parquet table in ``folder``.

    Runs in a read-only transaction with a time limit where the database has them (PostgreSQL, SQLite,
    DuckDB); a role that may only read is still the first line of defence. Rows with an infinite number are
    rejected (their line is the row number). Raises: InputError for a statement that is not one SELECT or is
    refused, TooLarge over ``max_rows``, ConfigError for a bad URL, ProviderError when the database fails.
    """
    require_select(query)
    address = _address(url)
    rows = _dated(_read(address, query, max_rows, timeout_s))
    rows, rejects = _finite(rows)
    if rows.num_rows == 0:
        raise InputError(f"Table '{table}': the query answers no rows that could be loaded.")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    target, sha256 = _stored(rows, folder)
    names, notes = unique_names(rows.column_names)
    kinds = [_kind(t) for t in rows.schema.types]
    columns = tuple(Column(n, k) for n, k in zip(names, kinds, strict=True))
    typed = tuple(
        TypedColumn(n, o, Format(k, "", "", "", "")) for n, o, k in zip(names, rows.column_names, kinds, strict=True)
    )
    connection = connect(folder)
    try:
        when = timeline(connection, target, columns, time_column)
    finally:
        connection.close()
    uri = address.set(username=None, password=None, query={}).render_as_string()
    provenance = Provenance(table, uri, sha256, rows.num_rows, len(rejects), now)
    report = LoadReport(
        encoding="sql",
        delimiter="",
        header_row=None,
        columns=described(target, typed),
        time_column=when.column,
        frequency=when.frequency,
        frequency_note=when.note,
        rows_in=provenance.rows_in,
        rows_loaded=rows.num_rows,
        rows_rejected=len(rejects),
        rejects=rejects,
        guesses=notes,
    )
    return Loaded(Table(table, columns, target, provenance), report)


def require_select(query: str) -> None:
    """Raises: InputError unless ``query`` is one statement that begins with SELECT or WITH."""
    bare = _QUOTED.sub(" ", query).strip().rstrip(";").strip()
    if not re.match(r"(?i)(select|with)\b", bare):
        raise InputError("The query must begin with SELECT or WITH.", field="query")
    if ";" in bare:
        raise InputError("The query must be one statement; a semicolon separates two.", field="query")


def _address(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise ConfigError(
            "The warehouse URL is not valid; expected one such as postgresql+psycopg://user:password@host/database.",
            field="TELLTALE_WAREHOUSE_URL",
        ) from None


def _read(address: URL, query: str, max_rows: int, timeout_s: float) -> pa.Table:
    chunks: list[pa.Table] = []
    total = 0
    with _session(address, timeout_s) as connection:
        streaming = connection.execution_options(no_parameters=True, stream_results=True)
        with streaming.exec_driver_sql(query) as result:
            names = unique_names(list(result.keys()))[0]
            while rows := result.fetchmany(_CHUNK):
                total += len(rows)
                if total > max_rows:
                    raise TooLarge(
                        f"The query answers more than {max_rows:,} rows.", hint="Aggregate or filter it.", field="query"
                    )
                columns = list(zip(*rows, strict=True))
                chunks.append(pa.table([_array(c) for c in columns], names=list(names)))
    if not chunks:
        return pa.table({n: pa.array([], pa.string()) for n in names})
    return normalised(pa.concat_tables(_aligned(chunks)))


@contextmanager
def _session(address: URL, timeout_s: float) -> Iterator[Connection]:
    try:
        engine = create_engine(address, poolclass=NullPool, **_options(address))
    except (NoSuchModuleError, ModuleNotFoundError, ArgumentError) as exc:
        raise ConfigError(
            f"There is no driver for warehouse '{address.drivername}'.", field="TELLTALE_WAREHOUSE_URL"
        ) from exc
    if address.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _lock_sqlite)
    try:
        with engine.connect() as connection:
            if address.get_backend_name() == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True)
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(timeout_s * 1000)}")
            yield connection
            connection.rollback()
    except SQLAlchemyError as exc:
        raise _failure(exc, timeout_s) from exc
    finally:
        engine.dispose()


def _options(address: URL) -> dict[str, Any]:
    if address.get_backend_name() == "duckdb":
        return {"connect_args": {"read_only": True, "config": {"enable_external_access": False}}}
    if address.get_backend_name() == "postgresql":
        return {"connect_args": {"connect_timeout": 10}}
    return {}


def _lock_sqlite(connection: Any, _record: object) -> None:
    """Nothing but reading: neither a write nor ATTACH, which opens another file."""
    import sqlite3

    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    transaction = sqlite3.SQLITE_TRANSACTION
    connection.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_OK if action in allowed or action == transaction else sqlite3.SQLITE_DENY
    )


def _failure(exc: SQLAlchemyError, timeout_s: float) -> InputError | ProviderError:
    orig = getattr(exc, "orig", None)
    first = (str(orig or exc).strip().splitlines() or [type(exc).__name__])[0]
    state = getattr(orig, "sqlstate", "") or ""
    if state == "57014":
        return ProviderError(f"The query took longer than {timeout_s:g} s.", retryable=False, reason="timeout")
    lost = isinstance(exc, DBAPIError) and (exc.connection_invalidated or state.startswith("08"))
    if lost or (isinstance(exc, OperationalError) and not state and "sqlite3" not in type(orig).__module__):
        return ProviderError(f"The warehouse cannot be reached: {first}", retryable=True, reason="connection")
    return InputError(f"The warehouse refused the query: {first}", field="query")


def _array(values: Sequence[object]) -> pa.Array:
    """One chunk of a column; what Arrow has no plain type for becomes text."""
    known = (bool, int, float, str, date, datetime, type(None))
    plain = [float(v) if isinstance(v, Decimal) else v if isinstance(v, known) else str(v) for v in values]
    try:
        return pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        if all(isinstance(v, (int, float, type(None))) for v in plain):
            return pa.array([None if v is None else float(v) for v in plain], pa.float64())  # type: ignore[arg-type]
        return pa.array([None if v is None else str(v) for v in plain], pa.string())


def _aligned(chunks: list[pa.Table]) -> list[pa.Table]:
    """The chunks with one type per column: numbers widen to float64, anything else that differs is text."""
    targets = []
    for i, _name in enumerate(chunks[0].column_names):
        seen = {c.schema.types[i] for c in chunks} - {pa.null()}
        wide = pa.float64() if seen <= {pa.int64(), pa.float64()} else pa.string()
        targets.append(seen.pop() if len(seen) == 1 else wide if seen else pa.string())
    schema = pa.schema(list(zip(chunks[0].column_names, targets, strict=True)))
    return [c.cast(schema) for c in chunks]


def _dated(rows: pa.Table) -> pa.Table:
    """Text columns that hold nothing but ISO dates or times, as databases without a date type give them, typed so."""
    for i, field in enumerate(rows.schema):
        if not pa.types.is_string(field.type) and not pa.types.is_large_string(field.type):
            continue
        for kind in (pa.date32(), pa.timestamp("us", tz="UTC"), pa.timestamp("us")):
            try:
                typed = rows.column(i).cast(kind)
            except pa.ArrowInvalid:
                continue
            if typed.null_count < len(typed):
                rows = rows.set_column(i, field.name, typed)
            break
    return rows


def _finite(rows: pa.Table) -> tuple[pa.Table, tuple[Reject, ...]]:
    columns = list(rows.columns)
    rejects: dict[int, Reject] = {}
    for i, values in enumerate(columns):
        if not pa.types.is_floating(values.type):
            continue
        columns[i] = values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
        name = rows.column_names[i]
        for at in pc.indices_nonzero(pc.fill_null(pc.is_inf(values), False)).to_pylist():
            rejects.setdefault(at, Reject(at + 1, f"{name} is infinite; expected a finite number", "", name))
    cleaned = pa.table(columns, names=rows.column_names)
    if rejects:
        keep = pa.array([i not in rejects for i in range(rows.num_rows)])
        cleaned = cleaned.filter(keep)
    return cleaned, tuple(rejects[i] for i in sorted(rejects))


def _stored(rows: pa.Table, folder: Path) -> tuple[Path, str]:
    with tempfile.TemporaryDirectory(prefix=".load-", dir=folder) as room:
        draft = Path(room) / "typed.parquet"
        pq.write_table(rows, draft, compression="zstd")
        with draft.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        target = folder / f"{sha256}.parquet"
        os.replace(draft, target)
    return target, sha256


def _kind(kind: pa.DataType) -> ColumnType:
    if pa.types.is_timestamp(kind):
        return ColumnType.TIMESTAMP
    known = {
        pa.int64(): ColumnType.INTEGER,
        pa.float64(): ColumnType.NUMBER,
        pa.bool_(): ColumnType.BOOLEAN,
        pa.date32(): ColumnType.DATE,
    }
    return known.get(kind, ColumnType.TEXT)
