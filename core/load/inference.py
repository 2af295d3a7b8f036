"""Which format the cells of a column may be written in, judged on a sample."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.load import formats as f
from core.load.formats import Format
from core.load.options import LoadOptions
from core.load.timeline import YEAR_NAME
from core.model import ColumnType

TOLERANCE = 0.95  # a column has a type when at least this share of its values is written in one format
_TIME_NAME = re.compile(r"(?i)(^|[^a-z])(date|day|dt|time|timestamp|ts|epoch|at|when|month|period)([^a-z]|$)|datetime")
_COMMA_DECIMAL = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+%?|[+-]?\d+,(\d{1,2}|\d{4,}) ?[%€$£]?")
_DOT_DECIMAL = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+%?|[+-]?\d+\.(\d{1,2}|\d{4,}) ?[%€$£]?")
_CURRENCY = re.compile(f.CURRENCY)
_LEADING_ZERO = re.compile(r"[+-]?0\d+")
_LONG_NUMBER = re.compile(r"[+-]?\d{19,}")
_SEPARATORS = {",": ",", ".": ".", " ": " \u00a0\u202f", "'": "'’"}
_FIRST_LOOK = 60


@dataclass(frozen=True, slots=True)
class Candidates:
    """Formats a column may have, best first, with the share of sampled values each matches."""

    formats: tuple[Format, ...]
    coverage: tuple[float, ...]
    notes: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether the sample leaves no doubt: everything matches the first, or nothing comes near a type."""
        return not self.formats or self.coverage[0] == 1.0


@dataclass(frozen=True, slots=True)
class Conventions:
    """How this file writes numbers and dates, gathered over all its columns."""

    decimal: str = "."
    decimal_known: bool = False
    day_first: bool | None = None


def conventions(sample: Mapping[str, Sequence[str]], delimiter: str, options: LoadOptions) -> Conventions:
    """The file-wide conventions: what the unambiguous cells say, else what the delimiter suggests."""
    cells = [c for values in sample.values() for c in values]
    commas = sum(_COMMA_DECIMAL.fullmatch(c) is not None for c in cells)
    dots = sum(_DOT_DECIMAL.fullmatch(c) is not None for c in cells)
    known = options.decimal is not None or commas != dots
    decimal = options.decimal or ("," if commas > dots or (commas == dots and delimiter == ";") else ".")
    first = options.day_first
    if first is None:
        days = [re.match(r"(\d{1,2})[/.-](\d{1,2})[/.-]\d{2,4}", c) for c in cells]
        pairs = [(int(m[1]), int(m[2])) for m in days if m]
        over_first, over_second = sum(a > 12 for a, _ in pairs), sum(b > 12 for _, b in pairs)
        first = None if over_first == over_second else over_first > over_second
    return Conventions(decimal, known, first)


def candidates(name: str, cells: Sequence[str], rules: Conventions, options: LoadOptions) -> Candidates:
    """The formats of column ``name`` given its non-empty, trimmed sample ``cells``."""
    wanted = options.types.get(name)
    if wanted is ColumnType.TEXT or not cells:
        return Candidates((), ())
    if wanted is None and any(_LEADING_ZERO.fullmatch(c) for c in cells) and _numberlike(cells):
        return Candidates((), (), (f"'{name}' is kept as text: its numbers have leading zeros.",))
    if wanted is None and any(_LONG_NUMBER.fullmatch(c) for c in cells) and _numberlike(cells):
        return Candidates((), (), (f"'{name}' is kept as text: its numbers are too long to count with.",))
    tried = [f for f in _possible(name, cells, rules, options) if wanted is None or _fits(f, wanted)]
    look = cells[:: max(1, len(cells) // _FIRST_LOOK)]
    near = [f for f in tried if any(f.matches(c) for c in look)]
    rated = [(sum(f.matches(c) for c in cells) / len(cells), f) for f in near]
    rated = sorted((r for r in rated if r[0] >= 0.5 or wanted), key=lambda r: -r[0])
    if wanted and not rated:
        rated = [(0.0, tried[0])]
    return Candidates(tuple(f for _, f in rated), tuple(c for c, _ in rated))


def _numberlike(cells: Sequence[str]) -> bool:
    return sum(f.INTEGER.matches(c) or c.isdigit() for c in cells) >= TOLERANCE * len(cells)


def _fits(found: Format, wanted: ColumnType) -> bool:
    if wanted is ColumnType.NUMBER:
        return found.type is ColumnType.NUMBER
    return found.type is wanted


def _possible(name: str, cells: Sequence[str], rules: Conventions, options: LoadOptions) -> list[Format]:
    found = [f.BOOLEAN]
    if YEAR_NAME.fullmatch(name):
        found.append(f.YEAR)
    if _TIME_NAME.search(name) or options.types.get(name) in (ColumnType.DATE, ColumnType.TIMESTAMP):
        found += [f.COMPACT, f.EPOCH, f.EPOCH_MS]
    found += [f.INTEGER] if not options.types.get(name) else [f.number(whole=True, zeros=True)]
    found += _numbers(cells, rules, options, zeros=name in options.types)
    dates = [d for d in f.NUMERIC_DATES if d.day_first is _day_first(d, cells, rules)]
    if options.day_first is None:
        dates += [d for d in f.NUMERIC_DATES if d not in dates]
    return [*found, f.ISO_DATE, f.ISO_TIMESTAMP, f.MONTH, *dates, *f.WORDED_DATES]


def _day_first(date: Format, cells: Sequence[str], rules: Conventions) -> bool:
    if rules.day_first is not None:
        return rules.day_first
    return r"\." in date.pattern or _closer_day_first(cells)


def _closer_day_first(cells: Sequence[str]) -> bool:
    """Whether dates that could be either lie closer together when the day comes first."""
    parts = [
        [int(p) for p in m.groups()] for c in cells if (m := re.match(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{2,4})", c))
    ]
    day = [372 * y + 31 * b + a for a, b, y in parts]
    month = [372 * y + 31 * a + b for a, b, y in parts]
    return bool(parts) and max(day) - min(day) < max(month) - min(month)


def _numbers(cells: Sequence[str], rules: Conventions, options: LoadOptions, *, zeros: bool) -> list[Format]:
    percent = any(c.endswith("%") for c in cells)
    symbols = {m[0] for c in cells if (m := _CURRENCY.search(c))}
    currency = symbols.pop() if len(symbols) == 1 else ""
    accounting = any(c.startswith("(") and c.endswith(")") for c in cells)
    used = {t for t, written in _SEPARATORS.items() if any(w in c for c in cells for w in written)}
    dot = [(".", t) for t in ("", ",", " ", "'") if not t or t in used]
    # where the file writes 1.234,5 a cell 1.234 has a thousands separator, so that reading is tried first
    comma = [(",", t) for t in (".", "", " ", "'") if not t or t in used]
    ordered = [*comma, *dot] if rules.decimal == "," else [*dot, *comma]
    if options.decimal:
        ordered = [p for p in ordered if p[0] == options.decimal]
    if options.thousands is not None:
        ordered = [p for p in ordered if p[1] in ("", options.thousands)]
    return [
        f.number(
            d, t, whole=whole, percent=percent, currency="" if percent else currency, accounting=accounting, zeros=zeros
        )
        for d, t in ordered
        for whole in (True, False)
    ]
