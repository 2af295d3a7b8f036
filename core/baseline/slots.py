"""Seasonal slots: which points of a time axis are comparable."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from core.model import Ints


def period_length(freq: str) -> pd.Timedelta:
    """Nominal length of one period."""
    start = pd.Timestamp(2024, 1, 1)
    return (start + pd.Timedelta(days=7) if freq == "W" else start + to_offset(freq)) - start


def is_fine(freq: str) -> bool:
    """Whether a day holds several points."""
    return period_length(freq) < pd.Timedelta(hours=20)


def is_coarse(freq: str) -> bool:
    """Whether a point holds a week or more."""
    return period_length(freq) >= pd.Timedelta(days=6)


def slot_of_week(index: pd.DatetimeIndex, freq: str) -> Ints:
    """Weekday for days, hour of the week for finer points, always 0 for weeks and longer. Shape: ``[n_points]``."""
    weekday = index.day_of_week.to_numpy().astype(np.int64)
    if is_coarse(freq):
        return np.zeros_like(weekday)
    return np.asarray(weekday * 24 + index.hour.to_numpy()) if is_fine(freq) else weekday


def slot_of_day(index: pd.DatetimeIndex, freq: str) -> Ints:
    """Number of the period inside its day. Shape: ``[n_points]``."""
    width = max(int(period_length(freq) / pd.Timedelta(minutes=1)), 1)
    return np.asarray((index.hour * 60 + index.minute).to_numpy().astype(np.int64) // width)
