"""Facts about one drifting segment: figures against each reference, movers, flows, neighbours, checks and age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import cast

from core.explain import words
from core.explain.cases import CaseQuestion
from core.model import CheckResult, CheckStatus, Evidence, EvidenceStatus, Finding, JsonObject, Segment, Snapshot
from core.segments import segment_of, snapshot_of

MEASURES = {
    "size_jump": "size",
    "distribution_shift": "make-up",
    "conversion_anomaly": "conversion",
    "inactivity_creep": "churn",
}
PLACES = ("first", "second", "third")
GONE = 0.005  # a value that held less than this share has not vanished, it was never there
Shares = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Material:
    """The case's finding with its segment, its snapshots up to now, and the base it was judged against."""

    question: CaseQuestion
    finding: Finding
    segment: Segment | None
    history: tuple[Snapshot, ...]

    @property
    def details(self) -> JsonObject:
        """The finding's receipt."""
        return self.finding.details

    @property
    def measure(self) -> str:
        """What moved, in a word."""
        return MEASURES.get(self.finding.type, self.finding.type)

    @property
    def judged(self) -> Snapshot | None:
        """The judged snapshot."""
        return self.history[-1] if self.history else None

    @property
    def since(self) -> datetime:
        """The first snapshot in a row that drifts."""
        return datetime.fromisoformat(str(self.details.get("since", self.finding.start.isoformat())))

    @property
    def base(self) -> JsonObject:
        """The base as JSON."""
        base = self.details.get("base")
        return base if isinstance(base, Mapping) else {}

    @property
    def base_dates(self) -> tuple[datetime, ...]:
        """When the snapshots of the base were taken."""
        return tuple(datetime.fromisoformat(d) for d in cast("Sequence[str]", self.base.get("dates") or ()))

    @property
    def base_shares(self) -> Shares:
        """The shares of the base."""
        return cast("Shares", self.base.get("shares") or {})


def material(question: CaseQuestion) -> Material:
    """What the documents hold of the case's segment; later snapshots do not exist."""
    finding = question.findings[0]
    segments = (segment_of(d) for d in _of(question, "segments", "id"))
    taken = (snapshot_of(d) for d in _of(question, "snapshots", "segment_id"))
    judged = datetime.fromisoformat(str(finding.details.get("ts", question.now.isoformat())))
    history = tuple(sorted((s for s in taken if s.ts <= judged), key=lambda s: s.ts))
    return Material(question, finding, next(segments, None), history)


def _of(question: CaseQuestion, name: str, key: str) -> Sequence[JsonObject]:
    """The subject's documents; they are sorted by subject once for all cases of a look."""
    if name not in question.memo:
        sorted_out: dict[object, list[JsonObject]] = {}
        documents = question.dataset.documents.get(name)
        for document in documents if isinstance(documents, list | tuple) else ():
            if isinstance(document, Mapping):
                sorted_out.setdefault(document.get(key), []).append(document)
        question.memo[name] = sorted_out
    return cast("dict[object, list[JsonObject]]", question.memo[name]).get(question.subject, [])


def gather(m: Material) -> tuple[Evidence, ...]:
    """Every fact, numbered E1, E2, ..."""
    found = (*_comparisons(m), *_movers(m), *_vanished(m), *_flows(m), *_step(m), *_same_segment(m), *_others(m))
    found = (*found, *_edited(m), *_checks(m), *_age(m))
    return tuple(replace(fact, id=f"E{i}") for i, fact in enumerate(found, start=1))


def _fact(m: Material, kind: str, source: str, statement: str, **changes: object) -> Evidence:
    about = Evidence(
        id="", kind=kind, source=f"{m.finding.subject}.{source}", statement=statement, start=m.finding.start
    )
    return replace(about, **changes)  # type: ignore[arg-type]


def written(kind: str, value: float) -> str:
    """A value of the measure: people, a rate in percent, or a distance."""
    if kind == "distribution_shift":
        return f"{value:.2f}"
    return words.number(value) if kind == "size_jump" else words.percent(value * 100, signed=False)


def _comparisons(m: Material) -> Iterator[Evidence]:
    """The comparison that decided, then the others."""
    told = [c for c in cast("Sequence[JsonObject]", m.details.get("comparisons") or ()) if isinstance(c, Mapping)]
    if m.details.get("judged_against") == "kept base":
        yield _comparison(m, "kept base", m.finding.expected or 0.0, m.finding.change_pct, m.base_dates)
    told.sort(key=lambda c: c.get("name") != m.details.get("judged_against"))
    for c in told:
        dates = tuple(datetime.fromisoformat(d) for d in cast("Sequence[str]", c.get("dates") or ()))
        expected, pct = cast("float", c["base"]), cast("float | None", c.get("change_pct"))
        yield _comparison(m, str(c["name"]), expected, pct, dates, cast("float", c["observed"]))


def _comparison(
    m: Material,
    name: str,
    expected: float,
    pct: float | None,
    dates: tuple[datetime, ...],
    observed: float | None = None,
) -> Evidence:
    kind = m.finding.type
    value = m.finding.observed or 0.0 if observed is None else observed
    days = f"{dates[0]:%Y-%m-%d}" + (f" to {dates[-1]:%Y-%m-%d}" if len(dates) > 1 else "") if dates else "no date"
    against = {
        "previous": f"the snapshot of {days}",
        "reference": f"the median of {words.counted(len(dates), 'snapshot')} ({days})",
        "window_start": f"the start of the window ({days})",
        "kept base": f"the base of the open incident ({days})",
    }.get(name, name)
    numbers = {"value": value, "snapshots": float(len(dates))}
    if kind == "distribution_shift":
        text = f"{m.measure.capitalize()} is {written(kind, value)} away from {against}"
    else:
        change = "from zero" if pct is None else words.percent(pct)
        text = f"{m.measure.capitalize()} {written(kind, value)} against {written(kind, expected)}, {against}: {change}"
        numbers |= {"baseline": expected, "vs_baseline_abs": value - expected}
        numbers |= {} if pct is None else {"vs_baseline_pct": pct}
        numbers |= {} if kind == "size_jump" else {"value_pct": value * 100, "baseline_pct": expected * 100}
    about = {"metric": m.measure, "label": m.measure, "system": m.finding.subject, "unit": "", "reference": name}
    return _fact(m, "metric", name, f"{text}.", numbers=numbers, end=m.finding.end, data=(about,))


def _movers(m: Material) -> Iterator[Evidence]:
    """The largest movers of every attribute that moved, the worst attribute first."""
    if m.judged is None:
        return
    rows = []
    for name in dict.fromkeys([*m.judged.shares, *m.base_shares]):
        now, was = m.judged.shares.get(name, {}), m.base_shares.get(name, {})
        moves = sorted(((v, was.get(v, 0.0), now.get(v, 0.0)) for v in {**was, **now}), key=_by_move)
        rows.append((sum(abs(after - before) for _, before, after in moves) / 2, name, moves[: len(PLACES)]))
    rows.sort(key=lambda r: (-round(r[0], 12), r[1]))
    for distance, name, moves in [r for r in rows if r[0] >= GONE][:5]:
        numbers = {"distance": distance}
        for place, (_, before, after) in zip(PLACES, moves, strict=False):
            numbers |= {f"{place}_before_pct": before * 100, f"{place}_after_pct": after * 100}
        moved = ", ".join(f"{v} {b * 100:.2f}% to {a * 100:.2f}%" for v, b, a in moves if a != b)
        data = ({"attribute": name, "where": name, "values": [v for v, _, _ in moves]},)
        yield _fact(m, "contribution", name, f"By {name}: {moved}.", numbers=numbers, data=data)


def _by_move(row: tuple[str, float, float]) -> tuple[float, str]:
    return -round(abs(row[2] - row[1]), 12), row[0]


def _vanished(m: Material) -> Iterator[Evidence]:
    if m.judged is None:
        return
    for name, was in m.base_shares.items():
        now = m.judged.shares.get(name, {})
        for value in {**was, **now}:
            before, after = was.get(value, 0.0), now.get(value, 0.0)
            if (before > GONE and not after) or (after > GONE and not before):
                gone = before > GONE
                how = f"vanished: {before * 100:.2f}% before" if gone else f"appeared: {after * 100:.2f}% now"
                numbers = {"before_pct": before * 100, "after_pct": after * 100}
                data = ({"attribute": name, "value": value, "vanished": gone},)
                yield _fact(m, "note", "values", f"Value {value} of {name} {how}.", numbers=numbers, data=data)


def _flows(m: Material) -> Iterator[Evidence]:
    """People who entered and left, beside what was usual in the base."""
    before = [s for s in m.history if s.ts in m.base_dates]
    for name, word in (("velocity_in", "entered"), ("velocity_out", "left")):
        now = getattr(m.judged, name, None)
        usual = [v for s in before if (v := getattr(s, name)) is not None]
        if now is None or not usual:
            continue
        base = float(median(usual))
        numbers = {"value": float(now), "baseline": base, "vs_baseline_abs": now - base}
        numbers |= {"vs_baseline_pct": (now - base) / base * 100} if base else {}
        pct = words.percent(numbers.get("vs_baseline_pct"))
        text = f"{words.number(now)} people {word} since the snapshot before, usually {words.number(base)} ({pct})."
        yield _fact(m, "metric", name, text, numbers=numbers, data=({"flow": name},))


def _step(m: Material) -> Iterator[Evidence]:
    """Whether those who entered and left account for the move of the size on the day the drift began."""
    pairs = [(a, b) for a, b in zip(m.history, m.history[1:], strict=False) if b.ts == m.since]
    if not pairs or pairs[0][1].velocity_in is None or pairs[0][1].velocity_out is None:
        return
    before, after = pairs[0]
    entered, left = cast("int", after.velocity_in), cast("int", after.velocity_out)
    moved, told = after.size - before.size, entered - left
    numbers = {"moved": float(moved), "entered": float(entered), "left": float(left), "balance": float(told)}
    text = (
        f"On {after.ts:%Y-%m-%d}, when it began, the size moved by {words.number(moved, signed=True)}; "
        f"{words.number(entered)} entered and {words.number(left)} left ({words.number(told, signed=True)})."
    )
    explained = abs(moved - told) <= max(0.5 * abs(moved), 0.02 * before.size)
    yield _fact(m, "metric", "balance", text, numbers=numbers, data=({"balance": True, "explained": explained},))


def _live(m: Material) -> list[Finding]:
    return [f for f in m.question.others if not f.suppressed_by and f.kind == "drift" and f.start == m.finding.start]


def _same_segment(m: Material) -> Iterator[Evidence]:
    for other in (f for f in _live(m) if f.subject == m.finding.subject):
        numbers = {k: v for k, v in (("value", other.observed), ("baseline", other.expected)) if v is not None}
        numbers |= {} if other.change_pct is None else {"vs_baseline_pct": other.change_pct}
        yield _fact(
            m, "metric", other.type, f"The same day: {other.summary}.", numbers=numbers, data=({"with": other.type},)
        )


def _others(m: Material) -> Iterator[Evidence]:
    """Other segments that moved the same day."""
    names = list(dict.fromkeys(f.label for f in _live(m) if f.subject != m.finding.subject))
    documents = m.question.dataset.documents.get("segments")
    total = max(len(documents) - 1, 0) if isinstance(documents, list | tuple) else 0
    numbers = {"other_segments": float(total), "moved_segments": float(len(names))}
    if not names:
        text = f"No other segment moved that day; looked at {total:,}."
        yield _fact(m, "note", "others", text, numbers=numbers, status=EvidenceStatus.NO_DATA)
        return
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    text = (
        f"{len(names):,} of {words.counted(total, 'other segment')} moved the same day: {', '.join(names[:5])}{more}."
    )
    yield _fact(m, "note", "others", text, numbers=numbers, data=({"others": len(names)},))


def _edited(m: Material) -> Iterator[Evidence]:
    """An edit of the segment between its base and now."""
    edited = m.segment.updated_at if m.segment else None
    if edited is None or not m.base_dates or edited == (m.segment.created_at if m.segment else None):
        return
    if m.base_dates[0] < edited <= m.question.now:
        yield _fact(m, "change", "definition", f"The segment was edited on {edited:%Y-%m-%d %H:%M} UTC.", end=edited)


def _checks(m: Material) -> Iterator[Evidence]:
    """Failed checks of this segment's snapshots and of the tables; one fact when all passed."""
    results = m.question.checks.results
    failed = [r for r in m.question.checks.failed if r.params.get("segment") in (None, m.finding.subject)]
    failed = [r for r in failed if not _later(r, m)]
    if failed:
        for result in failed[:10]:
            status = EvidenceStatus.ERROR if result.status is CheckStatus.ERROR else EvidenceStatus.OK
            how = "could not run" if status is EvidenceStatus.ERROR else "failed"
            text = f"Check {result.check} {how}: {result.message}"
            numbers = {"unexpected_count": float(result.unexpected_count)}
            yield _fact(m, "check", result.table, text, status=status, numbers=numbers, query=result.check)
    elif results:
        text = f"Of {words.counted(len(results), 'data check')} none failed on this segment."
        yield _fact(m, "check", "checks", text, numbers={"data_checks": float(len(results))})
    else:
        yield _fact(m, "check", "checks", "No data check was run.", status=EvidenceStatus.NO_DATA)


def _later(result: CheckResult, m: Material) -> bool:
    ts = result.params.get("ts")
    return isinstance(ts, str) and datetime.fromisoformat(ts) > m.question.now


def _age(m: Material) -> Iterator[Evidence]:
    if m.judged is None:
        return
    hours = (m.question.now - m.judged.ts) / timedelta(hours=1)
    text = f"The judged snapshot was {words.number(round(hours, 1))} h old; {len(m.history):,} of its segment are kept."
    numbers = {"age_hours": round(hours, 1), "snapshots": float(len(m.history))}
    yield _fact(m, "note", "age", text, numbers=numbers, end=m.judged.ts, data=({"age": True},))
