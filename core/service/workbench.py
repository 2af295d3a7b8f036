"""The workbench: everything the use cases need, built once per process."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from core.act.channels import Channel
from core.check import kept
from core.check.run import run_checks
from core.context import Context
from core.errors import NotFound
from core.model import CheckReport, Dataset
from core.playbook import EventPlaybook, Playbook
from core.store.books import Store

T = TypeVar("T")


class Recent(Generic[T]):
    """The most recently used results by content key; thread-safe, each key computed once at a time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()
        self._busy: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result for ``key``, made by ``make`` when it is not kept."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            with self._lock:
                if key in self._items:
                    return self._items[key]
            made = make()
            with self._lock:
                self._items[key] = made
                self._busy.pop(key, None)
                while len(self._items) > self._size:
                    self._items.popitem(last=False)
            return made


class Known:
    """Keys of things that are stored for good, each for a while; the last ones used stay longest. Thread-safe."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._until: OrderedDict[str, datetime] = OrderedDict()
        self._lock = threading.Lock()

    def among(self, keys: Sequence[str], now: datetime) -> frozenset[str]:
        """Those of the keys that are known. One that is not may be stored all the same."""
        with self._lock:
            return frozenset(key for key in keys if (until := self._until.get(key)) is not None and until > now)

    def remember(self, keys: Sequence[str], until: datetime) -> None:
        """The keys are known until then."""
        with self._lock:
            for key in keys:
                self._until[key] = until
                self._until.move_to_end(key)
            while len(self._until) > self._size:
                self._until.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Workbench:
    """Ports, store, playbooks and channels. Use cases are functions that take it first."""

    ctx: Context
    store: Store
    playbooks: Mapping[str, Playbook]
    channels: Mapping[str, Channel]
    data: Path  # folder of the playbooks' own data
    events: Mapping[str, EventPlaybook] = field(default_factory=dict)
    shipped: Path = Path("playbooks")  # folder of the playbooks
    checks: Recent[CheckReport] = field(default_factory=lambda: Recent[CheckReport](64))
    definitions: Recent[object] = field(default_factory=lambda: Recent[object](128))
    known_events: Known = field(default_factory=lambda: Known(50_000))  # order events by their idempotency key

    @property
    def tenant(self) -> str:
        """The tenant of a workbench without login."""
        return self.ctx.settings.telltale_tenant

    def check(self, playbook: Playbook | EventPlaybook, dataset: Dataset, *, wait: bool = True) -> CheckReport:
        """The playbook's checks over the dataset; the same content is checked once, also over restarts.

        A suite that asks how fresh the data is holds for an hour. Without ``wait`` the report of content that was
        never checked is ``pending``.
        """
        if not playbook.checks:
            return CheckReport()
        now = self.ctx.clock.now()
        hour = now.strftime("%Y-%m-%dT%H") if any(c.check == "freshness" for c in playbook.checks) else ""
        key = fingerprint(dataset, [c.model_dump(mode="json") for c in playbook.checks], hour)
        path = self.ctx.settings.telltale_home / "checks" / f"{key}.json"
        if not wait and not path.exists():
            return CheckReport(pending=True)
        return self.checks.get(key, lambda: self._checked(playbook, dataset, path))

    def _checked(self, playbook: Playbook | EventPlaybook, dataset: Dataset, path: Path) -> CheckReport:
        report = kept.read(path)
        if report is None:
            report = run_checks(playbook.checks, dataset, self.ctx.engine, now=self.ctx.clock.now())
            kept.write(path, report)
        return report

    def builtin(self, name: str) -> Playbook:
        """A playbook that ships with the workbench. Raises: NotFound listing the known names."""
        try:
            return self.playbooks[name]
        except KeyError:
            raise NotFound(
                f"There is no playbook '{name}'.",
                hint=f"Known: {', '.join([*self.playbooks, *self.events])}.",
                field="playbook",
            ) from None


def fingerprint(dataset: Dataset, *config: object) -> str:
    """A content hash of the dataset's tables and of any configuration."""
    tables = sorted((name, t.path.name) for name, t in dataset.tables.items())
    return hashlib.sha256(json.dumps([tables, config], sort_keys=True, default=str).encode()).hexdigest()
