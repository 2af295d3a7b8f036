"""From bytes to clean UTF-8: which encoding, and what had to be removed."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError

CHUNK = 1 << 20
SAMPLE = 1 << 16
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EXPECTED = "expected a table: CSV or other delimited text, gzip of it, Excel or Parquet"
_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format 3", "an SQLite database"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
)


@dataclass(frozen=True, slots=True)
class Text:
    """A UTF-8 file without BOM and NUL characters. ``newlines`` counts its line feeds."""

    path: Path
    encoding: str
    newlines: int
    quotes: bool
    uniform: bool  # one kind of line end throughout
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Facts:
    valid: bool
    nuls: int
    feeds: int
    returns: int
    pairs: int
    quotes: bool

    @property
    def uniform(self) -> bool:
        return self.returns == 0 or self.returns == self.pairs == self.feeds


def readable(path: Path, head: bytes, name: str, encoding: str | None = None) -> Text:
    """The file at ``path`` as clean UTF-8, rewritten beside it only when it is not already.

    Raises: InputError when it is not text at all, or not in the stated encoding.
    """
    _refuse_binary(head, name)
    if encoding is not None:
        return _rewritten(path, _known(encoding, name), name, strict=True)
    marked = next((e for bom, e in _BOMS if head.startswith(bom)), None) or _wide(head)
    if marked:
        return _rewritten(path, marked, name, strict=False)
    facts = _scan(path)
    if facts.valid and not facts.nuls:
        return Text(path, "utf-8", facts.feeds, facts.quotes, facts.uniform)
    if facts.nuls > 0.1 * len(head) or _controls(head) > 0.05:
        raise InputError(f"{name}: this is binary data, not text; {_EXPECTED}.")
    return _rewritten(path, "utf-8" if facts.valid else _legacy(path), name, strict=False)


def _refuse_binary(head: bytes, name: str) -> None:
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise InputError(f"{name}: this is {what}; {_EXPECTED}.")


def _known(encoding: str, name: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise InputError(f"{name}: unknown encoding '{encoding}'; expected a name such as utf-8 or cp1252.") from None


def _wide(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: ASCII text then has a NUL in every other place."""
    pairs = len(head) // 2
    if pairs >= 4:
        even, odd = head[0 : pairs * 2 : 2].count(0) / pairs, head[1 : pairs * 2 : 2].count(0) / pairs
        if odd > 0.4 and even < 0.05:
            return "utf-16-le"
        if even > 0.4 and odd < 0.05:
            return "utf-16-be"
    return None


def _controls(head: bytes) -> float:
    return sum(head.count(c) for c in range(32) if c not in b"\0\t\n\r\x0b\x0c\x1b\x1a") / max(1, len(head))


def _scan(path: Path) -> _Facts:
    decoder = codecs.getincrementaldecoder("utf-8")()
    valid, nuls, feeds, returns, pairs, quotes, last = True, 0, 0, 0, 0, False, b""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            if (valid and not chunk.isascii()) or decoder.getstate()[0]:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    valid = False
            nuls += chunk.count(b"\0")
            feeds += chunk.count(b"\n")
            if found := chunk.count(b"\r"):
                returns += found
                pairs += chunk.count(b"\r\n")
            pairs += last == b"\r" and chunk.startswith(b"\n")
            quotes = quotes or b'"' in chunk
            last = chunk[-1:]
    return _Facts(valid and not decoder.getstate()[0], nuls, feeds, returns, pairs, quotes)


def _legacy(path: Path) -> str:
    """The encoding of a file that is not UTF-8: mostly-UTF-8 with damage, or an older code page."""
    with path.open("rb") as stream:
        sample = next((c for c in iter(lambda: stream.read(SAMPLE), b"") if not c.isascii()), b"")
    text = sample.decode("utf-8", errors="replace")
    damaged = text.count("�")
    if sum(ord(c) > 127 for c in text) - damaged > 3 * damaged:
        return "utf-8"
    lines = b"\n".join([line for line in sample.split(b"\n") if not line.isascii()][:400])
    from charset_normalizer import from_bytes

    likely = [e for e in ("cp1252", "cp1250", "cp1251", "shift_jis", "gb18030", "euc_kr", "big5") if _decodes(lines, e)]
    best = from_bytes(lines, cp_isolation=likely, threshold=0.3).best() if likely else None
    western = _decodes(lines, "cp1252")
    # western code pages differ in few letters: where they read the same, the usual name is given
    if best is None or (western and lines.decode(best.encoding) == lines.decode("cp1252")):
        return "cp1252" if western else "latin-1"
    return best.encoding


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _rewritten(path: Path, encoding: str, name: str, *, strict: bool) -> Text:
    target = path.with_name("text")
    nuls = damaged = 0
    try:
        with (
            path.open(encoding=encoding, errors="strict" if strict else "replace", newline="") as source,
            target.open("w", encoding="utf-8", newline="") as out,
        ):
            while chunk := source.read(CHUNK):
                nuls += chunk.count("\0")
                damaged += chunk.count("�")
                chunk = chunk.replace("\0", "")
                out.write(chunk.removeprefix("﻿") if out.tell() == 0 else chunk)
    except UnicodeError as exc:
        raise InputError(f"{name}: the text is not valid {encoding} ({exc}).", field="encoding") from exc
    if target.stat().st_size == 0:
        raise InputError(f"{name}: the file holds no text; expected a table with a header and rows.")
    facts = _scan(target)
    return Text(target, encoding, facts.feeds, facts.quotes, facts.uniform, _notes(encoding, nuls, damaged))


def _notes(encoding: str, nuls: int, damaged: int) -> tuple[str, ...]:
    notes = []
    if encoding not in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        notes.append(f"The text was read as {encoding}.")
    if nuls:
        notes.append(f"{nuls:,} NUL character{'s were' if nuls > 1 else ' was'} removed.")
    if damaged:
        notes.append(f"{damaged:,} damaged character{'s are' if damaged > 1 else ' is'} shown as �.")
    return tuple(notes)
