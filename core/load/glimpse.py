"""A first look at a large text file before its rows are judged: one measure over time, read in passing."""

# ruff: noqa: S608  every name and literal in these statements is quoted by core.engine.duck
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from core.load.timeline import likely
from core.load.typed import TypedColumn, clean_source
from core.model import Column

if TYPE_CHECKING:
    import duckdb

    from core.load.rows import Dialect
    from core.load.text import Text

FROM_LINES = 200_000  # a smaller file is loaded before anybody has looked

First = Callable[["Glimpse"], None]


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a file seems to hold. Rows that will be rejected are still in it, as far as their cells can be read."""

    lines: int
    time: str | None
    columns: tuple[Column, ...]
    _typed: Sequence[TypedColumn]
    _source: str
    _connection: duckdb.DuckDBPyConnection

    def hourly(self, measure: str | None) -> pd.DataFrame:
        """Per hour with data the sum of the readable cells of ``measure`` and their number; without one, of rows.

        Shape: columns ts (UTC), total, cells; sorted by ts.
        """
        value = self._value(measure) if measure else "1"
        statement = (
            f"SELECT epoch_us(t) // 3600000000 AS hour, sum(v)::DOUBLE AS total, count(v) AS cells "
            f"FROM (SELECT {self._value(self.time or '')} AS t, {value} AS v FROM {self._source}) "
            "WHERE t IS NOT NULL GROUP BY 1 ORDER BY 1"
        )
        found: pd.DataFrame = self._connection.execute(statement).df()
        found.insert(0, "ts", pd.to_datetime(found.pop("hour") * 3600, unit="s", utc=True))
        return found

    def _value(self, name: str) -> str:
        # without the pattern that decides: what is not written so gives NULL or, at worst, a number too many
        return next(c.format.value.format(x=f"c{i}") for i, c in enumerate(self._typed) if c.name == name)


def glimpse(
    connection: duckdb.DuckDBPyConnection, text: Text, dialect: Dialect, skip: int, columns: Sequence[TypedColumn]
) -> Glimpse:
    """The glimpse of a text whose columns have their likely formats; nothing is read yet."""
    kinds = tuple(Column(c.name, c.format.type) for c in columns)
    source = clean_source(text, dialect, skip, len(columns), careless=True)
    return Glimpse(text.newlines - skip, likely(kinds), kinds, columns, source, connection)
