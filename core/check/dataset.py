"""Checks that concern rows and documents one by one, where an expectation over a whole column says too little."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime

from core.model import CheckResult, Dataset
from core.plugins import Plugin, Registry


class DatasetCheck(Plugin):
    """Judges the parts of a dataset; what it fails is withheld from detection."""

    @abstractmethod
    def check(self, dataset: Dataset, now: datetime) -> tuple[CheckResult, ...]:
        """Results, the failed ones naming in ``params`` what they concern."""
        raise NotImplementedError


dataset_checks: Registry[DatasetCheck] = Registry("dataset check")
