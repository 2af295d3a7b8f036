"""What could be done about a service incident: proposals that follow from its causes and runbooks, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.explain.runbooks import Hit
from core.explain.service_causes import Cause
from core.explain.service_facts import Facts
from core.model import JsonObject, Proposal

MEANINGS: Mapping[str, str] = {
    "rollback": "put the previous version back",
    "increase_pool": "raise the number of pooled connections",
    "scale_out": "add instances",
    "cache_warmup": "fill the cache again",
    "documentation": "read the runbook; changes nothing",
}


class Template(BaseModel):
    """What an action type costs and risks, who carries it out, and the parameters every such action has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    eta_minutes: int = Field(0, ge=0)
    risk_score: float = Field(0.0, ge=0, le=1)
    requires_approval: bool = True
    adapter: str = "sandbox"
    allow: bool = Field(True, description="Whether it is proposed at all")
    params: Mapping[str, JsonValue] = Field(default_factory=dict)


TEMPLATES: Mapping[str, Template] = {
    "rollback": Template(eta_minutes=5, risk_score=0.20),
    "increase_pool": Template(eta_minutes=2, risk_score=0.10, params={"increase_pct": 50}),
    "scale_out": Template(eta_minutes=3, risk_score=0.05, params={"add_instances": 2}),
    "cache_warmup": Template(eta_minutes=2, risk_score=0.05),
    "documentation": Template(eta_minutes=0, risk_score=0.0, requires_approval=False, adapter=""),
}


def proposals(
    facts: Facts,
    causes: Sequence[Cause],
    hits: Sequence[Hit],
    runbooks: Sequence[JsonObject],
    url: str,
    templates: Mapping[str, Template],
) -> tuple[Proposal, ...]:
    """One proposal per action that a supported cause calls for, the surest cause first; then what to read.

    ``url`` is the service's own runbook. Source: acceptance DP-13.
    """
    known = {**TEMPLATES, **templates}
    drafts = [d for cause in causes for d in _for(cause, facts)]
    drafts += _reading(hits, runbooks, url)
    first: dict[tuple[str, str], Proposal] = {}
    for kind, title, description, params, blocked in drafts:
        template = known[kind]
        if template.allow:
            merged = {**template.params, **params}
            proposal = Proposal(
                action_type=kind,
                title=title,
                description=description,
                eta_minutes=template.eta_minutes,
                risk_score=template.risk_score,
                params=merged,
                adapter="" if kind == "documentation" else template.adapter,
                requires_approval=template.requires_approval,
                blocked=blocked,
            )
            first.setdefault((kind, title), proposal)
    return tuple(first.values())


_Draft = tuple[str, str, str, JsonObject, str]


def _for(cause: Cause, facts: Facts) -> Iterator[_Draft]:
    service = facts.service
    if cause.key == "deployment" and cause.deployment is not None:
        d = cause.deployment
        params: JsonObject = {"target_version": d.previous_version} if d.previous_version else {}
        target = d.previous_version or "the version before it"
        text = f"Roll {service} back from {d.version} to {target}: {d.label} came {d.minutes_before:.0f} min before."
        yield "rollback", f"Roll back {service}", text, params, "" if d.previous_version else "needs version"
    elif cause.key == "resource":
        if any(w in t.lower() for t in cause.error_types for w in ("pool", "connection", "timeout")):
            text = f"Give {service} a larger connection pool while the cause is looked for."
            yield "increase_pool", f"Increase the connection pool of {service}", text, {}, ""
        if any("memory" in t.lower() for t in cause.error_types):
            yield from _scale_out(service)
    elif cause.key == "surge":
        yield from _scale_out(service)
        if any("cache" in t.template.lower() or "cache" in t.error_type.lower() for t in facts.templates if t.new):
            text = f"New errors of {service} name its cache: fill it again."
            yield "cache_warmup", f"Warm up the cache of {service}", text, {}, ""


def _scale_out(service: str) -> Iterator[_Draft]:
    yield "scale_out", f"Scale out {service}", f"Add instances of {service} to carry the load.", {}, ""


def _reading(hits: Sequence[Hit], runbooks: Sequence[JsonObject], url: str) -> Iterator[_Draft]:
    """The best runbook that was found, else the service's own link."""
    if hits:
        best = hits[0]
        link = next((str(r.get("url") or "") for r in runbooks if r.get("runbook_id") == best.runbook_id), "")
        params: JsonObject = {"runbook_id": best.runbook_id, **({"url": link} if link else {})}
        yield "documentation", f"Read {best.title}", best.snippet, params, ""
    elif url:
        yield (
            "documentation",
            "Read the service's runbook",
            f"No runbook fits these errors; see {url}.",
            {"url": url},
            "",
        )
