"""LZF, the compression of PCD files: Marc Lehmann's format of literal runs and references to what came before.

A byte below 32 says that so many bytes and one more follow as they are. Of any other byte the upper three bits are a
length (7: another byte is added to it), and the lower five with the byte after it a distance back, less one; two bytes
more than that length are repeated from there, of which some may only just have been written.
"""

from __future__ import annotations

from typing import Final

from latticework.core.errors import InputError

MAX_RATIO: Final = 88  # 264 bytes, the longest repetition, from three


def decompress(data: bytes, size: int, where: str) -> bytearray:
    """The bytes that LZF packed.

    Python's loop over the references costs about 0.3 microseconds each, some 0.2 s for a scan of 640 x 480; whatever
    is repeated is copied as a piece.

    Parameters
    ----------
    data
        What was packed.
    size
        How many bytes that was.
    where
        What to call it in an error.

    Raises
    ------
    InputError
        If it is damaged or cut off, or holds another number of bytes. Nothing much larger than `size` is ever made.

    Examples
    --------
    >>> decompress(bytes([0, ord("a"), 0x80, 0]), 7, "a.pcd")  # an a, and six bytes from one byte back
    bytearray(b'aaaaaaa')
    """
    if size > MAX_RATIO * len(data):
        raise InputError(f"{where}: {len(data):,} packed bytes cannot hold {size:,}")
    out = bytearray()
    read, written, end = 0, 0, len(data)
    try:
        while read < end:
            control = data[read]
            if control < 32:
                begin = read + 1
                read = begin + control + 1
                out += data[begin:read]
                written += control + 1
                continue
            if control < 224:
                length = (control >> 5) + 2
                start = written - ((control & 31) << 8) - data[read + 1] - 1
                read += 2
            else:
                length = data[read + 1] + 9
                start = written - ((control & 31) << 8) - data[read + 2] - 1
                read += 3
                if written > size:  # only such long ones make much of little
                    break
            if start < 0:
                raise InputError(f"{where}: the packed data is damaged: it refers to what lies before its beginning")
            stop = start + length
            if stop <= written:
                out += out[start:stop]
            else:
                out += (out[start:] * (length // (written - start) + 1))[:length]
            written += length
    except IndexError:
        raise InputError(f"{where}: the packed data is cut off") from None
    if read > end:
        raise InputError(f"{where}: the packed data is cut off")
    if len(out) != size:
        raise InputError(f"{where}: the packed data is damaged: it does not hold the {size:,} bytes that it should")
    return out
