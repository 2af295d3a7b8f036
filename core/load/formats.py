"""The ways a cell may be written: a pattern that decides, and the SQL that reads what it matched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from core.engine.duck import quoted_text
from core.model import ColumnType

NULLS = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "NaN", "nan")
CURRENCY = r"[$€£¥₹]|USD|EUR|GBP|CHF|JPY"
_CLOCK = r"[T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?"
_ZONE = r"( ?(Z|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?))?"
_DAY, _MONTH = "(0?[1-9]|[12][0-9]|3[01])", "(0?[1-9]|1[0-2])"
_AMPM = r" [0-9]{1,2}:[0-9]{2}(:[0-9]{2})?( ?[AaPp][Mm])?"
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %I:%M:%S%p")


@dataclass(frozen=True)
class Format:
    """One way to write values of one type. ``value`` is SQL over the trimmed text ``{x}``."""

    type: ColumnType
    name: str
    expected: str
    pattern: str
    value: str
    day_first: bool | None = None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)

    def matches(self, cell: str) -> bool:
        """Whether a trimmed cell is written this way."""
        return self._compiled.fullmatch(cell) is not None

    def sql(self, name: str) -> str:
        """The typed value of column ``name``, NULL where it is not written this way."""
        if self.type is ColumnType.TEXT:
            return name
        x = f"trim({name})"
        return f"CASE WHEN regexp_full_match({x}, {quoted_text(self.pattern)}) THEN {self.value.format(x=x)} END"


TEXT = Format(ColumnType.TEXT, "text", "text", r"(?s:.*)", "{x}")
BOOLEAN = Format(
    ColumnType.BOOLEAN,
    "true/false",
    "true or false",
    r"(?i:true|false|yes|no)",
    "(lower({x}) IN ('true', 'yes'))",
)
INTEGER = Format(
    ColumnType.INTEGER,
    "whole number",
    "a whole number such as 1250",
    r"[+-]?(0|[1-9][0-9]{0,18})",
    "TRY_CAST({x} AS BIGINT)",
)


@lru_cache(maxsize=256)
def number(
    decimal: str = ".",
    thousands: str = "",
    *,
    whole: bool = False,
    percent: bool = False,
    currency: str = "",
    accounting: bool = False,
    zeros: bool = False,
) -> Format:
    """A number with its separators, a percent sign (kept in percent), a currency symbol or (12) for -12."""
    digits = "[0-9]+" if zeros else "(0|[1-9][0-9]*)"
    separators = "[ \u00a0\u202f]" if thousands == " " else "['’]" if thousands == "'" else re.escape(thousands)
    grouped = rf"[1-9][0-9]{{0,2}}({separators}[0-9]{{3}})+|" if thousands else ""
    point = re.escape(decimal)
    fraction = "" if whole else rf"({point}[0-9]*)?"
    loose = "" if whole else rf"|{point}[0-9]+"
    core = rf"(({grouped}{digits}){fraction}{loose})"
    exponent = "" if whole or thousands else "([eE][+-]?[0-9]+)?"
    sign, symbol = "[+-]?", re.escape(currency)
    if currency or accounting:
        body = rf"({sign} ?({symbol})? ?{core}|{symbol} ?-?{core}|{sign}{core} ?{symbol}|\(({symbol})? ?{core}\))"
    else:
        body = rf"{sign}{core}{exponent}" + (" ?%" if percent else "")
    shape = "1250" if whole else f"12{decimal}5"
    return Format(
        ColumnType.INTEGER if whole else ColumnType.NUMBER,
        _number_name(decimal, thousands, percent=percent, currency=currency, accounting=accounting),
        f"a {'whole number' if whole else 'number'} such as {currency}{shape}{'%' if percent else ''}",
        body,
        _number_sql(decimal, thousands, whole=whole, percent=percent, currency=currency, accounting=accounting),
    )


def _number_name(decimal: str, thousands: str, *, percent: bool, currency: str, accounting: bool) -> str:
    parts = ["decimal comma"] if decimal == "," else []
    if thousands:
        named = {",": "comma", ".": "dot", " ": "space", "'": "apostrophe"}[thousands]
        parts.append(f"thousands {named}")
    if percent:
        parts.append("percent sign")
    if currency:
        parts.append(f"currency {currency}")
    if accounting:
        parts.append("negative in parentheses")
    return ", ".join(parts) or "number"


def _number_sql(decimal: str, thousands: str, *, whole: bool, percent: bool, currency: str, accounting: bool) -> str:
    x = "{x}"
    if currency:
        x = f"replace(replace({x}, {quoted_text(currency)}, ''), ' ', '')"
    if accounting:
        x = f"(CASE WHEN starts_with({x}, '(') THEN '-' || translate({x}, '()', '') ELSE {x} END)"
    if percent:
        x = f"rtrim({x}, ' %')"
    if thousands:
        gone = {" ": " \u00a0\u202f", "'": "'’"}.get(thousands, thousands)
        x = f"translate({x}, {quoted_text(gone)}, '')"
    if decimal == ",":
        x = f"replace({x}, ',', '.')"
    if whole:
        return f"TRY_CAST({x} AS BIGINT)"
    value = f"TRY_CAST({x} AS DOUBLE)"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def _parsed(formats: list[str], *, day: bool) -> str:
    listed = ", ".join(quoted_text(f) for f in formats)
    value = f"try_strptime({{x}}, [{listed}])"
    return f"CAST({value} AS DATE)" if day else f"timezone('UTC', {value})"


_ISO_INSTANT = (
    "COALESCE(TRY_CAST({x} AS TIMESTAMPTZ), TRY_CAST(regexp_replace(regexp_replace(replace({x}, ',', '.'), "
    "'([T ][0-9]{{1,2}}:[0-9]{{2}})([^:0-9]|$)', '\\1:00\\2'), '([+-][0-9]{{2}})([0-9]{{2}})$', '\\1:\\2') "
    "AS TIMESTAMPTZ))"
)
_ISO_DAY = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
ISO_DATE = Format(ColumnType.DATE, "ISO date", "a date such as 2025-01-31", _ISO_DAY, "TRY_CAST({x} AS DATE)")
ISO_TIMESTAMP = Format(
    ColumnType.TIMESTAMP,
    "ISO timestamp",
    "a timestamp such as 2025-01-31 14:30:00",
    rf"{_ISO_DAY}({_CLOCK}{_ZONE})?",
    _ISO_INSTANT,
)
MONTH = Format(
    ColumnType.DATE,
    "year and month",
    "a month such as 2025-01",
    r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])",
    "TRY_CAST({x} || '-01' AS DATE)",
)
YEAR = Format(
    ColumnType.DATE,
    "year",
    "a year such as 2025",
    r"(1[6-9]|2[01])[0-9]{2}",
    "TRY_CAST({x} || '-01-01' AS DATE)",
)
COMPACT = Format(
    ColumnType.DATE,
    "compact date",
    "a date such as 20250131",
    r"(19|20)[0-9]{2}(0[1-9]|1[0-2])[0-9]{2}",
    _parsed(["%Y%m%d"], day=True),
)
EPOCH = Format(
    ColumnType.TIMESTAMP,
    "seconds since 1970",
    "seconds since 1970 such as 1735689600",
    r"1[0-9]{9}(\.[0-9]+)?",
    "to_timestamp(TRY_CAST({x} AS DOUBLE))",
)
EPOCH_MS = Format(
    ColumnType.TIMESTAMP,
    "milliseconds since 1970",
    "milliseconds since 1970 such as 1735689600000",
    r"1[0-9]{12}",
    "to_timestamp(TRY_CAST({x} AS DOUBLE) / 1000)",
)


def _numeric_dates() -> tuple[Format, ...]:
    found = []
    for sep, first in ((s, f) for s in "/.-" for f in (True, False)):
        for year, digits, shown in (("%Y", "{4}", "2025"), ("%y", "{2}", "25")):
            pair = ("%d", "%m") if first else ("%m", "%d")
            formats = [f"{pair[0]}{sep}{pair[1]}{sep}{year}{t}" for t in _TIMES]
            parts = (_DAY, _MONTH) if first else (_MONTH, _DAY)
            pattern = rf"{parts[0]}{re.escape(sep)}{parts[1]}{re.escape(sep)}[0-9]{digits}"
            shown = f"{'31' if first else '01'}{sep}{'01' if first else '31'}{sep}{shown}"
            name = f"{'day' if first else 'month'} first"
            found.append(_dated(name, shown, pattern, formats, first, day=True))
            found.append(_dated(name, shown, pattern, formats, first, day=False))
    return tuple(found)


def _dated(name: str, shown: str, pattern: str, formats: list[str], first: bool | None, *, day: bool) -> Format:
    if day:
        sql = _parsed(formats[:1] if first is not None else formats[:: len(_TIMES)], day=True)
        return Format(ColumnType.DATE, name, f"a date such as {shown}", pattern, sql, first)
    return Format(
        ColumnType.TIMESTAMP,
        name,
        f"a timestamp such as {shown} 14:30",
        rf"{pattern}({_AMPM})?",
        _parsed(formats, day=False),
        first,
    )


def _worded_dates() -> tuple[Format, ...]:
    month = "[A-Za-z]{3,9}"
    shapes = (
        ("31 Jan 2025", rf"[0-9]{{1,2}} {month} [0-9]{{4}}", ["%d %b %Y", "%d %B %Y"]),
        ("31-Jan-2025", rf"[0-9]{{1,2}}-{month}-[0-9]{{4}}", ["%d-%b-%Y", "%d-%B-%Y"]),
        ("31-Jan-25", rf"[0-9]{{1,2}}-{month}-[0-9]{{2}}", ["%d-%b-%y", "%d-%B-%y"]),
        ("Jan 31, 2025", rf"{month} [0-9]{{1,2}}, ?[0-9]{{4}}", ["%b %d, %Y", "%B %d, %Y", "%b %d,%Y"]),
        ("Jan 31 2025", rf"{month} [0-9]{{1,2}} [0-9]{{4}}", ["%b %d %Y", "%B %d %Y"]),
        ("2025/01/31", "[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}", ["%Y/%m/%d"]),
        ("2025.01.31", r"[0-9]{4}\.[0-9]{1,2}\.[0-9]{1,2}", ["%Y.%m.%d"]),
    )
    found = []
    for shown, pattern, days in shapes:
        formats = [d + t for d in days for t in _TIMES]
        found += [_dated(shown, shown, pattern, formats, None, day=day) for day in (True, False)]
    return tuple(found)


NUMERIC_DATES = _numeric_dates()
WORDED_DATES = _worded_dates()
