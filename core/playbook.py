"""A playbook: what to load, measure, check, detect, decide and whom to tell. YAML in, one frozen value out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.baseline.measure import MetricSpec
from core.check.spec import CheckSpec, read_suite
from core.decide.policy import CASE_POLICY, SERIES_POLICY, Policy
from core.decide.proposals import ApprovalRules
from core.errors import ConfigError
from core.model import ColumnType

M = TypeVar("M", bound=BaseModel)


class Strict(BaseModel):
    """Immutable configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TableSpec(Strict):
    """One input table: its file, its time column, and the columns that must be there."""

    file: str
    time: str
    columns: Mapping[str, ColumnType] = Field(default_factory=dict)


class BaselineUse(Strict):
    """A baseline method with its parameters."""

    method: str = "robust_seasonal"
    params: Mapping[str, object] = Field(default_factory=dict)


class DetectorUse(Strict):
    """A detector with its parameters, and the baseline it is paired with (default: the playbook's)."""

    detector: str
    params: Mapping[str, object] = Field(default_factory=dict)
    baseline: BaselineUse | None = None


class ConfidenceRules(Strict):
    """How much each known weakness of a run takes off its confidence."""

    base: float = 0.90
    per_missing_baseline_point: float = 0.05
    per_failed_check: float = 0.10
    full_baseline: int = Field(7, ge=1, description="Earlier points that make a full baseline")


class NotifySpec(Strict):
    """Dedup key, subject and artifact name; ``{date}``, ``{LIGHT}``, ``{light}`` and ``{name}`` are filled in."""

    dedup_key: str = "{name}:{date}"
    subject: str = "[Telltale {LIGHT}] {name} {date}"
    artifact: str = "telltale-report.json"


class ScheduleSpec(Strict):
    """When the playbook runs by itself, once somebody has switched that on."""

    cron: str = "0 9 * * *"


class Playbook(Strict):
    """Everything one playbook configures. Built from YAML, or from an uploaded file's saved definition."""

    name: str
    title: str
    purpose: str = ""
    tables: Mapping[str, TableSpec]
    freq: str = "D"
    align: Literal["inner", "outer"] = "outer"
    min_points: int = 2
    metrics: tuple[MetricSpec, ...] = Field(min_length=1)
    dimensions: tuple[str, ...] = ()
    country: str | None = Field(None, description="Public holidays that baselines know, e.g. US or DE")
    baseline: BaselineUse = BaselineUse()
    detectors: tuple[DetectorUse, ...] = (DetectorUse(detector="combined"),)
    confidence: ConfidenceRules = ConfidenceRules()
    actions: Mapping[str, str] = Field(default_factory=dict)
    notify: NotifySpec = NotifySpec()
    schedule: ScheduleSpec = ScheduleSpec()
    policy: Policy = SERIES_POLICY
    checks: tuple[CheckSpec, ...] = ()
    prompt: str = ""

    @model_validator(mode="after")
    def _names_agree(self) -> Playbook:
        known = {m.name for m in self.metrics}
        if len(known) != len(self.metrics):
            raise ValueError("metric names must be unique")
        for metric in self.metrics:
            if metric.table not in self.tables:
                raise ValueError(f"metric {metric.name}: there is no table '{metric.table}'")
        return self

    @property
    def time(self) -> dict[str, str]:
        """Time column of each table."""
        return {name: spec.time for name, spec in self.tables.items()}


class EventUse(Strict):
    """An event detector with its parameters."""

    detector: str
    params: Mapping[str, object] = Field(default_factory=dict)


class Recovery(Strict):
    """An incident is resolved by itself after so many checks in a row that found its subject in order."""

    checks: int = Field(2, ge=1)


class AlertSpec(Strict):
    """How cases become incidents and messages; ``{subject}``, ``{type}``, ``{name}`` and ``{day}`` are filled in."""

    dedup_key: str = "{name}:{subject}:{type}"
    group: str = Field("{subject}", description="Cases with the same group share one message")
    title: str = Field("{title}", description="Subject line; {SEVERITY}, {label}, {title} are filled in")
    auto: bool = Field(True, description="Runs by the clock, the API and the shell alert by themselves")
    artifact: str = "telltale-report.json"
    page: str = Field("incidents", description="Page that the message's link opens")


class EventPlaybook(Strict):
    """A playbook of events: many subjects, one incident for each subject and type that is out of order."""

    name: str
    title: str
    purpose: str = ""
    freq: str = Field("min", description="D: judged once a day, so a date means the end of that day")
    loader: str
    loader_params: Mapping[str, object] = Field(default_factory=dict)
    live_demo: bool = Field(False, description="The demo's files are made anew, up to this minute, for every look")
    demo_beside: bool = Field(False, description="The demo's files are read although the store holds documents")
    inputs: Mapping[str, str] = Field(default_factory=dict, description="File: what it holds; replaceable by people")
    verify: tuple[str, ...] = ()
    events: tuple[EventUse, ...] = Field(min_length=1)
    assess: tuple[str, ...] = Field((), description="What is computed of the dataset as a whole, for the report")
    explainer: str
    explain_params: Mapping[str, object] = Field(default_factory=dict)
    report: Mapping[str, str] = Field(default_factory=dict, description="Report key: document it shows")
    traced: bool = Field(False, description="One correlation id follows a subject over all runs, from its first event")
    recovery: Recovery = Recovery()
    budgets: Mapping[str, float] = Field(
        default_factory=dict, description="Seconds for detect, investigate and respond; with them a report has steps"
    )
    costs: Mapping[str, object] = Field(default_factory=dict, description="What its incidents cost, and by hand")
    notify: AlertSpec = AlertSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    jobs: Mapping[str, ScheduleSpec] = Field(default_factory=dict)
    policy: Policy = CASE_POLICY
    approval: ApprovalRules = ApprovalRules()
    remedies: Mapping[str, Mapping[str, object]] = Field(
        default_factory=dict, description="Parameters of remedies by name; one not named has its defaults"
    )
    checks: tuple[CheckSpec, ...] = ()
    prompt: str = ""


def read_playbook(folder: Path) -> Playbook | EventPlaybook:
    """The playbook in ``folder``: playbook.yaml with policy.yaml, checks.yaml and prompt.j2 beside it.

    Raises: ConfigError naming the file, the key and what was expected.
    """
    data = read_yaml(folder / "playbook.yaml")
    if (folder / "policy.yaml").exists():
        data["policy"] = parse(folder / "policy.yaml", Policy)
    if (folder / "checks.yaml").exists():
        data["checks"] = read_suite(folder / "checks.yaml")
    if (folder / "prompt.j2").exists():
        data["prompt"] = (folder / "prompt.j2").read_text("utf-8")
    metrics = data.get("metrics")
    for metric in metrics if isinstance(metrics, list) else ():
        if isinstance(metric, dict):
            metric.setdefault("system", metric.get("table"))
    path = folder / "playbook.yaml"
    return validate(EventPlaybook, data, path) if "events" in data else validate(Playbook, data, path)


def read_playbooks(root: Path) -> tuple[dict[str, Playbook], dict[str, EventPlaybook]]:
    """Every playbook below ``root`` by name: those of series, and those of events."""
    found = [read_playbook(path.parent) for path in sorted(root.glob("*/playbook.yaml"))]
    return (
        {p.name: p for p in found if isinstance(p, Playbook)},
        {p.name: p for p in found if isinstance(p, EventPlaybook)},
    )


def parse(path: Path, model: type[M]) -> M:
    """A YAML file as ``model``. Raises: ConfigError naming file, key and expectation."""
    return validate(model, read_yaml(path), path)


def read_yaml(path: Path) -> dict[str, object]:
    """A YAML mapping. Raises: ConfigError naming the file and line."""
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path.name}: cannot be read ({exc.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path.name}{line}: not valid YAML ({getattr(exc, 'problem', 'bad encoding')}).") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path.name}: expected keys and values, found {type(data).__name__}.")
    return data


def validate(model: type[M], data: object, path: Path) -> M:
    """``data`` as ``model``. Raises: ConfigError naming file, key and expectation."""
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(str(p) for p in first["loc"]) or "(top level)"
        raise ConfigError(f"{path.parent.name}/{path.name}: {key}: {first['msg']}.", field=key) from None
