"""The sentinel (DP-01, DP-02, DP-04 to DP-06): strict limits over one window; thin or stale data is never healthy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.detect.events import Scene
from core.detect.sentinel import Limits, Sentinel
from core.detect.vitals import vitals
from core.model import CheckReport, Finding, JsonObject, Severity, Sighting
from tests.services import METRICS, NOW, SERVICES, Files, World, ago, csv, demo, world

SICK = [(1000, 20, 200), (500, 60, 1800), (250, 60, 2400), (250, 100, 2600)]
WELL = [(1000, 3, 150), (1000, 2, 170), (1000, 4, 140), (1000, 1, 160)]
Rows = list[tuple[object, ...]]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    made = world(tmp_path)
    yield made
    made.engine.close()


def of(service: str, measured: list[tuple[float, ...]], first: float = 1) -> Rows:
    return [(ago(first + i), service, "h1", *m) for i, m in enumerate(measured)]


def see(
    here: World,
    rows: Rows,
    services: Rows | None = None,
    *,
    now: datetime = NOW,
    opened: Mapping[tuple[str, str], JsonObject] | None = None,
    sentinel: Sentinel | None = None,
) -> Sighting:
    files: Files = {"metrics.csv": csv(METRICS, rows)}
    if services is not None:
        files["services.csv"] = csv(SERVICES, [(*s, "", "") for s in services])
    data = here.load(files, now=now)
    return (sentinel or Sentinel()).detect(Scene(data, CheckReport(), now, here.engine, opened or {}))


def only(sighting: Sighting) -> Finding:
    (finding,) = sighting.findings
    return finding


def test_dp04_golden_incident(here: World) -> None:
    finding = only(see(here, of("payment-service", SICK)))
    assert finding.observed == 240 / 2000
    p99 = pytest.approx(2594.0, abs=1e-9)
    assert finding.details["values"] == {"error_rate": 0.12, "p99_ms": p99, "requests": 2000, "errors": 240}
    assert (finding.type, finding.subject, finding.suppressed_by) == ("error_rate", "payment-service", None)


def test_dp04_golden_healthy(here: World) -> None:
    seen = see(here, of("cart-service", WELL))
    assert seen.findings == ()
    assert seen.healthy == {("cart-service", t) for t in ("error_rate", "latency", "stale_data")}
    found = vitals(
        here.engine, here.load({"metrics.csv": csv(METRICS, of("cart-service", WELL))}).tables["metrics"], NOW, 15
    )
    assert found["cart-service"].error_rate == 0.0025
    assert found["cart-service"].p99_ms == pytest.approx(169.7, abs=1e-9)


def test_dp04_the_number_of_rows_does_not_change_the_rate(here: World) -> None:
    one = only(see(here, of("pay", [(1000, 100, 200)])))
    many = only(see(here, of("pay", [(10, 1, 200)] * 10) + of("pay", [(900, 90, 200)], first=11)))
    assert one.observed == many.observed == 0.1


@pytest.mark.parametrize(
    ("measured", "symptom"),
    [
        ((1000, 50, 1000), ""),  # both exactly on their limits
        ((1000, 51, 1000), "error_rate"),
        ((1000, 50, 1000.1), "latency"),
        ((1000, 51, 1000.1), "error_rate"),  # both together are one
    ],
)
def test_dp04_dp06_limits_are_strict_and_both_are_one(here: World, measured: tuple[float, ...], symptom: str) -> None:
    seen = see(here, of("pay", [measured]))
    assert [f.type for f in seen.findings] == ([symptom] if symptom else [])
    assert (("pay", "error_rate") in seen.healthy) is (symptom != "error_rate")
    assert (("pay", "latency") in seen.healthy) is (symptom == "")


@pytest.mark.parametrize(
    ("errors", "criticality", "severity"),
    [
        (120, "high", Severity.CRITICAL),
        (60, "high", Severity.HIGH),
        (60, "medium", Severity.MEDIUM),
        (120, "medium", Severity.HIGH),
        (100, "high", Severity.CRITICAL),  # exactly twice the limit
        (120, "low", Severity.MEDIUM),
        (60, "low", Severity.LOW),
        (120, "", Severity.HIGH),  # nobody rated it: medium
        (120, "vital", Severity.HIGH),
    ],
)
def test_dp05_severity(here: World, errors: int, criticality: str, severity: Severity) -> None:
    rows = of("pay", [(1000, errors, 100)])
    assert only(see(here, rows, [("pay", "Payments", criticality)])).severity is severity


def test_dp05_the_worse_of_rate_and_p99_makes_the_severity(here: World) -> None:
    assert only(see(here, of("pay", [(1000, 0, 2000)]), [("pay", "P", "high")])).severity is Severity.CRITICAL


def test_dp05_the_receipt_is_on_the_finding(here: World) -> None:
    finding = only(see(here, of("pay", SICK) + of("pay", WELL, first=20)))
    assert finding.details["limits"] == {"error_rate": 0.05, "p99_ms": 1000.0, "min_requests": 100}
    assert finding.details["window"] == {"start": ago(15).isoformat(), "end": NOW.isoformat(), "minutes": 15}
    assert finding.details["rows"] == 4  # the older ones are not used
    assert [m["errors"] for m in finding.details["minutes"]] == [1, 4, 2, 3, 100, 60, 60, 20]  # but on the chart
    assert finding.upper == 0.05


def test_a_changed_limit_changes_the_result(here: World) -> None:
    rows = of("pay", SICK)
    assert see(here, rows, sentinel=Sentinel(error_rate_limit=0.2, p99_limit_ms=3000)).findings == ()
    own = Sentinel(overrides={"pay": Limits(error_rate=0.2)})
    assert only(see(here, rows, sentinel=own)).type == "latency"
    own = Sentinel(overrides={"pay": Limits(error_rate=0.2, p99_ms=3000)})
    assert see(here, rows, sentinel=own).findings == ()
    assert only(see(here, of("shop", SICK), sentinel=own)).type == "error_rate"
    assert only(see(here, rows, [("pay", "P", "high")], sentinel=Sentinel(critical_ratio=3))).severity is Severity.HIGH
    with pytest.raises(ValidationError):
        Sentinel(error_rate_limit=0)


def test_too_little_traffic_is_suppressed_and_not_healthy(here: World) -> None:
    seen = see(here, of("pay", [(99, 90, 5000)]))
    assert only(seen).suppressed_by == "too little traffic: 99 requests in 15 min, 100 needed"
    assert only(seen).details["values"]["error_rate"] == 90 / 99
    assert seen.healthy == {("pay", "stale_data")}
    assert only(see(here, of("pay", [(100, 90, 5000)]))).suppressed_by is None


def test_dp04_no_requests_have_no_rate(here: World) -> None:
    finding = only(see(here, of("pay", [(0, 0, "")])))
    assert finding.observed is None
    assert "error rate n/a (no requests)" in finding.summary
    assert finding.suppressed_by


def test_dp02_stale_data_is_a_finding_and_never_healthy(here: World) -> None:
    seen = see(
        here, of("pay", WELL, first=15.1) + of("cart", WELL, first=15), [("pay", "P", "high"), ("cart", "C", "low")]
    )
    assert [(f.subject, f.type, f.severity) for f in seen.findings] == [("pay", "stale_data", Severity.HIGH)]
    assert "newest row 2025-01-15 11:45 UTC" in seen.findings[0].summary
    assert not [s for s, _ in seen.healthy if s == "pay"]
    assert ("cart", "error_rate") in seen.healthy  # a row exactly as old as the window still counts


def test_a_listed_service_without_any_row_is_stale(here: World) -> None:
    seen = see(here, of("cart", WELL), [("cart", "C", "low"), ("pay", "P", "medium")])
    assert only(seen).subject == "pay"
    assert "no row at all" in only(seen).summary


def test_dp06_latency_belongs_to_the_open_incident_of_the_error_rate(here: World) -> None:
    slow = of("pay", [(1000, 0, 2000)])
    assert only(see(here, slow)).type == "latency"
    seen = see(here, slow, opened={("pay", "error_rate"): {}})
    assert only(seen).type == "error_rate"
    assert ("pay", "error_rate") not in seen.healthy


def test_dp01_demo_has_one_sick_service_of_four(here: World) -> None:
    seen = Sentinel().detect(Scene(here.load(demo()), CheckReport(), NOW, here.engine))
    assert [(f.subject, f.type, f.severity) for f in seen.findings] == [
        ("payment-service", "error_rate", Severity.CRITICAL)
    ]
    assert seen.findings[0].observed == pytest.approx(0.12)
    healthy = {s for s, t in seen.healthy if t == "error_rate"}
    assert healthy == {"auth-service", "cart-service", "notification-service"}


def test_rows_after_now_change_nothing(here: World) -> None:
    rows = of("pay", SICK, first=6) + of("cart", WELL, first=6)
    later = [(ago(m), s, "h1", 1000, 900, 9000) for m in (4.9, 2) for s in ("pay", "cart", "new")]
    then = NOW - timedelta(minutes=5)
    data = here.load({"metrics.csv": csv(METRICS, [*rows, *later])})  # loaded today, judged as of then
    whole = Sentinel().detect(Scene(data, CheckReport(), then, here.engine))
    assert whole == see(here, rows, now=then)


def test_same_rows_same_findings(here: World) -> None:
    assert see(here, of("pay", SICK)) == see(here, list(reversed(of("pay", SICK))))
