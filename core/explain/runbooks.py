"""Finding the runbook for an incident, offline: by exact signals first, then by words and likeness.

A runbook is a JSON object with ``runbook_id``, ``title``, ``content`` and, where it has them, ``tags``, ``signals``,
``service`` and ``incident_type``.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from core.model import Floats, Json, JsonObject

TOP = 5
SNIPPET = 200
WEIGHTS: Mapping[str, float] = {"title": 3.0, "tags": 2.0, "content": 1.0}
_ALL = sum(WEIGHTS.values())
_MARKDOWN = re.compile(r"^\s*(?:#+|[-*>]|\d+\.)\s+|[`*]+", re.MULTILINE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_STOP = frozenset(
    _WORD.findall(
        "a an and are as at be by for from has have in into is it its my no not of on or our than that the their then "
        "there this to too up was we were what when which why will with you your"
    )
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A runbook that fits: its score in (0, 1], the fields that matched, and the passage that did."""

    runbook_id: str
    title: str
    score: float
    matched: tuple[str, ...]  # signals | title | tags | content
    snippet: str  # at most 200 characters


def search(runbooks: Sequence[JsonObject], text: str, signals: Sequence[str] = ()) -> tuple[Hit, ...]:
    """The best five runbooks for ``text``, those that name one of the ``signals`` first; empty when none fits.

    The score is 1 for a named signal, else the better of two: the share of the query's words that are found, each
    weighed by where (title 3, tags 2, content 1) and how exactly (one edit for words of 3 to 5 letters, two for
    longer ones); and the TF-IDF cosine of query and runbook.
    """
    index = _index(json.dumps(runbooks, sort_keys=True, default=str))
    return index.search(text, signals)


def words(text: str) -> tuple[str, ...]:
    """The words of ``text`` in lower case, in order, without the commonest; ``HTTPTimeoutError`` is three words."""
    return tuple(w for w in (m.lower() for m in _WORD.findall(_CAMEL.sub(" ", text))) if w not in _STOP)


@dataclass(frozen=True, slots=True)
class _Entry:
    runbook_id: str
    title: str
    content: str
    signals: frozenset[str]
    fields: Mapping[str, frozenset[str]]
    counts: Counter[str]


class _Index:
    def __init__(self, runbooks: Sequence[JsonObject]) -> None:
        self._entries = [_entry(runbook) for runbook in runbooks]
        self._df = Counter(word for entry in self._entries for word in entry.counts)
        self._vocabulary = sorted(self._df)
        self._norms = np.array([self._norm(entry.counts) for entry in self._entries])

    def search(self, text: str, signals: Sequence[str]) -> tuple[Hit, ...]:
        """Named signals first, most of them first; then by score, then by id."""
        asked = tuple(dict.fromkeys(words(text)))
        near = {word: self._near(word) for word in asked}
        cosines = self._cosines(Counter(words(text)))
        wanted = {s.casefold().strip() for s in signals}
        found = []
        for entry, cosine in zip(self._entries, cosines, strict=True):
            named = len(wanted & entry.signals)
            score, matched = _weighed(entry, near)
            score = max(score, float(cosine))
            if named or score > 0:
                hit = _hit(entry, 1.0 if named else min(score, 1.0), named > 0, matched, near)
                found.append((-named, -score, entry.runbook_id, hit))
        return tuple(hit for *_, hit in sorted(found, key=lambda f: f[:3])[:TOP])

    def _near(self, word: str) -> dict[str, float]:
        """Known words that ``word`` may mean, with how exactly: 1 for itself, less for each edit."""
        edits = 0 if len(word) < 3 else 1 if len(word) <= 5 else 2
        found = process.extract(word, self._vocabulary, scorer=OSA.distance, score_cutoff=edits, limit=None)
        return {known: 1.0 - distance / len(word) for known, distance, _ in found if distance < len(word)}

    def _idf(self, word: str) -> float:
        return math.log((1 + len(self._entries)) / (1 + self._df[word])) + 1.0

    def _norm(self, counts: Mapping[str, int]) -> float:
        return math.sqrt(sum(((1 + math.log(n)) * self._idf(word)) ** 2 for word, n in counts.items()))

    def _cosines(self, query: Counter[str]) -> Floats:
        """The cosine of the query with each runbook over log term frequency times inverse document frequency."""
        terms = sorted(query)
        frequency = np.array([[entry.counts[t] for t in terms] for entry in self._entries], dtype=np.float64)
        if not terms or not frequency.size:
            return np.zeros(len(self._entries))
        idf = np.array([self._idf(t) for t in terms])
        weight = np.where(frequency > 0, 1 + np.log(np.maximum(frequency, 1)), 0.0) * idf
        asked = np.array([1 + math.log(query[t]) for t in terms]) * idf
        norms = self._norms * float(np.linalg.norm(asked))
        cosine: Floats = np.divide(weight @ asked, norms, out=np.zeros(len(norms)), where=norms > 0)
        return cosine


@lru_cache(maxsize=8)
def _index(runbooks: str) -> _Index:
    return _Index(json.loads(runbooks))


def _entry(runbook: JsonObject) -> _Entry:
    title, content = str(runbook.get("title") or ""), plain(str(runbook.get("content") or ""))
    labels = [*_texts(runbook.get("tags")), *_texts(runbook.get("service")), *_texts(runbook.get("incident_type"))]
    signals = _texts(runbook.get("signals"))
    parts = {"title": words(title), "tags": words(" ".join([*labels, *signals])), "content": words(content)}
    return _Entry(
        runbook_id=str(runbook.get("runbook_id") or title),
        title=title,
        content=content,
        signals=frozenset(s.casefold().strip() for s in signals),
        fields={name: frozenset(found) for name, found in parts.items()},
        counts=Counter(word for found in parts.values() for word in found),
    )


def plain(markdown: str) -> str:
    """The text without Markdown's marks, on one line."""
    return " ".join(_MARKDOWN.sub(" ", markdown).split())


def _texts(value: Json) -> list[str]:
    """A list of texts, written as a list or separated by commas."""
    items: Iterable[object] = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    return [str(item).strip() for item in items if str(item).strip()]


def _weighed(entry: _Entry, near: Mapping[str, Mapping[str, float]]) -> tuple[float, tuple[str, ...]]:
    """The mean over the query's words of their weighed presence, and the fields in which one was found."""
    best = {
        name: [max((q for known, q in meant.items() if known in found), default=0.0) for meant in near.values()]
        for name, found in entry.fields.items()
    }
    matched = tuple(name for name, qualities in best.items() if any(qualities))
    total = sum(WEIGHTS[name] * sum(qualities) for name, qualities in best.items())
    return (total / (_ALL * len(near)) if near else 0.0), matched


def _hit(
    entry: _Entry, score: float, named: bool, matched: tuple[str, ...], near: Mapping[str, Mapping[str, float]]
) -> Hit:
    known = {word for meant in near.values() for word in meant}
    fields = ("signals", *matched) if named else matched
    return Hit(entry.runbook_id, entry.title, score, fields, _snippet(entry.content, known))


def _snippet(content: str, known: set[str]) -> str:
    """The passage around the first matching word, else the beginning; at most 200 characters."""
    first = next((m.start() for m in re.finditer(r"\S+", content) if known & set(words(m.group()))), 0)
    start = 0 if first < SNIPPET // 2 else content.rfind(" ", 0, first - SNIPPET // 4) + 1
    passage = content[start:]
    if start:
        passage = "…" + passage
    if len(passage) <= SNIPPET:
        return passage
    return passage[: SNIPPET - 1].rsplit(" ", 1)[0] + "…"
