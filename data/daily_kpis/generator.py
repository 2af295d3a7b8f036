"""A made-up year of the four daily systems: weekly rhythm, slow growth, noise, and one bad day at the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def generate(seed: int, out: Path, days: int = 120) -> list[Path]:
    """Writes revenue.csv, traffic.csv, support.csv and deploys.csv; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2025-09-01", periods=days, freq="D")
    week = 1 + 0.04 * np.cos(2 * np.pi * dates.day_of_week.to_numpy() / 7)
    level = np.linspace(1.0, 1.15, days) * week * (1 + 0.015 * rng.standard_normal(days))
    bad = np.zeros(days)
    bad[-1] = 1.0
    sessions = np.rint(50_000 * level).astype(int)
    signups = np.rint(sessions * (0.05 - 0.012 * bad) * (1 + 0.01 * rng.standard_normal(days))).astype(int)
    gross = np.rint(100_000 * level).astype(int)
    refunds = np.rint(gross * (0.052 + 0.11 * bad) * (1 + 0.02 * rng.standard_normal(days))).astype(int)
    tickets = np.rint(180 * level * (1 + 0.8 * bad) + rng.normal(0, 3, days)).astype(int)
    deploys = rng.poisson(15, days)
    tables = {
        "revenue": {
            "gross": gross,
            "refunds": refunds,
            "net": gross - refunds,
            "new_customers": np.rint(340 * level).astype(int),
        },
        "traffic": {
            "sessions": sessions,
            "signups": signups,
            "conversion_rate": np.round(signups / sessions, 4),
        },
        "support": {
            "tickets_opened": tickets,
            "avg_first_response_mins": np.rint(44 * (1 + 0.9 * bad) + rng.normal(0, 1, days)).astype(int),
            "csat": np.round(4.55 - 0.7 * bad + rng.normal(0, 0.02, days), 2).clip(0, 5),
        },
        "deploys": {
            "deploys": deploys,
            "failures": rng.binomial(np.maximum(deploys, 1), 0.08) + (4 * bad).astype(int),
            "incident_count": rng.binomial(1, 0.05, days) + (2 * bad).astype(int),
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, columns in tables.items():
        path = out / f"{name}.csv"
        pd.DataFrame({"date": dates.strftime("%Y-%m-%d"), **columns}).to_csv(path, index=False, lineterminator="\n")
        paths.append(path)
    return paths
