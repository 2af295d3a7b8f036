"""How well the product judges labelled cases: ``python -m bench.judgement detection --root DIR --out PRED.csv``.

``DIR/detection/dev/*.parquet`` holds the labelled series. The predictions go to ``--out``; the figures come from
``DIR/detection/eval.py`` and are printed as a Markdown table.

``python -m bench.judgement drift --root DIR --out PRED.jsonl`` judges the audiences of ``DIR/drift/counts.csv.gz``
with the placebo drift detector; ``score.py drift`` of the same folder scores them.

``python -m bench.judgement service nezha_ob|nezha_tt|petshop --root DIR --out PRED.jsonl`` and
``python -m bench.judgement change_events --root DIR --out PRED.jsonl`` rank the services and the changes of labelled
incidents; ``score.py service NAME`` and ``score.py change_events`` score them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from bench.root_cause import Ranking, rank_commits, rank_services, write
from core.detect.own_past import DriftPlacebo
from core.detect.placebo import Audience, largest_shift
from core.scoring import score_frame

HEAD = (
    "set",
    "series",
    "events",
    "F1",
    "precision",
    "recall",
    "VUS-PR",
    "false alarms a series-year",
    "delay",
    "CPU s",
)


def main(argv: list[str] | None = None) -> int:
    """Runs one part of the measurement and prints its table."""
    parser = argparse.ArgumentParser(prog="bench.judgement", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    detection = parts.add_parser("detection", help="anomaly detection over labelled series")
    detection.add_argument("--root", type=Path, required=True, help="folder that holds detection/")
    detection.add_argument("--out", type=Path, required=True, help="CSV to write the scores to")
    detection.add_argument("--set", action="append", dest="sets", help="only this set, e.g. synth_daily")
    detection.add_argument("--detector", default="combined")
    detection.add_argument("--country", default=None)
    detection.set_defaults(judge=judge_detection)
    drift = parts.add_parser("drift", help="drift of labelled audiences")
    drift.add_argument("--root", type=Path, required=True, help="folder that holds drift/")
    drift.add_argument("--out", type=Path, required=True, help="JSON lines to write the predictions to")
    drift.set_defaults(judge=judge_drift)
    service = parts.add_parser("service", help="which service broke")
    service.add_argument("dataset", choices=["nezha_ob", "nezha_tt", "petshop"])
    service.add_argument("--root", type=Path, required=True, help="folder that holds service/")
    service.add_argument("--out", type=Path, required=True, help="JSON lines to write the predictions to")
    service.set_defaults(judge=lambda a: judge_ranking(rank_services(a.root, a.dataset), a.out))
    changes = parts.add_parser("change_events", help="which change broke it")
    changes.add_argument("--root", type=Path, required=True, help="folder that holds change_events/")
    changes.add_argument("--out", type=Path, required=True, help="JSON lines to write the predictions to")
    changes.set_defaults(judge=lambda a: judge_ranking(rank_commits(a.root), a.out))
    args = parser.parse_args(argv)
    judge: Callable[[argparse.Namespace], int] = args.judge
    return judge(args)


def judge_detection(args: argparse.Namespace) -> int:
    """Scores every set with the product's own code and measures each."""
    folder: Path = args.root / "detection"
    predictions = []
    print("|" + "|".join(HEAD) + "|\n" + "|---" * len(HEAD) + "|")
    for data in sorted((folder / "dev").glob("*.parquet")):
        if args.sets and data.stem not in args.sets:
            continue
        start = time.process_time()
        scores = score_frame(pd.read_parquet(data), args.detector, args.country)
        cpu = time.process_time() - start
        predictions.append(scores)
        scores.to_csv(args.out, index=False)
        print("|" + "|".join(_row(data.stem, _measured(folder / "eval.py", data, args.out), cpu)) + "|", flush=True)
    pd.concat(predictions).to_csv(args.out, index=False)
    return 0


def judge_drift(args: argparse.Namespace) -> int:
    """Writes one prediction per case: whether it drifted, and in which value of which attribute."""
    rows = pd.read_csv(args.root / "drift" / "counts.csv.gz", dtype={"value": str})
    limit, started = DriftPlacebo().threshold, time.process_time()
    with args.out.open("w") as file:
        for case, group in rows.groupby("case", sort=False):
            shift = largest_shift([_audience(str(dim), part) for dim, part in group.groupby("dim")])
            z = abs(shift.z) if shift else 0.0
            said = {"case": case, "drift": z >= limit, "score": z}
            file.write(json.dumps(said | ({"dim": shift.attribute, "value": shift.value} if shift else {})) + "\n")
    print(f"{rows['case'].nunique()} cases, {time.process_time() - started:.1f} CPU s")
    return 0


def _audience(dim: str, rows: pd.DataFrame) -> Audience:
    table = rows.pivot_table(index="t", columns="value", values="count", fill_value=0).sort_index()
    return Audience(dim, tuple(map(str, table.columns)), table.to_numpy(dtype=float))


def judge_ranking(rankings: Iterator[Ranking], out: Path) -> int:
    """Writes one ranking per case."""
    started = time.process_time()
    cases = write(rankings, out)
    print(f"{cases} cases, {time.process_time() - started:.1f} CPU s")
    return 0


def _measured(judge: Path, data: Path, scores: Path) -> dict[str, float]:
    """What the independent scorer says of one set."""
    command = [sys.executable, str(judge), "--data", str(data), "--scores", str(scores)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def _row(name: str, r: dict[str, float], cpu: float) -> list[str]:
    figures = [r["event_f1"], r["precision"], r["recall"], r["vus_pr"], r["fa_per_series_year"]]
    return [
        name, str(r["series"]), str(r["events"]), *(f"{x:.3f}" for x in figures), str(r["delay_median"]), f"{cpu:.1f}",
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
