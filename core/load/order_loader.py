"""The order playbook's inputs: events, invoices and the policy, from a folder's files over what the store holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from core.context import Context
from core.errors import InputError
from core.load.loaders import Loader, loaders
from core.load.order_files import Rows, no_invoices, read_events, read_invoices, stored_events
from core.load.order_policies import Problem, read_policy, shipped_policy
from core.model import Dataset, Json, JsonObject, Reject, Table
from core.orders import policy_doc

KEPT = 100  # rejected rows of each table that a report shows
EVENTS, INVOICES, POLICIES, STORED = ("events.jsonl", "events.csv"), "invoices.csv", "policies.yaml", "events.parquet"


@loaders.register("orders", "Order events, invoices and their policy")
class OrderLoader(Loader):
    """Reads events.jsonl (or events.csv), invoices.csv and policies.yaml.

    Without a file of events the store's are judged (``events.parquet``, a Parquet file below the engine's folder);
    without a policy the document ``policies``, else the shipped one. A broken policies.yaml changes nothing: the
    last good policy stays, and ``policy_errors`` says so.
    """

    def load(
        self, files: Mapping[str, Path | bytes], documents: Mapping[str, Json], ctx: Context, now: datetime
    ) -> Dataset:
        """Tables events and invoices; documents policies, policy_errors, policy_warnings, rejects and timezone.

        Raises: InputError when there are no events, or a file cannot be read.
        """
        folder = ctx.engine.folder()
        events = _events(files, folder, now)
        invoices = (
            read_invoices(files[INVOICES], name=INVOICES, folder=folder, now=now)
            if INVOICES in files
            else Rows(no_invoices(folder, now))
        )
        return Dataset(
            {"events": events.table, "invoices": invoices.table},
            {
                "timezone": ctx.settings.telltale_timezone,
                **documents,
                **_policy(files, documents),
                "rejects": {"events": _rows(events.rejects), "invoices": _rows(invoices.rejects)},
                "duplicates": events.duplicates,
            },
        )


def _events(files: Mapping[str, Path | bytes], folder: Path, now: datetime) -> Rows:
    given = {name: files[name] for name in EVENTS if name in files}
    if given:
        return read_events(given, folder=folder, now=now)
    stored = files.get(STORED)
    if isinstance(stored, Path):
        return Rows(_stored(stored, now))
    raise InputError(
        "events.jsonl: file is missing.",
        hint="Expected one JSON object a line with source, event_type, event_id, order_id and occurred_at.",
    )


def _stored(path: Path, now: datetime) -> Table:
    return stored_events(path, now=now)


def _policy(files: Mapping[str, Path | bytes], documents: Mapping[str, Json]) -> dict[str, Json]:
    """The policy that holds, and what is wrong with the given text."""
    kept = documents.get("policies") or policy_doc(shipped_policy())
    if POLICIES not in files:
        return {"policies": kept, "policy_errors": documents.get("policy_errors", []), "policy_warnings": []}
    source = files[POLICIES]
    raw = source.read_bytes() if isinstance(source, Path) else source
    try:
        read = read_policy(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return {"policies": kept, "policy_errors": ["The policy is not UTF-8 text."], "policy_warnings": []}
    return {
        "policies": policy_doc(read.policy) if read.policy else kept,
        "policy_errors": _texts(read.errors),
        "policy_warnings": _texts(read.warnings),
    }


def _texts(problems: Sequence[Problem]) -> list[str]:
    return [f"{POLICIES} {p}" for p in problems]


def _rows(rejects: Sequence[Reject]) -> list[JsonObject]:
    return [{"line": r.line, "reason": r.reason, "column": r.column} for r in rejects[:KEPT]]
