"""score_frame: one row per input row, whatever the order, gaps, lengths and frequencies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError, InputError
from core.scoring import score_frame


def series(name: str, points: int, freq: str, seed: int, spike: int | None = None) -> pd.DataFrame:
    """A weekly or daily wave with noise and one tripled value."""
    rng = np.random.default_rng(seed)
    index = pd.date_range("2025-05-05", periods=points, freq=freq)
    day = 7 if freq == "D" else 24
    values = 100 + 30 * np.sin(2 * np.pi * np.arange(points) / day) + rng.normal(0, 2, points)
    if spike is not None:
        values[spike] *= 3
    return pd.DataFrame({"series_id": name, "ts": index, "value": values})


def test_rows_come_back_in_their_order_with_their_spikes() -> None:
    frame = pd.concat([series("a", 120, "D", 1, 100), series("b", 400, "h", 2, 350), series("c", 90, "D", 3)])
    mixed = frame.sample(frac=1, random_state=4)
    out = score_frame(mixed)
    assert list(out.columns) == ["series_id", "ts", "score", "is_anomaly"]
    assert out["series_id"].tolist() == mixed["series_id"].tolist()
    assert out["ts"].tolist() == mixed["ts"].tolist()
    strongest = out.loc[out.groupby("series_id")["score"].idxmax()].set_index("series_id")["ts"]
    assert strongest["a"] == pd.Timestamp("2025-08-13")
    assert strongest["b"] == pd.Timestamp("2025-05-05") + pd.Timedelta(hours=350)
    assert ((out["score"] >= 1 - 1e-9) == (out["is_anomaly"] == 1)).all()
    assert np.isfinite(out["score"]).all()


def test_each_series_is_scored_as_if_alone() -> None:
    both = pd.concat([series("a", 120, "D", 1, 100), series("b", 80, "D", 2, 60)])
    together = score_frame(both)
    for name, part in both.groupby("series_id"):
        alone = score_frame(part)
        held = together[together["series_id"] == name]["score"]
        np.testing.assert_allclose(held.to_numpy(), alone["score"].to_numpy())


def test_missing_values_score_nothing_and_gaps_do_not_shift_the_week() -> None:
    frame = series("a", 120, "D", 1)
    frame.loc[50, "value"] = np.nan
    gone = frame.drop(index=[70, 71, 72])
    out = score_frame(gone)
    assert len(out) == 117
    assert out["score"].iloc[50] == 0
    assert out["is_anomaly"].sum() <= 1


@pytest.mark.parametrize("points", [1, 2, 5])
def test_short_series_score_nothing(points: int) -> None:
    out = score_frame(series("a", points, "D", 1))
    assert out["score"].tolist() == [0.0] * points


def test_truncating_the_future_changes_no_score() -> None:
    frame = series("a", 200, "D", 1, 150)
    whole = score_frame(frame)["score"]
    for end in (30, 100, 151, 199):
        assert (score_frame(frame.iloc[:end])["score"] - whole.iloc[:end]).abs().max() == 0.0


def test_five_minutes_and_irregular_times() -> None:
    frame = series("a", 800, "5min", 1, 700)
    frame["ts"] += pd.to_timedelta(np.random.default_rng(1).integers(0, 40, 800), unit="s")
    assert score_frame(frame)["score"].idxmax() == 700
    sparse = pd.DataFrame(
        {
            "series_id": "s",
            "ts": pd.to_datetime(["2000-01-01 00:00", "2000-01-01 00:01", "2025-01-01 00:00"]),
            "value": [1.0, 2.0, 3.0],
        }
    )
    assert score_frame(sparse)["score"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("detector", ["change", "band", "level_shift", "missing"])
def test_every_detector_can_score_a_frame(detector: str) -> None:
    out = score_frame(series("a", 120, "D", 1, 100), detector)
    assert len(out) == 120
    assert np.isfinite(out["score"]).all()


def test_holidays_of_the_country_are_expected() -> None:
    frame = series("a", 120, "D", 1)
    day = frame["ts"] == pd.Timestamp("2025-07-04")
    frame.loc[day, "value"] *= 0.75
    known, unknown = (score_frame(frame, country=c)[day.to_numpy()]["score"].iloc[0] for c in ("US", ""))
    assert known < 1 <= unknown


def test_bad_input_is_named() -> None:
    frame = series("a", 20, "D", 1)
    with pytest.raises(InputError, match="'value' is missing"):
        score_frame(frame.drop(columns="value"))
    with pytest.raises(InputError, match="Row 3: ts 'soon' is not a time"):
        score_frame(frame.astype({"ts": str}).assign(ts=lambda d: d["ts"].where(d.index != 2, "soon")))
    with pytest.raises(InputError, match="Row 4: value 'x' is not a number"):
        score_frame(frame.astype({"value": object}).assign(value=lambda d: d["value"].where(d.index != 3, "x")))
    with pytest.raises(ConfigError, match="Unknown country 'XX'"):
        score_frame(frame, country="XX")
    with pytest.raises(ConfigError, match="no detector 'oracle'"):
        score_frame(frame, "oracle")
