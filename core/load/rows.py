"""Delimited text as records that know their physical line, where a broken row never takes others with it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

MAX_REWINDS = 1_000  # after so many unclosed quotes a quoted line break is no longer believed

# line number, cells; or line number, the broken row's text and why it is broken
Record: TypeAlias = "tuple[int, list[str], str | None]"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are separated and quoted."""

    delimiter: str
    quote: str | None = '"'
    escape: str | None = None


class _Tape:
    """Lines that can be read again."""

    def __init__(self, lines: Iterable[str], rewinds: int) -> None:
        self._lines = iter(lines)
        self._again: list[str] = []
        self._rewinds = rewinds
        self.seen: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.seen and self._rewinds > MAX_REWINDS:
            raise StopIteration
        line = self._again.pop() if self._again else next(self._lines)
        self.seen.append(line)
        return line

    def rewind(self) -> str:
        """Gives back all seen lines but the first, which is returned."""
        first, *rest = self.seen
        self._again.extend(reversed(rest))
        self._rewinds += bool(rest)
        return first


def records(lines: Iterable[str], dialect: Dialect, start: int = 1, rewinds: int = 0) -> Iterator[Record]:
    """Every record with the physical line it starts on; ``lines`` keep their line ends.

    A row whose quoting is broken comes as its text with a reason, and reading goes on with the very next line.
    ``rewinds`` says how often that happened before ``lines``.
    """
    tape = _Tape(lines, rewinds)
    reader = csv.reader(
        tape,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        escapechar=dialect.escape,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        strict=True,
    )
    line = start
    while True:
        tape.seen.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            yield line, [tape.rewind().rstrip("\r\n")], _reason(exc)
            line += 1
            continue
        yield line, cells, None
        line += len(tape.seen)


def file_records(path: Path, dialect: Dialect, skip: int = 0) -> Iterator[Record]:
    """The records of a UTF-8 file after its first ``skip`` physical lines."""
    with path.open(encoding="utf-8", newline="") as stream:
        for _ in range(skip):
            next(stream, None)
        yield from records(stream, dialect, skip + 1)


def is_blank(cells: list[str]) -> bool:
    """Whether a record is a line without anything on it: not a data row."""
    return not cells or (len(cells) == 1 and not cells[0].strip())


def _reason(exc: csv.Error) -> str:
    text = str(exc)
    if "unexpected end" in text:
        return "a quote is opened and never closed"
    if "expected after" in text:
        return "text follows a closing quote"
    if "field larger" in text:
        return "a cell is longer than 131,072 characters or a quote is never closed"
    return text
