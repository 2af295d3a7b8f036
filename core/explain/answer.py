"""The model's answer: exactly the five keys of OP-13, found in whatever text the model wrapped around them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.model import Json

SCHEMA_VERSION = "1"
F = TypeVar("F", bound=BaseModel)
LONGEST = 100_000  # characters of a reply that are looked at


class Strict(BaseModel):
    """Part of an answer: nothing unknown, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class AnswerDriver(Strict):
    """One driver as the model words it."""

    system: str = Field(max_length=200)
    metric: str = Field(max_length=200)
    direction: Literal["up", "down"]
    evidence: str = Field(max_length=2000)


class Answer(Strict):
    """A valid answer. Source: acceptance OP-13."""

    status: Literal["green", "yellow", "red"]
    summary: str = Field(min_length=1, max_length=4000)
    top_drivers: list[AnswerDriver] = Field(max_length=30)
    recommended_actions: list[str] = Field(max_length=20)
    confidence: float = Field(ge=0, le=1)

    @field_validator("summary")
    @classmethod
    def _says_something(cls, summary: str) -> str:
        if not summary.strip():
            raise ValueError("must not be blank")
        return summary


class InvalidAnswer(Exception):
    """The reply holds no valid answer; the message says why, for the repair turn and the screen."""


def text_of(longest: int) -> dict[str, Json]:
    """The schema of a string."""
    return {"type": "string", "maxLength": longest}


def object_of(properties: dict[str, Json]) -> dict[str, Json]:
    """The schema of an object with exactly these properties."""
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


SCHEMA: dict[str, Json] = object_of(
    {
        "status": {"type": "string", "enum": ["green", "yellow", "red"]},
        "summary": text_of(700),
        "top_drivers": {
            "type": "array",
            "maxItems": 6,
            "items": object_of(
                {
                    "system": text_of(60),
                    "metric": text_of(60),
                    "direction": {"type": "string", "enum": ["up", "down"]},
                    "evidence": text_of(200),
                }
            ),
        },
        "recommended_actions": {"type": "array", "maxItems": 5, "items": text_of(250)},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    }
)

_THINK = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


def read_answer(text: str) -> Answer:
    """The answer in ``text``: fences, prose around it, single quotes and trailing commas are understood.

    Raises: InvalidAnswer when there is none, when it was cut off, or when it breaks the schema.
    """
    return read_object(text, Answer)


def read_object(text: str, form: type[F]) -> F:
    """The object of that form in ``text``, read as :func:`read_answer` does.

    Raises: InvalidAnswer when there is none, when it was cut off, or when it breaks the schema.
    """
    text = _THINK.sub("", text[:LONGEST])
    objects = [o for o in _objects(text) if len(o.keys() & form.model_fields.keys()) >= 2]
    if not objects:
        cut = "{" in text and text.count("{") > text.count("}")
        raise InvalidAnswer("the JSON was cut off" if cut else "no JSON object with the fields asked for")
    try:
        return form.model_validate(objects[-1])
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(p) for p in first["loc"])
        raise InvalidAnswer(f"{where}: {first['msg']}") from None


def _objects(text: str) -> Iterator[dict[str, Json]]:
    """Every outermost object in the text; one that is cut off yields nothing, not even its inner objects."""
    at = text.find("{")
    while at >= 0:
        plain, end = _plain(text, at)
        if end < 0:
            at = text.find("{", at + 1) if not _begins_answer(text, at) else -1
            continue
        value = _loads(text[at:end])
        value = _loads(plain) if value is None else value
        if isinstance(value, dict):
            yield value
            at = text.find("{", end)
        else:
            at = text.find("{", at + 1)


def _begins_answer(text: str, at: int) -> bool:
    return bool(re.match(r"\{\s*[\"']\w+[\"']\s*:", text[at : at + 80]))


def _loads(text: str) -> Json:
    try:
        value: Json = json.loads(text, strict=False, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value


def _no_constant(name: str) -> Json:
    raise ValueError(name)


def _plain(text: str, start: int) -> tuple[str, int]:
    """The balanced object at ``start`` as plain JSON, and where it ends (-1: never).

    Single-quoted strings become double-quoted ones and trailing commas go; nothing is invented.
    """
    out: list[str] = []
    depth, i = 0, start
    while i < len(text):
        c = text[i]
        if c in "\"'":
            string, i = _string(text, i)
            if i < 0:
                return "", -1
            out.append(string)
            continue
        if c in "]}":
            while out and (out[-1].isspace() or out[-1] == ","):
                out.pop()
        out.append(c)
        depth += (c in "{[") - (c in "}]")
        i += 1
        if depth == 0:
            return "".join(out), i
    return "", -1


def _string(text: str, start: int) -> tuple[str, int]:
    """The string literal at ``start`` in JSON form, and where it ends. A single quote ends one only before , : ] }."""
    quote, i = text[start], start + 1
    while i < len(text):
        if text[i] == "\\":
            i += 2
            continue
        if text[i] == quote and (quote == '"' or re.match(r"\s*[,:\]}]", text[i + 1 : i + 40])):
            body = text[start + 1 : i]
            if quote == "'":
                body = body.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"')
            return f'"{body}"', i + 1
        i += 1
    return "", -1
