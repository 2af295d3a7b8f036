"""The number lock: every figure, percentage and date in a text must exist in the evidence, rounded alike."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from core.model import Evidence

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH = r"(?P<{0}>" + "|".join(_MONTHS) + r")[a-z]*\.?"
_ISO = re.compile(
    r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?(?!\d)"
)
_WRITTEN = re.compile(
    r"(?<!\w)(?:(?P<d1>\d{1,2})(?:st|nd|rd|th)?(?: of)? " + _MONTH.format("m1") + r"|"
    + _MONTH.format("m2") + r" (?P<d2>\d{1,2})(?:st|nd|rd|th)?)(?!\d)(?:,? (?P<y>\d{4}))?",
    re.IGNORECASE,
)  # fmt: skip
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2}):(\d{2})(?::\d{2})?(?![\d:])")
_CITATION = re.compile(r"(?<![\w.])E(\d+)(?!\w)")
_PLACEHOLDER = re.compile(r"\{\w+(?:\.\w+)*\}")
_NUMBER = re.compile(
    r"(?<![\w.,])(?<![A-Za-z]-)(?P<sign>[+\-−])?[$€£]?(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+|(?=\.\d))(?P<part>\.\d+)?"
    r"(?: ?(?P<scale>thousand|million|billion|[kKMB](?!\w)))?(?P<pct> ?(?:%|percent\b))?"
)
_SPELLED = dict(two=2, three=3, four=4, five=5, six=6, seven=7, eight=8, nine=9, ten=10, eleven=11, twelve=12)
_SPELLED_COUNT = re.compile(
    rf"\b({'|'.join(_SPELLED)})\b(?=(?: \w+){{0,3}} (?:metrics|systems|checks)\b)", re.IGNORECASE
)
_SCALES = {"": 1.0, "k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9}
_COUNT_NOUN = re.compile(r"^(?: of \d+)?(?: (?:data|judged|failed|other|bad)){0,2} (metric|system|check)s?\b")
_POINTS = re.compile(r"^(?:-| (?:earlier|missing baseline|baseline) )(?:minute|hour|day|week|month|period|point)s?\b")
_TIMES = re.compile(r"^ ?(?:x\b|×|times\b)")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_COMMON_WORDS = frozenset({"avg", "average", "count", "first", "new", "number", "rate", "total", "the", "per"})


@dataclass(frozen=True, slots=True)
class Checked:
    """How many figures were looked up, which were not found, and the sentences they stand in."""

    checked: int
    unmatched: tuple[str, ...]
    flagged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    """One written number. ``after`` is the text behind it."""

    text: str
    value: float
    half: float  # half of the last written place
    sign: int  # 0: none written
    percent: bool
    after: str

    def equals(self, value: float) -> bool:
        """Whether ``value``, rounded like this token, reads the same."""
        return abs(abs(value) - self.value) <= self.half * (1 + 1e-9)


def verify(text: str, evidence: Iterable[Evidence]) -> Checked:
    """Which figures, dates and citations of ``text`` the evidence does not hold.

    A figure is looked up among the facts of the metrics its sentence names (or cites), with its sign where
    one is written; K, M, B, percent of a rate, and ``3.1 times`` are understood.
    """
    facts = tuple(evidence)
    checked, unmatched, flagged = 0, [], []
    for sentence in filter(None, _SENTENCE.split(text)):
        found = tuple(_claims(sentence, facts))
        wrong = [claim for claim, known in found if not known]
        checked += len(found)
        unmatched += wrong
        if wrong:
            flagged.append(sentence)
    return Checked(checked, tuple(unmatched), tuple(flagged))


def _claims(sentence: str, facts: tuple[Evidence, ...]) -> Iterator[tuple[str, bool]]:
    """Every figure, date and citation in the sentence, and whether it is known."""
    yield from ((m.group(), False) for m in _PLACEHOLDER.finditer(sentence))
    sentence = _PLACEHOLDER.sub(" ", sentence)
    ids = {f.id for f in facts}
    yield from ((f"E{m.group(1)}", f"E{m.group(1)}" in ids) for m in _CITATION.finditer(sentence))
    times = _times(facts)
    for pattern, known in ((_ISO, _iso_known), (_WRITTEN, _written_known), (_CLOCK, _clock_known)):
        yield from ((m.group().strip(" ."), known(m, times)) for m in pattern.finditer(sentence))
        sentence = pattern.sub(lambda m: " " * len(m.group()), sentence)
    near = _named(sentence, facts)
    years = {float(t.year) for t in times}
    for token in _tokens(sentence):
        yield token.text, _known(token, near, facts) or (token.value in years and len(token.text) == 4)


def _tokens(sentence: str) -> Iterator[_Token]:
    for m in _NUMBER.finditer(sentence):
        part = m["part"] or ""
        scale = _SCALES[(m["scale"] or "").lower()]
        yield _Token(
            text=m.group().strip(),
            value=float((m["whole"].replace(",", "") or "0") + part) * scale,
            half=0.5 * 10.0 ** -max(len(part) - 1, 0) * scale,
            sign=0 if not m["sign"] else 1 if m["sign"] == "+" else -1,
            percent=bool(m["pct"]),
            after=sentence[m.end() : m.end() + 40],
        )
    for m in _SPELLED_COUNT.finditer(sentence):
        yield _Token(m.group(), float(_SPELLED[m.group().lower()]), 0.0, 0, False, sentence[m.end() : m.end() + 40])


def _known(token: _Token, near: tuple[Evidence, ...], facts: tuple[Evidence, ...]) -> bool:
    noun = _COUNT_NOUN.match(token.after)
    if noun and not token.percent:
        return any(token.equals(v) for k, v in _numbers(facts) if k.endswith(f"_{noun[1]}s"))
    if _POINTS.match(token.after):
        return any(token.equals(v) for k, v in _numbers(facts) if k.endswith("_points"))
    if _TIMES.match(token.after):
        return any(token.equals(r) for f in near for r in _ratios(f))
    return any(_same(token, k, v) for k, v in _numbers(near)) or _quoted(token, near)


def _same(token: _Token, key: str, value: float) -> bool:
    if token.sign and (token.sign < 0) != (value < 0) and value != 0:
        return False
    if key.endswith("_pct"):
        return token.percent and token.equals(value)
    if token.percent:  # a rate may be written as a percentage
        return abs(value) <= 1 and token.equals(value * 100)
    return token.equals(value)


def _quoted(token: _Token, near: tuple[Evidence, ...]) -> bool:
    """A figure that stands just so in the statement of a check or a note, such as ``3 of 14 values``."""
    plain = (f.statement for f in near if f.kind in ("check", "note"))
    return any(t.value == token.value and t.percent is token.percent for s in plain for t in _tokens(s))


def _numbers(facts: Iterable[Evidence]) -> Iterator[tuple[str, float]]:
    return ((k, v) for f in facts for k, v in f.numbers.items())


def _ratios(fact: Evidence) -> Iterator[float]:
    value = fact.numbers.get("value", fact.numbers.get("after"))
    for name in ("baseline", "previous", "before"):
        if value is not None and fact.numbers.get(name):
            yield value / fact.numbers[name]


def _named(sentence: str, facts: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Facts of the metrics that the sentence names or cites, and facts of no metric; all when it names none."""
    cited = {f"E{n}" for n in _CITATION.findall(sentence)}
    spoken = _words_of(sentence)
    named = [f for f in facts if f.id in cited or spoken & _subject(f)]
    return tuple(named) + tuple(f for f in facts if not _subject(f)) if named else facts


def _subject(fact: Evidence) -> frozenset[str]:
    about = fact.data[0] if fact.data and "metric" in fact.data[0] else {}
    words = _words_of(f"{about.get('metric', '')} {about.get('label', '')}")
    return words - _COMMON_WORDS or words


def _words_of(text: str) -> frozenset[str]:
    return frozenset(w.lower().removesuffix("s") for w in re.findall(r"[^\W\d_]{3,}", text))


def _times(facts: tuple[Evidence, ...]) -> frozenset[datetime]:
    """Every moment the evidence names: windows, and ISO dates in its text."""
    stamps = {t.replace(tzinfo=None) for f in facts for t in (f.start, f.end) if t}
    texts = " ".join(f"{f.statement} {f.query} {json.dumps([dict(d) for d in f.data], default=str)}" for f in facts)
    return frozenset(stamps | {t for m in _ISO.finditer(texts) if (t := _moment(m))})


def _moment(m: re.Match[str]) -> datetime | None:
    try:
        return datetime(int(m[1]), int(m[2]), int(m[3]), int(m[4] or 0), int(m[5] or 0))
    except ValueError:
        return None


def _iso_known(m: re.Match[str], times: frozenset[datetime]) -> bool:
    at = _moment(m)
    return at is not None and (at in times if m[4] else at.date() in {t.date() for t in times})


def _written_known(m: re.Match[str], times: frozenset[datetime]) -> bool:
    month = _MONTHS.index((m["m1"] or m["m2"]).title()) + 1
    days: set[date] = {t.date() for t in times}
    return any((d.month, d.day) == (month, int(m["d1"] or m["d2"])) and m["y"] in (None, f"{d.year}") for d in days)


def _clock_known(m: re.Match[str], times: frozenset[datetime]) -> bool:
    return (int(m[1]), int(m[2])) in {(t.hour, t.minute) for t in times}
