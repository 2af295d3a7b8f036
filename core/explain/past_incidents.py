"""Past incidents like this one: the same kind and entity first, then the nearest by their words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from core.alert import moment, texts
from core.explain.runbooks import search
from core.model import Json, JsonObject

MOST = 3
LOOKED_AT = 50  # of the same entity or kind, the newest
SAME_ENTITY, SAME_KIND, SAME_SOURCE, BY_WORDS = 0.45, 0.25, 0.10, 0.20  # they add up to 1
LEAST = 0.30


def similar(alert: JsonObject, past: Sequence[JsonObject], text: str) -> tuple[dict[str, Json], ...]:
    """The best three, with how alike they are in (0, 1], why, how they ended and what resolved them."""
    at = moment(alert.get("timestamp"))
    earlier = [
        p
        for p in past
        if alert.get("alert_id") not in texts(p.get("alert_ids"))
        and (at is None or (seen := moment(p.get("at"))) is None or seen < at)
    ]
    near = [p for p in earlier if p.get("entity") == alert.get("entity") or p.get("kind") == alert.get("kind")]
    earlier = sorted(near, key=lambda p: (p.get("entity") == alert.get("entity"), str(p.get("at"))))[-LOOKED_AT:]
    if not earlier:
        return ()
    written = [
        {"runbook_id": str(n), "title": str(p.get("title") or ""), "content": f"{p.get('cause')} {p.get('resolution')}"}
        for n, p in enumerate(earlier)
    ]
    by_words = {int(h.runbook_id): h.score for h in search(written, text)}
    found = []
    for n, p in enumerate(earlier):
        why = [k for k in ("entity", "kind", "source") if p.get(k) and p.get(k) == alert.get(k)]
        weight = {"entity": SAME_ENTITY, "kind": SAME_KIND, "source": SAME_SOURCE}
        score = sum(weight[k] for k in why) + BY_WORDS * by_words.get(n, 0.0)
        if by_words.get(n):
            why.append("words")
        if score >= LEAST:
            found.append((-score, str(p.get("at") or ""), _row(p, score, why)))
    return tuple(row for *_, row in sorted(found, key=lambda f: (f[0], f[1]))[:MOST])


def _row(past: JsonObject, score: float, why: Sequence[str]) -> dict[str, Json]:
    kept = ("incident_id", "title", "kind", "entity", "severity", "at", "resolved_at", "verdict", "cause", "resolution")
    return {**{k: past.get(k) for k in kept}, "alike": round(score, 4), "why": list(why)}
