"""Cases of drifting segments, found by the detectors, as questions for Explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import core.detect  # noqa: F401 (registers the detectors)
from core.detect.events import Scene
from core.explain.cases import CaseQuestion, Explained
from core.explain.drift import DriftExplainer
from core.model import Finding, Segment, Snapshot
from core.ports import Engine
from tests.detect.segment_scene import demo, detect, scene, segment, sizes

CREEP = (10_000, 9_700, 9_409, 9_127, 8_853, 8_587, 8_330, 8_080)


def asked(at: Scene, kind: str = "size_jump", subject: str = "high-value") -> CaseQuestion:
    """The question of one case of the scene."""
    findings = detect(at).findings
    own = tuple(f for f in findings if (f.type, f.subject) == (kind, subject))
    rest: tuple[Finding, ...] = tuple(f for f in findings if f not in own)
    return CaseQuestion("segment_drift", "Segment drift", kind, subject, at.now, own, rest, at.checks, at.dataset,
                        cast("Engine", None))  # fmt: skip


def question(
    snapshots: Sequence[Snapshot],
    kind: str = "size_jump",
    *,
    others: Sequence[Segment] = (),
    own: Segment | None = None,
) -> CaseQuestion:
    """The question of a case of ``high-value`` among other segments."""
    return asked(scene([own or segment(), *others], snapshots), kind)


def demo_question(kind: str = "size_jump") -> CaseQuestion:
    """Scenario 1, with four quiet segments beside."""
    names = ("trial", "churned", "power", "enterprise")
    quiet = [s for name in names for s in sizes(*[15_000] * 8, name=name)]
    return question([*demo(), *quiet], kind, others=[segment(name) for name in names])


def explained(of: CaseQuestion) -> Explained:
    """The rules' explanation."""
    return DriftExplainer().explain(of)
