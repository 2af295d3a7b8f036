"""Which slices explain a change: parts that add up to it, and a scan for the slice that moved unlike the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from core.errors import InputError
from core.model import Bools, Floats, Ints

PENALTY = 3.0  # log-likelihood that one more dimension in a slice must earn
GO_ON = 0.05  # a further slice needs this share of the first one's score
PRIOR = 10.0  # denominators that a slice's earlier rate is pulled towards the total by
CHI2_MEDIAN = 0.455  # of the chi-square distribution with one degree of freedom
FULL_LEAF = 20.0  # expected count from which the ratio of a single leaf says something
MISSING = "(missing)"
OFFSETTING = 3.0  # sum of absolute parts over the absolute total from which parts are called offsetting


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of the data. ``contribution`` is its part of the total change, in the metric's unit.

    For a ratio ``before`` and ``after`` are the slice's own rates, and ``contribution`` is ``rate_effect`` (the rate
    within the slice changed, at the new mix) plus ``mix_effect`` (the slice's weight changed, at the old rates).
    ``surprise`` is the log-likelihood gained by letting the slice move unlike the rest; 0 when it moved with it.
    """

    where: Mapping[str, str]
    before: float
    after: float
    contribution: float
    share_pct: float | None
    surprise: float
    rate_effect: float | None = None
    mix_effect: float | None = None

    @property
    def change(self) -> float:
        """The slice's own change."""
        return self.after - self.before

    @property
    def label(self) -> str:
        """The slice in words: ``country=DE, device=mobile``."""
        return ", ".join(f"{k}={v}" for k, v in self.where.items())


@dataclass(frozen=True, slots=True)
class Attribution:
    """A change and its slices. The first ``causes`` of ``slices`` do not overlap and explain it best.

    ``parts`` holds every value of each dimension: their contributions add up to ``change`` up to ``residual``.
    ``offsetting`` is the sum of absolute parts over the absolute change, where parts cancel each other; else None.
    """

    metric: str
    over: str | None
    before: float
    after: float
    slices: tuple[Slice, ...]
    causes: int
    parts: Mapping[str, tuple[Slice, ...]]
    residual: float
    offsetting: float | None

    @property
    def change(self) -> float:
        """The total change."""
        return self.after - self.before


def attribute(
    before: pd.DataFrame,
    after: pd.DataFrame,
    metric: str,
    over: str | None,
    dims: Sequence[str],
    *,
    periods_before: float = 1.0,
    periods_after: float = 1.0,
    depth: int = 3,
    limit: int = 10,
) -> Attribution:
    """Slices of ``dims`` ranked by how well they explain the change of ``sum(metric)`` or ``sum(metric) / sum(over)``.

    Sums are per period: each frame's total is divided by its number of periods.
    Raises: InputError naming a column that is missing, or a side without rows.
    Source: Kulldorff's scan statistic (1997) over data cuboids, with a penalty per dimension.
    """
    leaves = _leaves(before, after, metric, over, dims, periods_before, periods_after)
    parts = {d: tuple(sorted(_values(leaves, d), key=lambda s: -abs(s.contribution))) for d in dims}
    cuboids = _cuboids(leaves, depth)
    picked = tuple(_causes(leaves, cuboids))
    others = _candidates(leaves, cuboids, np.ones(leaves.size, dtype=np.bool_), limit)
    ranked = {c.key: c for c in (*others, *picked)}
    order = [*(c.key for c in picked), *(c.key for c in others)]
    total = leaves.total
    slices = tuple(_slice(leaves, k, ranked[k].inside, ranked[k].score) for k in list(dict.fromkeys(order))[:limit])
    sums = [sum(s.contribution for s in parts[d]) for d in dims]
    return Attribution(
        metric=metric,
        over=over,
        before=total[0],
        after=total[1],
        slices=slices,
        causes=len(picked),
        parts=parts,
        residual=max((total[1] - total[0] - s for s in sums), key=abs, default=0.0),
        offsetting=_offsetting(parts, total[1] - total[0]),
    )


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Every combination of dimension values, with numerator and denominator on both sides."""

    dims: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]  # values of each dimension
    codes: Ints  # [n_leaves, n_dims]
    n0: Floats
    n1: Floats
    d0: Floats | None
    d1: Floats | None

    @property
    def size(self) -> int:
        return len(self.n0)

    @property
    def total(self) -> tuple[float, float]:
        """The metric on both sides."""
        if self.d0 is None or self.d1 is None:
            return float(self.n0.sum()), float(self.n1.sum())
        return _rate(self.n0.sum(), self.d0.sum()), _rate(self.n1.sum(), self.d1.sum())


def _rate(n: float, d: float) -> float:
    return float(n / d) if d else float("nan")


def _leaves(
    before: pd.DataFrame,
    after: pd.DataFrame,
    metric: str,
    over: str | None,
    dims: Sequence[str],
    periods_before: float,
    periods_after: float,
) -> _Leaves:
    columns = [metric] + ([over] if over else [])
    for side, frame in (("before", before), ("after", after)):
        for name in (*dims, *columns):
            if name not in frame.columns:
                raise InputError(
                    f"There is no column '{name}'.", hint=f"Columns: {', '.join(map(str, frame.columns))}."
                )
        if frame.empty:
            raise InputError(f"The period {side} has no rows.", field=side)
    grouped = [_grouped(f, dims, columns, p) for f, p in ((before, periods_before), (after, periods_after))]
    both = grouped[0].add_suffix("_0").join(grouped[1].add_suffix("_1"), how="outer").fillna(0.0)
    keys = both.index.to_frame(index=False)
    coded = [pd.factorize(keys[d], sort=True) for d in dims]
    held = {name: both[name].to_numpy(np.float64) for name in both.columns}
    return _Leaves(
        tuple(dims),
        tuple(tuple(map(str, names)) for _, names in coded),
        np.column_stack([codes for codes, _ in coded]).astype(np.int64),
        held["0_0"],
        held["0_1"],
        held["1_0"] if over else None,
        held["1_1"] if over else None,
    )


def _grouped(frame: pd.DataFrame, dims: Sequence[str], columns: Sequence[str], periods: float) -> pd.DataFrame:
    """Sums per leaf and period; a missing dimension value is a value of its own, so that parts add up."""
    keys = {d: frame[d].astype("object").where(frame[d].notna(), MISSING).astype(str) for d in dims}
    values = {str(i): pd.to_numeric(frame[c], errors="coerce") for i, c in enumerate(columns)}
    return pd.DataFrame({**keys, **values}).groupby(list(dims))[list(values)].sum() / periods


# --- parts: exact arithmetic -------------------------------------------------------------------


def _values(leaves: _Leaves, dim: str) -> Iterator[Slice]:
    axis = leaves.dims.index(dim)
    for code in range(len(leaves.names[axis])):
        yield _slice(leaves, ((axis, code),), leaves.codes[:, axis] == code, 0.0)


def _slice(leaves: _Leaves, key: tuple[tuple[int, int], ...], inside: Bools, surprise: float) -> Slice:
    where = {leaves.dims[a]: leaves.names[a][c] for a, c in key}
    total = leaves.total[1] - leaves.total[0]
    n0, n1 = float(leaves.n0[inside].sum()), float(leaves.n1[inside].sum())
    if leaves.d0 is None or leaves.d1 is None:
        part = Slice(where, n0, n1, n1 - n0, None, surprise)
    else:
        rate, mix = _effects(leaves, n0, n1, float(leaves.d0[inside].sum()), float(leaves.d1[inside].sum()))
        before, after = _rate(n0, leaves.d0[inside].sum()), _rate(n1, leaves.d1[inside].sum())
        part = Slice(where, before, after, rate + mix, None, surprise, rate, mix)
    return replace(part, share_pct=part.contribution / total * 100 if total else None)


def _effects(leaves: _Leaves, n0: float, n1: float, d0: float, d1: float) -> tuple[float, float]:
    """Rate effect ``w1 (r1 - r0)`` and mix effect ``(w1 - w0) (r0 - R0)``; over all slices they add up to the change.

    A slice that was not there before had, as far as anyone knows, the total's rate: all its part is rate effect.
    """
    assert leaves.d0 is not None
    assert leaves.d1 is not None
    total = leaves.total[0]
    w0, w1 = d0 / float(leaves.d0.sum()), d1 / float(leaves.d1.sum())
    r0 = n0 / d0 if d0 else total
    r1 = n1 / d1 if d1 else r0
    return w1 * (r1 - r0), (w1 - w0) * (r0 - total)


def _offsetting(parts: Mapping[str, tuple[Slice, ...]], change: float) -> float | None:
    """How much larger the parts are than the whole, for the dimension where they cancel most."""
    moved = max((sum(abs(s.contribution) for s in values) for values in parts.values()), default=0.0)
    if moved <= 0 or moved < OFFSETTING * abs(change):
        return None
    return moved / abs(change) if change else float("inf")


# --- the scan ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cuboid:
    """One combination of dimensions: its slices, and the slice each leaf falls into."""

    axes: tuple[int, ...]
    slices: Ints  # [n_slices, n_axes] value codes
    of_leaf: Ints  # [n_leaves]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One slice with its score."""

    cuboid: _Cuboid
    row: int
    score: float

    @property
    def key(self) -> tuple[tuple[int, int], ...]:
        """(dimension, value) pairs."""
        return tuple((a, int(c)) for a, c in zip(self.cuboid.axes, self.cuboid.slices[self.row], strict=True))

    @property
    def inside(self) -> Bools:
        """Which leaves are in it."""
        mask: Bools = self.cuboid.of_leaf == self.row
        return mask


def _cuboids(leaves: _Leaves, depth: int) -> tuple[_Cuboid, ...]:
    found = []
    for size in range(1, min(depth, len(leaves.dims)) + 1):
        for axes in combinations(range(len(leaves.dims)), size):
            shape = [len(leaves.names[a]) for a in axes]
            flat = np.ravel_multi_index([leaves.codes[:, a] for a in axes], shape)
            distinct, inverse = np.unique(flat, return_inverse=True)
            slices = np.column_stack(np.unravel_index(distinct, shape)).astype(np.int64)
            found.append(_Cuboid(axes, slices, inverse.reshape(-1).astype(np.int64)))
    return tuple(found)


def _causes(leaves: _Leaves, cuboids: tuple[_Cuboid, ...], most: int = 5) -> Iterator[_Candidate]:
    """The best slice, then the best of what is left, while it still earns a share of the first one's score."""
    left = np.ones(leaves.size, dtype=np.bool_)
    first = 0.0
    for _ in range(most):
        best = next(iter(_candidates(leaves, cuboids, left, 1)), None)
        if best is None or best.score <= GO_ON * first:
            return
        yield best
        first = first or best.score
        left &= ~best.inside


def _candidates(leaves: _Leaves, cuboids: tuple[_Cuboid, ...], left: Bools, most: int) -> list[_Candidate]:
    """The best slices that moved unlike the rest, in the change's direction; of equals the shorter one first."""
    x, e, up = _counts(leaves)
    spread = _spread(x, e)
    x, e = np.where(left, x, 0.0), np.where(left, e, 0.0)
    found: list[_Candidate] = []
    for cuboid in cuboids:
        n = len(cuboid.slices)
        sides = [np.bincount(cuboid.of_leaf, side, n).astype(np.float64) for side in (x, e)]
        score = _gain(sides[0], sides[1], up) / spread - PENALTY * len(cuboid.axes)
        best = np.argsort(-score, kind="stable")[:most]
        found += [_Candidate(cuboid, int(i), float(score[i])) for i in best if score[i] > 0]
    return sorted(found, key=lambda c: -c.score)[:most]


def _counts(leaves: _Leaves) -> tuple[Floats, Floats, bool]:
    """What was seen and what was expected of each leaf, and whether the whole went up.

    Of a rate between 0 and 1 the rarer outcome is counted: failures, where most succeed.
    """
    before, after = leaves.total
    up = after >= before
    if leaves.d0 is None or leaves.d1 is None:
        return leaves.n1, leaves.n0, up
    total = before if np.isfinite(before) else after
    rate = (leaves.n0 + PRIOR * total) / (leaves.d0 + PRIOR)
    share = bool((leaves.n1 <= leaves.d1).all() and (leaves.n0 <= leaves.d0).all() and (leaves.n1 >= 0).all())
    if share and total > 0.5:
        return leaves.d1 - leaves.n1, leaves.d1 * (1 - rate), not up
    return leaves.n1, leaves.d1 * rate, up


def _spread(x: Floats, e: Floats) -> float:
    """How much more the leaves scatter than counts would; amounts of money scatter a lot."""
    usable = e > 0
    if usable.sum() < 8:
        return 1.0
    x, e = x[usable], e[usable]
    common = x.sum() / e.sum()
    if np.median(e) >= FULL_LEAF:
        common = np.median(x / e)  # the median leaf is not moved by what a slice did
    spread = float(np.median((x - common * e) ** 2 / (max(common, 1e-12) * e))) / CHI2_MEDIAN
    counts = bool(np.all(x == np.round(x)))
    return max(spread, 1.0 if counts else 1e-9)


def _gain(x: Floats, e: Floats, up: bool) -> Floats:
    """Log-likelihood gained when a slice may move by its own factor instead of everyone's."""
    all_x, all_e = float(x.sum()), float(e.sum())
    if all_e <= 0 or all_x <= 0 or (x < 0).any() or (e < 0).any():
        moved = np.abs(x - e).sum()
        part = (x - e if up else e - x) / moved if moved else np.zeros_like(x)
        return np.maximum(part, 0.0) * 100
    tiny = 1e-3 * all_e / len(e)
    inside, outside = (x, e + tiny), (all_x - x, all_e - e + tiny)
    gain = _likelihood(*inside) + _likelihood(*outside) - all_x * np.log(all_x / all_e)
    further = x / inside[1] > outside[0] / outside[1]
    towards = further if up else ~further
    return np.where(towards, np.maximum(gain, 0.0), 0.0)


def _likelihood(x: Floats, e: Floats) -> Floats:
    return np.where(x > 0, x * np.log(np.maximum(x, 1e-300) / np.maximum(e, 1e-300)), 0.0)
