"""What the data incidents playbook reads: alerts, context blocks, past incidents, lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

from pydantic import Field

from core.alert import Alert, alert_doc, alert_of, is_missing, items, mapping, number
from core.context import Context
from core.errors import InputError
from core.load.alert_contexts import blocks, read_history
from core.load.alert_reading import flattened, normalise
from core.load.loaders import Loader, loaders
from core.model import Dataset, Json, JsonObject
from core.steps import Steps

MANIFEST, LINEAGE, HISTORY = "context/manifest.json", "lineage.csv", "history.json"
NORMAL = "normalised/"  # a folder of alerts that were normalised when they were received
MANIFEST_KEYS = ("nodes", "sources", "exposures", "child_map")


@loaders.register("alerts", "Alerts with what warehouse, orchestrator, dbt and business say")
class AlertLoader(Loader):
    """Reads alerts/*.json, context/*.json, history.json and the lineage (lineage.csv or context/manifest.json).

    The dataset has no tables. Documents: ``alerts`` (see ``core.alert``), ``contexts``, ``history``, ``edges`` (what
    feeds what), ``fix_templates``, ``set_up`` (which adapters are), ``rejects`` and ``notes``. A bad alert file is set
    aside with its reason while there is a good one.
    """

    max_bytes: int = Field(1024 * 1024, ge=1, description="Largest alert file")

    def load(
        self, files: Mapping[str, Path | bytes], documents: Mapping[str, Json], ctx: Context, now: datetime
    ) -> Dataset:
        """The documents. Raises: InputError naming the file when every alert file is bad."""
        rejects: list[JsonObject] = []
        steps = Steps(ctx.clock)
        with steps.time("ingest") as step:
            found = [*self._received(files), *self._given(files, now, rejects)]
            alerts = list(flattened(found))
            step.given, step.made = f"{len(found) + len(rejects)} payloads", f"{len(alerts)} alerts"
        if rejects and not alerts:
            first = rejects[0]
            raise InputError(f"{first['file']}: {first['reason']}", field="alerts")
        notes: list[Json] = [f"{r['file']} was set aside: {r['reason']}" for r in rejects]
        with steps.time("context") as step:
            contexts = blocks(files, now)
            there = [name for name, block in contexts.items() if not is_missing(block)]
            step.given, step.made = f"{len(contexts)} blocks", f"{len(there)} present: {', '.join(there) or 'none'}"
            step.seconds += _took(contexts)
        with steps.time("enrich") as step:
            history, edges = self._history(files, documents, notes), _edges(files, notes)
            step.given = f"{len(history)} past incidents, {len(edges)} edges"
        return Dataset(
            {},
            {
                **documents,
                "alerts": [alert_doc(a) for a in alerts],
                "contexts": contexts,
                "history": history,
                "edges": edges,
                "set_up": _set_up(ctx),
                "rejects": list(rejects),
                "notes": notes,
                "steps": steps.rows(),
            },
        )

    def _given(
        self, files: Mapping[str, Path | bytes], received_at: datetime, rejects: list[JsonObject]
    ) -> list[Alert]:
        found: list[Alert] = []
        for name in sorted(files):
            path = PurePosixPath(name)
            if path.parts[0] != "alerts" or path.suffix.lower() != ".json":
                continue
            try:
                found += read_alerts(files[name], received_at, self.max_bytes)
            except InputError as exc:
                rejects.append({"file": name, "reason": str(exc)})
        return found

    @staticmethod
    def _received(files: Mapping[str, Path | bytes]) -> list[Alert]:
        """Alerts of the inbox, normalised when they came in."""
        chosen = [files[n] for n in sorted(files) if n.startswith(NORMAL)]
        return [alert_of(json.loads(c if isinstance(c, bytes) else c.read_bytes())) for c in chosen]

    @staticmethod
    def _history(files: Mapping[str, Path | bytes], documents: Mapping[str, Json], notes: list[Json]) -> list[Json]:
        if HISTORY not in files:
            return list(items(documents.get("history")))
        try:
            return read_history(files[HISTORY])
        except (OSError, ValueError, RecursionError) as exc:
            notes.append(f"{HISTORY} cannot be read ({exc}); there is no history.")
            return []


def read_alerts(file: Path | bytes, received_at: datetime, max_bytes: int) -> tuple[Alert, ...]:
    """The alerts of one file: an object, or a list of objects. Raises: InputError saying what was expected."""
    raw = file if isinstance(file, bytes) else file.read_bytes()
    if len(raw) > max_bytes:
        raise InputError(f"larger than {max_bytes:,} bytes.")
    payload = parse_json(raw)
    given = payload if isinstance(payload, list) and payload else [payload]
    return tuple(alert for one in given for alert in normalise(one, received_at))


def parse_json(raw: bytes) -> Json:
    """A body as JSON. Raises: InputError for an empty or invalid one."""
    if not raw.strip():
        raise InputError("The body is empty; expected a JSON object.", field="body")

    def refuse(word: str) -> Json:
        raise ValueError(f"{word} is no JSON number")

    try:
        value: Json = json.loads(raw.decode("utf-8-sig"), parse_constant=refuse)
    except (ValueError, RecursionError):
        raise InputError("The body is not JSON.", hint="Expected a JSON object.", field="body") from None
    return value


def _edges(files: Mapping[str, Path | bytes], notes: list[Json]) -> list[Json]:
    """Which table or report is made from which: pairs [from, to, kind of to, name of the owner]."""
    from core.load.lineage import from_csv, from_manifest

    for name, read in ((LINEAGE, from_csv), (MANIFEST, from_manifest)):
        if name in files:
            file = files[name]
            try:
                return list(read(file if isinstance(file, bytes) else file.read_bytes()))
            except (InputError, OSError) as exc:
                notes.append(f"{name}: {exc}; the lineage is unknown.")
    return []


def _took(contexts: Mapping[str, Json]) -> float:
    """How long the slowest provider took: they are asked at once."""
    return max((number(mapping(b).get("took_s")) or 0.0 for b in contexts.values()), default=0.0)


def _set_up(ctx: Context) -> list[Json]:
    """The adapters that could carry a fix out."""
    known = ctx.settings
    ready = {"airflow": known.airflow_url, "webhook": known.action_webhook_url, "sandbox": known.telltale_demo}
    return [name for name, there in ready.items() if there]
