"""Rows that could not be loaded: counted all, kept the first, written all to a file when there are many."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from core.load.export import neutral
from core.load.report import REJECTS_SHOWN, LoadReport
from core.model import Reject

TEXT_SHOWN = 1_000
_HEADER = ("line", "column", "reason", "text")


class RejectList:
    """Collects rejected rows without holding an unbounded number of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: io.TextIOWrapper | None = None
        self.count = 0
        self.first: list[Reject] = []

    def add(self, line: int, reason: str, text: str, column: str | None = None) -> None:
        """Notes one rejected row."""
        self.count += 1
        reject = Reject(line, reason, text[:TEXT_SHOWN], column)
        if self.count <= REJECTS_SHOWN:
            self.first.append(reject)
            return
        if self._stream is None:
            self._stream = self._path.open("w", encoding="utf-8", newline="")
            csv.writer(self._stream).writerows([_HEADER, *map(_row, self.first)])
        csv.writer(self._stream).writerow(_row(reject))

    def close(self) -> Path | None:
        """Ends the collection; answers the file that holds every reject when there are too many to keep."""
        self.first.sort(key=lambda r: r.line)
        if self._stream is None:
            return None
        self._stream.close()
        return self._path


def rejects_csv(report: LoadReport) -> str:
    """Every rejected row as CSV (line, column, reason, text) that no spreadsheet runs as a formula."""
    if report.rejects_file is not None:
        return report.rejects_file.read_text(encoding="utf-8")
    out = io.StringIO()
    csv.writer(out).writerows([_HEADER, *map(_row, report.rejects)])
    return out.getvalue()


def _row(reject: Reject) -> tuple[int, str, str, str]:
    return reject.line, neutral(reject.column or ""), neutral(reject.reason), neutral(reject.text)
