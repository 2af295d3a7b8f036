"""How long drift detection takes: ``python -m bench.drift [--segments 1000] [--snapshots 14]``.

Made-up segments with five attributes of eight values, a tenth of them drifting: the snapshot checks, the four
detectors and the placebo test, with wall and CPU seconds each and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

import numpy as np

import core.detect  # noqa: F401 (registers the detectors)
from core.check.snapshots import SnapshotChecks
from core.detect.events import Scene, event_detectors
from core.model import CheckReport, Dataset, Json
from core.ports import Engine

T = TypeVar("T")
DETECTORS = ("size_jump", "distribution_shift", "conversion_anomaly", "inactivity_creep", "drift_placebo")
ATTRIBUTES, VALUES = 5, 8
START = datetime(2025, 1, 1, 2, tzinfo=UTC)


def main(argv: list[str] | None = None) -> int:
    """Measures each step and prints a Markdown table."""
    parser = argparse.ArgumentParser(prog="bench.drift", description=__doc__)
    parser.add_argument("--segments", type=int, default=1000)
    parser.add_argument("--snapshots", type=int, default=14)
    args = parser.parse_args(argv)
    dataset, now = made_up(args.segments, args.snapshots), START + timedelta(days=args.snapshots - 1, hours=1)
    print(f"{args.segments:,} segments x {args.snapshots} snapshots\n\n|step|findings|wall s|CPU s|\n|---|---|---|---|")
    checks = timed(
        "snapshot checks",
        lambda: SnapshotChecks().check(dataset, now),
        lambda found: f"{len(CheckReport(found).failed)}",
    )
    scene = Scene(dataset, CheckReport(checks), now, cast("Engine", None))
    for name in DETECTORS:
        detector = event_detectors.build(name)
        timed(name, lambda detector=detector: detector.detect(scene), lambda seen: str(len(seen.findings)))
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return 0


def timed(name: str, work: Callable[[], T], told: Callable[[T], str]) -> T:
    """The result of ``work``; its time becomes a row."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"|{name}|{told(result)}|{wall:.2f}|{cpu:.2f}|", flush=True)
    return result


def made_up(segments: int, snapshots: int) -> Dataset:
    """Documents of segments whose figures tremble; every tenth loses a third of its people on the last day."""
    rng = np.random.default_rng(7)
    listed: list[Json] = []
    taken: list[Json] = []
    for i in range(segments):
        listed.append({"id": f"s{i}", "name": f"Segment {i}", "definition": {"rules": []}})
        usual = rng.dirichlet(np.full(VALUES, 3.0), ATTRIBUTES)
        for day in range(snapshots):
            size = int(rng.normal(20_000, 200) * (0.66 if i % 10 == 0 and day == snapshots - 1 else 1))
            seen = [rng.multinomial(size, shares) / size for shares in usual]
            taken.append(
                {
                    "segment_id": f"s{i}",
                    "ts": (START + timedelta(days=day)).isoformat(),
                    "size": size,
                    "attr_distributions": {
                        f"a{a}": {f"v{v}": float(p) for v, p in enumerate(shares)} for a, shares in enumerate(seen)
                    },
                    "conv_rate": float(rng.normal(0.15, 0.002)),
                    "velocity_in": int(rng.normal(600, 20)),
                    "velocity_out": int(rng.normal(600, 20)),
                }
            )
    return Dataset({}, {"segments": listed, "snapshots": taken})


if __name__ == "__main__":
    sys.exit(main())
