"""Which service broke, and which change broke it: scores from metrics, logs, call graph and change texts.

A statistic means little by itself, so each series is compared with its own past: the same statistic at moments when
nothing was reported (placebos). Only points before and inside the judged window are read.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from core.explain.runbooks import words
from core.model import Bools, Floats

_LEVEL_FLOOR = 0.05  # a series that never moved still varies by so much of its level
_SPREAD_FLOOR = 0.5  # of placebo scores
_FEW = 8  # fewer placebos say nothing


# --- Which service ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moved:
    """How far series moved at the onset against their own pseudo-onsets.

    Shape: ``score`` and ``p`` are ``[n_series]``; p is (1 + placebos at least as large) / (1 + placebos).
    """

    score: Floats
    p: Floats


def moved(values: Floats, onset: int, *, width: int = 4, history: int = 60, back: int = 120, step: int = 2) -> Moved:
    """Placebo-scaled moves of ``values`` ``[n_series, n_points]`` in the ``width`` points from ``onset`` on.

    Abstains: a series without values scores 0 and p 1; with few placebos the plain robust z stands.
    """
    now = _move(values, onset, width, history)
    moments = range(max(_FEW + 2, onset - back), onset - width, step)
    past = np.array([_move(values, m, width, history) for m in moments])
    if len(past) < _FEW:
        return Moved(np.log1p(now), np.ones(len(now)))
    low, middle, high = np.percentile(past, [25, 50, 75], axis=0)
    score: Floats = (now - middle) / np.maximum(high - low, _SPREAD_FLOOR)
    p: Floats = (1 + (past >= now).sum(axis=0)) / (1 + len(past))
    return Moved(score, p)


def _move(values: Floats, onset: int, width: int, history: int) -> Floats:
    """The largest robust z of each series in the window; 0 where there is nothing to compare."""
    before, after = values[:, max(0, onset - history) : onset], values[:, onset : onset + width]
    if not before.size or not after.size:
        return np.zeros(len(values))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # series without a value
        low, middle, high = np.nanpercentile(before, [25, 50, 75], axis=1)
        scale = np.maximum((high - low) / 1.349, _LEVEL_FLOOR * np.abs(middle))
        z: Floats = np.nanmax(np.abs(after - middle[:, None]), axis=1) / np.where(scale > 0, scale, np.nan)
    return np.nan_to_num(z, nan=0.0, posinf=0.0)


def surprise(counts: Floats, onset: int, width: int, is_error: Bools) -> Floats:
    """How unusual each log template's count is in the window, against the template's own earlier windows.

    Shape: ``counts`` ``[n_templates, n_minutes]``. Poisson deviance times -log of its placebo p; a rise of an error
    counts twice, and an error that fell silent hardly at all. A vanished success line counts like a new line.
    """
    end = min(onset + width, counts.shape[1])
    size, before = end - onset, counts[:, :onset]
    now = counts[:, onset:end].sum(axis=1)
    expected = (before.sum(axis=1) + 0.5) / (onset + 1) * size
    deviance, rose = _deviance(now, expected), now > expected
    starts = range(max(onset - size + 1, 0))
    past = np.array([before[:, s : s + size].sum(axis=1) for s in starts]).reshape(len(starts), len(counts))
    alike = (_deviance(past, expected) >= deviance) & ((past > expected) == rose)
    p = (1 + alike.sum(axis=0)) / (1 + len(past))
    weight = np.where(is_error, np.where(rose, 2.0, 0.1), 1.0)
    scored: Floats = -np.log(p) * np.log1p(np.maximum(deviance, 0)) * weight
    return scored


def _deviance(counts: Floats, expected: Floats) -> Floats:
    ratio = np.log(np.maximum(counts, 1e-9) / expected)
    deviance: Floats = 2 * (np.where(counts > 0, counts * ratio, 0.0) - (counts - expected))
    return deviance


def largest(owners: Sequence[str], scores: Floats) -> dict[str, float]:
    """Each owner's largest score."""
    best: dict[str, float] = {}
    for owner, score in zip(owners, scores, strict=True):
        best[owner] = max(best.get(owner, -math.inf), float(score))
    return best


def alarmed(owners: Sequence[str], p: Floats) -> dict[str, float]:
    """The mean of -log p over each owner's series: many series that alarm together count, not one alone."""
    found: dict[str, list[float]] = {}
    for owner, value in zip(owners, p, strict=True):
        found.setdefault(owner, []).append(-math.log(value))
    return {owner: float(np.mean(v)) for owner, v in found.items()}


def unexplained(scores: Mapping[str, float], calls: Iterable[tuple[str, str]], entry: str) -> dict[str, float]:
    """What of each service's score its callees do not explain, for services that ``entry`` reaches.

    A caller looks sick when what it calls is; the deepest sick service has nobody below to blame.
    """
    below: dict[str, set[str]] = {}
    for caller, callee in calls:
        below.setdefault(caller, set()).add(callee)
    seen, todo = {entry}, [entry]
    while todo:
        fresh = below.get(todo.pop(), set()) - seen
        seen |= fresh
        todo += fresh
    return {
        s: v - 0.5 * max((scores.get(c, 0.0) for c in below.get(s, ()) if c != s), default=0.0)
        for s, v in scores.items()
        if s in seen
    }


def fused(sources: Sequence[tuple[Mapping[str, float], float]]) -> list[tuple[str, float]]:
    """Services by the weighted mean of 1/rank over the sources (score and weight), best first.

    Ranks rather than scores: a source that shouts about everything cannot outvote the others. Ties share a rank.
    """
    total = sum(weight for _, weight in sources) or 1.0
    names = sorted({name for scores, _ in sources for name in scores})
    fusion = dict.fromkeys(names, 0.0)
    for scores, weight in sources:
        for name, rank in _ranks(scores).items():
            fusion[name] += weight / total / rank
    return sorted(fusion.items(), key=lambda f: (-f[1], f[0]))


def _ranks(scores: Mapping[str, float]) -> dict[str, float]:
    counts = Counter(scores.values())
    first, rank = {}, 1
    for value in sorted(counts, reverse=True):
        first[value] = rank + (counts[value] - 1) / 2
        rank += counts[value]
    return {name: first[value] for name, value in scores.items()}


# --- Which change -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was changed. ``live`` is when it took effect (None: never did)."""

    id: str
    service: str
    live: datetime | None
    text: str  # what its author says of it
    files: tuple[str, ...] = ()
    diff: str = ""


@dataclass(frozen=True, slots=True)
class Symptom:
    """What is wrong: where, since when, and the lines that are new or more frequent, with how much each counts."""

    service: str
    onset: datetime
    lines: tuple[tuple[str, float], ...]
    hit: frozenset[str] = frozenset()  # further services with errors
    surge: bool = False  # far more requests than usual


@dataclass(frozen=True, slots=True)
class ChangeWeights:
    """What a change collects. ``none`` is what the rival without a change starts from."""

    same_service: float = 2.0
    hit_service: float = 0.5
    shared_words: float = 1.0  # for each unit of idf, up to the cap
    shared_cap: float = 3.0
    risky: float = 1.0
    harmless: float = -2.0
    recent: float = 0.5
    half_life_minutes: float = 120.0
    none: float = 1.5
    external: float = 1.0  # for each word that names something outside
    surge: float = 2.0


NONE = "none"
_RISKY = frozenset(
    words(
        "timeout deadline limit pool ttl cache schema mapping migration query index batch retry concurrency memory "
        "quota permission credential certificate register config default delete drop remove rename null nil lock"
    )
)
_HARMLESS = re.compile(r"(?i)\b(docs?|tests?|style|restyle|typo|comment|lint|palette|css|readme|coverage|bump)\b")
_TIDY = re.compile(r"(?i)\b(tidy|rename|extract|reformat|cosmetic)\b")
_EXTERNAL = frozenset(
    words(
        "node kubelet throttling contended neighbour provider upstream dns certificate expired partition offset record "
        "saturated overloaded shedding surge volume campaign autoscaler poison"
    )
)
_KEY = re.compile(r"[\w.\"'-]+\s*[:=](?!=)")
_LITERAL = re.compile(r"\b\d+(?:\.\d+)?\w*\b|\btrue\b|\bfalse\b", re.IGNORECASE)


def ranked_changes(
    changes: Sequence[Change], symptom: Symptom, weights: ChangeWeights | None = None
) -> list[tuple[str, float]]:
    """Changes and the rival ``none`` by score, best first; one that came after the onset, or never, has none at all.

    Never "the latest": how long ago a change was lowers its score slowly, what it touched decides.
    """
    w = weights or ChangeWeights()
    texts = {c.id: frozenset(words(" ".join([c.text, *c.files, _edited(c.diff)]))) for c in changes}
    spread = Counter(word for found in texts.values() for word in found)
    scored = [
        (c.id, _score(c, texts[c.id], spread, len(changes), symptom, w))
        for c in changes
        if c.live is not None and c.live <= symptom.onset
    ]
    signs = {word for line, weight in symptom.lines if weight > 0 for word in words(line)} & _EXTERNAL
    scored.append((NONE, w.none + w.external * len(signs) + w.surge * symptom.surge))
    return sorted(scored, key=lambda s: (-s[1], s[0]))


def _score(
    change: Change, text: frozenset[str], spread: Counter[str], count: int, symptom: Symptom, w: ChangeWeights
) -> float:
    assert change.live is not None
    place = w.same_service if change.service == symptom.service else w.hit_service * (change.service in symptom.hit)
    shared = sum(
        weight * max((math.log((1 + count) / (1 + spread[word])) for word in words(line) if word in text), default=0.0)
        for line, weight in symptom.lines
    )
    minutes = (symptom.onset - change.live).total_seconds() / 60
    recent = w.recent * math.exp2(-minutes / w.half_life_minutes)
    return place + min(w.shared_words * shared, w.shared_cap) + _nature(change, text, w) + recent


def _nature(change: Change, text: frozenset[str], w: ChangeWeights) -> float:
    """What kind of change it is: cosmetic ones rarely break anything, changed values and removed steps do."""
    if _HARMLESS.search(change.text) or (change.files and all(_HARMLESS.search(f) for f in change.files)):
        return w.harmless
    removed, added = _lines(change.diff, "-"), _lines(change.diff, "+")
    literal = any(_revalued(old, new) for old in removed for new in added)
    steps = len(removed) > len(added)
    tidy = bool(_TIDY.search(change.text))
    return w.risky * (0.5 * bool(text & _RISKY) + literal + 0.5 * steps - tidy)


def _revalued(old: str, new: str) -> bool:
    """Whether two lines differ in a value alone: a number, a switch, or what stands behind ``key:`` or ``key =``."""
    if old == new:
        return False
    key = _KEY.match(old)
    return _LITERAL.sub("#", old) == _LITERAL.sub("#", new) or (key is not None and new.startswith(key.group()))


def _lines(diff: str, sign: str) -> list[str]:
    return [line[1:].strip() for line in diff.splitlines() if line.startswith(sign) and line[1:].strip()]


def _edited(diff: str) -> str:
    """The lines that were removed or added, without the context around them."""
    return "\n".join([*_lines(diff, "-"), *_lines(diff, "+")])
