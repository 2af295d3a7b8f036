"""A workbench over a temporary store at a fixed time, and the demo data as editable frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from core.access import Principal
from core.adapters.clock import FixedClock
from core.bootstrap import ROOT, build
from core.model import CheckReport
from core.service.workbench import Recent, Workbench
from core.settings import read_settings

CHECKED: Recent[CheckReport] = Recent(256)  # the same content is checked once for all tests
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
TABLES = ("revenue", "traffic", "support", "deploys")
Files = dict[str, Path | bytes | None]
Edit = Callable[[dict[str, pd.DataFrame]], None]


@pytest.fixture
def settings(tmp_path: Path):
    return read_settings(env_file=None).model_copy(update={"telltale_home": tmp_path, "openai_api_key": None})


@pytest.fixture
def wb(settings) -> Iterator[Workbench]:
    bench = replace(build(settings, FixedClock(NOW)), checks=CHECKED)
    yield bench
    bench.store.close()
    bench.ctx.engine.close()


@pytest.fixture
def who() -> Principal:
    return Principal(user="ana", tenant="default", role="responder")


def demo_frames() -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(ROOT / "data" / "daily_kpis" / f"{name}.csv") for name in TABLES}


@pytest.fixture
def edited() -> Callable[[Edit], Files]:
    """The demo files after a change made by the test."""

    def make(change: Edit) -> Files:
        frames = demo_frames()
        change(frames)
        return {name: frame.to_csv(index=False).encode() for name, frame in frames.items()}

    return make
