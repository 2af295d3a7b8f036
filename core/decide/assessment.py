"""What a playbook computes of its dataset as a whole, beside its findings: documents for the report."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime

from core.model import Dataset, JsonObject
from core.plugins import Plugin, Registry
from core.ports import Engine


class Assessment(Plugin):
    """Computes documents from a dataset."""

    @abstractmethod
    def assess(self, dataset: Dataset, engine: Engine, now: datetime) -> JsonObject:
        """Documents by name, as they were knowable at ``now``."""
        raise NotImplementedError


assessments: Registry[Assessment] = Registry("assessment")
