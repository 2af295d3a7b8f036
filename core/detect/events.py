"""Event detectors: from tables and documents at a moment to findings, one exit with the series detectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.model import CheckReport, Dataset, JsonObject, Sighting
from core.plugins import Plugin, Registry
from core.ports import Engine


@dataclass(frozen=True, slots=True)
class Scene:
    """All that an event detector may look at. Rows later than ``now`` do not exist for it.

    ``open`` holds, by (subject, type), the body of each incident that is open: what it was judged against.
    ``past`` holds likewise the newest incident that was resolved, with ``detected_at`` and ``resolved_at`` (ISO 8601)
    beside its body.
    """

    dataset: Dataset
    checks: CheckReport
    now: datetime
    engine: Engine
    open: Mapping[tuple[str, str], JsonObject] = field(default_factory=dict)
    past: Mapping[tuple[str, str], JsonObject] = field(default_factory=dict)


class EventDetector(Plugin):
    """Finds what is out of order at the scene's moment."""

    @abstractmethod
    def detect(self, scene: Scene) -> Sighting:
        """Findings with type, subject and receipt; what was judged and is in order; what was not judged and why."""
        raise NotImplementedError


event_detectors: Registry[EventDetector] = Registry("event detector")
