"""Four made-up services up to this very minute: a deployment, and since a few minutes a payment service that fails."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

RUNBOOKS = Path(__file__).parents[2] / "playbooks" / "service_incidents" / "runbooks"
SERVICES = (
    ("payment-service", "Payments", "high", "#payments-oncall"),
    ("auth-service", "Identity", "high", "#identity-oncall"),
    ("cart-service", "Shop", "medium", "#shop-oncall"),
    ("notification-service", "Messaging", "low", "#messaging-oncall"),
)
HOSTS = 2
FAULT_MINUTES = 10  # the newest minutes, inside the sentinel's window of 15
FAULT_ERRORS = 1428  # with 12 in the five quiet minutes: 12 % of 12,000 requests
REQUESTS = 400  # per minute and host
TIMEOUT = "Timed out after {ms} ms waiting for a connection from pool 'payments-db' (active {n}/{n})"
OTHERS = (
    ("HTTPConnectionError", "Connection to http://gateway-{n}.internal:8443/charge refused", 62),
    ("ValidationError", "Field 'amount' of order {ms} is not a number", 45),
    ("NullPointerException", "order {ms}: cannot read 'currency' of null", 28),
    ("TimeoutException", "No answer from fraud-check within {ms} ms", 18),
)
TIMEOUTS = 847


def generate(
    seed: int, out: Path, now: datetime | None = None, hours: int = 4, healed: datetime | None = None
) -> list[Path]:
    """Writes metrics.csv, logs.csv, deployments.csv, services.csv and the playbook's runbooks below ``out``.

    The newest row is less than a minute older than ``now`` (default: this moment); the same seed and moment give
    the same bytes. From ``healed`` on the payment service is well again.
    """
    rng = np.random.default_rng(seed)
    end = (now or datetime.now(UTC)).astimezone(UTC).replace(second=0, microsecond=0)
    well = 0.0 if healed is None else max(0.0, (end - healed).total_seconds() / 60 + 1)
    tables = {
        "metrics": _metrics(rng, end, hours * 60, well),
        "logs": _logs(rng, end, hours * 60, well),
        "deployments": _deployments(end),
        "services": pd.DataFrame(
            [(*s, f"https://wiki.example/runbooks/{s[0]}") for s in SERVICES],
            columns=["service", "team", "criticality", "on_call_channel", "runbook_url"],
        ),
    }
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, frame in tables.items():
        paths.append(out / f"{name}.csv")
        frame.to_csv(paths[-1], index=False, lineterminator="\n")
    for runbook in sorted(RUNBOOKS.glob("*.md")):
        (out / "runbooks").mkdir(exist_ok=True)
        paths.append(Path(shutil.copyfile(runbook, out / "runbooks" / runbook.name)))
    return paths


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _metrics(rng: np.random.Generator, end: datetime, minutes: int, well: float) -> pd.DataFrame:
    fault = np.diff(np.linspace(0, FAULT_ERRORS, FAULT_MINUTES * HOSTS + 1).round()).astype(int)
    rows = []
    for service, *_ in SERVICES:
        paying = service == "payment-service"
        for m in range(minutes):
            age = minutes - 1 - m
            bad = paying and well <= age < FAULT_MINUTES
            for h in range(HOSTS):
                requests = REQUESTS if paying else int(rng.integers(150, 250))
                errors = int(fault[age * HOSTS + h]) if bad else _few(rng, paying, age, h)
                level = 2100 if bad else 150
                latency = round(float(level * (1 + 0.08 * rng.standard_normal())), 1)
                at = _stamp(end - timedelta(minutes=age))
                rows.append((at, service, f"{service.split('-')[0]}-{h + 1}", requests, errors, latency))
    return pd.DataFrame(rows, columns=["ts", "service", "host", "requests_total", "error_count", "latency_ms"])


def _few(rng: np.random.Generator, paying: bool, age: int, host: int) -> int:
    """Errors of an ordinary minute; exactly 12 in the five minutes of the window before the fault."""
    if paying and age < FAULT_MINUTES + 5:
        return 2 if (age + host) % 5 == 0 else 1
    return int(rng.binomial(200, 0.004))


def _logs(rng: np.random.Generator, end: datetime, minutes: int, well: float) -> pd.DataFrame:
    rows: list[tuple[str, str, str, str, str, str]] = []

    def add(seconds: float, service: str, level: str, kind: str, text: str) -> None:
        at = _stamp(end - timedelta(seconds=float(int(seconds))))
        message = text.format(ms=int(rng.integers(1_000, 90_000)), n=int(rng.integers(2, 30)))
        rows.append((at, service, level, message, kind, f"{service.split('-')[0]}-{int(rng.integers(1, HOSTS + 1))}"))

    for seconds in rng.uniform(0, (FAULT_MINUTES - 1) * 60, TIMEOUTS):
        if seconds >= well * 60:
            add(
                seconds,
                "payment-service",
                "ERROR" if seconds > 60 else "CRITICAL",
                "DatabaseConnectionTimeout",
                TIMEOUT,
            )
    for kind, text, count in OTHERS:
        for seconds in rng.uniform(0, 25 * 60, count):
            add(seconds, "payment-service", "ERROR", kind, text)
        for service, *_ in SERVICES:
            for seconds in rng.uniform(31 * 60, minutes * 60, count // 4):
                add(seconds, service, "ERROR", kind, text)
    for service, *_ in SERVICES:
        for seconds in rng.uniform(0, minutes * 60, 300):
            add(seconds, service, "INFO", "", "handled request {ms} in {n} ms")
    rows.sort()
    return pd.DataFrame(rows, columns=["ts", "service", "level", "message", "error_type", "host"])


def _deployments(end: datetime) -> pd.DataFrame:
    onset = end - timedelta(minutes=FAULT_MINUTES - 1)
    rows = [
        (_stamp(onset - timedelta(minutes=200)), "cart-service", "v1.8.0", "v1.7.4", "amira.khan",
         "Show delivery dates in the cart", "success"),
        (_stamp(onset - timedelta(minutes=45)), "payment-service", "v2.4.1", "v2.3.9", "john.doe",
         "Updated database connection pool settings", "success"),
        (_stamp(onset - timedelta(minutes=20)), "auth-service", "v3.1.1", "v3.1.0", "li.wei",
         "Rotate the signing keys", "failed"),
    ]  # fmt: skip
    return pd.DataFrame(
        rows, columns=["ts", "service", "version", "previous_version", "author", "description", "status"]
    )
