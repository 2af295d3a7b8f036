"""What the segment pages read: comparisons, a measure over time, movers, make-up, flow, and rows to take away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pandas as pd
import pyarrow as pa
import pytest

from core import segment_charts, segment_views
from core.baseline.references import reference_doc, references
from core.charts import DARK, LIGHT
from core.detect.drift import PLAYBOOK
from core.detect.events import Scene
from core.detect.watched import Watched
from core.events import Bodies
from core.load.export import write_csv
from core.model import CheckReport, Dataset, Json, Segment, SegmentWatch, Severity, Snapshot
from core.playbook import EventPlaybook, read_playbook
from core.ports import Engine
from core.segment_views import Comparison

START = datetime(2026, 1, 1, 2, tzinfo=UTC)
BEFORE = {"platform": {"ios": 0.45, "android": 0.40, "web": 0.15}, "plan": {"pro": 1.0}}
AFTER = {"platform": {"ios": 0.78, "web": 0.22}, "plan": {"pro": 1.0}}


@pytest.fixture(scope="module")
def playbook() -> EventPlaybook:
    found = read_playbook(Path(__file__).parents[1] / "playbooks" / PLAYBOOK)
    assert isinstance(found, EventPlaybook)
    return found


def snapshots(sizes: Sequence[int], drift: int = 3) -> tuple[Snapshot, ...]:
    """Daily snapshots; the last ``drift`` of them with another make-up, conversion and churn."""
    found = []
    for i, size in enumerate(sizes):
        late = i >= len(sizes) - drift
        left = round(size * (0.05 if late else 0.03))
        found.append(
            Snapshot(
                "vip", START + timedelta(days=i), size, AFTER if late else BEFORE, 0.10 if late else 0.15, left, left
            )
        )
    return tuple(found)


DEMO = snapshots([20_000] * 5 + [11_600] * 3)


def scene(opened: Bodies | None = None) -> Scene:
    return Scene(Dataset({}), CheckReport(), START + timedelta(days=30), cast("Engine", None), opened or {})


def item(history: tuple[Snapshot, ...] = DEMO, watch: SegmentWatch | None = None) -> Watched:
    return Watched(Segment("vip", "VIP", {}, watch=watch or SegmentWatch()), history)


def lines(playbook: EventPlaybook, of: Watched, opened: Bodies | None = None) -> dict[tuple[str, str], Comparison]:
    found = segment_views.comparisons(segment_views.detectors_of(playbook), of, scene(opened))
    return {(line.type, line.reference): line for line in found}


def test_every_measure_against_every_reference_with_its_dates(playbook: EventPlaybook) -> None:
    found = lines(playbook, item())  # PU-07, PU-16
    assert len(found) == 12
    size = found["size_jump", "reference"]
    assert (size.base, size.observed, size.severity) == (20_000, 11_600, Severity.HIGH)
    assert size.ratio == pytest.approx(2.8)
    assert size.dates == tuple(s.ts for s in DEMO[:7])
    assert found["size_jump", "previous"].severity is None
    makeup = found["distribution_shift", "window_start"]
    assert makeup.attribute == "platform"
    assert makeup.share == pytest.approx(0.40)
    assert found["conversion_anomaly", "reference"].share == pytest.approx(-1 / 3)
    assert found["inactivity_creep", "reference"].severity is Severity.HIGH


def test_what_cannot_be_compared_says_why(playbook: EventPlaybook) -> None:
    alone = lines(playbook, item(DEMO[:1]))
    assert {line.note for line in alone.values()} == {"not enough history: two snapshots are needed"}
    off = lines(playbook, item(watch=SegmentWatch(size_change=1.0)))
    assert off["size_jump", ""].note == "switched off for this segment"
    tiny = lines(playbook, item(snapshots([20, 14], drift=0)))
    assert tiny["size_jump", "previous"].note == "small sample: not judged"
    assert tiny["size_jump", "previous"].severity is None


def kept(history: tuple[Snapshot, ...]) -> Bodies:
    base = references(history[:5])[1]
    receipt: Json = {"base": reference_doc(base), "since": history[5].ts.isoformat()}
    return {("vip", "size_jump"): {"baseline_receipt": receipt}}


def test_an_open_incident_keeps_its_base(playbook: EventPlaybook) -> None:
    long = snapshots([20_000] * 5 + [11_600] * 9, drift=9)
    opened = kept(long)
    found = lines(playbook, item(long), opened)  # PU-20
    assert found["size_jump", "incident"].base == 20_000
    assert found["size_jump", "reference"].base == 11_600
    every = [line for line in found.values() if line.type == "size_jump"]
    assert segment_views.speaking(every) == "incident"
    size = segment_views.detectors_of(playbook)[0]
    frame = segment_views.track(size, item(long), scene(opened), "incident")
    assert frame["expected"].tolist()[1:] == [20_000] * 13
    assert frame["alarm"].tolist() == [False] * 5 + [True] * 9


def test_a_band_knows_nothing_of_what_comes_later(playbook: EventPlaybook) -> None:
    size = segment_views.detectors_of(playbook)[0]
    whole = segment_views.track(size, item(), scene(), "reference")
    cut = segment_views.track(size, item(DEMO[:6]), scene(), "reference")
    pd.testing.assert_frame_equal(whole.iloc[:6], cut)
    assert whole["lower"].tolist()[-1] == pytest.approx(17_000)
    assert whole["alarm"].tolist() == [False] * 5 + [True] * 3


def test_the_largest_movers_come_first() -> None:
    reference = references(DEMO[:7])[1]
    frame = segment_views.moved(DEMO[-1], reference)  # PU-10
    assert frame["label"].tolist()[:3] == ["platform: android", "platform: ios", "platform: web"]
    assert frame.loc[0, ["before", "after", "change"]].tolist() == pytest.approx([0.40, 0.0, -0.40])
    assert frame["distance"][0] == pytest.approx(0.40)


def test_rare_values_are_shown_together() -> None:
    shares = {"country": {f"C{i:02}": (1 if i else 2) / 13 for i in range(12)}}
    frame = segment_views.composition((Snapshot("vip", START, 13, shares),), "country")
    assert frame["value"].tolist() == [f"C{i:02}" for i in range(7)] + ["other values"]
    assert frame["share"].sum() == pytest.approx(1)


def test_flow_and_rows() -> None:
    assert segment_views.flow(DEMO[:1])["people"].tolist() == [600, -600]
    assert segment_views.flow((Snapshot("vip", START, 5, {}),)).empty
    row = segment_views.rows_of(DEMO[:1], {"vip": "=VIP"}).iloc[0]
    assert (row["segment"], row["size"], row["platform=android"]) == ("=VIP", 20_000, 0.40)


def test_a_name_that_is_a_formula_is_none_in_the_file() -> None:
    rows = segment_views.rows_of(DEMO[:1], {"vip": "=VIP()"})  # PU-24
    first = write_csv(pa.Table.from_pandas(rows, preserve_index=False)).decode().splitlines()[1]
    assert first.startswith('"\'=VIP()","vip"')


def test_charts_are_valid_in_both_themes() -> None:
    overlap = pd.DataFrame({"row": ["A", "B"], "column": ["B", "A"], "people": [5, 5], "share": [0.5, 0.1]})
    for palette in (LIGHT, DARK):
        drawn = [
            segment_charts.composition(segment_views.composition(DEMO, "platform"), palette=palette),
            segment_charts.movers(segment_views.moved(DEMO[-1], references(DEMO[:7])[1]), palette=palette),
            segment_charts.flow(segment_views.flow(DEMO), palette=palette),
            segment_charts.overlap(overlap, palette=palette),
        ]
        for chart in drawn:
            assert chart.to_dict(validate=True)["$schema"]
