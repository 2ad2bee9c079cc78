import gzip
import io
import os
import random
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import latticework as lw
from latticework.core import decode_lines, files, read_lines, write_atomically
from latticework.core.errors import MissingExtraError, require

TEXT = "ein Haus\nzwei\u2028Häuser\x85\x0b\x0c\x1c\r\ndrei\rvier\n\n日本"
LINES = ["ein Haus", "zwei\u2028Häuser\x85\x0b\x0c\x1c", "drei\rvier", "", "日本"]


class Dripping(io.RawIOBase):
    """A stream that gives a byte at a time, as a slow pipe may, and cannot be looked ahead into."""

    def __init__(self, data):
        self.rest = data

    def readable(self):
        return True

    def readinto(self, buffer):
        piece, self.rest = self.rest[:1], self.rest[1:]
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["", "bom"])
def test_only_line_feeds_end_lines(tmp_path, pack, bom):
    path = tmp_path / ("text.gz" if pack is gzip.compress else "text")
    path.write_bytes(pack(bom + TEXT.encode()))
    assert list(read_lines(path)) == LINES
    assert list(read_lines(str(path))) == LINES
    assert list(decode_lines(io.BytesIO(path.read_bytes()), "name")) == LINES
    assert list(decode_lines(Dripping(path.read_bytes()), "name")) == LINES


def test_compression_is_recognised_by_content(tmp_path):
    (tmp_path / "text").write_bytes(gzip.compress(b"eins\n") + gzip.compress(b"zwei\n"))
    assert list(read_lines(tmp_path / "text")) == ["eins", "zwei"]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\0"))))
def test_lines_written_are_the_lines_read(lines):
    data = "".join(f"{line}\n" for line in lines).encode()
    expected = [line.removesuffix("\r") for line in lines]
    if expected:
        expected[0] = expected[0].removeprefix("\ufeff")
    assert list(decode_lines(io.BytesIO(data), "name")) == expected


def test_byte_order_mark_inside_the_text_stays():
    assert list(decode_lines(io.BytesIO("a\n\ufeffb\n".encode()), "name")) == ["a", "\ufeffb"]


def test_empty_file_has_no_lines(tmp_path):
    (tmp_path / "empty").touch()
    assert list(read_lines(tmp_path / "empty")) == []


def test_standard_input_is_read_and_left_open(monkeypatch):
    stream = io.BytesIO(b"eins\nzwei")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    assert list(read_lines("-")) == ["eins", "zwei"]
    assert not stream.closed
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"eins\n\xff")))
    with pytest.raises(lw.InputError, match=r"<stdin>:2: byte 0xFF"):
        list(read_lines("-"))


def test_lines_come_as_they_are_read():
    def unending():
        yield b"first\n"
        pytest.fail("read on before the first line was used")

    class Pipe(io.RawIOBase):
        chunks = unending()

        def readable(self):
            return True

        def readinto(self, buffer):
            chunk = next(self.chunks)
            buffer[: len(chunk)] = chunk
            return len(chunk)

    assert next(decode_lines(Pipe(), "pipe")) == "first"


BAD_TEXT = {
    b"gut\nB\xe4r\n": r":2: byte 0xE4 at position 2 is not UTF-8",
    b"gut\ngut\n\xff": r":3: byte 0xFF at position 1",
    b"\xed\xa0\x80\n": r":1: byte 0xED",  # a lone surrogate
    b"gut\nnicht\0gut\n": r":2: NUL character at byte 6",
    "gut\n".encode("utf-16"): r":1: .*UTF-16",
    "gut\n".encode("utf-32"): r":1: .*UTF-16",
}


@pytest.mark.parametrize("data", BAD_TEXT)
def test_bad_text_is_refused_with_file_and_line(tmp_path, data):
    (tmp_path / "bad.txt").write_bytes(data)
    with pytest.raises(lw.InputError, match=r"bad\.txt" + BAD_TEXT[data]):
        list(read_lines(tmp_path / "bad.txt"))


def test_lines_beyond_the_bound_are_refused_without_reading_on(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 10)
    (tmp_path / "long.txt").write_bytes(b"123456789\n" + b"x" * 1000)
    lines = read_lines(tmp_path / "long.txt")
    assert next(lines) == "123456789"
    with pytest.raises(lw.InputError, match=r"long\.txt:2: the line is longer than 10 bytes"):
        next(lines)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(lw.InputError, match="absent: there is no such file"):
        list(read_lines(tmp_path / "absent"))
    with pytest.raises(lw.InputError, match="is a folder"):
        list(read_lines(tmp_path))
    with pytest.raises(lw.InputError, match="cannot be read"):
        list(read_lines(tmp_path / ("x" * 300)))


@pytest.mark.parametrize("end", [1, 5, 9, 15, -9, -8, -1])
def test_gzip_cut_off_anywhere_is_refused(tmp_path, end):
    whole = gzip.compress("\n".join(str(random.Random(0).random()) for _ in range(500)).encode())
    (tmp_path / "cut.gz").write_bytes(whole[:end])
    with pytest.raises(lw.InputError, match=r"cut\.gz"):
        list(read_lines(tmp_path / "cut.gz"))


@pytest.mark.parametrize("data", [b"", b"plain text\n", b"\x1f\x8b", b"\x1f\x8b\x07" + b"x" * 50])
def test_what_is_named_gzip_and_is_not_is_refused(tmp_path, data):
    (tmp_path / "text.gz").write_bytes(data)
    with pytest.raises(lw.InputError, match=r"text\.gz"):
        list(read_lines(tmp_path / "text.gz"))


def test_damaged_gzip_is_refused(tmp_path):
    data = bytearray(gzip.compress(b"eins\nzwei\n"))
    data[-6] ^= 1  # its checksum
    (tmp_path / "text.gz").write_bytes(data)
    with pytest.raises(lw.InputError, match=r"text\.gz.*damaged"):
        list(read_lines(tmp_path / "text.gz"))
    assert zlib.crc32(b"eins\nzwei\n") != int.from_bytes(data[-8:-4], "little")


def test_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "file"
    for data in (b"a longer content", b"short", b""):
        write_atomically(path, data)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_failed_write_keeps_the_old_content_and_nothing_else(tmp_path, monkeypatch, failing):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    write_atomically(tmp_path / "file", b"old")
    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_write_needs_a_folder_and_a_file_name(tmp_path):
    with pytest.raises(lw.InputError, match="no folder"):
        write_atomically(tmp_path / "absent" / "file", b"")
    with pytest.raises(lw.InputError, match="is a folder"):
        write_atomically(tmp_path, b"")
    assert os.listdir(tmp_path) == []


def test_missing_library_is_named_with_the_line_that_installs_it():
    assert require("json", extra="all", purpose="x").loads("1") == 1
    with pytest.raises(MissingExtraError, match=r"tagging needs no_such: pip install 'latticework\[ner\]'"):
        require("no_such.module", extra="ner", purpose="tagging")


def test_library_that_lacks_another_is_not_reported_as_missing(tmp_path, monkeypatch):
    (tmp_path / "lacking.py").write_text("import no_such_library")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        require("lacking", extra="ner", purpose="tagging")
