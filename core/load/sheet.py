"""Worksheets of Excel and OpenDocument files as records of text."""

from __future__ import annotations

import datetime as dt
import zipfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError, TooLarge
from core.load.rows import Record
from core.load.spool import MAX_BYTES, Spool

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PARTS = {"xl/workbook.xml": ".xlsx", "xl/workbook.bin": ".xlsb", "content.xml": ".ods"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One worksheet: its records (a line is a sheet row) and the names of all sheets."""

    records: list[Record]
    sheets: tuple[str, ...]
    notes: tuple[str, ...]


def kind(spool: Spool, name: str) -> str | None:
    """The file name ending of the kind of spreadsheet this is by content; None for any other file.

    Raises: InputError for another kind of zip, TooLarge for a bomb.
    """
    if spool.head.startswith(_OLE):
        return ".xls"
    if not spool.head.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(spool.path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as exc:
        raise InputError(f"{name}: the zip or Excel file is damaged ({exc}).") from exc
    found = next((_PARTS[m.filename] for m in members if m.filename in _PARTS), None)
    if found is None:
        raise InputError(
            f"{name}: this is a zip archive, not a workbook; expected .xlsx, or unpack it and load the table inside."
        )
    if sum(m.file_size for m in members) > MAX_BYTES:
        raise TooLarge(f"{name}: the workbook unpacks to more than {MAX_BYTES / 1_048_576:,.0f} MiB.")
    return found


def read(path: Path, ending: str, name: str, sheet: str | None = None) -> Sheet:
    """The records of the worksheet ``sheet`` (the first that is not empty when none is stated).

    Raises: InputError when the file is damaged or has no such sheet.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(path.rename(path.with_suffix(ending))))
        names = tuple(book.sheet_names)
        if sheet is not None and sheet not in names:
            raise InputError(
                f"{name}: there is no sheet '{sheet}'.", hint=f"Sheets: {', '.join(names)}.", field="sheet"
            )
        for candidate in [sheet] if sheet is not None else names:
            rows = book.get_sheet_by_name(candidate).to_python(skip_empty_area=False)
            if any(cell != "" for row in rows for cell in row):
                break
        else:
            raise InputError(f"{name}: the workbook holds no cells; expected a header and rows.")
    except (CalamineError, OSError) as exc:
        raise InputError(f"{name}: the workbook cannot be read ({exc}).") from exc
    records: list[Record] = [
        (i, texts, None) for i, row in enumerate(rows, start=1) if any(texts := [_text(c) for c in row])
    ]
    others = [n for n in names if n != candidate]
    notes = (f"Sheet '{candidate}' was read; the others are {', '.join(others)}.",) if others and not sheet else ()
    return Sheet(records, names, notes)


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(sep=" ")
    if isinstance(cell, dt.date):
        return cell.isoformat()
    return str(cell)
