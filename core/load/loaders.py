"""How a playbook of events reads its inputs: files of a folder, and documents that the store already holds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from core.context import Context
from core.model import Dataset, Json
from core.plugins import Plugin, Registry


class Loader(Plugin):
    """Turns input files into tables and documents."""

    @abstractmethod
    def load(
        self, files: Mapping[str, Path | bytes], documents: Mapping[str, Json], ctx: Context, now: datetime
    ) -> Dataset:
        """The playbook's dataset. A file (by its path in the folder) stands in for the document of the same content.

        Raises: InputError naming file, row and column when an input is malformed.
        """
        raise NotImplementedError


loaders: Registry[Loader] = Registry("loader")
