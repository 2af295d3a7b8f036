"""Which character separates the cells of a text file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from core.load.options import LoadOptions
from core.load.rows import Dialect, is_blank, records

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_LINES = 200
_CLEAR = 0.8  # share of rows that must agree on their width
_MARGIN = 0.05


def detected(lines: Sequence[str], options: LoadOptions) -> Dialect:
    """The dialect of the sample ``lines``; stated options win.

    Ordinary files are settled by how many rows agree on a width; the doubtful go to CleverCSV.
    """
    sample = lines[:SAMPLE_LINES]
    quote = options.quote or _quote(sample)
    if options.delimiter:
        return Dialect(options.delimiter, quote, _escape(sample, quote))
    scores = {d: _agreement(sample, Dialect(d, quote)) for d in DELIMITERS}
    best, second = sorted(DELIMITERS, key=lambda d: -scores[d])[:2]
    if scores[best] >= _CLEAR and scores[best] - scores[second] >= _MARGIN:
        return Dialect(best, quote, _escape(sample, quote))
    if not any(d in line for line in sample for d in (*DELIMITERS, ":", " ")):
        return Dialect(",", quote, None)
    return _clever(sample, quote) or Dialect(best if scores[best] else ",", quote, _escape(sample, quote))


def _agreement(lines: Sequence[str], dialect: Dialect) -> float:
    """The share of rows at the most common width, 0 when that is one column."""
    widths = Counter(len(c) for _, c, why in records(lines, dialect) if why is None and not is_blank(c))
    if not widths:
        return 0.0
    width, count = max(widths.items(), key=lambda w: (w[1] * (w[0] > 1), w[0]))
    return count / sum(widths.values()) if width > 1 else 0.0


def _quote(lines: Sequence[str]) -> str:
    text = "".join(lines)
    if '"' in text:
        return '"'
    single = re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n]|$)", text, re.MULTILINE)
    return "'" if len(single) >= 2 else '"'


def _escape(lines: Sequence[str], quote: str) -> str | None:
    """A backslash counts as the escape only where it stands before a quote inside a cell."""
    return "\\" if any(re.search(rf"[^{quote},;\t|]\\{quote}[^,;\t|\r\n]", line) for line in lines) else None


def _clever(lines: Sequence[str], quote: str) -> Dialect | None:
    import clevercsv

    try:
        found = clevercsv.Sniffer().sniff("".join(lines[:100]), delimiters=[*DELIMITERS, ":", " "])
    except (clevercsv.Error, IndexError):
        return None
    if found is None or not found.delimiter:
        return None
    return Dialect(found.delimiter, found.quotechar or quote, found.escapechar or None)
