"""What every series detector is, and what they share: sides, abstentions, and packing of scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.model import Abstention, Baseline, ChangeType, Direction, Floats, Panel, Scores
from core.plugins import Plugin, Registry

Side = Annotated[
    Literal["bad", "both", "up", "down"],
    Field(description="Moves that count: in the metric's bad direction, both ways, only up, or only down"),
]
Changes = npt.NDArray[np.object_]
ON_THRESHOLD = 1 - 1e-9  # a score on its threshold fires, whatever the last float digit says


class SeriesDetector(Plugin):
    """Scores every point of every series against its baseline; ``baseline`` names the one it is made for."""

    baseline: ClassVar[str] = ""  # empty: whichever baseline the playbook uses

    side: Side = "both"

    @abstractmethod
    def score(self, panel: Panel, baseline: Baseline) -> Scores:
        """How far each point is over the detector's own threshold, from points up to that one only.

        Shape: ``[n_series, n_points]``. Units: 1.0 is exactly on the threshold. Abstains: NaN.
        """


detectors: Registry[SeriesDetector] = Registry("detector")


def oriented(panel: Panel, deviation: Floats, side: Side) -> Floats:
    """``deviation`` with its sign turned so that positive is the watched side.

    Shape: as ``deviation``. With ``bad``, a metric without a good direction is 0 throughout: it never fires.
    """
    if side == "both":
        return np.abs(deviation)
    if side in ("up", "down"):
        return deviation if side == "up" else -deviation
    sign = {Direction.UP: -1.0, Direction.DOWN: 1.0, Direction.NONE: 0.0}
    signs = np.array([sign[panel.metric(i).good] for i in range(panel.shape[0])]).reshape(-1, 1)
    return np.asarray(deviation * signs)


def every(shape: tuple[int, ...], change: ChangeType | None) -> Changes:
    """An object array of one change type. (``np.full`` would turn the enum into plain text.)"""
    out = np.empty(shape, dtype=object)
    out.fill(change)
    return out


def spike_or_dip(deviation: Floats) -> Changes:
    """SPIKE above, DIP below, None at the expectation or without one."""
    change = every(deviation.shape, None)
    change[deviation > 0] = ChangeType.SPIKE
    change[deviation < 0] = ChangeType.DIP
    return change


def packed(name: str, score: Floats, change: Changes, abstentions: tuple[Abstention, ...]) -> Scores:
    """Scores with their alarms; only points that fired keep a change type."""
    alarm = np.nan_to_num(score, nan=0.0) >= ON_THRESHOLD
    fired = every(score.shape, None)
    fired[alarm] = change[alarm]
    return Scores(name, score, alarm, fired, abstentions)


def unanswered(panel: Panel, baseline: Baseline, score: Floats) -> tuple[Abstention, ...]:
    """Why the last point of each series has no score, in words for people."""
    if not panel.shape[1]:
        return ()
    last = panel.shape[1] - 1
    said = {a.series: a.reason for a in baseline.abstentions}
    out = []
    for i in np.flatnonzero(np.isnan(score[:, last])):
        missing = not np.isfinite(panel.values[i, last])
        reason = "no value at this point" if missing else said.get(int(i), "no baseline at this point")
        out.append(Abstention(int(i), reason, last))
    return tuple(out)
