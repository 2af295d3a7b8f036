"""Work that is killed: ``python -m tests.service.killed HOME SLACK SEED KILLS``, a process of its own.

Each child seeds a tenant, takes snapshots and runs both playbooks, over and over, until SIGKILL ends it: every second
one after a random time, the others a moment after it wrote to the store. Says ``killed``, waits for a line, and then
does the same work once more for each tenant, to its end.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path

from pydantic import SecretStr

from core.access import Principal
from core.bootstrap import build
from core.check.run import warm
from core.service import casework, segments, snapshots
from core.settings import Settings

LONGEST_S = 5.0
MOST_WRITES = 30


@dataclass
class Hand:
    """A clock that a day's work moves to the next day."""

    at: datetime

    def now(self) -> datetime:
        return self.at


def settings(home: Path, slack: str) -> Settings:
    """A workbench that alerts and asks by a Slack bot."""
    return Settings(
        _env_file=None,
        telltale_home=home,
        slack_bot_token=SecretStr("xoxb-test"),
        slack_channel="C1",
        slack_api_url=slack,
    )


def day(known: Settings, tenant: str, days: int | None = None) -> None:
    """The tenant's work of a day, for so many days."""
    clock = Hand(datetime.now(UTC).replace(microsecond=0))
    wb = build(known.model_copy(update={"telltale_tenant": tenant}), clock)
    who = Principal("schedule", tenant, "responder")
    done = 0
    while days is None or done < days:
        segments.seed_demo(wb, who)
        snapshots.take(wb, who)
        for playbook in ("segment_drift", "service_incidents"):
            casework.run(wb, who, playbook, kind="schedule", ask_model=False)
        clock.at, done = clock.at + timedelta(days=1), done + 1
    wb.store.close()


def killed(child: ForkProcess, home: Path, chance: random.Random, *, writing: bool) -> None:
    """Returns when the child is gone by SIGKILL."""
    journal = home / "telltale.db-wal"
    if writing:
        for _ in range(chance.randint(1, MOST_WRITES)):
            before = _touched(journal)
            while _touched(journal) == before and child.is_alive():
                time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.004))
    else:
        time.sleep(chance.uniform(0.02, LONGEST_S))
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL, f"the child ended by itself with {child.exitcode}"


def _touched(journal: Path) -> int:
    return journal.stat().st_mtime_ns if journal.exists() else 0


def main(home: Path, slack: str, seed: int, kills: int) -> None:
    """Kills, waits for a line, and finishes the work."""
    warm()
    known, chance = settings(home, slack), random.Random(seed)
    forked = get_context("fork").Process  # of a process that has only imported: no engine's threads to lose
    first = forked(target=day, args=(known, "first", 1))
    first.start()
    first.join()  # the store has its tables
    assert first.exitcode == 0
    for n in range(kills):
        child = forked(target=day, args=(known, f"t{n}"))
        child.start()
        killed(child, home, chance, writing=n % 2 == 1)
    sys.stdout.write("killed\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for n in range(kills):
        day(known, f"t{n}", 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
