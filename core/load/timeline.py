"""Which column says when, and how regular it is."""

# ruff: noqa: S608  every name and literal in these statements is quoted by core.engine.duck
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.engine.duck import quoted_name, quoted_text
from core.model import Column, ColumnType

if TYPE_CHECKING:
    import duckdb

_EXACT = re.compile(r"(?i)(date|day|ds|ts|time|timestamp|datetime|date_?time|event_?(time|date|ts)|period|month|week)")
_HINT = re.compile(r"(?i)(^|[^a-z])(date|day|ts|time|timestamp|datetime|created|occurred|period|month|week)([^a-z]|$)")
_LATER = re.compile(r"(?i)(updated|modified|deleted|birth|expir|due|end|ship|deliver|close|resolv)")
YEAR_NAME = re.compile(r"(?i)(fiscal[ _]?|calendar[ _]?)?(year|yr|jahr|ann[ée]e|año)")
_HOUR, _DAY = 3_600, 86_400
_REGULAR = 0.6  # share of steps that must have the common length
MAX_POINTS = 2_000_000


@dataclass(frozen=True, slots=True)
class Timeline:
    """The time column, its pandas frequency (None: irregular) and a sentence about it."""

    column: str | None
    frequency: str | None
    note: str


def timeline(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[Column], stated: str | None = None
) -> Timeline:
    """The column that says when, by name, completeness and position, with the frequency of its steps."""
    timed = [c for c in columns if c.type in (ColumnType.DATE, ColumnType.TIMESTAMP)]
    name = stated or _best(connection, path, timed)
    if name is None:
        return Timeline(None, None, "No column holds dates or times.")
    quoted = quoted_name(name)
    seconds = connection.execute(
        f"SELECT DISTINCT CAST(epoch({quoted}) AS BIGINT) AS s FROM read_parquet({quoted_text(str(path))}) "
        f"WHERE {quoted} IS NOT NULL ORDER BY s LIMIT {MAX_POINTS}"
    ).fetchnumpy()["s"]
    frequency, note = regularity(np.asarray(seconds, dtype=np.int64))
    return Timeline(name, frequency, note)


def _best(connection: duckdb.DuckDBPyConnection, path: Path, timed: Sequence[Column]) -> str | None:
    if not timed:
        return None
    if len(timed) == 1:
        return timed[0].name
    counts = ", ".join(f"count({n}), min({n}) < max({n})" for n in (quoted_name(c.name) for c in timed))
    found = connection.execute(f"SELECT {counts} FROM read_parquet({quoted_text(str(path))})").fetchone() or ()
    filled = dict(zip((c.name for c in timed), found[0::2], strict=True))
    varied = dict(zip((c.name for c in timed), found[1::2], strict=True))

    def rank(item: tuple[int, Column]) -> tuple[float, ...]:
        position, c = item
        return (bool(varied[c.name]), _hint(c), filled[c.name], -position)

    return max(enumerate(timed), key=rank)[1].name


def likely(columns: Sequence[Column]) -> str | None:
    """The column that says when as far as its name and position tell; None when none holds times."""
    timed = [c for c in columns if c.type in (ColumnType.DATE, ColumnType.TIMESTAMP)]
    return max(timed, key=_hint).name if timed else None


def _hint(column: Column) -> int:
    name = column.name
    if YEAR_NAME.fullmatch(name):  # the coarsest of the columns that say when
        return -3
    return 2 * bool(_EXACT.fullmatch(name)) + bool(_HINT.search(name)) - 2 * bool(_LATER.search(name))


def regularity(seconds: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[str | None, str]:
    """The pandas frequency of sorted distinct times (in seconds), and a sentence that says how regular they are."""
    if len(seconds) < 3:
        return None, f"Only {len(seconds)} different times: no frequency can be told."
    steps = np.diff(seconds)
    lengths, counts = np.unique(steps, return_counts=True)
    common = int(lengths[counts.argmax()])
    share = float(counts.max()) / len(steps)
    months = (steps >= 28 * _DAY) & (steps <= 31 * _DAY)
    if float(months.mean()) >= _REGULAR and common not in (28 * _DAY,):
        return "MS", f"Monthly: {months.mean():.0%} of the steps are one month."
    years = (steps >= 365 * _DAY) & (steps <= 366 * _DAY)
    if float(years.mean()) >= _REGULAR:
        return "YS", f"Yearly: {years.mean():.0%} of the steps are one year."
    name = _named(common)
    if share < _REGULAR or name is None:
        return None, f"Irregular: the most common step ({_spoken(common)}) makes {share:.0%} of all."
    return name, f"{_adverb(name)}: {share:.0%} of the steps are {_spoken(common)}."


def _named(step: int) -> str | None:
    fixed = {_HOUR: "h", _DAY: "D", 7 * _DAY: "W-MON"}
    if step in fixed:
        return fixed[step]
    if 60 <= step < _HOUR and _HOUR % step == 0 and step % 60 == 0:
        return "min" if step == 60 else f"{step // 60}min"
    return None


def _adverb(name: str) -> str:
    return {"h": "Hourly", "D": "Daily", "W-MON": "Weekly", "min": "Every minute"}.get(
        name, f"Every {name[:-3]} minutes"
    )


def _spoken(step: int) -> str:
    for size, word in ((_DAY, "day"), (_HOUR, "hour"), (60, "minute"), (1, "second")):
        if step >= size and step % size == 0:
            n = step // size
            return f"{n} {word}{'s' if n != 1 else ''}"
    return "0 seconds"
