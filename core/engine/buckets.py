"""Start of the hour, day, week, month or year a moment falls into, as an SQL expression."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, DateTime, cast, func, literal_column
from sqlalchemy import types as sa

from core.engine.duck import quoted_text
from core.errors import InputError

# units stand inline: a bound unit in SELECT and in GROUP BY are two different expressions to PostgreSQL
_UNITS = {"h": "'hour'", "D": "'day'", "W-MON": "'week'", "MS": "'month'", "YS": "'year'"}
FREQUENCIES = tuple(_UNITS)
_INSTANT = DateTime(timezone=True)
_PLAIN = DateTime(timezone=False)


def time_bucket(column: ColumnElement[Any], freq: str, timezone: str = "UTC") -> ColumnElement[Any]:
    """The start of the period ``column`` falls into, as a timestamp with time zone.

    ``freq`` is h, D, W-MON (weeks begin on Monday), MS or YS. An hour is an instant. A day or longer is
    the calendar period in ``timezone``, marked by midnight UTC of its first day, so weekdays and daily
    steps stay regular where clocks change. A date column has no zone and keeps its calendar.
    Raises: InputError for an unknown frequency or zone.
    """
    if freq not in _UNITS:
        raise InputError(f"There is no frequency '{freq}'; expected one of {', '.join(FREQUENCIES)}.", field="freq")
    unit: ColumnElement[str] = literal_column(_UNITS[freq])
    if isinstance(column.type, sa.Date):
        return _as_utc(func.date_trunc(unit, cast(column, _PLAIN), type_=_PLAIN))
    if not isinstance(column.type, sa.DateTime):
        raise InputError("Only a date or timestamp column can be put into periods.", field="column")
    local = _local(column, timezone)
    start = func.date_trunc(unit, local, type_=_PLAIN)
    if freq != "h":
        return _as_utc(start)
    if timezone == "UTC":
        return _as_utc(start)
    # taking off the minutes past the local hour keeps both passes of the hour that clocks repeat
    return cast(column - (local - start), _INSTANT)


def _local(column: ColumnElement[Any], zone: str) -> ColumnElement[Any]:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"Unknown time zone '{zone}'; expected a name such as Europe/Berlin.", field="timezone"
        ) from None
    return func.timezone(literal_column(quoted_text(zone)), column, type_=_PLAIN)


def _as_utc(plain: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.timezone(literal_column("'UTC'"), plain, type_=_INSTANT)
