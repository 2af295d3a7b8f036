"""The words of the pipeline: one frozen value per arrow between two stages, and nothing else.

``Trigger -> Dataset -> CheckReport -> Panel -> Baseline -> Scores -> Finding -> Explanation
-> Decision -> Notification -> Delivery``; a :class:`Trace` holds one whole look at the data.
All times are UTC-aware, all windows half-open ``[start, end)``. Every type has a place for
failure (a check's ``error``, an abstention, evidence without data, a failed delivery), so a run
that contains one is never silently green.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = "Mapping[str, Json]"
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]


class Severity(enum.IntEnum):
    """How bad a finding is; ordered, so ``max`` is the worst."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Light(enum.StrEnum):
    """The traffic light of a run."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class Direction(enum.StrEnum):
    """Which way is good for a metric, or which way a value moved."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class MetricKind(enum.StrEnum):
    """How a metric adds up: sums add, ratios need their parts, gauges and durations average."""

    SUM = "sum"
    RATIO = "ratio"
    GAUGE = "gauge"
    DURATION = "duration"


class ColumnType(enum.StrEnum):
    """What a column was understood to hold."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TEXT = "text"


class Source(enum.StrEnum):
    """Who worded an explanation."""

    AI = "AI"
    RULES = "Rules"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a run happens. ``as_of`` empty means the latest complete period."""

    kind: str  # manual | upload | schedule | webhook | api | cli
    actor: str
    tenant: str = "default"
    as_of: datetime | None = None
    idempotency_key: str | None = None


# --- Load -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a loaded table, under the name it is queried by."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Reject:
    """One input row that was not loaded: physical ``line`` in the file (1-based), why, and its text."""

    line: int
    reason: str
    text: str = ""
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a table came from. ``rows_in == rows + rejected_rows`` always holds."""

    table: str
    uri: str
    sha256: str
    rows: int
    rejected_rows: int
    read_at: datetime

    @property
    def rows_in(self) -> int:
        """Data rows seen in the input."""
        return self.rows + self.rejected_rows


@dataclass(frozen=True, slots=True)
class Table:
    """One loaded table: an engine relation stored as Parquet under its content hash."""

    name: str
    columns: tuple[Column, ...]
    path: Path
    provenance: Provenance

    def column(self, name: str) -> Column | None:
        """The column called ``name``, if there is one."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The tables of one run, by name, and small structured inputs (definitions, alerts, histories) as documents."""

    tables: Mapping[str, Table]
    documents: Mapping[str, Json] = field(default_factory=dict)

    @property
    def provenance(self) -> tuple[Provenance, ...]:
        """Where each table came from, in table order."""
        return tuple(t.provenance for t in self.tables.values())


# --- Check ------------------------------------------------------------------------------------


class CheckStatus(enum.StrEnum):
    """``failed`` means bad data; ``error`` means the check itself could not run."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one expectation over one table."""

    check: str  # e.g. expect_column_values_to_not_be_null
    table: str
    status: CheckStatus
    critical: bool
    message: str  # what was expected and what was seen, in a sentence
    column: str | None = None
    dimension: str = "validity"  # completeness uniqueness validity consistency timeliness volume schema
    observed: str = ""
    unexpected_count: int = 0
    unexpected_pct: float = 0.0
    sample: tuple[JsonObject, ...] = ()  # some failing rows
    params: JsonObject = field(default_factory=dict)
    rows: int = 0  # rows that were judged (0: a check of the whole table)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All check results, and what they block: a blocked metric is a data problem, not a business change."""

    results: tuple[CheckResult, ...] = ()
    blocked_tables: frozenset[str] = frozenset()
    blocked_metrics: frozenset[str] = frozenset()
    pending: bool = False  # they have not run yet; what they would block is unknown

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Results that are not ``passed``: bad data first, then checks that could not run."""
        bad = [r for r in self.results if r.status is CheckStatus.FAILED]
        return tuple(bad + [r for r in self.results if r.status is CheckStatus.ERROR])

    @property
    def critical(self) -> tuple[CheckResult, ...]:
        """Critical results that are not ``passed``: they stop a run."""
        return tuple(r for r in self.failed if r.critical)


# --- Baseline ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Metric:
    """What a series measures. ``system`` groups metrics that come from one place."""

    name: str
    label: str
    unit: str = ""
    kind: MetricKind = MetricKind.SUM
    good: Direction = Direction.NONE
    system: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """Series side by side on one time axis.

    Shape: ``values`` is float64 ``[n_series, n_points]`` (NaN = missing); ``index`` has
    ``n_points`` UTC timestamps (period starts), sorted and unique; ``series`` has ``n_series``
    rows with a ``metric`` column and one text column per dimension.
    Units: each row in the unit of its metric. ``freq`` is a pandas alias such as ``D`` or ``h``.
    """

    values: Floats
    index: pd.DatetimeIndex
    series: pd.DataFrame
    metrics: Mapping[str, Metric]
    freq: str

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_series, n_points)``."""
        return self.values.shape[0], self.values.shape[1]

    def labels(self, i: int) -> dict[str, str]:
        """The dimension values of series ``i`` (without the metric)."""
        row = self.series.iloc[i]
        return {str(k): str(v) for k, v in row.items() if k != "metric"}

    def metric(self, i: int) -> Metric:
        """What series ``i`` measures."""
        return self.metrics[str(self.series.iloc[i]["metric"])]

    def until(self, point: int) -> Panel:
        """The panel as it was known at ``point`` (inclusive)."""
        cut = slice(None, point + 1)
        return Panel(self.values[:, cut], self.index[cut], self.series, self.metrics, self.freq)


@dataclass(frozen=True, slots=True)
class Abstention:
    """Why a baseline or detector declines to answer for a series."""

    series: int
    reason: str
    point: int | None = None  # None: all points


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was expected at each point, from earlier points only.

    Shape: ``expected``, ``lower``, ``upper`` are float64 ``[n_series, n_points]``, NaN where the
    method abstains. ``trained_on(series, point)`` gives the point numbers that made the
    expectation (all ``< point``): the receipt.
    """

    method: str
    expected: Floats
    lower: Floats
    upper: Floats
    trained_on: Callable[[int, int], Ints]
    abstentions: tuple[Abstention, ...] = ()
    params: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delta:
    """One metric at one point beside its references. A percentage is None where its base is 0 or missing.

    Units: ``*_abs`` in the metric's unit, ``*_pct`` in percent (full precision).
    """

    metric: Metric
    labels: Mapping[str, str]
    at: datetime
    value: float | None
    previous: float | None
    baseline: float | None
    dod_abs: float | None
    dod_pct: float | None
    vs_baseline_abs: float | None
    vs_baseline_pct: float | None
    lower: float | None
    upper: float | None
    method: str
    previous_at: datetime | None
    trained_on: tuple[datetime, ...]
    history: tuple[float | None, ...] = ()  # recent values, oldest first, ending at ``at``


# --- Detect -----------------------------------------------------------------------------------


class ChangeType(enum.StrEnum):
    """What kind of change a detector saw."""

    SPIKE = "spike"
    DIP = "dip"
    STEP_UP = "step_up"
    STEP_DOWN = "step_down"
    TREND = "trend"
    VARIANCE = "variance"
    MISSING = "missing"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Scores:
    """What a series detector says of every point, using points up to that one only.

    Shape: ``score`` float64, ``alarm`` bool and ``change`` object (ChangeType or None), each
    ``[n_series, n_points]``. A score is in multiples of the detector's own threshold: 1.0 is
    exactly on it; NaN where it abstains. ``reason`` words why the point fired, without numbers
    that the panel does not hold.
    """

    detector: str
    score: Floats
    alarm: Bools
    change: npt.NDArray[np.object_]
    abstentions: tuple[Abstention, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth looking at. ``id`` is deterministic: same data and detector, same id."""

    id: str
    kind: str  # anomaly | concern | drift | breach | quality | alert
    detector: str
    metric: str
    label: str
    system: str
    labels: Mapping[str, str]
    start: datetime
    end: datetime
    observed: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    unit: str
    score: float
    severity: Severity
    direction: Direction
    bad: bool  # moved in the metric's bad direction (or has none)
    change: ChangeType
    baseline: str
    change_abs: float | None
    change_pct: float | None
    summary: str
    suppressed_by: str | None = None
    type: str = ""  # the incident type it calls for, e.g. size_jump; empty for a series
    subject: str = ""  # what it is about: the id of a segment, service, order or table
    details: JsonObject = field(default_factory=dict)  # its receipt: comparisons, limits, rows and dates used
    priority: int = 0  # where a playbook ranks its types: 0 comes first, before severity


@dataclass(frozen=True, slots=True)
class Sighting:
    """What an event detector says: findings, what it judged and found in order, and what it declined to judge."""

    findings: tuple[Finding, ...] = ()
    healthy: frozenset[tuple[str, str]] = frozenset()  # (subject, type)
    notes: tuple[str, ...] = ()
    extra: JsonObject = field(default_factory=dict)  # further documents that the report may show


# --- Segments ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SegmentWatch:
    """How one segment is watched. A threshold that is None is the playbook's default; 1.0 switches its detector off."""

    monitoring: bool = True
    size_change: float | None = None  # share of the compared size
    distribution_shift: float | None = None  # total variation distance
    conversion_anomaly: float | None = None  # relative change
    inactivity_creep: float | None = None  # relative rise of churn
    critical_attributes: tuple[str, ...] = ()  # empty: all
    expected_min: int | None = None
    expected_max: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A named audience. ``definition`` is its rule tree as JSON; ``normal_since`` starts its baselines per type."""

    id: str
    name: str
    definition: JsonObject
    owner: str = ""
    watch: SegmentWatch = SegmentWatch()
    is_active: bool = True
    normal_since: Mapping[str, datetime] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One segment on one day. Shares of each attribute add up to 1; None means not tracked."""

    segment: str  # segment id
    ts: datetime
    size: int
    shares: Mapping[str, Mapping[str, float]]
    conv_rate: float | None = None
    velocity_in: int | None = None
    velocity_out: int | None = None
    source: str = ""  # uri of the people table, or the uploaded file


# --- Explain ----------------------------------------------------------------------------------


class EvidenceStatus(enum.StrEnum):
    """``no_data`` says what was searched and found empty; ``error`` that the search failed."""

    OK = "ok"
    NO_DATA = "no_data"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One checked fact. ``numbers`` are the only figures an explanation may show from it."""

    id: str  # E1, E2, ...
    kind: str  # metric | check | change | contribution | log | sla | runbook | note
    source: str
    statement: str
    status: EvidenceStatus = EvidenceStatus.OK
    numbers: Mapping[str, float] = field(default_factory=dict)
    start: datetime | None = None
    end: datetime | None = None
    query: str = ""
    data: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A possible cause with what speaks for and against it (evidence ids)."""

    cause: str
    kind: str  # data | business | change | dependency | capacity | external | unknown
    confidence: float
    supports: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()
    next_check: str = ""


@dataclass(frozen=True, slots=True)
class Driver:
    """One line of *why*: a metric, which way it moved, and the figures as a sentence."""

    system: str
    metric: str
    direction: Direction
    evidence: str
    evidence_id: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """How many figures in the text were looked up in the evidence, and which were not found."""

    checked: int = 0
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Confidence:
    """A computed confidence in [0, 1] with the named parts that made it (they add up to it)."""

    value: float
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One thing a person could do, of a type the playbook knows."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the run looks as it does. ``status`` is the explainer's proposal; Decide may be stricter."""

    status: Light
    summary: str
    drivers: tuple[Driver, ...]
    recommended_actions: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    evidence: tuple[Evidence, ...]
    confidence: Confidence
    ai_confidence: float | None
    source: Source
    verification: Verification
    fallback_reason: str = ""  # why the rules text stands although a model was asked
    model: str = ""
    tokens: int = 0
    cost_usd: float | None = 0.0  # None: the model's price is not configured
    cached: bool = False
    recommendations: tuple[Recommendation, ...] = ()  # the actions again, with their types, where a playbook has types
    timeline: tuple[tuple[datetime, str], ...] = ()  # what happened when, oldest first


# --- Decide -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """Which row of the decision table fired, on which inputs, and the smallest change that would flip it."""

    row: str
    because: str
    inputs: Mapping[str, Json]
    thresholds: Mapping[str, Json]
    overruled: tuple[str, ...] = ()  # what this decision beat, e.g. "model said green"
    nearest_flip: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do. ``light`` is final: guardrails and confidence gates are already applied."""

    recommended_action: str  # dismiss | log_only | notify_team | auto_fix
    light: Light
    severity: Severity
    confidence: float
    receipt: Receipt


# --- Act --------------------------------------------------------------------------------------


class DeliveryState(enum.StrEnum):
    """Life of one outbox row."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"  # permanently: no more attempts


@dataclass(frozen=True, slots=True)
class Notification:
    """A message as it will be sent, byte for byte: the preview shows this and nothing else."""

    channel: str  # email | slack | ...
    recipient: str  # shown to people; never a secret
    subject: str
    text: str
    payload: JsonObject  # channel-specific body (Block Kit, HTML part, ...)
    dedup_key: str
    run_id: str
    incident_id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What happened to one notification."""

    id: str
    channel: str
    recipient: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    next_attempt_at: datetime | None
    error: str
    reference: str  # the provider's id for the message, if it gave one
    subject: str
    run_id: str
    incident_id: str | None
    created_by: str


# --- Remedies ---------------------------------------------------------------------------------


class ActionState(enum.StrEnum):
    """States of an action proposal; the allowed moves stand in ``core.decide.proposals``."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXECUTED = "EXECUTED"
    FAILED = "FAILED"
    VERIFIED = "VERIFIED"
    VERIFY_FAILED = "VERIFY_FAILED"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An action as Decide drafts it, before it belongs to an incident."""

    action_type: str
    title: str
    description: str
    eta_minutes: int
    risk_score: float  # 0..1
    params: JsonObject
    adapter: str  # airflow | webhook | sandbox | ...; empty for documentation
    requires_approval: bool = True
    blocked: str = ""  # why it cannot be approved, e.g. "needs version"

    @property
    def is_reading(self) -> bool:
        """Whether it is only something to read: nobody approves it and nothing is carried out."""
        return self.action_type == "documentation"


@dataclass(frozen=True, slots=True)
class Action:
    """A proposal of an incident and what became of it. ``evidence_key`` voids it when the facts behind it change."""

    action_id: str  # ACT- + 16 upper hex
    incident_id: str
    tenant: str
    sequence: int
    proposal: Proposal
    mode: str  # dry_run | live
    state: ActionState
    evidence_key: str
    proposed_at: datetime
    expires_at: datetime
    updated_at: datetime
    approvals: tuple[str, ...] = ()  # who said yes, in order
    approved_at: datetime | None = None
    rejected_by: str | None = None
    reason: str = ""
    executed_at: datetime | None = None
    result: JsonObject = field(default_factory=dict)
    verify_result: JsonObject = field(default_factory=dict)


# --- Incidents and audit ----------------------------------------------------------------------


class IncidentStatus(enum.StrEnum):
    """States of an incident; the allowed moves stand in ``core.decide.lifecycle``."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    IN_PROGRESS = "IN_PROGRESS"
    MITIGATED = "MITIGATED"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"
    DISMISSED = "DISMISSED"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to an incident."""

    ts: datetime
    event: str
    actor: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Something people handle: one open incident per ``dedup_key``."""

    incident_id: str  # INC- + 8 upper hex
    tenant: str
    playbook: str
    dedup_key: str
    type: str
    severity: Severity
    status: IncidentStatus
    title: str
    subject: str
    detected_at: datetime
    created_at: datetime
    updated_at: datetime
    run_id: str
    acknowledged_by: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    assignee: str | None = None
    occurrences: int = 1
    alerted: bool = False
    body: JsonObject = field(default_factory=dict)  # metrics, evidence, explanation, receipts as JSON
    timeline: tuple[TimelineEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the append-only, hash-chained audit. ``hash`` covers every field and ``prev_hash``."""

    seq: int
    id: str
    timestamp: datetime
    agent: str
    incident_id: str | None
    action: str
    decision: JsonObject
    approved_by: str | None
    correlation_id: str
    tenant: str
    prev_hash: str
    hash: str


# --- The whole look ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """One stored run; ``report`` is the artifact as JSON."""

    id: str
    playbook: str
    tenant: str
    as_of: datetime | None
    started_at: datetime
    ended_at: datetime
    status: str  # completed | failed_check
    light: Light | None
    headline: str
    source: Source
    actor: str
    trigger: str
    report: JsonObject


@dataclass(frozen=True, slots=True)
class Case:
    """Findings that make one incident, with their explanation and decision."""

    dedup_key: str
    type: str
    subject: str  # id of what it is about
    title: str
    severity: Severity
    findings: tuple[Finding, ...]
    explanation: Explanation
    decision: Decision
    metrics: JsonObject = field(default_factory=dict)
    receipt: JsonObject = field(default_factory=dict)
    proposals: tuple[Proposal, ...] = ()
    answer: JsonObject = field(default_factory=dict)  # the decision in the playbook's own output schema, if it has one


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything one look at the data found: Load..Decide, no side effect."""

    run_id: str
    playbook: str
    trigger: Trigger
    started_at: datetime
    ended_at: datetime
    as_of: datetime
    dataset: Dataset
    checks: CheckReport
    findings: tuple[Finding, ...]
    cases: tuple[Case, ...] = ()
    healthy: frozenset[str] = frozenset()  # dedup keys that were judged and are in order
    notes: tuple[str, ...]
    extra: JsonObject = field(default_factory=dict)  # the playbook's own part of the report


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(Look):
    """A look at series: one judged point of a panel, explained and decided as a whole."""

    panel: Panel
    point: int  # the judged point of the panel
    baselines: Mapping[str, Baseline]
    deltas: tuple[Delta, ...]
    quiet: tuple[str, ...]  # metrics that were judged and did not fire
    facts: Mapping[str, Json]
    explanation: Explanation
    decision: Decision
