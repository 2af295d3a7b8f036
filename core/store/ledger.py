"""The model budget of a UTC day and the cache of good answers, in the database: shared by all processes."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from core.errors import BudgetExceeded, NotFound
from core.ports import Clock
from core.redaction import Redactor
from core.store.records import DayUsage
from core.store.rowlocks import take_turn
from core.store.tables import AnswerRow, ModelCallRow
from core.store.transactions import Transactions

RESERVATION_LIFE = timedelta(minutes=10)  # longer than any call with its second attempt
ANSWER_LIFE = timedelta(hours=1)
_MICRO = 1_000_000  # costs are whole micro-dollars, so that sums are exact


class StoreLedger:
    """The :class:`core.ports.Ledger` of the workbench."""

    def __init__(
        self, transactions: Transactions, redactor: Redactor, clock: Clock, tokens_per_day: int, usd_per_day: float
    ) -> None:
        self._transactions = transactions
        self._redactor = redactor
        self._clock = clock
        self._tokens_per_day = tokens_per_day
        self._usd_per_day = usd_per_day

    def reserve(self, tokens: int, cost_usd: float) -> str:
        """Takes an upper bound from the day's budget; answers a reservation id.

        A reservation that is never settled (its process died) returns to the budget after ten minutes.
        Raises: BudgetExceeded naming the limit that would be passed.
        """
        now = self._clock.now()
        with self._transactions.session() as session:
            take_turn(session, "model budget")
            spent_tokens, spent_micro = _spent(session, now)
            self._check("tokens", spent_tokens + tokens, self._tokens_per_day)
            self._check("USD", (spent_micro + _micro(cost_usd)) / _MICRO, self._usd_per_day)
            row = _call(now, "reserved", tokens=tokens, micro_usd=_micro(cost_usd))
            session.add(row)
            return row.id

    def _check(self, unit: str, wanted: float, limit: float) -> None:
        if wanted > limit:
            raise BudgetExceeded(
                f"The model budget of {limit:g} {unit} for this UTC day is spent.", hint="It renews at 00:00 UTC."
            )

    def settle(self, reservation: str, tokens: int, cost_usd: float | None, failure: str = "") -> None:
        """Replaces a reservation by what was really used; settling again changes nothing.

        ``cost_usd`` None means the model has no configured price; ``failure`` is why the call failed, in a word.
        Raises: NotFound for an unknown reservation.
        """
        with self._transactions.session() as session:
            row = session.get(ModelCallRow, reservation, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no budget reservation '{reservation}'.")
            if row.kind == "reserved":
                row.kind, row.tokens, row.failure = "settled", tokens, failure
                row.micro_usd, row.priced = _micro(cost_usd or 0.0), cost_usd is not None

    def recall(self, key: str) -> str | None:
        """A good answer stored under ``key`` less than an hour ago; counts as a cache hit."""
        now = self._clock.now()
        with self._transactions.session() as session:
            row = session.get(AnswerRow, key)
            if row is None or row.stored_at <= now - ANSWER_LIFE:
                return None
            session.add(_call(now, "hit"))
            return str(row.answer)

    def remember(self, key: str, answer: str) -> None:
        """Keeps a good answer for an hour."""
        now = self._clock.now()
        with self._transactions.session() as session:
            take_turn(session, "model answers")
            session.execute(delete(AnswerRow).where(AnswerRow.stored_at <= now - ANSWER_LIFE))
            session.merge(AnswerRow(key=key, answer=self._redactor.text(answer), stored_at=now))

    def usage(self, days: int = 30) -> tuple[DayUsage, ...]:
        """The last ``days`` UTC days on which the model was used, latest first; open reservations do not count."""
        first = self._clock.now().date() - timedelta(days=days - 1)
        with self._transactions.session(read_only=True) as session:
            query = select(ModelCallRow).where(ModelCallRow.day >= first.isoformat(), ModelCallRow.kind != "reserved")
            by_day: dict[str, list[ModelCallRow]] = {}
            for row in session.scalars(query):
                by_day.setdefault(row.day, []).append(row)
            return tuple(_usage(day, by_day[day]) for day in sorted(by_day, reverse=True))


def _micro(usd: float) -> int:
    return round(usd * _MICRO)


def _call(now: datetime, kind: str, *, tokens: int = 0, micro_usd: int = 0) -> ModelCallRow:
    return ModelCallRow(
        id=uuid.uuid4().hex,
        day=now.date().isoformat(),
        kind=kind,
        tokens=tokens,
        micro_usd=micro_usd,
        priced=True,
        failure="",
        at=now,
        expires_at=now + RESERVATION_LIFE,
    )


def _spent(session: Session, now: datetime) -> tuple[int, int]:
    held: ColumnElement[bool] = and_(ModelCallRow.kind == "reserved", ModelCallRow.expires_at > now)
    query = select(func.coalesce(func.sum(ModelCallRow.tokens), 0), func.coalesce(func.sum(ModelCallRow.micro_usd), 0))
    today = ModelCallRow.day == now.date().isoformat()
    tokens, micro_usd = session.execute(query.where(today, or_(ModelCallRow.kind == "settled", held))).one()
    return int(tokens), int(micro_usd)


def _usage(day: str, rows: list[ModelCallRow]) -> DayUsage:
    calls = [row for row in rows if row.kind == "settled"]
    failures: dict[str, int] = {}
    for row in calls:
        if row.failure:
            failures[row.failure] = failures.get(row.failure, 0) + 1
    return DayUsage(
        day=date.fromisoformat(day),
        calls=len(calls),
        tokens=sum(row.tokens for row in calls),
        usd=sum(row.micro_usd for row in calls) / _MICRO,
        unpriced=sum(not row.priced for row in calls),
        cache_hits=len(rows) - len(calls),
        failures=failures,
    )
