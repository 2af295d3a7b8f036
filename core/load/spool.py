"""Copies a source into the engine's folder while hashing it, so what is read cannot change underneath."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.errors import InputError, TooLarge

MAX_BYTES = 1024 * 1024 * 1024
MAX_RATIO = 200  # ordinary text compresses 3 to 30 times
RATIO_FROM = 32 * 1024 * 1024  # below this size no ratio is suspicious
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Spool:
    """A private copy of the (decompressed) input. ``sha256`` is that of the bytes as given."""

    path: Path
    sha256: str
    size: int
    head: bytes
    compressed: bool


@contextmanager
def spooled(source: Path | bytes, *, name: str, folder: Path, max_bytes: int = MAX_BYTES) -> Iterator[Spool]:
    """A private copy of ``source`` below ``folder``, removed afterwards.

    Raises: InputError when it cannot be read or is empty, TooLarge over ``max_bytes`` (after decompression).
    """
    with tempfile.TemporaryDirectory(prefix=".load-", dir=folder) as room, _opened(source, name) as stream:
        path = Path(room) / "source"
        digest = hashlib.sha256()
        with path.open("wb") as out:
            start = stream.read(2)
            gzip = start == b"\x1f\x8b"
            chunks = _hashed(stream, start, digest, name, max_bytes)
            for block in _gunzipped(chunks, name, max_bytes) if gzip else chunks:
                out.write(block)
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{name}: the file is empty; expected a table with a header and rows.")
        with path.open("rb") as copy:
            head = copy.read(1 << 16)
        yield Spool(path, digest.hexdigest(), size, head, gzip)


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:
        stream = source.open("rb")
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file.") from None
    except OSError as exc:
        raise InputError(f"{name}: the file cannot be read ({exc.strerror}).") from exc
    with stream:
        yield stream


def _hashed(stream: BinaryIO, start: bytes, digest: hashlib._Hash, name: str, max_bytes: int) -> Iterator[bytes]:
    total, chunk = 0, start + stream.read(CHUNK)
    while chunk:
        total += len(chunk)
        if total > max_bytes:
            raise _too_large(name, max_bytes)
        digest.update(chunk)
        yield chunk
        chunk = stream.read(CHUNK)


def _gunzipped(chunks: Iterator[bytes], name: str, max_bytes: int) -> Iterator[bytes]:
    unpack = zlib.decompressobj(31)
    read = written = 0
    for chunk in chunks:
        read += len(chunk)
        while chunk:
            try:
                block = unpack.decompress(chunk, CHUNK)
            except zlib.error as exc:
                raise InputError(f"{name}: the gzip data is damaged ({exc}).") from exc
            written += len(block)
            if written > max_bytes:
                raise _too_large(name, max_bytes, " after decompression")
            if written > RATIO_FROM and written > MAX_RATIO * read:
                raise TooLarge(f"{name}: the gzip data expands more than {MAX_RATIO} times; refused as a bomb.")
            yield block
            chunk = unpack.unconsumed_tail
            if unpack.eof:  # a gzip file may hold several members one after another
                chunk = unpack.unused_data
                unpack = zlib.decompressobj(31) if chunk.startswith(b"\x1f\x8b") else unpack
                if unpack.eof:
                    return
    if not unpack.eof:
        raise InputError(f"{name}: the gzip data is cut off before its end.")


def _too_large(name: str, max_bytes: int, when: str = "") -> TooLarge:
    return TooLarge(f"{name}: the file is larger than the limit of {max_bytes / 1_048_576:,.0f} MiB{when}.")
