"""Made-up segments over eight days: the high-value segment drifts in four ways from the third-last day on.

Its size falls by 42 %, Android vanishes from it, fewer convert and more leave; the other four stay as they are. The
people table is that of the last day, and the last day's snapshots are counted in it.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

START = date(2026, 1, 1)
DAYS, DRIFTING = 8, 3
BASE, DROP = 20_000, 0.58
SIZE = round(BASE * DROP)
CONVERSION = (0.15, 0.10)
CHURN = (0.03, 0.05)
PLATFORM = ({"ios": 0.45, "android": 0.40, "web": 0.15}, {"ios": 0.78, "web": 0.22})
USUAL = PLATFORM[0]
COUNTRIES = {"US": 0.42, "DE": 0.21, "GB": 0.17, "FR": 0.12, "ES": 0.08}
ATTRIBUTES = ("plan", "platform", "country")
SEGMENTS = """\
segments:
  - id: high-value
    name: High-value
    owner: growth@example.com
    definition:
      logicalOperator: AND
      rules:
        - {field: ltv, operator: ">", value: 1000}
        - {field: last_active_days, operator: "<=", value: 7}
    baseline: {monitoringEnabled: true, criticalAttributes: [platform, plan]}
  - id: trial
    name: Trial
    owner: growth@example.com
    definition:
      rules:
        - {field: plan, operator: "==", value: trial}
  - id: churned
    name: Churned
    owner: crm@example.com
    definition:
      rules:
        - {field: last_active_days, operator: ">", value: 60}
  - id: power
    name: Power
    owner: crm@example.com
    definition:
      rules:
        - {field: sessions, operator: ">=", value: 20}
        - {field: last_active_days, operator: "<=", value: 60}
  - id: enterprise
    name: Enterprise
    owner: sales@example.com
    definition:
      rules:
        - {field: plan, operator: in, value: [enterprise]}
"""


def generate(seed: int, out: Path, start: date = START) -> list[Path]:
    """Writes people.csv, segments.yaml and snapshots.csv; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    people = _people(rng)
    days = [start + timedelta(days=i) for i in range(DAYS)]
    rows = [row for name, members in _members(people).items() for row in _history(rng, name, members, days)]
    snapshots = pd.DataFrame(sorted(rows, key=lambda r: r["ts"]))
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in ("people.csv", "segments.yaml", "snapshots.csv")]
    people.to_csv(paths[0], index=False, lineterminator="\n")
    paths[1].write_text(SEGMENTS, "utf-8")
    snapshots.to_csv(paths[2], index=False, lineterminator="\n")
    return paths


def _people(rng: np.random.Generator) -> pd.DataFrame:
    """Everybody on the last day. Shape: one row per person, about 38,000."""
    groups = [
        _group(rng, SIZE, ["pro", "enterprise"], [0.55, 0.45], ltv=(1001, 5000), active=(0, 8), churned=0, power=0.55),
        _group(rng, 10_500, ["trial"], [1.0], ltv=(0, 120), active=(0, 61), churned=0.30, power=0.08),
        _group(rng, 6_200, ["enterprise"], [1.0], ltv=(200, 1001), active=(0, 61), churned=0.15, power=0.50),
        _group(rng, 9_800, ["free", "pro"], [0.7, 0.3], ltv=(0, 1001), active=(0, 61), churned=0.65, power=0.35),
    ]
    groups[0]["platform"] = _exactly(rng, SIZE, PLATFORM[1])
    groups[0]["converted"] = _exactly(rng, SIZE, {1: CONVERSION[1], 0: 1 - CONVERSION[1]})
    people = pd.concat(groups, ignore_index=True).sample(frac=1, random_state=int(rng.integers(2**31)))
    people.insert(0, "id", np.arange(10_001, 10_001 + len(people)))
    return people


def _group(
    rng: np.random.Generator,
    size: int,
    plans: list[str],
    weights: list[float],
    *,
    ltv: tuple[int, int],
    active: tuple[int, int],
    churned: float,
    power: float,
) -> pd.DataFrame:
    gone = rng.random(size) < churned
    busy = (rng.random(size) < power) & ~gone
    return pd.DataFrame(
        {
            "ltv": rng.integers(*ltv, size),
            "last_active_days": np.where(gone, rng.integers(61, 366, size), rng.integers(*active, size)),
            "sessions": np.where(busy, rng.integers(20, 61, size), rng.integers(0, 20, size)),
            "plan": rng.choice(plans, size, p=weights),
            "platform": rng.choice(list(USUAL), size, p=list(USUAL.values())),
            "country": rng.choice(list(COUNTRIES), size, p=list(COUNTRIES.values())),
            "converted": (rng.random(size) < np.where(gone, 0.02, 0.12)).astype(int),
        }
    )


def _exactly(rng: np.random.Generator, size: int, shares: dict[object, float]) -> np.ndarray:
    """Values in exactly these shares, shuffled."""
    counts = [round(size * share) for share in shares.values()]
    return rng.permutation(np.repeat(list(shares), counts))


def _members(people: pd.DataFrame) -> dict[str, pd.DataFrame]:
    active = people.last_active_days
    return {
        "high-value": people[(people.ltv > 1000) & (active <= 7)],
        "trial": people[people.plan == "trial"],
        "churned": people[active > 60],
        "power": people[(people.sessions >= 20) & (active <= 60)],
        "enterprise": people[people.plan == "enterprise"],
    }


def _history(rng: np.random.Generator, name: str, members: pd.DataFrame, days: list[date]) -> list[dict[str, object]]:
    shares = {a: members[a].value_counts(normalize=True).to_dict() for a in ATTRIBUTES}
    rate = float(members.converted.mean())
    rows = []
    for i, day in enumerate(days):
        drifted, last = i >= DAYS - DRIFTING, i == DAYS - 1
        if name == "high-value":
            size, today = (SIZE if drifted else BASE), {**shares, "platform": PLATFORM[drifted]}
            converted, churn = CONVERSION[drifted], CHURN[drifted]
        else:
            size = round(len(members) * (1 if last else 1 + 0.01 * rng.uniform(-1, 1)))
            today = shares if last else {a: _nudged(rng, s) for a, s in shares.items()}
            converted = rate if last else rate * (1 + 0.03 * rng.uniform(-1, 1))
            churn = 0.03 * (1 + 0.04 * rng.uniform(-1, 1))
        rows.append(
            {
                "segment": name,
                "ts": f"{day.isoformat()}T02:00:00Z",
                "size": size,
                "conv_rate": round(converted, 6),
                "velocity_in": round(size * churn * rng.uniform(0.97, 1.03)),
                "velocity_out": round(size * churn),
                "attr_distributions": json.dumps({a: _rounded(s) for a, s in today.items()}),
            }
        )
    return rows


def _nudged(rng: np.random.Generator, shares: dict[str, float]) -> dict[str, float]:
    weights = {v: s * (1 + 0.02 * rng.uniform(-1, 1)) for v, s in shares.items()}
    return {v: w / sum(weights.values()) for v, w in weights.items()}


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    """Shares of six decimals that add up to 1: the largest takes the rest."""
    largest = max(shares, key=lambda v: shares[v])
    others = {v: round(s, 6) for v, s in shares.items() if v != largest}
    return {largest: round(1 - sum(others.values()), 6), **others}
