"""Possible causes of a service incident, each the sum of the weights whose evidence was found.

Source: acceptance, the table of hypothesis weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from core.explain.ranking import Change, Symptom, ranked_changes
from core.explain.runbooks import words
from core.explain.service_facts import Deployment, Facts, TopError

_GENERIC = frozenset(
    words(
        "error exception failure failed service services update updated updates change changed changes fix fixed add "
        "added new set use using version release settings setting config configuration"
    )
)
_SAME = {"db": "database", "conn": "connection", "mem": "memory", "timeouts": "timeout", "timed": "timeout"}


class _Weights(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeploymentWeights(_Weights):
    """For a deployment of the service itself."""

    inside_lookback: float = Field(0.40, ge=0, description="It came within the lookback before the onset")
    dominant_error: float = Field(0.20, ge=0, description="One error type makes up most of the errors")
    shared_topic: float = Field(0.20, ge=0, description="Its description and the error type share a word")
    new_error: float = Field(0.12, ge=0, description="The error type did not occur in the time before it")


class ResourceWeights(_Weights):
    """For a resource that is used up."""

    error_type: float = Field(0.30, ge=0, description="Errors name a timeout, a pool or memory")
    dominant_error: float = Field(0.20, ge=0, description="They make up most of the errors")


class SurgeWeights(_Weights):
    """For more traffic than usual."""

    requests: float = Field(0.40, ge=0, description="Requests rose by the surge ratio")
    p99_over: float = Field(0.20, ge=0, description="p99 is over its limit")


class DependencyWeights(_Weights):
    """For something the service depends on."""

    error_type: float = Field(0.30, ge=0, description="Errors name a connection or HTTP")
    several_services: float = Field(0.20, ge=0, description="Several services are hit within minutes")


class NoChangeWeights(_Weights):
    """For the rival of all others: something that nobody recorded."""

    nothing_recorded: float = Field(0.10, ge=0, description="No deployment within the lookback")
    several_services: float = Field(0.10, ge=0, description="Several services are hit within minutes")


class Weights(_Weights):
    """How much each finding counts; what a hypothesis collects is its confidence, at most the maximum."""

    deployment: DeploymentWeights = DeploymentWeights()
    resource: ResourceWeights = ResourceWeights()
    surge: SurgeWeights = SurgeWeights()
    dependency: DependencyWeights = DependencyWeights()
    no_change: NoChangeWeights = NoChangeWeights()
    maximum: float = Field(0.92, ge=0, le=1, description="No hypothesis is surer than this")


class Signs(_Weights):
    """When something counts as found."""

    dominant_share: float = Field(0.50, ge=0, le=1, description="Share of the errors that counts as most")
    least_share: float = Field(0.10, ge=0, le=1, description="Share of the errors below which a type says nothing")
    surge_ratio: float = Field(1.5, gt=1, description="Requests against the window before")
    several: int = Field(2, ge=2, description="Services hit at once")
    resource_words: tuple[str, ...] = ("timeout", "pool", "memory")
    dependency_words: tuple[str, ...] = ("connection", "http")
    lookback_minutes: int = Field(60, ge=1, description="Minutes before the onset in which a deployment may be a cause")


@dataclass(frozen=True, slots=True)
class Cause:
    """A hypothesis with the named parts of its confidence. ``key`` is deployment, resource, surge, dependency, none."""

    key: str
    kind: str
    text: str
    parts: tuple[tuple[str, float], ...]
    next_check: str
    deployment: Deployment | None = None
    error_types: tuple[str, ...] = ()

    @property
    def weight(self) -> float:
        """The sum of the parts."""
        return round(sum((w for _, w in self.parts), 0.0), 10)


def causes(facts: Facts, weights: Weights, signs: Signs, *, p99_over: bool) -> tuple[Cause, ...]:
    """Supported causes, the surest first, the rival "no recorded change" among them; empty when none is supported."""
    found = [
        *_deployments(facts, weights.deployment, signs),
        *_resource(facts, weights.resource, signs),
        *_surge(facts, weights.surge, signs, p99_over=p99_over),
        *_dependency(facts, weights.dependency, signs),
    ]
    supported = [c for c in found if c.weight > 0]
    if not supported:
        return ()
    ranked = sorted(supported, key=lambda c: -c.weight)  # among equals the order above stands
    return tuple(sorted([*ranked, _rival(facts, weights.no_change, signs)], key=lambda c: -c.weight))


def suspects(facts: Facts, signs: Signs) -> tuple[Deployment, ...]:
    """Deployments of the service that may be a cause: not failed, not after the onset, within the lookback."""
    return tuple(d for d in facts.deployments if not d.failed and 0 <= d.minutes_before <= signs.lookback_minutes)


def shared_topics(deployment: Deployment, error_type: str) -> tuple[str, ...]:
    """Words that the change's text and the error type have in common, without those that fit every change."""
    return tuple(sorted(_topics(deployment.description) & _topics(error_type)))


def _topics(text: str) -> frozenset[str]:
    found = {_SAME.get(w, w.removesuffix("s") if len(w) > 4 else w) for w in words(text) if w not in _GENERIC}
    return frozenset(w for w in found if len(w) > 2 and not w.isdigit())


def _deployments(facts: Facts, w: DeploymentWeights, signs: Signs) -> Iterator[Cause]:
    """Several deployments are told apart by what they changed, never by which came last."""
    top = facts.top[0] if facts.top else None
    shared = {d: shared_topics(d, top.error_type) if top else () for d in suspects(facts, signs)}
    likely = _likely(facts, list(shared))
    for d in sorted(shared, key=lambda d: likely.index(f"{d.ts.isoformat()} {d.version}")):
        parts = [(f"deployed {d.minutes_before:.0f} min before the onset", w.inside_lookback)]
        if top and top.share >= signs.dominant_share:
            parts.append((f"{top.error_type} is {100 * top.share:.1f} % of the errors", w.dominant_error))
        if shared[d]:
            parts.append((f"the change and the error share the words {', '.join(shared[d])}", w.shared_topic))
        if top and d.earlier_errors == 0:
            parts.append(
                (f"no {top.error_type} in the {signs.lookback_minutes} min before the deployment", w.new_error)
            )
        what = f" ({d.description})" if d.description else ""
        yield Cause(
            key="deployment",
            kind="change",
            text=f"Deployment {d.label}{what}",
            parts=tuple(parts),
            next_check=f"Compare {d.version} with {d.previous_version or 'the version before it'}"
            + (f" and ask {d.author}." if d.author else "."),
            deployment=d,
            error_types=(top.error_type,) if top else (),
        )


def _likely(facts: Facts, deployments: list[Deployment]) -> list[str]:
    """The deployments by what their text and the new error lines have in common."""
    changes = [
        Change(f"{d.ts.isoformat()} {d.version}", d.service, d.ts, f"{d.version} {d.description}") for d in deployments
    ]
    lines = tuple((f"{t.error_type} {t.template}", t.share) for t in facts.templates if t.since > t.before)
    return [change for change, _ in ranked_changes(changes, Symptom(facts.service, facts.onset, lines))]


def _named(facts: Facts, wanted: tuple[str, ...], signs: Signs) -> list[TopError]:
    """Error types of some weight whose name holds one of the words."""
    return [t for t in facts.top if t.share >= signs.least_share and any(w in t.error_type.lower() for w in wanted)]


def _resource(facts: Facts, w: ResourceWeights, signs: Signs) -> Iterator[Cause]:
    named = _named(facts, signs.resource_words, signs)
    if not named:
        return
    names, share = ", ".join(t.error_type for t in named), sum(t.share for t in named)
    parts = [(f"errors of type {names}", w.error_type)]
    if share >= signs.dominant_share:
        parts.append((f"they are {100 * share:.1f} % of the errors", w.dominant_error))
    yield Cause(
        key="resource",
        kind="capacity",
        text=f"Resource exhaustion: {names}",
        parts=tuple(parts),
        next_check="Compare connections, threads and memory in use with their limits.",
        error_types=tuple(t.error_type for t in named),
    )


def _surge(facts: Facts, w: SurgeWeights, signs: Signs, *, p99_over: bool) -> Iterator[Cause]:
    ratio = facts.traffic.ratio
    if ratio is None or ratio < signs.surge_ratio:
        return
    parts = [(f"requests rose to {ratio:.2f} times the window before", w.requests)]
    if p99_over:
        parts.append(("p99 is over its limit", w.p99_over))
    yield Cause(
        key="surge",
        kind="capacity",
        text=f"Traffic surge: {ratio:.2f} times the requests of the window before",
        parts=tuple(parts),
        next_check="Ask where the traffic comes from: a campaign, a retry loop, or an attack.",
    )


def _dependency(facts: Facts, w: DependencyWeights, signs: Signs) -> Iterator[Cause]:
    named = _named(facts, signs.dependency_words, signs)
    if not named:
        return
    names = ", ".join(t.error_type for t in named)
    parts = [(f"errors of type {names}", w.error_type)]
    if len(facts.hit) >= signs.several:
        parts.append((f"{len(facts.hit)} services are hit at once", w.several_services))
    yield Cause(
        key="dependency",
        kind="dependency",
        text=f"A dependency fails: {names}",
        parts=tuple(parts),
        next_check="Open the dashboards and the status page of what these connections lead to.",
        error_types=tuple(t.error_type for t in named),
    )


def _rival(facts: Facts, w: NoChangeWeights, signs: Signs) -> Cause:
    """Something that nobody recorded; it has little weight of its own and keeps the others honest."""
    parts = []
    if not suspects(facts, signs):
        parts.append((f"no deployment in the {signs.lookback_minutes} min before the onset", w.nothing_recorded))
    if len(facts.hit) >= signs.several:
        parts.append((f"{len(facts.hit)} services are hit at once", w.several_services))
    return Cause(
        key="none",
        kind="unknown",
        text="No recorded change",
        parts=tuple(parts),
        next_check="Ask for changes that are not recorded here: flags, configuration, certificates, providers.",
    )
