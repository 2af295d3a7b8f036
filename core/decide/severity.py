"""Reading a severity that somebody else wrote."""

from __future__ import annotations

from core.errors import InputError
from core.model import Severity
from core.severity import ALIASES, known, lenient

__all__ = ["ALIASES", "known", "lenient", "strict"]


def strict(word: str) -> Severity:
    """The severity of a filter. Raises: InputError listing the words."""
    found = known(word)
    if found is None:
        names = ", ".join(s.name for s in Severity)
        raise InputError(f"'{word}' is not a severity.", hint=f"Known: {names}.", field="severity")
    return found
