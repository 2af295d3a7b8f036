"""What the loader understood of a file, and what it could not load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.model import ColumnType, Json, Reject, Table

REJECTS_SHOWN = 10_000


@dataclass(frozen=True, slots=True)
class LoadedColumn:
    """One column as loaded, with the name it had in the file."""

    name: str
    type: ColumnType
    original: str
    nulls: int = 0
    example: str = ""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """How a file was read. ``rows_in == rows_loaded + rows_rejected`` always holds.

    ``rejects`` holds at most 10,000 rows; ``rejects_csv`` answers all of them. ``guesses`` are
    sentences about every choice a person may want to correct.
    """

    encoding: str
    delimiter: str
    header_row: int | None
    columns: tuple[LoadedColumn, ...]
    time_column: str | None
    frequency: str | None
    frequency_note: str
    rows_in: int
    rows_loaded: int
    rows_rejected: int
    rejects: tuple[Reject, ...] = ()
    guesses: tuple[str, ...] = ()
    rejects_file: Path | None = None
    sheets: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The report as the command line prints it."""
        return {
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "header_row": self.header_row,
            "columns": [{"name": c.name, "type": c.type.value} for c in self.columns],
            "time_column": self.time_column,
            "rows_loaded": self.rows_loaded,
            "rows_rejected": self.rows_rejected,
            "rejects": [{"line": r.line, "reason": r.reason} for r in self.rejects],
            "guesses": list(self.guesses),
        }


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table in the engine's folder, and how it got there."""

    table: Table
    report: LoadReport
