"""Which lines of a text are whole rows of the expected width, told for millions at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.load.rows import Dialect

MAX_LINE = 131_072  # longer ones may hold a cell longer than the csv module reads
_FEED, _RETURN = 10, 13


@dataclass(frozen=True, slots=True)
class Survey:
    """Where the lines of a text start and end, and which of them are not a row like any other.

    Every line that is not ``odd`` has the expected number of cells, each without quotes or wholly quoted,
    so that it means the same wherever reading begins. Shape: one entry per line in all three.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    odd: NDArray[np.bool_]

    def regular(self, text: bytes) -> list[bytes]:
        """The runs of ``text`` between the odd lines."""
        cuts = [0, *(int(e) for i in np.flatnonzero(self.odd) for e in (self.starts[i], self.ends[i])), len(text)]
        return [text[a:b] for a, b in zip(cuts[0::2], cuts[1::2], strict=True) if a < b]


def surveyed(text: bytes, dialect: Dialect, width: int) -> Survey:
    """The survey of whole lines that end in LF or CRLF, for a dialect without escape."""
    letters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(letters == _FEED) + 1
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    starts = np.concatenate(([0], ends[:-1]))
    odd = ends - starts > MAX_LINE
    parting = letters == ord(dialect.delimiter)
    if dialect.quote and dialect.quote.encode() in text:
        quote, delimiter = ord(dialect.quote), ord(dialect.delimiter)
        open_ended, inside = _quoting(letters, starts, quote, delimiter)
        odd |= open_ended
        parting &= ~inside
    partings = np.flatnonzero(parting)
    odd |= _per_line(partings, starts) != width - 1
    return Survey(starts, ends, odd)


def _per_line(places: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.diff(np.searchsorted(places, starts), append=len(places))


def _quoting(
    letters: NDArray[np.uint8], starts: NDArray[np.int64], quote: int, delimiter: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which lines use quotes in any other way than around whole cells, and which letters of the others are quoted."""
    marks = letters == quote
    places = np.flatnonzero(marks)
    counts = _per_line(places, starts)
    lines = np.repeat(np.arange(len(starts)), counts)
    opening = (np.arange(len(places)) - np.searchsorted(places, starts)[lines]) % 2 == 0
    around = np.concatenate(([_FEED], letters, [_FEED])).astype(np.uint8, copy=False)
    before, after = around[places], around[places + 2]
    # a doubled quote inside a cell closes and opens it again
    opens = (before == delimiter) | (before == _FEED) | (before == quote)
    closes = (after == delimiter) | (after == _FEED) | (after == _RETURN) | (after == quote)
    odd = counts % 2 == 1
    odd[lines[~np.where(opening, opens, closes)]] = True
    marks[places[odd[lines]]] = False  # so that they do not turn inside and outside round for the lines below
    return odd, np.logical_xor.accumulate(marks)
