"""Scores for every point of every series of a long table: the short way from a frame to a detector."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from core.baseline.methods import baselines
from core.baseline.slots import period_length
from core.detect.detectors import detectors
from core.errors import InputError
from core.model import Floats, Ints, Metric, Panel

COLUMNS = ("series_id", "ts", "value")


def score_frame(frame: pd.DataFrame, detector: str = "combined", country: str | None = None) -> pd.DataFrame:
    """``series_id, ts, score, is_anomaly`` for every input row, in its order; a score of 1 is the threshold.

    ``country`` names the public holidays to expect (default: the baseline's own). Series may have different
    lengths and frequencies; gaps in time count as missing points, and of rows with the same time the last counts.
    Abstains: score 0 for a missing value and while a series is too short.
    Raises: InputError naming a missing column or the first row whose time or value cannot be read.
    """
    rows = _readable(frame)
    out = rows[["series_id", "ts"]].copy()
    out["score"] = 0.0
    for group in _groups(rows):
        panel, place, point = _panel(group)
        score = _score(panel, detector, country)
        out.loc[group.index, "score"] = np.where(group["value"].notna(), score[place, point], 0.0)
    out["is_anomaly"] = (out["score"] >= 1 - 1e-9).astype(int)
    out["ts"] = frame["ts"].to_numpy()
    return out.reset_index(drop=True)


def _readable(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with UTC times and float values, numbered from 0."""
    absent = [c for c in COLUMNS if c not in frame.columns]
    if absent:
        raise InputError(f"Column '{absent[0]}' is missing.", hint=f"Expected: {', '.join(COLUMNS)}.", field=absent[0])
    rows = frame[list(COLUMNS)].reset_index(drop=True)
    ts = pd.to_datetime(rows["ts"], utc=True, errors="coerce")
    value = pd.to_numeric(rows["value"], errors="coerce").astype(float)
    unread = value.isna() & rows["value"].notna()
    unread[unread] = rows.loc[unread, "value"].astype(str).str.strip() != ""
    for bad, column, wanted in ((ts.isna(), "ts", "a time"), (unread, "value", "a number")):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise InputError(f"Row {row + 1}: {column} '{rows[column].iloc[row]}' is not {wanted}.", field=column)
    return pd.DataFrame(
        {
            "series_id": rows["series_id"],
            "ts": ts.astype("datetime64[us, UTC]"),
            "value": value.where(np.isfinite(value)),
        }
    )


def _groups(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows of series that share one regular time axis: same step, first and last time."""
    ordered = rows.sort_values(["series_id", "ts"], kind="stable")
    gap = ordered.groupby("series_id", sort=True)["ts"].diff()
    by_series = ordered["series_id"]
    shape = ordered.groupby(by_series)["ts"].agg(["min", "max"])
    shape["step"] = gap[gap > pd.Timedelta(0)].groupby(by_series).median()
    number = shape.groupby(["min", "max", "step"], sort=False, dropna=False).ngroup()
    return [group for _, group in rows.groupby(rows["series_id"].map(number), sort=False)]


def _step(times: pd.Series[pd.Timestamp]) -> pd.Timedelta:
    """The usual distance between neighbouring times."""
    gaps = times.drop_duplicates().diff().dropna()
    return pd.Timedelta(days=1) if gaps.empty else pd.Timedelta(gaps.median())


def _panel(group: pd.DataFrame) -> tuple[Panel, Ints, Ints]:
    """The group on its time axis, with the series and point number of every row."""
    ids = {s: i for i, s in enumerate(group["series_id"].unique())}
    first = group["series_id"].iloc[0]
    times = group.loc[group["series_id"] == first, "ts"].sort_values()
    freq = _frequency(_step(times), times)
    index = _axis(pd.DatetimeIndex(times.unique()), freq)
    place = group["series_id"].map(ids).to_numpy(dtype=int)
    point = np.clip(index.get_indexer(pd.DatetimeIndex(group["ts"]), method="nearest"), 0, None)
    values: Floats = np.full((len(ids), len(index)), np.nan)
    values[place, point] = group["value"].to_numpy()
    metric = Metric("value", "value")
    return Panel(values, index, pd.DataFrame({"metric": ["value"] * len(ids)}), {"value": metric}, freq), place, point


def _frequency(step: pd.Timedelta, times: pd.Series[pd.Timestamp]) -> str:
    """Pandas alias of the usual step; month starts are their own."""
    if step >= pd.Timedelta(days=28) and bool((times.dt.day == 1).all()):
        return "MS"
    return str(to_offset(step).freqstr)


def _axis(times: pd.DatetimeIndex, freq: str) -> pd.DatetimeIndex:
    """Every period from the first to the last; only the observed ones when gaps would outnumber them tenfold."""
    step = period_length(freq)
    if (times[-1] - times[0]) / step > 10 * len(times) + 1000:
        return times
    return pd.date_range(times[0], times[-1], freq=freq, unit="us")


def _score(panel: Panel, detector: str, country: str | None) -> Floats:
    """Scores of a panel, with the baseline the detector is made for."""
    cls = detectors.get(detector)
    method = baselines.get(cls.baseline or "robust_seasonal")
    known = country is not None and "country" in method.model_fields
    baseline = baselines.build(method.name, {"country": country} if known else None).fit(panel)
    return np.nan_to_num(detectors.build(detector, {"side": "both"}).score(panel, baseline).score)
