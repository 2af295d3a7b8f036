"""From a check of a suite to the Great Expectations object that judges it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from core.check.spec import CheckSpec
from core.model import ColumnType, Table

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

ROW = "file_row_number"  # DuckDB's name for the 0-based position of a row in a Parquet file

_CASTS: dict[ColumnType, sa.types.TypeEngine[Any]] = {
    ColumnType.BOOLEAN: sa.Boolean(),
    ColumnType.DATE: sa.Date(),
    ColumnType.TIMESTAMP: sa.TIMESTAMP(),
}


def expectation(spec: CheckSpec, table: Table, now: datetime) -> Expectation:
    """The Great Expectations object of ``spec``; row predicates run as ``UnexpectedRowsExpectation``."""
    import great_expectations.expectations as gxe
    from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation

    if spec.check == "freshness":
        return UnexpectedRowsExpectation(unexpected_rows_query=_stale_query(spec, now))
    wrong = predicate(spec, table)
    if wrong is not None:
        query = f"SELECT * FROM {{batch}} WHERE {_literal(wrong)}"  # noqa: S608 - compiled by SQLAlchemy
        return UnexpectedRowsExpectation(unexpected_rows_query=query)
    kwargs: dict[str, object] = dict(spec.params)
    if spec.column:
        kwargs["column"] = spec.column
    if spec.columns:
        kwargs["column_list"] = list(spec.columns)
    if spec.mostly is not None:
        kwargs["mostly"] = spec.mostly
    if spec.check == "expect_table_columns_to_match_set":
        kwargs["column_set"] = [*column_set(spec), ROW]
    cls = getattr(gxe, "".join(part.capitalize() for part in spec.check.split("_")))
    made: Expectation = cls(**kwargs)
    return made


def column_set(spec: CheckSpec) -> list[str]:
    """The columns that ``expect_table_columns_to_match_set`` asks for."""
    names = spec.params.get("column_set")
    return [str(name) for name in names] if isinstance(names, list) else []


def predicate(spec: CheckSpec, table: Table) -> ColumnElement[bool] | None:
    """True for the rows that break ``spec``, where Great Expectations has no own form of it for DuckDB."""
    if spec.check == "row_rule":
        return spec.rule.violated()
    column: ColumnElement[Any] = sa.column(spec.column or "")
    if spec.check == "expect_column_values_to_match_regex":
        return sa.not_(sa.func.regexp_matches(sa.cast(column, sa.String), str(spec.params["regex"])))
    if spec.check == "expect_column_values_to_be_of_type":
        loaded = table.column(spec.column or "")
        wrong = _not_of_type(column, loaded.type if loaded else None, str(spec.params["type_"]))
        return sa.and_(column.is_not(None), wrong)
    return None


def _not_of_type(column: ColumnElement[Any], loaded: ColumnType | None, type_: str) -> ColumnElement[bool]:
    if type_ == ColumnType.TEXT or (type_ == loaded and type_ != ColumnType.NUMBER):
        return column != column  # nothing to convert, but the column must be there
    text = column if loaded in (ColumnType.INTEGER, ColumnType.NUMBER) else sa.cast(column, sa.String)
    if type_ in _CASTS:
        return sa.try_cast(text, _CASTS[ColumnType(type_)]).is_(None)
    number: ColumnElement[float] = sa.try_cast(text, sa.Double())
    wrong = sa.or_(number.is_(None), sa.not_(sa.func.isfinite(number)))
    return sa.or_(wrong, sa.func.trunc(number) != number) if type_ == ColumnType.INTEGER else wrong


def _stale_query(spec: CheckSpec, now: datetime) -> str:
    """One row when the newest time is older than the limit, or when there is none; else no row."""
    limit = now.astimezone(UTC) - timedelta(hours=float(str(spec.params["max_age_hours"])))
    newest = sa.func.max(sa.try_cast(sa.column(spec.column or ""), sa.TIMESTAMP()))
    cutoff = sa.cast(sa.literal(limit.replace(tzinfo=None).isoformat(sep=" ")), sa.TIMESTAMP())
    stale = _literal(sa.or_(newest.is_(None), newest < cutoff))
    return f"SELECT {_literal(newest)} AS newest FROM {{batch}} HAVING {stale}"  # noqa: S608 - compiled by SQLAlchemy


def _literal(expression: ColumnElement[Any]) -> str:
    """SQL text for Great Expectations, which formats ``{batch}`` into it and reads ``:name`` as a parameter."""
    from duckdb_sqlalchemy import Dialect

    dialect = Dialect(paramstyle="numeric_dollar")  # a format style would double every %
    sql = str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return sql.replace("{", "{{").replace("}", "}}").replace(":", r"\:")
