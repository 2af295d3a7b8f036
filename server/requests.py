"""Reading what a request says, with an error that names the field."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from core.access import Principal
from core.errors import InputError

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
MOST_PER_PAGE: Final = 100


class Strict(BaseModel):
    """A body whose unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


async def body(request: Request, model: type[M]) -> M:
    """The request's JSON as ``model``; an empty body is an empty object. Raises: InputError naming the field."""
    raw = await request.body()
    try:
        data = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise InputError("The body is not JSON.", field="body") from None
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise InputError(f"{where}: {first['msg']}.", field=where) from None


def caller(request: Request) -> Principal:
    """Who asks, as the guard found out."""
    who = request.state.principal
    assert isinstance(who, Principal)
    return who


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of which size, in which order."""

    number: int
    size: int
    sort: str
    descending: bool


def paging(request: Request, sorts: Sequence[str], size: int = 20) -> Paging:
    """The page that the query asks for, by default the first, latest first. Raises: InputError naming the field."""
    asked = request.query_params
    return Paging(
        number=_whole(asked.get("page", "1"), "page", 1, 1_000_000),
        size=_whole(asked.get("page_size", str(size)), "page_size", 1, MOST_PER_PAGE),
        sort=choice(asked.get("sort", sorts[0]), "sort", sorts),
        descending=choice(asked.get("order", "desc"), "order", ("asc", "desc")) == "desc",
    )


def choice(word: str, field: str, known: Sequence[str]) -> str:
    """``word`` if it is known. Raises: InputError listing the words."""
    if word not in known:
        raise InputError(f"'{word}' is not a value of {field}.", hint=f"Known: {', '.join(known)}.", field=field)
    return word


def several(request: Request, field: str, read: Callable[[str], T]) -> tuple[T, ...]:
    """Each value of a filter, given several times or separated by commas."""
    words = [word.strip() for given in request.query_params.getlist(field) for word in given.split(",")]
    return tuple(read(word) for word in words)


def _whole(text: str, field: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not least <= int(text) <= most:
        raise InputError(f"{field} must be a whole number from {least} to {most}.", field=field)
    return int(text)
