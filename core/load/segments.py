"""Segment definitions as people write them, in a form, over HTTP or in ``segments.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, Field, StrictBool, StrictInt, StrictStr, ValidationError, model_validator

from core.errors import InputError, TooLarge
from core.load.rules import RuleTree, Strict, refusal
from core.model import Json, Segment, SegmentWatch
from core.segments import segment_doc

NAME_LENGTH = 120
MOST_SEGMENTS = 5_000
MOST_BYTES = 8 * 1024 * 1024
TYPES = ("size_jump", "distribution_shift", "conversion_anomaly", "inactivity_creep")


def _plain(text: str) -> str:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("the text holds a character that no database keeps")
    return text.strip()


def _name(text: str) -> str:
    if not 1 <= len(text) <= NAME_LENGTH:
        raise ValueError(f"1 to {NAME_LENGTH} characters are needed, there are {len(text)}")
    return text


def _types(since: Mapping[str, datetime]) -> Mapping[str, datetime]:
    if unknown := sorted(set(since) - set(TYPES)):
        raise ValueError(f"'{unknown[0]}' is not one of {', '.join(TYPES)}")
    return since


Text = Annotated[StrictStr, AfterValidator(_plain)]
Share = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]
Count = Annotated[StrictInt, Field(ge=0, le=10**12)]


class ExpectedSize(Strict):
    """How many people a segment should hold."""

    min: Count | None = None
    max: Count | None = None

    @model_validator(mode="after")
    def _ordered(self) -> ExpectedSize:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class WatchForm(Strict):
    """A segment's ``baseline``: what is watched, and thresholds that replace the playbook's."""

    monitoringEnabled: StrictBool = True  # noqa: N815 (keys as in JSON and YAML)
    sizeChangePercent: Share | None = None  # noqa: N815 (its name in JSON)
    distributionShift: Share | None = None  # noqa: N815 (its name in JSON)
    conversionAnomaly: Share | None = None  # noqa: N815 (its name in JSON)
    inactivityCreep: Share | None = None  # noqa: N815 (its name in JSON)
    criticalAttributes: tuple[Text, ...] = Field((), max_length=100)  # noqa: N815 (its name in JSON)
    expectedSize: ExpectedSize | None = None  # noqa: N815 (its name in JSON)

    def watch(self) -> SegmentWatch:
        """The same under the names of the pipeline."""
        expected = self.expectedSize or ExpectedSize()
        return SegmentWatch(
            monitoring=self.monitoringEnabled,
            size_change=self.sizeChangePercent,
            distribution_shift=self.distributionShift,
            conversion_anomaly=self.conversionAnomaly,
            inactivity_creep=self.inactivityCreep,
            critical_attributes=self.criticalAttributes,
            expected_min=expected.min,
            expected_max=expected.max,
        )


class SegmentForm(Strict):
    """A segment as people write it. ``created_at`` and ``updated_at`` may stand there: they are the store's to say."""

    id: Annotated[Text, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")] | None = None
    name: Annotated[Text, AfterValidator(_name)]
    definition: RuleTree
    owner: Annotated[Text, Field(max_length=200)] = ""
    baseline: WatchForm = WatchForm()
    is_active: StrictBool = True
    normal_since: Annotated[Mapping[str, datetime], AfterValidator(_types)] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def segment(self, segment_id: str | None = None) -> Segment:
        """The segment; its id is the given one, else its own, else made of its name."""
        since = {k: _utc(at) for k, at in (self.normal_since or {}).items()}
        return Segment(
            id=segment_id or self.id or slug(self.name),
            name=self.name,
            definition=self.definition.doc(),
            owner=self.owner,
            watch=self.baseline.watch(),
            is_active=self.is_active,
            normal_since=since,
        )


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def slug(name: str) -> str:
    """An id made of a name: ``High value (EU)`` becomes ``high-value-eu``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80].strip("-") or "segment"


def parse_segment(document: object, where: str = "") -> SegmentForm:
    """One segment of a JSON-like document.

    Raises: InputError whose ``field`` is the path of what is wrong, such as ``baseline.sizeChangePercent``.
    """
    try:
        return SegmentForm.model_validate(document)
    except ValidationError as exc:
        raise refusal(exc, where) from None


def parse_segments(document: object) -> tuple[Segment, ...]:
    """Several segments: a list, or an object whose ``segments`` is one. Ids and names differ.

    Raises: InputError naming the path, such as ``segments[2].name``.
    """
    if isinstance(document, Mapping):
        if unknown := sorted(str(k) for k in document if k != "segments"):
            raise InputError(f"{unknown[0]}: there is no such field; expected 'segments'.", field=unknown[0])
        document = document.get("segments")
    if not isinstance(document, list):
        raise InputError("segments: expected a list of segments.", field="segments")
    if len(document) > MOST_SEGMENTS:
        raise TooLarge(f"segments: {len(document):,} segments; at most {MOST_SEGMENTS:,}.", field="segments")
    found = tuple(parse_segment(d, f"segments[{i}]").segment() for i, d in enumerate(document))
    _require_distinct(found)
    return found


def _require_distinct(segments: Sequence[Segment]) -> None:
    for part in ("name", "id"):
        seen: dict[str, int] = {}
        for i, segment in enumerate(segments):
            value = getattr(segment, part)
            first = seen.setdefault(value, i)
            if first != i:
                field = f"segments[{i}].{part}"
                raise InputError(f"{field}: '{value}' is already the {part} of segments[{first}].", field=field)


class _Plain(yaml.SafeLoader):
    """YAML without anchors (they can blow a small file up) and without dates of its own: they stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (the base class declares it so)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
            raise yaml.constructor.ConstructorError(None, None, "references (*name) are not allowed", mark)
        return super().compose_node(parent, index)


def read_yaml(text: str | bytes, name: str = "segments.yaml") -> tuple[Segment, ...]:
    """The segments of a YAML text. Raises: InputError naming the file and the line or the path."""
    if len(text) > MOST_BYTES:
        raise TooLarge(f"{name}: over the limit of {MOST_BYTES:,} bytes.")
    try:
        document = yaml.load(text, _Plain)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"{name}{line}: not valid YAML ({getattr(exc, 'problem', None) or 'unreadable'}).") from None
    try:
        return parse_segments([] if document is None else document)
    except InputError as exc:
        raise type(exc)(f"{name}: {exc.message}", hint=exc.hint, field=exc.field) from None


def write_yaml(segments: Sequence[Segment]) -> str:
    """The segments as YAML that :func:`read_yaml` reads back equal (without the times the store keeps)."""
    document = {"segments": [_written(s) for s in segments]}
    written: str = yaml.dump(document, Dumper=_Spelled, sort_keys=False, allow_unicode=True, width=110)
    return written


class _Spelled(yaml.SafeDumper):
    """Says everything where it stands: what :func:`read_yaml` refuses is not written either."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML calls it so)
        return True


def _written(segment: Segment) -> dict[str, Json]:
    doc = segment_doc(segment)
    empty = {"owner": "", "normal_since": {}}
    return {k: v for k, v in doc.items() if k not in ("created_at", "updated_at") and empty.get(k, doc) != v}
