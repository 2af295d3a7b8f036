"""Single stages as tools over one file, without a state store: load, check, detect, attribute, generate."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa

from core.audit.report import to_json
from core.check.run import run_checks, to_rows
from core.check.spec import read_suite
from core.check.suggest import suggest
from core.engine.sql import SqlEngine
from core.errors import InputError, NotFound
from core.explain.contribution import Attribution
from core.explain.contribution import attribute as attribute_frames
from core.load.export import write_csv
from core.load.file import load_file
from core.load.options import LoadOptions
from core.load.report import Loaded, LoadReport
from core.model import Dataset, Json, JsonObject
from core.scoring import score_frame

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def _opened(path: Path, options: LoadOptions | None = None) -> Iterator[tuple[Loaded, SqlEngine]]:
    """A file loaded into a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="telltale-"))
    engine = SqlEngine(folder)
    try:
        yield load_file(path, name=path.name, folder=folder, now=datetime.now(UTC), options=options), engine
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)


def _rows(loaded: Loaded, engine: SqlEngine) -> pa.Table:
    rows: pa.Table = engine.fetch(engine.relation(loaded.table).select())
    return rows


def load(path: Path, to: Path | None = None) -> LoadReport:
    """What the loader understood of a file; ``to`` gets the loaded rows as CSV or Parquet.

    Raises: InputError naming the file and what was expected.
    """
    with _opened(path) as (loaded, engine):
        if to is not None:
            _write(loaded, engine, to)
        return loaded.report


def _write(loaded: Loaded, engine: SqlEngine, to: Path) -> None:
    kind = to.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise InputError(f"{to.name}: expected a name that ends in .csv or .parquet.", field="to")
    to.parent.mkdir(parents=True, exist_ok=True)
    if kind == ".parquet":
        shutil.copyfile(loaded.table.path, to)
    else:
        to.write_bytes(write_csv(_rows(loaded, engine)))


def check(path: Path, suite: Path | None = None) -> list[JsonObject]:
    """The results of a suite over a file; without one, of the suite that the file suggests.

    Raises: InputError, ConfigError naming file and key.
    """
    with _opened(path) as (loaded, engine):
        now = datetime.now(UTC)
        table = loaded.table
        specs = read_suite(suite) if suite else suggest(table, engine, time_column=loaded.report.time_column, now=now)
        tables = {name: table for name in {table.name, *(s.table for s in specs)}}
        return to_rows(run_checks(specs, Dataset(tables), engine, now=now))


def detect(
    path: Path, *, time: str, value: str, keys: Sequence[str], detector: str, country: str | None, out: Path
) -> tuple[int, int]:
    """Scores of every point of every series, written to ``out``; answers points and alarms.

    Raises: InputError naming the column that is missing.
    """
    with _opened(path, LoadOptions(time_column=time)) as (loaded, engine):
        frame = _rows(loaded, engine).to_pandas()
    for column in (time, value, *keys):
        if column not in frame.columns:
            raise InputError(f"{path.name}: there is no column '{column}'.", hint=f"It has {', '.join(frame.columns)}.")
    if not pd.api.types.is_numeric_dtype(frame[value]):
        raise InputError(f"{path.name}: column '{value}' is not numeric.", field="value")
    series = frame[list(keys)].astype(str).agg("|".join, axis=1) if keys else value
    long = pd.DataFrame({"series_id": series, "ts": frame[time], "value": frame[value].astype(float)})
    scores = score_frame(long, detector, country=country)
    out.parent.mkdir(parents=True, exist_ok=True)
    scores.to_csv(out, index=False)
    return len(scores), int(scores["is_anomaly"].sum())


def attribute(
    path: Path, *, metric: str, over: str | None, dims: Sequence[str], before: str, after: str
) -> Attribution:
    """Which slices of the dimensions explain a metric's change between two periods, per day where they are ranges.

    Raises: InputError naming the column, or the period that is malformed or has no rows.
    """
    with _opened(path) as (loaded, engine):
        frame = _rows(loaded, engine).to_pandas()
        time = loaded.report.time_column
    for column in (metric, *([over] if over else ()), *dims):
        if column not in frame.columns:
            raise InputError(f"{path.name}: there is no column '{column}'.", hint=f"It has {', '.join(frame.columns)}.")
    if time is None:
        raise InputError(f"{path.name}: no time column was found.", hint="Expected a column with dates.")
    old, new = (_period(frame, time, text, path.name) for text in (before, after))
    return attribute_frames(old.rows, new.rows, metric, over, dims, periods_before=old.days, periods_after=new.days)


@dataclass(frozen=True, slots=True)
class _Period:
    rows: pd.DataFrame
    days: float  # 1 for a single time


def _period(frame: pd.DataFrame, time: str, text: str, name: str) -> _Period:
    start, _, end = text.partition("..")
    try:
        first = pd.Timestamp(start)
        last = pd.Timestamp(end) if end else first
    except ValueError:
        raise InputError(f"period '{text}': expected a time or START..END.", field="period") from None
    times = pd.to_datetime(frame[time])
    times = times.dt.tz_localize(None) if times.dt.tz is not None else times
    whole_day = len((end or start).strip()) <= len("2025-12-31")
    inside = (times >= first) & ((times < last + pd.Timedelta(days=1)) if whole_day else (times <= last))
    if not inside.any():
        raise InputError(f"{name}: no rows in period '{text}'.", field="period")
    return _Period(frame[inside], float((last - first).days + 1) if whole_day else 1.0)


def attribution_json(found: Attribution) -> Json:
    """An attribution as the command line prints it: slices with their label, change and part of the total."""
    document = to_json(found)
    assert isinstance(document, dict)
    rows = [{**_object(to_json(s)), "label": s.label, "change": s.change} for s in found.slices]
    return {**document, "change": found.change, "slices": rows}


def _object(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value


def generate(playbook: str, seed: int, out: Path, **options: object) -> list[Path]:
    """A seeded, made-up data set in the playbook's own file formats; ``options`` are its generator's own.

    Raises: NotFound when the playbook has no generator.
    """
    script = ROOT / "data" / playbook / "generator.py"
    if not script.exists():
        raise NotFound(f"There is no generator for '{playbook}'.", field="playbook")
    spec = importlib.util.spec_from_file_location(f"{playbook}_generator", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    paths: list[Path] = module.generate(seed, out, **options)
    return paths
