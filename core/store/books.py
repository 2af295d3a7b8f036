"""The store and its books: everything the workbench remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.orm import Session

from core.ports import Clock
from core.redaction import Redactor
from core.store.actions import Actions
from core.store.check_runs import CheckRuns
from core.store.dead_letters import DeadLetters
from core.store.fix_templates import FixTemplates
from core.store.incidents import Incidents
from core.store.inputs import Inputs
from core.store.ledger import StoreLedger
from core.store.order_events import OrderEvents
from core.store.order_policies import Adjustments, OrderPolicies
from core.store.outbox import Outbox
from core.store.people import People
from core.store.received import Received
from core.store.replays import Replays
from core.store.runs import Runs
from core.store.schedules import Schedules
from core.store.schema_snapshots import SchemaSnapshots
from core.store.segments import PeopleTables, Segments, Snapshots
from core.store.sources import Sources
from core.store.together import Together
from core.store.tokens import Tokens
from core.store.trail import Trail
from core.store.transactions import Transactions

T = TypeVar("T")


class Books:
    """All books over one transaction: what is written through them is kept together or not at all."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self.runs = Runs(session, redactor)
        self.incidents = Incidents(session, redactor)
        self.outbox = Outbox(session, redactor)
        self.audit = Trail(session, redactor)
        self.sources = Sources(session, redactor)
        self.schedules = Schedules(session, redactor)
        self.check_runs = CheckRuns(session, redactor)
        self.segments = Segments(session, redactor)
        self.snapshots = Snapshots(session)
        self.people_tables = PeopleTables(session)
        self.actions = Actions(session, redactor)
        self.inputs = Inputs(session)
        self.received = Received(session, redactor)
        self.schemas = SchemaSnapshots(session)
        self.fix_templates = FixTemplates(session)
        self.people = People(session)
        self.tokens = Tokens(session)
        self.replays = Replays(session)
        self.order_events = OrderEvents(session, redactor)
        self.order_policies = OrderPolicies(session)
        self.adjustments = Adjustments(session)
        self.dead_letters = DeadLetters(session, redactor)


class Store:
    """The state store on SQLite or PostgreSQL; safe to share between threads."""

    def __init__(self, transactions: Transactions, redactor: Redactor) -> None:
        self._transactions = transactions
        self._redactor = redactor
        self._together: Together[Books] = Together(self.begin)

    @classmethod
    def open(cls, url: str, redactor: Redactor | None = None) -> Store:
        """The store at ``url`` with its schema at head.

        ``redactor`` (without ``pii``) takes secrets out of every text and JSON that is kept.
        Raises: ConfigError for an unusable URL, StoreError when the database cannot be opened.
        """
        return cls(Transactions(url), redactor or Redactor(()))

    def close(self) -> None:
        """Every pooled connection is closed."""
        self._transactions.close()

    def ping(self) -> None:
        """Returns when the database answers. Raises: StoreError."""
        self._transactions.ping()

    @contextmanager
    def begin(self) -> Iterator[Books]:
        """One writing transaction: committed at the end of the block, rolled back when the block raises.

        Raises: StoreError when the database fails.
        """
        with self._transactions.session() as session:
            yield Books(session, self._redactor)

    def add(self, work: Callable[[Books], T]) -> T:
        """What ``work`` answers, committed; on SQLite those who wait for their turn share a transaction and its commit.

        For work that only adds: it may be carried out twice. Raises: StoreError when the database fails.
        """
        if self._transactions.shares_commits:
            with self.begin() as books:
                return work(books)
        return self._together.run(work)

    @contextmanager
    def read(self) -> Iterator[Books]:
        """One reading transaction over a consistent view; it waits for nobody, and writing in it is refused.

        Raises: StoreError when the database fails or the block writes.
        """
        with self._transactions.session(read_only=True) as session:
            yield Books(session, self._redactor)

    def ledger(self, clock: Clock, tokens_per_day: int, usd_per_day: float) -> StoreLedger:
        """The model budget and answer cache with these limits."""
        return StoreLedger(self._transactions, self._redactor, clock, tokens_per_day, usd_per_day)
