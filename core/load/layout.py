"""Where a table begins: preamble, header row, column names and the number of cells a row should have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import InputError
from core.load.rows import Record

_VALUE = re.compile(r"[+-]?[$€£]?[\d.,'\u00a0 ]*\d[\d.,]*%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\d{1,2}:\d{2}.*")
_YEAR = re.compile(r"(19|20)\d{2}")
_PADDED = 0.1  # from this share of short rows on (two at least), leaving out trailing cells is the file's habit
MAX_COLUMNS = 2_000


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of a table. ``header_row`` is a physical line (None: no header); data follow line ``skip``."""

    header_row: int | None
    skip: int
    names: tuple[str, ...]
    originals: tuple[str, ...]
    pad: bool
    ragged: bool  # whether the sample had rows of another width
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Cells per row."""
        return len(self.names)


def detected(sample: Sequence[Record], name: str, header_row: int | None = None, *, whole: bool = False) -> Layout:
    """The layout of the sample's records; a stated ``header_row`` wins (0: no header).

    ``whole`` says the sample is the complete file. Raises: InputError when there is no table in it.
    """
    filled = [(line, cells) for line, cells, why in sample if why is None and any(c.strip() for c in cells)]
    if not filled:
        raise InputError(f"{name}: no rows were found; expected a header and at least one row.")
    start = _start(filled, header_row, name)
    body = filled[start + 1 :] if header_row != 0 else filled
    width = _width([c for _, c in body] or [filled[start][1]])
    line, cells = filled[start]
    headed = header_row != 0 and (header_row is not None or not body or not _looks_like_data(cells, body, width))
    if not headed:
        body = filled[start:]
        width = _width([c for _, c in body])
    first = [c.strip() for c in cells] if headed else [""] * width
    originals, notes = _fitted(first, width, [c for _, c in body]) if headed else (first, ())
    names, renamed = unique_names(originals, headed=headed)
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{name}: {len(names):,} columns were found; at most {MAX_COLUMNS:,} are loaded.")
    if not body and whole and not any(why for _, _, why in sample):
        raise InputError(f"{name}: there is a header (line {line}) but no row below it.")
    widths = [len(c) for _, c in body]
    short = sum(shortest(len(names)) <= w < len(names) for w in widths)
    pad = short >= max(2, _PADDED * len(widths)) and any(w == len(names) for w in widths)
    notes += _start_notes(filled, start, line, headed=headed, stated=header_row is not None) + renamed
    if pad:
        notes += ("Rows often leave out trailing cells in this file: missing trailing cells are empty.",)
    skip = _last_line(sample, line) if headed else line - 1
    ragged = any(w != len(names) for w in widths) or any(why for _, _, why in sample)
    return Layout(line if headed else None, skip, names, tuple(originals), pad, ragged, notes)


def shortest(width: int) -> int:
    """Cells a row must have to count as one that only lacks trailing cells; a lone cell is a remark or a total."""
    return min(2, width - 1)


def _last_line(sample: Sequence[Record], line: int) -> int:
    """The last physical line of the record that starts on ``line`` (its cells may hold line breaks)."""
    later = [number for number, _, _ in sample if number > line]
    if later:
        return min(later) - 1
    return line + sum(c.count("\n") for number, cells, _ in sample if number == line for c in cells)


def _width(rows: Sequence[Sequence[str]]) -> int:
    """The most common number of cells."""
    return max(Counter(map(len, rows)).items(), key=lambda w: (w[1], w[0]))[0]


def _start(filled: Sequence[tuple[int, list[str]]], header_row: int | None, name: str) -> int:
    if header_row:
        found = next((i for i, (line, _) in enumerate(filled) if line == header_row), None)
        if found is None:
            raise InputError(f"{name}: line {header_row} cannot be the header; it holds no cells.", field="header_row")
        return found
    width = _width([c for _, c in filled])
    for i, (_, cells) in enumerate(filled):
        named = sum(bool(c.strip()) for c in cells)
        wide = len(cells) == width or (len(cells) == width - 1 and i == 0 and width > 2)
        if wide and named >= max(1, (width + 1) // 2):
            return i
    return 0


def _looks_like_data(first: Sequence[str], body: Sequence[tuple[int, list[str]]], width: int) -> bool:
    """No header: wherever the rows below hold values, the first row holds one too."""
    rows = [c for _, c in body[:50] if len(c) == width]
    valued = [i for i in range(min(width, len(first))) if _mostly_values([r[i] for r in rows])]
    if not valued:
        return False
    cells = [first[i].strip() for i in valued]
    if all(_YEAR.fullmatch(c) for c in cells) and 0 not in valued:
        return False
    return all(_VALUE.fullmatch(c) for c in cells)


def _mostly_values(cells: Sequence[str]) -> bool:
    filled = [c.strip() for c in cells if c.strip()]
    return bool(filled) and sum(_VALUE.fullmatch(c) is not None for c in filled) >= 0.8 * len(filled)


def _fitted(first: list[str], width: int, rows: Sequence[Sequence[str]]) -> tuple[list[str], tuple[str, ...]]:
    """Header cells made as many as the rows have."""
    named = len(first)
    while named > 1 and not first[named - 1] and not any(r[named - 1].strip() for r in rows if len(r) >= named):
        named -= 1
    if rows and named < len(first) and named < width:
        return first[:named], (f"The empty columns after '{first[named - 1]}' are left out.",)
    if len(first) >= width:
        return first, ()
    extra = [c for row in rows for c in row[len(first) :] if len(row) == width]
    if not any(c.strip() for c in extra):
        return first, ("Every row ends with an empty cell that the header does not name; it is left out.",)
    if len(first) == width - 1 and width > 1:
        return ["", *first], ("The first column has no name in the header.",)
    return first + [""] * (width - len(first)), ()


def unique_names(originals: Sequence[str], *, headed: bool = True) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names that differ whatever the case: an empty one is ``column_3``, the second ``x`` is ``x_2``; with remarks."""
    taken: set[str] = set()
    names, notes = [], []
    for i, original in enumerate(originals, start=1):
        plain = " ".join(original.split()) or f"column_{i}"
        name, n = plain, 1
        while name.casefold() in taken:
            n += 1
            name = f"{plain}_{n}"
        taken.add(name.casefold())
        names.append(name)
        if name != plain:
            notes.append(f"Column {i} is called '{name}' because '{plain}' appears more than once.")
        elif headed and not original.strip():
            notes.append(f"Column {i} has no name in the header; it is called '{name}'.")
    return tuple(names), tuple(notes)


def _start_notes(
    filled: Sequence[tuple[int, list[str]]], start: int, line: int, *, headed: bool, stated: bool
) -> tuple[str, ...]:
    if not headed:
        return () if stated else ("No header was found: the first row already holds values.",)
    if start and not stated:
        before = filled[start - 1][0]
        return (f"The header was taken from line {line}; the lines up to {before} are a preamble and left out.",)
    return ()
