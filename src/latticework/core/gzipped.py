"""What is gzip-compressed, read and written piece by piece: all that comes before damage is there before its error."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

_PIECE_BYTES: Final = 2**17  # of compressed data
_MAGIC: Final = b"\x1f\x8b"
_FORMAT: Final = 31  # zlib's `wbits` for gzip, with the largest window


def decompressed(stream: BinaryIO) -> tuple[io.RawIOBase, bool]:
    """What a stream holds, decompressed if its first bytes are those of gzip, and whether they are.

    Reading raises EOFError or zlib.error where compressed data is cut off or damaged.

    Examples
    --------
    >>> import gzip
    >>> raw, compressed = decompressed(io.BytesIO(gzip.compress(b"two")))
    >>> raw.read(), compressed
    (b'two', True)
    """
    start = stream.read(1)
    if start == _MAGIC[:1]:  # else there is no second byte to wait for: the line may be empty
        start += stream.read(1)
    raw = _Rejoined(start, stream)
    return (_Decompressed(raw), True) if start == _MAGIC else (raw, False)


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A gzip file that holds pieces one after the other: the same bytes whenever it is written.

    Examples
    --------
    >>> import gzip
    >>> gzip.decompress(b"".join(compressed([b"one", b"two"])))
    b'onetwo'
    """
    deflater = zlib.compressobj(level=9, wbits=_FORMAT)
    for piece in pieces:
        yield deflater.compress(piece)
    yield deflater.flush()


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were looked at; it gives what there is and does not wait for more."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start = start
        self._read = getattr(rest, "read1", rest.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece, self._start = self._start or self._read(len(buffer)), b""
        buffer[: len(piece)] = piece
        return len(piece)


class _Decompressed(io.RawIOBase):
    """What a gzip stream holds: of one that is damaged or cut off all that comes before, and then the error."""

    def __init__(self, compressed: io.RawIOBase) -> None:
        self._compressed = compressed
        self._input = b""
        self._inflater = zlib.decompressobj(_FORMAT)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not (piece := self._inflate(len(buffer))):
            if self._input:  # a member without content has ended
                continue
            self._input = self._compressed.read(_PIECE_BYTES) or b""
            if not self._input and self._inflater.eof:
                return 0
            if not self._input:
                raise EOFError("it ends too early")
        buffer[: len(piece)] = piece
        return len(piece)

    def _inflate(self, size: int) -> bytes:
        if self._inflater.eof:  # another member may follow, or zeros that fill up a block
            self._input = self._input.lstrip(b"\0")
            if not self._input:
                return b""
            self._inflater = zlib.decompressobj(_FORMAT)
        before = self._inflater.copy()
        try:
            piece = self._inflater.decompress(self._input, size)
        except zlib.error:
            if piece := _before_damage(before, self._input):
                return piece  # asked for more, zlib gives the same error again
            raise
        self._input = self._inflater.unconsumed_tail or self._inflater.unused_data
        return piece


def _before_damage(inflater: Any, data: bytes) -> bytes:
    """Return what zlib, which gives nothing of a piece with damage in it, gives of the bytes before the damage."""
    pieces = []
    try:
        for position in range(len(data)):
            pieces.append(inflater.decompress(data[position : position + 1]))
    except zlib.error:
        pass
    return b"".join(pieces)
