"""Alert payloads of known tools brought into one shape: the generic one. Pure functions.

Each answers generic fields and nothing decided: severity, time and kind are read later, the same way for all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from core.alert import items, mapping, number
from core.errors import InputError
from core.model import Json, JsonObject

MOST_ALERTS = 1000  # of one payload
_DATADOG = frozenset({"transition", "alert_transition", "cycle", "alert_cycle_key", "monitor", "monitor_id"})
_SNS = frozenset({"Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"})
_LABELS_TOLD = frozenset({"alertname", "severity", "priority"})  # told by fields of their own


@dataclass(frozen=True, slots=True)
class Shaped:
    """A payload's alerts with generic keys, and which tool's shape it had."""

    shape: str  # generic | alertmanager | datadog | cloudwatch
    alerts: tuple[JsonObject, ...]
    notes: tuple[str, ...] = field(default=())


def shaped(payload: JsonObject) -> Shaped:
    """The payload's alerts. Raises: InputError for a payload that holds none."""
    if str(payload.get("Type")) in _SNS and "Message" in payload:
        return _sns(payload)
    if "AlarmName" in payload and "NewStateValue" in payload:
        return Shaped("cloudwatch", (_cloudwatch(payload, {}),))
    found = payload.get("alerts")
    if isinstance(found, list) and ("labels" in mapping(found[0] if found else None) or "groupKey" in payload):
        return _alertmanager(payload, found)
    if len(_DATADOG & {k.lower() for k in payload}) >= 2:
        return Shaped("datadog", (_datadog(payload),))
    return Shaped("generic", (payload,))


# --- Prometheus Alertmanager, version 4; Grafana's webhook has the same skeleton ----------------------------------


def _alertmanager(payload: JsonObject, found: list[Json]) -> Shaped:
    if not found:
        raise InputError("The Alertmanager payload holds no alerts.", field="alerts")
    if len(found) > MOST_ALERTS:
        raise InputError(f"The payload holds more than {MOST_ALERTS:,} alerts.", field="alerts")
    cut = number(payload.get("truncatedAlerts"))
    notes = (f"Alertmanager left out {cut:g} further alerts of this group.",) if cut else ()
    return Shaped("alertmanager", tuple(_prometheus(payload, mapping(a)) for a in found), notes)


def _prometheus(payload: JsonObject, alert: JsonObject) -> JsonObject:
    labels = {**mapping(payload.get("commonLabels")), **mapping(alert.get("labels"))}
    told = {**mapping(payload.get("commonAnnotations")), **mapping(alert.get("annotations"))}
    episode = f"{alert.get('fingerprint') or ''}:{alert.get('startsAt') or ''}"
    ended = str(alert.get("status") or payload.get("status") or "") == "resolved"
    return {
        "alert_id": episode.strip(":") + (":resolved" if ended else "") if episode.strip(":") else None,
        "title": told.get("summary") or told.get("title") or labels.get("alertname"),
        "description": told.get("description") or told.get("message"),
        "severity": labels.get("severity") or labels.get("priority"),
        "source": "prometheus",
        "timestamp": alert.get("endsAt") if ended else alert.get("startsAt"),
        "metric": {
            **{k: _plain(v) for k, v in labels.items() if k not in _LABELS_TOLD},
            **{k: v for k, v in mapping(alert.get("values")).items()},
        },
        "related_context": {
            k: _plain(v) for k, v in told.items() if k not in ("summary", "title", "description", "message")
        },
        "resolved": ended,
        "alertname": labels.get("alertname"),
        "group": payload.get("groupKey"),
        "receiver": payload.get("receiver"),
        "link": alert.get("generatorURL"),
    }


# --- Datadog, by the template of our documentation ----------------------------------------------------------------


def _datadog(payload: JsonObject) -> JsonObject:
    given = {k.lower(): v for k, v in payload.items() if not (isinstance(v, str) and v.startswith("$"))}
    transition = str(given.get("transition") or given.get("alert_transition") or "")
    cycle = given.get("cycle") or given.get("alert_cycle_key") or given.get("id")
    tags = {**_tags(given.get("tags")), **_tags(given.get("scope") or given.get("alert_scope"))}
    ended = transition.lower() == "recovered"
    metric = {**tags, **mapping(given.get("metric"))}
    if isinstance(given.get("metric"), str):
        metric["metric_name"] = given["metric"]
    return {
        "alert_id": f"{cycle}{':recovered' if ended else ''}" if cycle else None,
        "title": given.get("title") or given.get("event_title") or given.get("alert_title"),
        "description": given.get("msg") or given.get("body") or given.get("text_only_msg"),
        "severity": _datadog_severity(given),
        "source": "datadog",
        "timestamp": given.get("ts") or given.get("date") or given.get("last_updated"),
        "metric": metric,
        "related_context": mapping(given.get("related_context")),
        "business_context": mapping(given.get("business_context")),
        "correlated_alerts": list(items(given.get("correlated_alerts"))),
        "resolved": ended,
        "link": given.get("link"),
        "monitor": given.get("monitor") or given.get("monitor_id") or given.get("alert_id"),
        "transition": transition,
    }


def _datadog_severity(given: JsonObject) -> Json:
    """An own severity field, else the priority P1 to P5, else the alert's type."""
    priority = str(given.get("priority") or given.get("alert_priority") or "").upper()
    by_priority = {"P1": "critical", "P2": "high", "P3": "medium", "P4": "low", "P5": "low"}
    return given.get("severity") or by_priority.get(priority) or given.get("type") or given.get("alert_type")


def _tags(value: Json) -> dict[str, Json]:
    """``a:1,b:2`` as an object; a tag without a value is none."""
    pairs = value.split(",") if isinstance(value, str) else [str(v) for v in items(value)]
    split = [p.strip().partition(":") for p in pairs]
    return {k.strip(): _plain(v.strip()) for k, colon, v in split if colon and k.strip()}


# --- CloudWatch, mostly through SNS -------------------------------------------------------------------------------


def _sns(payload: JsonObject) -> Shaped:
    if payload["Type"] != "Notification":
        raise InputError(
            f"SNS sends a {payload['Type']}; it holds no alert.",
            hint="Open its SubscribeURL in the AWS console to confirm the subscription.",
            field="Type",
        )
    text = str(payload.get("Message") or "")
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        inner = {"description": text}
    message = mapping(inner) or {"description": text}
    if "AlarmName" in message:
        return Shaped("cloudwatch", (_cloudwatch(message, payload),))
    envelope: JsonObject = {
        "alert_id": payload.get("MessageId"),
        "title": payload.get("Subject"),
        "source": "cloudwatch",
        "timestamp": payload.get("Timestamp"),
    }
    return Shaped("cloudwatch", ({**envelope, **message},))


def _cloudwatch(alarm: JsonObject, envelope: JsonObject) -> JsonObject:
    trigger = mapping(alarm.get("Trigger"))
    dimensions = {
        str(d.get("name") or d.get("Name")): _plain(d.get("value", d.get("Value")))
        for d in map(mapping, items(trigger.get("Dimensions")))
        if d.get("name") or d.get("Name")
    }
    state, changed = str(alarm.get("NewStateValue") or ""), alarm.get("StateChangeTime") or envelope.get("Timestamp")
    identity = alarm.get("AlarmArn") or alarm.get("AlarmName")
    wanted = ("MetricName", "Namespace", "Threshold", "ComparisonOperator", "Period", "EvaluationPeriods")
    ended = state == "OK"
    return {
        "alert_id": f"{identity}:{changed}{':ok' if ended else ''}",
        "title": alarm.get("AlarmName") or envelope.get("Subject"),
        "description": alarm.get("AlarmDescription"),
        "severity": dimensions.pop("severity", None),
        "source": "cloudwatch",
        "timestamp": changed,
        "metric": {**{_snake(k): trigger[k] for k in wanted if k in trigger}, **dimensions},
        "related_context": {"reason": alarm.get("NewStateReason"), "old_state": alarm.get("OldStateValue")},
        "resolved": ended,
        "state": state,
        "region": alarm.get("Region"),
        "account": alarm.get("AWSAccountId"),
    }


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def _plain(value: Json) -> Json:
    """A number written as text as a number; everything else as it is."""
    if not isinstance(value, str) or not value.strip():
        return value
    found = number(value)
    return value if found is None else int(found) if found.is_integer() and "." not in value else found
