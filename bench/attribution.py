"""Scores the slice scan on labelled attribution cases: ``python -m bench.attribution ROOT rs|b0 OUT.jsonl``.

ROOT holds ``attribution/rs_cases.csv.gz`` or ``attribution/b0_cases.npz`` with their labels; OUT is scored by the
score program beside them. Only cases named in the labels are run.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from core.explain.contribution import Attribution, attribute


def rs(root: Path, depth: int) -> Iterator[tuple[str, Attribution]]:
    """Noisy counts of good and total per leaf, beside their forecasts."""
    rows = pd.read_csv(root / "attribution" / "rs_cases.csv.gz")
    for case, group in rows.groupby("case", sort=False):
        leaves = pd.DataFrame(group["dims"].map(json.loads).tolist())
        now = leaves.assign(good=group["good"].to_numpy(), total=group["total"].to_numpy())
        was = leaves.assign(good=group["good_exp"].to_numpy(), total=group["total_exp"].to_numpy())
        yield str(case), attribute(was, now, "good", "total", tuple(leaves.columns), depth=depth)


def b0(root: Path, depth: int) -> Iterator[tuple[str, Attribution]]:
    """Sums per leaf beside clean forecasts, with one to three slices at fault."""
    labels = pd.read_csv(root / "attribution" / "b0_labels.csv")
    with np.load(root / "attribution" / "b0_cases.npz") as data:
        for row in labels.itertuples():
            codes = data[row.codes]
            dims = [chr(ord("a") + i) for i in range(codes.shape[1])]
            leaves = pd.DataFrame({d: [f"{d}{c}" for c in codes[:, i]] for i, d in enumerate(dims)})
            sides = [leaves.assign(value=data[f"{row.case}|{side}"].astype(float)) for side in ("pred", "real")]
            yield str(row.case), attribute(*sides, "value", None, dims, depth=depth)


def main(root: Path, which: str, out: Path, depth: int) -> None:
    """Writes one prediction per case and prints the mean time."""
    times: list[float] = []
    with out.open("w") as file:
        started = time.perf_counter()
        for case, found in {"rs": rs, "b0": b0}[which](root, depth):
            times.append(time.perf_counter() - started)
            ranked = [dict(s.where) for s in found.slices]
            file.write(json.dumps({"case": case, "slices": ranked[: found.causes], "ranked": ranked}) + "\n")
            started = time.perf_counter()
    print(f"{len(times)} cases, {np.mean(times) * 1000:.0f} ms each, p95 {np.percentile(times, 95) * 1000:.0f} ms")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 3)
