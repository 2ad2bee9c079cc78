import errno
import gzip
import io
import os
import random
import re
import stat
import subprocess
import sys
import zlib
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import latticework as lw
from latticework.core import decode_lines, files, gzipped, read_lines, write_atomically
from latticework.core.errors import InputError, MissingExtraError, require
from latticework.core.files import holds, read_bytes, write_lines, write_output

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


def flushed(data):
    """Return what a program that compresses a stream has sent when it has been given so much and goes on."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("pack", [bytes, flushed], ids=["plain", "gzip"])
@pytest.mark.parametrize("line", ["first", "", "\x1f", "\x8b"])
def test_lines_come_as_they_are_read(pack, line):
    def unending():
        yield pack(f"{line}\n".encode())
        pytest.fail("read on before the first line was used")

    class Pipe(io.RawIOBase):
        chunks, rest = unending(), b""

        def readable(self):
            return True

        def readinto(self, buffer):
            self.rest = self.rest or next(self.chunks)
            size = min(len(buffer), len(self.rest))
            buffer[:size], self.rest = self.rest[:size], self.rest[size:]
            return size

    assert next(decode_lines(Pipe(), "pipe")) == line


@pytest.mark.parametrize("line", [b"ein Haus\n", b"\n"])
def test_lines_of_standard_input_come_as_they_are_read(line):
    code = "from latticework.core import read_lines\nfor line in read_lines('-'): print(repr(line), flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in range(2):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline().decode() == f"{line.decode()[:-1]!r}\n"


def test_program_that_ends_while_a_thread_waits_for_standard_input_just_ends():
    code = """
import threading, time
from latticework.core import read_lines
threading.Thread(target=lambda: print(next(read_lines("-"))), daemon=True).start()
time.sleep(0.5)
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        process.wait()  # its input is still open
        assert (process.returncode, process.stdout.read(), process.stderr.read()) == (0, b"", b"")


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


def read_until_refused(path):
    lines = []
    with pytest.raises(lw.InputError, match=re.escape(f"{path}: the gzip file is damaged or cut off")) as caught:
        lines.extend(read_lines(path))
    assert f"after line {len(lines)} (" in str(caught.value)
    return lines


@pytest.fixture(scope="module")
def packed():
    """More lines than fit into a buffer, and gzip's compression of them."""
    chance = random.Random(0)
    lines = [str(chance.random()) for _ in range(20_000)]
    return lines, gzip.compress("".join(f"{line}\n" for line in lines).encode())


@pytest.mark.parametrize("end", [2, 5, 9, 15, 3000, 100_000, -3000, -9, -8, -1])
def test_gzip_that_is_cut_off_gives_all_whole_lines_before_it_is_refused(tmp_path, packed, end):
    lines, whole = packed
    (tmp_path / "cut.gz").write_bytes(whole[:end])
    found = read_until_refused(tmp_path / "cut.gz")
    expected = zlib.decompressobj(wbits=31).decompress(whole[:end]).decode().split("\n")[:-1]
    assert found == expected == lines[: len(found)]
    assert len(found) == len(lines) or end not in (-8, -1)


@pytest.mark.parametrize("place", [15, 3000, 100_000])
def test_damaged_gzip_gives_all_whole_lines_before_the_damage_is_found(tmp_path, packed, place):
    damaged = bytearray(packed[1])
    damaged[place : place + 1] = b"\xff" * 1000  # no code of deflate goes on like that for long
    (tmp_path / "bad.gz").write_bytes(damaged)
    pieces, inflater = [], zlib.decompressobj(wbits=31)
    with pytest.raises(zlib.error):
        pieces.extend(inflater.decompress(bytes([byte])) for byte in damaged)
    assert read_until_refused(tmp_path / "bad.gz") == b"".join(pieces).decode().split("\n")[:-1]


def test_gzip_with_a_wrong_checksum_gives_its_lines_before_it_is_refused(tmp_path, packed):
    lines, whole = packed
    (tmp_path / "bad.gz").write_bytes(whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:])
    assert read_until_refused(tmp_path / "bad.gz") == lines


@pytest.mark.parametrize("end", [b"", b"\0" * 1000])
@pytest.mark.parametrize("buffer", [1, 7, 2**17])
def test_members_of_a_gzip_file_are_read_as_one_and_zeros_at_its_end_left_out(
    tmp_path, monkeypatch, packed, end, buffer
):
    lines, whole = packed
    monkeypatch.setattr(files, "_BUFFER_BYTES", buffer)
    monkeypatch.setattr(gzipped, "_PIECE_BYTES", buffer)
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"eins\nzw") + gzip.compress(b"") + gzip.compress(b"ei\n") + end)
    assert list(read_lines(tmp_path / "text.gz")) == ["eins", "zwei"]
    if buffer > 1:
        (tmp_path / "text.gz").write_bytes(whole + whole + end)
        assert list(read_lines(tmp_path / "text.gz")) == lines + lines


def test_what_follows_a_gzip_member_and_is_none_is_refused(tmp_path):
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"eins\nzwei\n") + b"drei\n")
    assert read_until_refused(tmp_path / "text.gz") == ["eins", "zwei"]


class Failing(Dripping):
    """A stream of a disk that fails after what it gave."""

    def readinto(self, buffer):
        if not self.rest:
            raise OSError(errno.EIO, "Input/output error")
        return super().readinto(buffer)


@pytest.mark.parametrize("pack", [bytes, flushed], ids=["plain", "gzip"])
@pytest.mark.parametrize("lines", [[], ["eins"], ["eins", "zwei"]])
def test_a_disk_that_fails_is_told_with_the_file_and_the_line(pack, lines):
    found = []
    data = pack("".join(f"{line}\n" for line in lines).encode())
    with pytest.raises(lw.InputError, match=rf"^name cannot be read after line {len(lines)}: Input/output error$"):
        found.extend(decode_lines(Failing(data), "name"))
    assert found == lines


@pytest.mark.parametrize("name", ["text.gz", "TEXT.GZ"])
@pytest.mark.parametrize("data", [b"", b"plain text\n", b"\x1f\x8b", b"\x1f\x8b\x07" + b"x" * 50])
def test_what_is_named_gzip_and_is_not_is_refused(tmp_path, data, name):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(lw.InputError, match=name):
        list(read_lines(tmp_path / name))


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
    with pytest.raises(OSError, match="No space left on device") as told:
        write_atomically(tmp_path / "file", b"new")
    assert told.value.filename == str(tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("number, made", [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)])
def test_a_folder_that_the_file_system_cannot_sync_is_no_error(tmp_path, monkeypatch, number, made):
    def fail(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, "what is wrong")

    monkeypatch.setattr(os, "fsync", fail)
    with nullcontext() if made else pytest.raises(OSError, match="what is wrong"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_file_is_written_in_a_folder_that_may_not_be_listed(unlistable):
    write_atomically(unlistable / "file", b"new")
    assert os.listdir(unlistable) == ["file"]


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


def test_output_goes_through_a_link_and_leaves_it(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"before")
    link.symlink_to(target)
    write_output(link, b"after")
    assert link.is_symlink()
    assert target.read_bytes() == b"after"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_output_goes_into_a_pipe_and_a_device_and_leaves_them(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_output(pipe, b"said")
    assert os.read(reader, 10) == b"said"
    os.close(reader)
    assert pipe.is_fifo()
    write_output("/dev/null", b"lost")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["note.txt", "note.txt.gz", "NOTE.TXT.GZ"])
def test_what_is_written_under_a_name_that_ends_in_gz_is_compressed(tmp_path, name):
    path = tmp_path / name
    lines = [f"Zeile {number}" for number in range(5000)]
    write_lines(path, lines)
    by_line = path.read_bytes()
    assert list(read_lines(path)) == lines
    write_output(path, "".join(f"{line}\n" for line in lines).encode())
    assert path.read_bytes() == by_line
    assert by_line.startswith(b"\x1f\x8b") == (name != "note.txt")


def test_standard_output_is_no_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    print("text", end=" ")
    write_output("-", "Grüße ".encode())
    write_output(Path("-"), b"and ")
    write_lines("-", ["lines"])
    assert capsys.readouterr().out == "text Grüße and lines\n"
    assert os.listdir() == []


@pytest.mark.parametrize("name", ["note.txt", "note.txt.gz"])
def test_lines_of_a_file_are_written_as_they_come(tmp_path, name):
    def lines():
        yield from map(str, range(100_000))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 0

    write_lines(tmp_path / name, lines())
    assert list(read_lines(tmp_path / name)) == list(map(str, range(100_000)))
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "No such file", "input"), KeyboardInterrupt()])
def test_lines_that_end_with_an_error_leave_what_was_there(tmp_path, error):
    def lines():
        yield from map(str, range(100_000))
        raise error

    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(type(error)) as told:
        write_lines(tmp_path / "file", lines())
    assert told.value is error
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("lines", [10, 100_000], ids=["found at the end", "found at once"])
def test_a_full_disk_names_the_file_and_leaves_what_was_there(tmp_path, lines):
    resource = pytest.importorskip("resource")
    (tmp_path / "file").write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as told:
            write_lines(tmp_path / "file", map(str, range(lines)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert told.value.filename == str(tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="no permissions of others there")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_who_may_read_a_file_may_do_so_when_it_is_replaced_and_nobody_else(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)

    def lines():
        yield from map(str, range(100_000))
        assert {stat.S_IMODE(hidden.stat().st_mode) for hidden in tmp_path.iterdir()} == {mode}

    for write in (lambda: write_lines(path, lines()), lambda: write_output(path, b"new")):
        write()
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.name == "nt", reason="no groups there")
@pytest.mark.parametrize("allowed", [True, False])
def test_the_group_of_what_is_replaced_keeps_its_rights_and_no_other_gets_them(tmp_path, monkeypatch, allowed):
    path, changed = tmp_path / "file", []
    path.write_bytes(b"old")
    path.chmod(0o660)
    own, stat_of = path.stat().st_gid, os.stat

    def of_another_group(target, **options):
        found = stat_of(target, **options)
        return os.stat_result([*found[:5], own + 1, *found[6:10]]) if Path(target) == path else found

    def chown(file, user, group):
        if not allowed:
            raise PermissionError(1, "Operation not permitted", str(file))
        changed.append((user, group))

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", of_another_group)
        patch.setattr(os, "chown", chown)
        write_atomically(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == (0o660 if allowed else 0o600)
    assert changed == ([(-1, own + 1)] if allowed else [])


def test_standard_output_may_be_replaced_by_what_takes_text_alone():
    with redirect_stdout(io.StringIO()) as shown:
        write_output("-", "grün\n".encode())
        with pytest.raises(InputError, match="takes text alone here"):
            write_output("-", b"\xff")
    assert shown.getvalue() == "grün\n"


def test_lines_are_printed_as_they_come(capsys):
    def lines():
        yield "first"
        assert capsys.readouterr().out == "first\n"

    write_lines("-", lines())


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no name of the standard output here")
def test_output_goes_into_a_pipe_that_has_no_name_of_its_own():
    code = "from latticework.core.files import write_output; write_output('/dev/stdout', b'said')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"said", b"")


def test_output_that_cannot_be_written_names_the_file(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        write_output(tmp_path / "none" / "file", b"")
    with pytest.raises(InputError, match="is a folder"):
        write_output(tmp_path, b"")
    if Path("/dev/full").is_char_device():
        with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
            write_output("/dev/full", b"much")


def test_bytes_are_read_up_to_a_bound(tmp_path):
    (tmp_path / "five").write_bytes(b"12345")
    assert read_bytes(tmp_path / "five", most=5) == b"12345"
    with pytest.raises(InputError, match="five has 5 bytes, more than the 4 that are read"):
        read_bytes(tmp_path / "five", most=4)


def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, told in (
        ("pipe", "is no ordinary file"),
        (".", "is a folder, expected a file"),
        ("absent", "there is no such file"),
        ("nul\0", "is no name of a file"),
        ("x" * 300, "cannot be read: File name too long"),
    ):
        with pytest.raises(InputError, match=told):
            read_bytes(tmp_path / name, most=4)


def test_a_device_that_never_ends_is_refused():
    with pytest.raises(InputError, match="is no ordinary file"):
        read_bytes("/dev/zero", most=10)


def test_whether_a_file_holds_exactly_this(tmp_path):
    note = tmp_path / "note"
    assert not holds(note, b"")
    assert not holds(tmp_path, b"")
    note.write_bytes(b"ab")
    assert [holds(note, data) for data in (b"ab", b"a", b"abc", b"")] == [True, False, False, False]
