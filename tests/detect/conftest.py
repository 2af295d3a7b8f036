"""Small panels for detector tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from core.model import Baseline, Direction, Metric, MetricKind, Panel

Make = Callable[..., Panel]


@pytest.fixture
def make() -> Make:
    """Builds a panel of one series per row of ``values``, all of one metric."""

    def build(
        values: Sequence[Sequence[float]] | np.ndarray,
        *,
        good: Direction = Direction.UP,
        kind: MetricKind = MetricKind.GAUGE,
        name: str = "m",
        freq: str = "D",
        start: str = "2025-06-02",
    ) -> Panel:
        array = np.atleast_2d(np.array(values, dtype=float))
        index = pd.date_range(start, periods=array.shape[1], freq=freq, tz="UTC")
        labels = pd.DataFrame({"metric": [name] * len(array), "country": [f"c{i}" for i in range(len(array))]})
        return Panel(array, index, labels, {name: Metric(name, name.title(), "", kind, good, "shop")}, freq)

    return build


@pytest.fixture
def against() -> Callable[..., Baseline]:
    """Builds a baseline with a fixed expectation and symmetric band."""

    def build(panel: Panel, expected: float, half: float = 1.0) -> Baseline:
        middle = np.full(panel.shape, expected)
        return Baseline("fixed", middle, middle - half, middle + half, lambda s, p: np.arange(p))

    return build
