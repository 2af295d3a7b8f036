"""Sentences about checks: what was expected, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from core.check.expectation import ROW, column_set
from core.check.spec import CheckSpec
from core.model import Table

_STATISTICS = {
    "min": "smallest value",
    "max": "largest value",
    "mean": "mean",
    "median": "median",
    "sum": "sum",
    "stdev": "standard deviation",
    "unique_value_count": "number of different values",
    "proportion_of_unique_values": "share of different values",
}


def expected(spec: CheckSpec) -> str:
    """What ``spec`` asks for, as the first half of a sentence about its table."""
    subject = f"{spec.table}.{spec.column}" if spec.column else f"{spec.table} ({', '.join(spec.columns)})"
    params = spec.params
    most = f" in at least {100 * spec.mostly:g} % of rows" if spec.mostly is not None and spec.mostly < 1 else ""
    plain = {
        "expect_column_to_exist": f"{spec.table} should have a column {spec.column}",
        "expect_column_values_to_not_be_null": f"{subject} should never be empty",
        "expect_column_values_to_be_unique": f"{subject} should never repeat",
        "expect_compound_columns_to_be_unique": f"{subject} should never repeat together",
        "expect_column_values_to_be_in_set": f"{subject} should be one of {_list(params.get('value_set'))}",
        "expect_column_values_to_not_be_in_set": f"{subject} should be none of {_list(params.get('value_set'))}",
        "expect_column_values_to_match_regex": f"{subject} should match {params.get('regex')}",
        "expect_column_values_to_be_of_type": f"{subject} should be of type {params.get('type_')}",
        "expect_column_values_to_be_between": f"{subject} should be {_range(params)}",
        "expect_column_value_lengths_to_be_between": f"{subject} should have {_range(params)} characters",
        "expect_table_row_count_to_be_between": f"{spec.table} should have {_range(params)} rows",
        "expect_table_columns_to_match_set": f"{spec.table} should have {_exactly(params)} {_list(column_set(spec))}",
        "freshness": f"{subject} should be at most {params.get('max_age_hours')} h old",
    }.get(spec.check)
    if plain:
        return plain + most
    if spec.check == "row_rule":
        return f"{spec.table} should have {spec.rule} in every row"
    statistic = _STATISTICS[spec.check.removeprefix("expect_column_").removesuffix("_to_be_between")]
    return f"the {statistic} of {subject} should be {_range(params)}"


def counted(wrong: int, rows: int, pct: float, numbers: Sequence[int] = ()) -> str:
    """How many rows failed, and the first of them by number."""
    if not rows:
        return "no rows to judge"
    if not wrong:
        return f"all {rows} rows pass" if rows > 1 else "the one row passes"
    first = f" (row {', '.join(map(str, numbers[:5]))}{', ...' if wrong > 5 else ''})" if numbers else ""
    return f"{wrong} of {rows} rows, {pct:.2f} %, {'do' if wrong != 1 else 'does'} not{first}"


def columns_seen(spec: CheckSpec, table: Table) -> str:
    """How the columns of ``table`` differ from the set that was asked for."""
    asked, there = column_set(spec), [c.name for c in table.columns if c.name != ROW]
    missing = [name for name in asked if name not in there]
    extra = [name for name in there if name not in asked] if spec.params.get("exact_match", True) else []
    parts = [f"missing {', '.join(missing)}"] if missing else []
    parts += [f"unexpected {', '.join(extra)}"] if extra else []
    return "; ".join(parts) or f"it has {', '.join(there)}"


def value(seen: object) -> str:
    """One observed value: numbers without noise, times as ISO text."""
    if isinstance(seen, bool) or seen is None:
        return "no value" if seen is None else str(seen)
    if isinstance(seen, datetime):
        return seen.isoformat(sep=" ")
    if isinstance(seen, date):
        return seen.isoformat()
    return f"{seen:.10g}" if isinstance(seen, float) else str(seen)


def _exactly(params: Mapping[str, object]) -> str:
    return "exactly the columns" if params.get("exact_match", True) else "the columns"


def _range(params: Mapping[str, object]) -> str:
    low, high = params.get("min_value"), params.get("max_value")
    if low is not None and high is not None:
        return f"between {value(low)} and {value(high)}"
    if high is None:
        return f"{'above' if params.get('strict_min') else 'at least'} {value(low)}"
    return f"{'below' if params.get('strict_max') else 'at most'} {value(high)}"


def _list(values: object) -> str:
    names = [str(v) for v in values] if isinstance(values, Sequence) else []
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more
