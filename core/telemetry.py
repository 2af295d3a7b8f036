"""What the workbench counts about itself; the server shows it as Prometheus text at ``/metrics``.

Everything here counts a real event at the moment it happens. Names carry no product prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SHARE = tuple(step / 10 for step in range(1, 11))
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WAITS = (1, 5, 15, 30, 60, 120, 300, 900, 2700, 10800, 86400)

_registry = CollectorRegistry()
ProcessCollector(registry=_registry)
_incidents = Counter("incidents_created", "Incidents opened", ["severity", "service"], registry=_registry)
_agent_seconds = Histogram(
    "agent_run_duration_seconds", "Time of one pipeline stage", ["agent"], registry=_registry, buckets=_SECONDS
)
_confidence = Histogram("rca_confidence_score", "Confidence of explanations", registry=_registry, buckets=_SHARE)
_ai_confidence = Histogram("ai_confidence_score", "The model's own confidence", registry=_registry, buckets=_SHARE)
_adapter_failures = Counter(
    "integration_call_failures", "Failed calls of services outside", ["adapter"], registry=_registry
)
_approval_seconds = Histogram(
    "action_approval_time_seconds", "From proposal to approval", registry=_registry, buckets=_WAITS
)
_ai_requests = Counter("ai_requests", "Questions put to the model", registry=_registry)
_ai_tokens = Counter("ai_tokens", "Prompt and completion tokens", registry=_registry)
_ai_cents = Counter("ai_cost_cents", "Cost of the model in US cents", registry=_registry)
_ai_failures = Counter("ai_failures", "Model answers that could not be used", ["error_type"], registry=_registry)
_ai_asked = Counter("ai_explanations", "Explanations a model was asked for", registry=_registry)
_ai_fallbacks = Counter("ai_fallbacks", "Of these, worded by the rules instead", registry=_registry)
_ai_fallback_rate = Gauge("ai_fallback_rate", "Share of these worded by the rules instead", registry=_registry)
_ingested = Counter("ingest_success", "Order events kept for the first time", registry=_registry)
_not_ingested = Counter("ingest_errors", "Order events refused or put with the dead letters", registry=_registry)
_ingest_seconds = Histogram(
    "ingest_latency_seconds", "Time from a request's events to their commit", registry=_registry, buckets=_SECONDS
)
_dead_letters = Gauge("dlq_depth", "Dead letters that are not processed", registry=_registry)
_cache_hits = Counter("cache_hits", "Order events known by their key in memory", registry=_registry)
_cache_misses = Counter("cache_misses", "Order events that the store was asked for", registry=_registry)
_breaches = Gauge("sla_breach_count", "Exceptions of orders so far", ["tenant", "reason_code"], registry=_registry)
_active = Gauge("active_exceptions", "Exceptions of orders that are open", registry=_registry)
_alerts_in = Counter("alerts_received", "Alerts kept, repeats among them", ["repeat"], registry=_registry)
_alerts_refused = Counter("alerts_refused", "Bodies of alerts that were refused", ["reason"], registry=_registry)
_adjustments = Counter("invoice_adjustments", "Corrections of invoices that were found", registry=_registry)
_slack = Counter("slack_notifications_sent", "Messages that Slack took", registry=_registry)
_page_seconds = Histogram(
    "page_run_seconds", "Server time of one run of a page", ["page"], registry=_registry, buckets=_SECONDS
)


def incident_created(severity: str, service: str) -> None:
    """Counts one new incident."""
    _incidents.labels(severity=severity, service=service).inc()


def agent_run(agent: str) -> AbstractContextManager[object]:
    """Times the block as one run of ``agent`` (a stage of the pipeline), also when it raises."""
    return _agent_seconds.labels(agent=agent).time()


def alerts_received(new: int, repeated: int) -> None:
    """Counts alerts that were kept, and those that were known already."""
    _alerts_in.labels(repeat="no").inc(new)
    _alerts_in.labels(repeat="yes").inc(repeated)


def alert_refused(reason: str) -> None:
    """Counts one body that was refused, by the code of why."""
    _alerts_refused.labels(reason=reason).inc()


def page_run(page: str) -> AbstractContextManager[object]:
    """Times the block as one server run of ``page``, also when it raises."""
    return _page_seconds.labels(page=page).time()


def adapter_failed(adapter: str) -> None:
    """Counts one failed call of a mail, chat or web service."""
    _adapter_failures.labels(adapter=adapter).inc()


def action_approved(waited_s: float) -> None:
    """Counts one approved action with the time since it was proposed."""
    _approval_seconds.observe(waited_s)


def model_asked(tokens: int, cost_usd: float | None) -> None:
    """Counts one question to the model with what it used; an unknown cost counts as nothing."""
    _ai_requests.inc()
    _ai_tokens.inc(tokens)
    _ai_cents.inc((cost_usd or 0.0) * 100)


def model_failed(error_type: str) -> None:
    """Counts one model answer that could not be used, by its named reason."""
    _ai_failures.labels(error_type=error_type).inc()


def explained(confidence: float, ai_confidence: float | None, *, asked: bool, fell_back: bool) -> None:
    """Counts one explanation: whether a model was ``asked``, and whether the rules worded it after all."""
    _confidence.observe(confidence)
    if ai_confidence is not None:
        _ai_confidence.observe(ai_confidence)
    if not asked:
        return
    _ai_asked.inc()
    _ai_fallbacks.inc(fell_back)
    _ai_fallback_rate.set(value("ai_fallbacks_total") / value("ai_explanations_total"))


def ingested(kept: int, refused: int, seconds: float) -> None:
    """Counts the events of one request: kept for the first time, and refused or dead."""
    _ingested.inc(kept)
    _not_ingested.inc(refused)
    _ingest_seconds.observe(seconds)


def keys_looked_up(hits: int, misses: int) -> None:
    """Counts keys of order events that were, and were not, known in memory."""
    _cache_hits.inc(hits)
    _cache_misses.inc(misses)


def dead_letters(depth: int) -> None:
    """How many dead letters wait, of all tenants."""
    _dead_letters.set(depth)


def exceptions(breaches: Mapping[tuple[str, str], int], active: int) -> None:
    """How many exceptions there were by (tenant, reason), and how many are open, as the store has them."""
    for (tenant, reason), count in breaches.items():
        _breaches.labels(tenant=tenant, reason_code=reason).set(count)
    _active.set(active)


def invoice_adjusted() -> None:
    """Counts one correction of an invoice that was not known before."""
    _adjustments.inc()


def slack_notified() -> None:
    """Counts one message that Slack took, by webhook or bot."""
    _slack.inc()


def value(sample: str, **labels: str) -> float:
    """The present value of one sample; 0 before its first event."""
    return _registry.get_sample_value(sample, labels) or 0.0


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(_registry)
