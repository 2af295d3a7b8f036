"""The product's ranking of services and changes on labelled cases; ``bench.judgement`` is its command line."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.explain.ranking import (
    Change,
    Symptom,
    alarmed,
    fused,
    largest,
    moved,
    ranked_changes,
    surprise,
    unexplained,
)

WIDTH = 4  # minutes after the onset that are looked at
Ranking = tuple[str, list[str]]


def rank_services(root: Path, dataset: str) -> Iterator[Ranking]:
    """Services of each case, the likeliest culprit first."""
    folder = root / "service" / dataset
    cases = pd.read_csv(folder / "cases.csv")
    yield from _petshop(folder, cases) if dataset == "petshop" else _nezha(folder, cases)


def _nezha(folder: Path, cases: pd.DataFrame) -> Iterator[Ranking]:
    metrics = {
        d: pd.read_csv(folder / f"{d}_metrics.csv.gz", parse_dates=["ts"]).set_index("ts") for d in set(cases.day)
    }
    logs, traces = _logs(folder), _traces(folder)
    for case in cases.itertuples():
        onset = pd.Timestamp(str(case.onset)).floor("min")
        frame = metrics[case.day]
        owners = [c.split("|")[0] for c in frame.columns]
        at = int(frame.index.searchsorted(onset))
        seen = moved(frame.to_numpy(dtype=float)[: at + WIDTH].T, at, width=WIDTH)
        weight = (
            0.5 if logs is not None else 1.0
        )  # metrics of a container say less than logs and calls where there are some
        sources = [(largest(owners, seen.score), weight), (alarmed(owners, seen.p), weight)]
        if logs is not None:
            at = int(logs.index.searchsorted(onset))
            errors = np.array([c[1] == "ERROR" for c in logs.columns])
            scores = surprise(logs.to_numpy(dtype=float)[: at + WIDTH].T, at, WIDTH - 1, errors)
            sources.append((largest([c[0] for c in logs.columns], scores), 2.0))
        if traces is not None:
            for feature, weight in (("gap_mean", 2.0), ("self_mean", 0.5)):
                wide = traces[feature]
                at = int(wide.index.searchsorted(onset))
                sources.append((_slower(wide.iloc[: at + WIDTH], at), weight))
        yield str(case.case), [name for name, _ in fused(sources)]


def _slower(frame: pd.DataFrame, at: int) -> dict[str, float]:
    """How far the logarithm of a duration rose over what it was before."""
    logs = np.log(np.maximum(frame.to_numpy(dtype=float).T, 1.0))
    now, before = logs[:, at:], logs[:, :at]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # services without a call
        low, middle, high = np.nanpercentile(before, [25, 50, 75], axis=1) if at else (np.zeros(len(logs)),) * 3
        z = np.nan_to_num(np.nanmax(now, axis=1) - middle) / np.maximum(np.nan_to_num((high - low) / 1.349), 0.05)
    return largest(list(frame.columns), z)


def _logs(folder: Path) -> pd.DataFrame | None:
    """Counts per minute of each (service, level, template), all days one after another."""
    parts = []
    for path in sorted(folder.glob("*_logcounts.csv.gz")):
        rows = pd.read_csv(path, parse_dates=["minute"])
        names = pd.read_csv(path.with_name(path.name.replace("logcounts", "templates"))).set_index("tid")["template"]
        parts.append(rows.assign(template=rows["tid"].map(names)))
    if not parts:
        return None
    return pd.concat(parts).pivot_table(
        index="minute", columns=["service", "level", "template"], values="count", aggfunc="sum", fill_value=0
    )


def _traces(folder: Path) -> dict[str, pd.DataFrame] | None:
    parts = [pd.read_csv(path, parse_dates=["minute"]) for path in sorted(folder.glob("*_traces.csv.gz"))]
    if not parts:
        return None
    rows = pd.concat(parts)
    return {f: rows.pivot_table(index="minute", columns="service", values=f) for f in ("gap_mean", "self_mean")}


def _petshop(folder: Path, cases: pd.DataFrame) -> Iterator[Ranking]:
    for scenario, group in cases.groupby("scenario", sort=False):
        normal = pd.read_csv(folder / f"{scenario}_baseline.csv.gz")
        issues = pd.read_csv(folder / f"{scenario}_issues.csv.gz")
        calls = [(str(r.caller), str(r.callee)) for r in pd.read_csv(folder / f"{scenario}_graph.csv").itertuples()]
        for case in group.itertuples():
            mine = issues[issues["case"] == case.case]
            columns = [c for c in normal.columns if "|" in c and c in mine.columns]
            entry, signal, _ = str(case.kpi).split("|")
            alike = [
                c for c in columns if c.split("|")[1] == signal
            ]  # a fault spreads to its callers as the same signal
            sources = []
            for chosen in (alike, columns):
                values = pd.concat([normal[chosen], mine[chosen]]).to_numpy(dtype=float).T
                seen = moved(values, len(normal), width=len(mine), history=len(normal), back=len(normal), step=16)
                owners = [c.split("|")[0] for c in chosen]
                score = largest(owners, np.log1p(np.maximum(seen.score, 0)))
                deep = unexplained(score, calls, entry)
                sources += [(_but(deep, entry), 2.0), (_but(alarmed(owners, seen.p), entry), 1.0)]
            yield str(case.case), [name for name, _ in fused(sources)]


def _but(scores: dict[str, float], entry: str) -> dict[str, float]:
    """Without the service whose alert asks the question, and without addresses as only their callers see them."""
    return {k: v for k, v in scores.items() if k != entry and not k.endswith(("_remote", "_client"))}


def rank_commits(root: Path) -> Iterator[Ranking]:
    """Deployed commits of each case and ``none``, the likeliest first."""
    for folder in sorted(p.parent for p in (root / "change_events").glob("*/alert.json")):
        alert, deploys, commits, patterns = (
            json.loads((folder / f"{name}.json").read_text()) for name in ("alert", "deploys", "commits", "patterns")
        )
        live = {d["commit_sha"]: d for d in deploys}
        changes = [_change(c, live.get(c["sha"])) for c in commits]
        yield folder.name, [name for name, _ in ranked_changes(changes, _symptom(alert, patterns))]


def _change(commit: dict[str, Any], deploy: dict[str, Any] | None) -> Change:
    return Change(
        id=commit["sha"],
        service=deploy["service"] if deploy else "",
        live=_time(deploy["timestamp"]) if deploy else None,
        text=commit["message"],
        files=tuple(commit["files_changed"] or ()),
        diff=commit["diff"] or "",
    )


def _symptom(alert: dict[str, Any], patterns: list[dict[str, Any]]) -> Symptom:
    """The alert's own words, and the bad lines that rose, each by its share of what such lines can be."""
    rising = [p for p in patterns if p["sentiment"] == "negative" and int(p["delta_vs_baseline"]) > 0]
    lines = [(p["signature"], 1.0 if p["service"] == alert["service"] else 0.3) for p in rising]
    lines.append((f"{alert['metric']} {alert['summary']}", 0.5))
    hit = frozenset(p["service"] for p in rising)
    usual = [p for p in patterns if p["sentiment"] == "neutral"]
    surge = any(int(p["delta_vs_baseline"]) >= _before(p) / 2 for p in usual if _before(p) >= 100)
    return Symptom(alert["service"], _time(alert["fired_at"]), tuple(lines), hit, surge)


def _before(pattern: dict[str, Any]) -> int:
    return int(pattern["count"]) - int(pattern["delta_vs_baseline"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def write(rankings: Iterator[Ranking], out: Path) -> int:
    """One prediction a line; answers how many."""
    lines = [json.dumps({"case": case, "ranked": ranked}) for case, ranked in rankings]
    out.write_text("\n".join([*lines, ""]))
    return len(lines)
