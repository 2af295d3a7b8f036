"""What was looked at for a service incident, as numbered evidence: also what was searched and found empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.explain.runbooks import Hit
from core.explain.service_facts import Deployment, Facts, Spans
from core.model import Evidence, EvidenceStatus, Finding, Json, JsonObject

SNIPPET = 200


@dataclass
class Notebook:
    """Evidence in the order it is found; ``ids`` remembers which entries stand for what."""

    entries: list[Evidence] = field(default_factory=list)
    ids: dict[str, list[str]] = field(default_factory=dict)

    def note(
        self,
        about: str,
        kind: str,
        source: str,
        statement: str,
        numbers: Mapping[str, float] | None = None,
        data: Iterable[JsonObject] = (),
        start: datetime | None = None,
        *,
        empty: bool = False,
    ) -> None:
        """One more fact; ``about`` is how hypotheses find it."""
        status = EvidenceStatus.NO_DATA if empty else EvidenceStatus.OK
        ref = f"E{len(self.entries) + 1}"
        self.entries.append(Evidence(ref, kind, source, statement, status, numbers or {}, start, None, "", tuple(data)))
        self.ids.setdefault(about, []).append(ref)

    def of(self, *about: str) -> tuple[str, ...]:
        """The ids of what was noted about these."""
        return tuple(i for a in about for i in self.ids.get(a, []))


def noted(finding: Finding, facts: Facts, hits: Sequence[Hit], spans: Spans) -> Notebook:
    """Everything that was looked at, whether it speaks for a cause or found nothing."""
    book = Notebook()
    v, limits = numbers_of(finding.details.get("values")), numbers_of(finding.details.get("limits"))
    shown = {"error_rate": v.get("error_rate", 0.0), "p99_ms": v.get("p99_ms", 0.0), "requests": v["requests"]}
    shown |= {"errors": v["errors"], "error_limit": limits["error_rate"], "p99_limit_ms": limits["p99_ms"]}
    book.note("vitals", "metric", "metrics", f"{finding.summary}.",
              {**shown, "window_minutes": spans.window_minutes}, start=finding.start)  # fmt: skip
    if facts.onset_found:
        book.note("onset", "metric", "metrics", f"First minute over the limit: {clock(facts.onset)}.",
                  {"ago": minutes_between(facts.now, facts.onset)}, start=facts.onset)  # fmt: skip
    _errors(book, facts, spans)
    _changes(book, facts, spans)
    _traffic(book, facts, spans)
    for h in hits[:1]:
        text = f"Runbook {h.title} (score {h.score:.2f}, matched {', '.join(h.matched)}): {h.snippet}"
        book.note("runbook", "runbook", h.runbook_id, text, {"score": h.score})
    if not hits:
        book.note("runbook", "runbook", "runbooks", "No runbook found.", empty=True)
    return book


def _errors(book: Notebook, facts: Facts, spans: Spans) -> None:
    span = f"in the last {spans.top_errors_minutes} min"
    for t in facts.top:
        text = f"{t.count:,} of {facts.errors:,} error lines ({100 * t.share:.1f} %) {span} are {t.error_type}."
        numbers = {"count": t.count, "total": facts.errors, "share_pct": 100 * t.share}
        book.note(f"error {t.error_type}", "log", "logs", text, {**numbers, "minutes": spans.top_errors_minutes})
    if not facts.top:
        book.note("errors", "log", "logs", f"No error line {span}.", {"minutes": spans.top_errors_minutes}, empty=True)
    for kind in [t for t in facts.templates if t.new][:3]:
        text = f"New since the onset ({kind.since:,} lines, {kind.error_type}): {kind.template}"
        data = [{"example": kind.example[:SNIPPET]}]
        numbers = {"count": kind.since, "share_pct": 100 * kind.share}
        book.note("templates", "log", "logs", text[:SNIPPET], numbers, data, kind.first_seen)


def _changes(book: Notebook, facts: Facts, spans: Spans) -> None:
    back = spans.lookback_minutes
    for d in facts.deployments:
        numbers = {
            "minutes_before": round(d.minutes_before, 1),
            "earlier_errors": d.earlier_errors,
            "lookback": back,
        }
        book.note(f"deployment {d.version}", "change", "deployments", f"{told(d)}.", numbers, [deployed(d)], d.ts)
        if facts.top and d.earlier_errors == 0 and d.minutes_before >= 0 and not d.failed:
            text = f"No {facts.top[0].error_type} in the {back} min before {d.version}."
            book.note(f"quiet {d.version}", "log", "logs", text, {"lookback": back})
    if not facts.deployments:
        text = f"No deployment of {facts.service} from {back} min before the onset until now."
        book.note("no deployment", "change", "deployments", text, {"lookback": back}, empty=True)
    for d in facts.elsewhere[-3:]:
        book.note("elsewhere", "change", "deployments", f"Elsewhere: {told(d)}.", {}, [deployed(d)], d.ts)


def _traffic(book: Notebook, facts: Facts, spans: Spans) -> None:
    t = facts.traffic
    if t.ratio is None:
        book.note("traffic", "metric", "metrics", "No requests in the window before to compare with.", empty=True)
    else:
        text = f"{t.requests:,} requests, {t.ratio:.2f} times the {t.previous:,} of the window before."
        book.note("traffic", "metric", "metrics", text, {"requests": t.requests, "previous": t.previous, "r": t.ratio})
    for service, count in facts.hit:
        text = f"{service}: {count:,} connection errors in the first {spans.hit_minutes} min."
        book.note("hit", "log", "logs", text, {"count": count, "minutes": spans.hit_minutes}, start=facts.onset)


def told(d: Deployment) -> str:
    """A deployment in words: what, when against the onset, and what it changed."""
    size = abs(d.minutes_before)
    when = f"{size:.0f} min {'before' if d.minutes_before >= 0 else 'after'} the onset"
    what = f": {d.description}" if d.description else ""
    state = f", {d.status}" if d.failed else ""
    return f"{d.service} {d.label} deployed {when}{state}{what}"[:SNIPPET]


def deployed(d: Deployment) -> JsonObject:
    """A deployment as JSON."""
    return {
        "ts": d.ts.isoformat(), "service": d.service, "version": d.version, "previous_version": d.previous_version,
        "author": d.author, "description": d.description, "status": d.status,
        "minutes_before": round(d.minutes_before, 1), "failed": d.failed,
    }  # fmt: skip


def clock(at: datetime) -> str:
    """A moment as people read it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def minutes_between(later: datetime, earlier: datetime) -> float:
    """Minutes from the earlier to the later moment, to a tenth."""
    return round((later - earlier).total_seconds() / 60, 1)


def numbers_of(value: Json) -> dict[str, float]:
    """The numbers of a JSON object by name."""
    found = value if isinstance(value, Mapping) else {}
    return {k: v for k, v in found.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
