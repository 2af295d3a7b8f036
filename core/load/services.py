"""What the service playbook reads: metrics, logs, deployments, services, and runbooks in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

import yaml

from core.context import Context
from core.engine.duck import quoted_text
from core.errors import InputError
from core.load.judged import Field, Form, JudgedTable, RowRule, empty_table, load_judged
from core.load.loaders import Loader, loaders
from core.model import ColumnType, Dataset, Json, JsonObject, Table

KEPT = 100  # rejected rows of each table that a report shows
_FRONT = re.compile(r"\A---[ \t]*\n(.*?\n)?---[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"^#+\s+(.+?)\s*#*$", re.MULTILINE)

_TS, _SERVICE = Field("ts", ColumnType.TIMESTAMP), Field("service")
_HOST = Field("host", optional=True, blank=True)


def _negative(column: str) -> RowRule:
    return RowRule(column, f"{column} < 0", f"'{column} is ' || {column} || '; expected 0 or more'")


METRICS = Form(
    "metrics",
    (
        _TS,
        _SERVICE,
        _HOST,
        Field("requests_total", ColumnType.INTEGER),
        Field("error_count", ColumnType.INTEGER),
        Field("latency_ms", ColumnType.NUMBER, blank=True),
    ),
    (
        _negative("requests_total"),
        _negative("error_count"),
        _negative("latency_ms"),
        RowRule(
            "error_count",
            "error_count > requests_total",
            "'error_count ' || error_count || ' is more than requests_total ' || requests_total",
        ),
        # nothing was measured where nothing was asked
        RowRule("latency_ms", "latency_ms IS NULL AND requests_total > 0", "'latency_ms is blank; expected a number'"),
    ),
)
LOGS = Form(
    "logs",
    (
        _TS,
        _SERVICE,
        Field("level"),
        Field("message", blank=True),
        Field("error_type", optional=True, blank=True),
        _HOST,
    ),
    lower=("level",),
)
DEPLOYMENTS = Form(
    "deployments",
    (
        _TS,
        _SERVICE,
        Field("version"),
        Field("previous_version", optional=True, blank=True),
        Field("author", optional=True, blank=True),
        Field("description", optional=True, blank=True),
        Field("status", optional=True, blank=True),
    ),
    lower=("status",),
)
SERVICES = Form(
    "services",
    (
        _SERVICE,
        Field("team", optional=True, blank=True),
        Field("criticality", optional=True, blank=True),
        Field("on_call_channel", optional=True, blank=True),
        Field("runbook_url", optional=True, blank=True),
    ),
    (
        RowRule(
            "service",
            "row_number() OVER (PARTITION BY service ORDER BY line) > 1",
            "'service ' || service || ' is listed twice; expected once'",
        ),
    ),
    order="service",
    lower=("criticality",),
)


@loaders.register("services", "Service metrics, logs, deployments and runbooks")
class ServiceLoader(Loader):
    """Reads metrics.csv, logs.csv, deployments.csv, services.csv and runbooks/*.md.

    A bad row is set aside with its line and reason, and the run goes on; a missing optional file is an empty table.
    """

    def load(
        self, files: Mapping[str, Path | bytes], documents: Mapping[str, Json], ctx: Context, now: datetime
    ) -> Dataset:
        """Tables metrics, logs, deployments and services; documents runbooks and rejects.

        Raises: InputError when metrics.csv is missing, or a file cannot be read or lacks a column.
        """
        if "metrics.csv" not in files:
            expected = ", ".join(f.name for f in METRICS.fields if not f.optional)
            raise InputError("metrics.csv: file is missing.", hint=f"Expected columns: {expected}.")
        folder = ctx.engine.folder()
        services = _table(files, SERVICES, (), folder, now)
        known = services.table if "services.csv" in files else None
        tables, rejects = {"services": services.table}, {"services": services.rejects}
        for form in (METRICS, LOGS, DEPLOYMENTS):
            found = _table(files, form, tuple(_rules(now, known)), folder, now, known)
            tables[form.table], rejects[form.table] = found.table, found.rejects
        runbooks, notes = _runbooks(files)
        return Dataset(
            tables,
            {
                **documents,
                "runbooks": runbooks or documents.get("runbooks", []),
                "runbook_notes": notes,
                "rejects": {
                    name: [{"line": r.line, "reason": r.reason, "column": r.column} for r in rows[:KEPT]]
                    for name, rows in rejects.items()
                },
            },
        )


def _rules(now: datetime, known: Table | None) -> Iterable[RowRule]:
    """What holds for the rows of every table: nothing from the future, and no service that is not listed."""
    yield RowRule(
        "ts",
        f"ts > {quoted_text(now.isoformat())}::TIMESTAMPTZ",
        f"'ts ' || \"given ts\" || ' is in the future; it is {now:%Y-%m-%d %H:%M:%S} UTC'",
    )
    if known is not None:
        listed = f"SELECT service FROM read_parquet({quoted_text(str(known.path))})"  # noqa: S608  (our own path)
        yield RowRule("service", f"service NOT IN ({listed})", "'service ' || service || ' is not in services.csv'")


def _table(
    files: Mapping[str, Path | bytes],
    form: Form,
    rules: tuple[RowRule, ...],
    folder: Path,
    now: datetime,
    known: Table | None = None,
) -> JudgedTable:
    name = f"{form.table}.csv"
    if name not in files:
        return JudgedTable(empty_table(form, name=name, folder=folder, now=now), ())
    whole = Form(form.table, form.fields, (*form.rules, *rules), form.order, form.lower)
    # how many rows are still in the future is told by the number of rejects, so the moment is no part of the key
    key = known.path.stem if known else ""
    return load_judged(files[name], whole, name=name, folder=folder, now=now, key=key)


def _runbooks(files: Mapping[str, Path | bytes]) -> tuple[list[JsonObject], list[str]]:
    found, notes = [], []
    for name, source in sorted(files.items()):
        path = PurePosixPath(name)
        if path.parts[0] != "runbooks" or path.suffix.lower() != ".md":
            continue
        raw = source.read_bytes() if isinstance(source, Path) else source
        try:
            found.append(read_runbook(path.name, raw.decode("utf-8-sig")))
        except (InputError, UnicodeDecodeError) as exc:
            notes.append(str(exc) if isinstance(exc, InputError) else f"{name}: not UTF-8 text.")
    return found, notes


def read_runbook(name: str, text: str) -> JsonObject:
    """A Markdown runbook as runbook_id, title, service, incident_type, tags, signals, url and content.

    What stands between two ``---`` lines at the top is YAML. Without a title there, the first heading is it.
    Raises: InputError naming the file and the key.
    """
    text = text.replace("\r\n", "\n")
    front = _FRONT.match(text)
    content = text[front.end() :].strip() if front else text.strip()
    fields = _front_matter(name, front.group(1) or "") if front else {}
    heading = _HEADING.search(content)
    stem = PurePosixPath(name).stem
    return {
        "runbook_id": _text(fields, "runbook_id", name) or stem,
        "title": _text(fields, "title", name) or (heading[1] if heading else stem.replace("_", " ")),
        "service": _text(fields, "service", name),
        "incident_type": _text(fields, "incident_type", name),
        "tags": _texts(fields, "tags", name),
        "signals": _texts(fields, "signals", name),
        "url": _text(fields, "url", name),
        "content": content,
    }


def _front_matter(name: str, text: str) -> dict[str, object]:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f" line {mark.line + 2}" if mark else ""
        raise InputError(f"{name}{line}: the part between the --- lines is not valid YAML.") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InputError(f"{name}: expected keys and values between the --- lines.")
    return {str(k): v for k, v in data.items()}


def _text(fields: Mapping[str, object], key: str, name: str) -> str:
    value = fields.get(key)
    if isinstance(value, (dict, list)):
        raise InputError(f"{name}: '{key}' is a list or a mapping; expected one text.", field=key)
    return "" if value is None else str(value).strip()


def _texts(fields: Mapping[str, object], key: str, name: str) -> list[str]:
    value = fields.get(key)
    items = value if isinstance(value, list) else str(value).split(",") if value is not None else []
    if isinstance(value, dict) or any(isinstance(i, (dict, list)) for i in items):
        raise InputError(f"{name}: '{key}' holds a mapping; expected a list of texts.", field=key)
    return [str(i).strip() for i in items if str(i).strip()]
