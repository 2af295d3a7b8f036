"""Days on which a business is known to behave differently: public holidays, retail days, own events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd

from core.errors import ConfigError
from core.model import Ints

FIXED = {
    (12, 24): "Christmas Eve",
    (12, 25): "Christmas Day",
    (12, 26): "Boxing Day",
    (12, 31): "New Year's Eve",
    (1, 1): "New Year's Day",
}


def day_numbers(index: pd.DatetimeIndex, country: str | None, events: Mapping[date, str]) -> Ints:
    """Which special day each point falls on: 0 for none, else one number per name, the same every year.

    Shape: ``[n_points]``. A country adds its public holidays, Black Friday and Cyber Monday; an empty one adds
    nothing but ``events``.
    Raises: ConfigError for an unknown country.
    """
    if not len(index):
        return np.zeros(0, dtype=np.int64)
    names = dict(events)
    years = tuple(range(index[0].year, index[-1].year + 1))
    if country:
        names = {**_special_days(country.upper(), years), **names}
    numbers = {name: k for k, name in enumerate(sorted(set(names.values())), start=1)}
    days = index.normalize()
    unique, inverse = np.unique(days.to_numpy(), return_inverse=True)
    of_day = [numbers.get(names.get(pd.Timestamp(d).date(), ""), 0) for d in unique]
    return np.asarray(of_day, dtype=np.int64)[inverse]


@lru_cache(maxsize=64)
def _special_days(country: str, years: Sequence[int]) -> dict[date, str]:
    """Date to name: public holidays, the days around Christmas, Black Friday and Cyber Monday."""
    import holidays

    try:
        public = holidays.country_holidays(country, years=years, language="en_US")
    except NotImplementedError:
        raise ConfigError(
            f"Unknown country '{country}'.", hint="Expected a code such as US or DE.", field="country"
        ) from None
    found = {d: n.split("; ")[0] for d, n in public.items()}
    for year in years:
        november = date(year, 11, 1)
        black = november + timedelta(days=(3 - november.weekday()) % 7 + 22)
        found |= {black: "Black Friday", black + timedelta(days=3): "Cyber Monday"}
        found |= {date(year, m, d): name for (m, d), name in FIXED.items()}
    return found
