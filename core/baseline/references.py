"""What a segment's snapshot is compared with: three references made of its earlier snapshots, each with its receipt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import cast

from core.model import Json, Snapshot

PREVIOUS, REFERENCE, WINDOW_START = "previous", "reference", "window_start"
WORDS = {
    PREVIOUS: "the previous snapshot",
    REFERENCE: "the median of the snapshots before",
    WINDOW_START: "the start of the window",
}


@dataclass(frozen=True, slots=True)
class ReferenceRules:
    """How many snapshots make each reference; the window counts the judged snapshot as one of its own."""

    before: int = 7
    window: int = 14
    oldest: int = 3
    needed: int = 8


@dataclass(frozen=True, slots=True)
class Reference:
    """One state of a segment to compare with. ``dates`` is its receipt: the snapshots it was made of."""

    name: str  # previous | reference | window_start
    dates: tuple[datetime, ...]
    size: float
    shares: Mapping[str, Mapping[str, float]]
    conv_rate: float | None = None
    churn: float | None = None


def churn(snapshot: Snapshot) -> float | None:
    """People who left as a share of the size; None when not tracked or when there is nobody."""
    if snapshot.velocity_out is None or not snapshot.size:
        return None
    return snapshot.velocity_out / snapshot.size


def earlier(
    history: Sequence[Snapshot],
    at: datetime,
    *,
    since: datetime | None = None,
    without: Collection[datetime] = (),
) -> tuple[Snapshot, ...]:
    """The snapshots that may make a reference for the one at ``at``: strictly earlier, oldest first.

    Those before the day of ``since`` (a new normal was accepted) and those at the times of ``without`` are left out.
    """
    kept = (s for s in history if s.ts < at and s.ts not in without and (since is None or s.ts.date() >= since.date()))
    return tuple(sorted(kept, key=lambda s: s.ts))


def references(
    before: Sequence[Snapshot],
    rules: ReferenceRules | None = None,
    *,
    existing: Collection[str] = (),
) -> tuple[Reference, ...]:
    """The previous snapshot, the median of the last few, and the start of the window, as far as history allows.

    ``existing`` are attributes whose column exists in the source: where one is absent, its shares count as 0.
    Abstains: no reference without an earlier snapshot; none of the window while it is too short.
    """
    rules = rules or ReferenceRules()
    if not before:
        return ()
    made = [_made(PREVIOUS, before[-1:], existing), _made(REFERENCE, before[-rules.before :], existing)]
    if len(before) + 1 >= rules.needed:
        window = before[-(rules.window - 1) :]
        made.append(_made(WINDOW_START, window[: rules.oldest], existing))
    return tuple(made)


def _made(name: str, snapshots: Sequence[Snapshot], existing: Collection[str]) -> Reference:
    return Reference(
        name=name,
        dates=tuple(s.ts for s in snapshots),
        size=float(median(s.size for s in snapshots)),
        shares=_shares(snapshots, existing),
        conv_rate=_median([s.conv_rate for s in snapshots]),
        churn=_median([churn(s) for s in snapshots]),
    )


def _median(values: Sequence[float | None]) -> float | None:
    tracked = [v for v in values if v is not None]
    return float(median(tracked)) if tracked else None


def _shares(snapshots: Sequence[Snapshot], existing: Collection[str]) -> dict[str, dict[str, float]]:
    """Per attribute the median share of each value, rescaled so that they add up to 1."""
    if len(snapshots) == 1:
        return {a: dict(values) for a, values in snapshots[0].shares.items()}
    names = dict.fromkeys(a for s in snapshots for a in s.shares)
    return {name: _typical([s.shares.get(name) for s in snapshots], name in existing) for name in names}


def _typical(held: Sequence[Mapping[str, float] | None], absent_is_zero: bool) -> dict[str, float]:
    told = [h if h is not None else {} for h in held if h is not None or absent_is_zero]
    values = dict.fromkeys(v for shares in told for v in shares)
    medians = {value: float(median(shares.get(value, 0.0) for shares in told)) for value in values}
    total = sum(medians.values())
    return {value: m / total for value, m in medians.items()} if total else medians


def reference_doc(reference: Reference) -> dict[str, Json]:
    """The reference as JSON, kept with an incident that was judged against it; ``reference_of`` reads it back equal."""
    return {
        "comparison": reference.name,
        "dates": [at.isoformat() for at in reference.dates],
        "size": reference.size,
        "shares": {a: dict(values) for a, values in reference.shares.items()},
        "conv_rate": reference.conv_rate,
        "churn": reference.churn,
    }


def reference_of(doc: Json) -> Reference | None:
    """The reference of a document that ``reference_doc`` made; None when it is not one."""
    if not isinstance(doc, Mapping) or not isinstance(doc.get("size"), int | float):
        return None
    told = doc
    dates = cast("Sequence[str]", told.get("dates") or ())
    shares = cast("Mapping[str, Mapping[str, float]]", told.get("shares") or {})
    return Reference(
        name=str(told.get("comparison", "")),
        dates=tuple(datetime.fromisoformat(at) for at in dates),
        size=float(cast("float", told["size"])),
        shares=shares,
        conv_rate=cast("float | None", told.get("conv_rate")),
        churn=cast("float | None", told.get("churn")),
    )
