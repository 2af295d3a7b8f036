"""Exceptions of orders over time, by reason, carrier and hour, judged by the same baselines as any other measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from core.baseline.methods import baselines
from core.detect.detectors import detectors
from core.detect.order_states import NONE
from core.model import Baseline, Direction, Finding, Metric, Panel, Scores
from core.order_views import OrderBoard, since_mask

HOURLY_UP_TO = timedelta(days=14)  # exceptions over a longer time are counted per day
ENOUGH = 8  # periods before a baseline says anything
METRIC = Metric("exceptions", "Exceptions", "", good=Direction.DOWN, system="orders")
NO_CARRIER = "none yet"


def exceptions_frame(findings: Sequence[Finding], board: OrderBoard) -> pd.DataFrame:
    """One row an exception: when its promise broke or it was reported, its reason, label, carrier and order.

    Shape: columns at (UTC), order, reason, label, carrier, delay (minutes, 0 where there is no promise).
    """
    rows = [
        {
            "at": pd.Timestamp(f.start + timedelta(minutes=f.upper or 0.0)),
            "order": f.subject,
            "reason": f.type,
            "label": f.labels.get("label", ""),
            "carrier": f.labels.get("carrier") or NO_CARRIER,
            "delay": f.change_abs or 0.0,
        }
        for f in findings
        if not f.suppressed_by
    ]
    frame = pd.DataFrame(rows, columns=["at", "order", "reason", "label", "carrier", "delay"])
    at = pd.to_datetime(frame["at"], utc=True)
    frame["at"] = at.where(at <= pd.Timestamp(board.at), pd.Timestamp(board.at))
    return frame


def by_reason(frame: pd.DataFrame, board: OrderBoard) -> pd.DataFrame:
    """Exceptions of each reason in the policy's order.

    Shape: columns reason, exceptions, orders (distinct) and delay (median, minutes).
    """
    order = {str(reason): n for n, reason in enumerate(board.policy.reasons)}
    groups = frame.groupby("reason")
    table = pd.DataFrame(
        {"exceptions": groups.size(), "orders": groups["order"].nunique(), "delay": groups["delay"].median()}
    ).reset_index()
    return table.sort_values("reason", key=lambda c: c.map(order), ignore_index=True)


def by_hour(frame: pd.DataFrame, board: OrderBoard) -> pd.DataFrame:
    """Exceptions and paid orders in each clock hour of the tenant's day, and where exceptions outgrow orders.

    Shape: 24 rows with hour, exceptions, orders, and more: over three standard deviations of a Poisson count above
    what the hour's share of all orders would give.
    """
    broke = frame["at"].dt.tz_convert(board.zone).dt.hour.value_counts()
    orders = pd.Series(_paid(board).tz_convert(board.zone).hour).value_counts()
    table = pd.DataFrame(
        {
            "hour": list(range(24)),
            "exceptions": [int(broke.get(h, 0)) for h in range(24)],
            "orders": [int(orders.get(h, 0)) for h in range(24)],
        }
    )
    fair = table["exceptions"].sum() * table["orders"] / max(1, int(table["orders"].sum()))
    table["more"] = table["exceptions"] > fair + 3 * np.sqrt(np.maximum(fair, 1))
    return table


def by_carrier(frame: pd.DataFrame, board: OrderBoard, since: datetime | None = None) -> pd.DataFrame:
    """Each carrier's orders that became an exception, as a share of all that it has.

    Shape: one row a carrier with carrier, orders, exceptions (distinct orders) and share, the worst first.
    """
    inside = since_mask(board, since)
    orders = pd.Series(board.orders.carrier[inside]).replace("", NO_CARRIER).value_counts()
    here = frame[frame["order"].isin(set(board.orders.ids[inside]))]
    out = here.groupby("carrier")["order"].nunique()
    rows = [(str(c), int(n), int(out.get(c, 0))) for c, n in orders.items()]
    table = pd.DataFrame(rows, columns=["carrier", "orders", "exceptions"])
    table["share"] = table["exceptions"] / table["orders"]
    return table.sort_values(["share", "orders"], ascending=False, ignore_index=True)


def exceptions_panel(frame: pd.DataFrame, board: OrderBoard, dimension: str | None = None) -> Panel:
    """Exceptions in each complete period: per clock hour up to two weeks, else per day; a period without one is 0."""
    start, end = span(frame, board)
    freq = "h" if end - start <= HOURLY_UP_TO else "D"
    index = pd.date_range(start.floor(freq), end.floor(freq), freq=freq, inclusive="left")
    names = sorted(frame[dimension].unique()) if dimension else [""]
    values = np.zeros((len(names), len(index)))
    spot = index.get_indexer(pd.DatetimeIndex(frame["at"]).floor(freq))
    row = pd.Index(names).get_indexer(pd.Index(frame[dimension])) if dimension else np.zeros(len(frame), dtype=int)
    known = spot >= 0
    np.add.at(values, (row[known], spot[known]), 1)
    series = pd.DataFrame({"metric": ["exceptions"] * len(names)})
    if dimension:
        series[dimension] = names
    return Panel(values, index, series, {"exceptions": METRIC}, freq)


def span(frame: pd.DataFrame, board: OrderBoard) -> tuple[pd.Timestamp, pd.Timestamp]:
    """From the first paid order to the moment that is judged, or to the newest event where data ended before it."""
    end = min(pd.Timestamp(board.at), _moments(board.last.max(initial=NONE)) + pd.Timedelta(hours=1))
    paid = _paid(board)
    first = min([*([paid.min()] if len(paid) else []), *([frame["at"].min()] if len(frame) else []), end])
    return first, end


def judged(panel: Panel) -> tuple[Baseline, Scores]:
    """What was expected of each period from earlier ones only, and which periods are out of their band.

    The band that is shown does not go below 0.
    """
    baseline = baselines.build("robust_seasonal", {}).fit(panel)
    scores = detectors.build("band", {}).score(panel, baseline)  # by the whole band: a 0 at its cut edge is inside
    shown = replace(baseline, expected=np.maximum(baseline.expected, 0), lower=np.maximum(baseline.lower, 0))
    return shown, scores


def _paid(board: OrderBoard) -> pd.DatetimeIndex:
    paid = board.orders.at["order_paid"]
    return pd.DatetimeIndex(paid[paid != NONE].view("datetime64[us]"), tz="UTC")


def _moments(micros: int) -> pd.Timestamp:
    return pd.Timestamp(micros if micros != NONE else 0, unit="us", tz="UTC")
