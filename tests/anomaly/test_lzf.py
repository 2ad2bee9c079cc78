import pytest
from anomaly.scans import refused
from hypothesis import given
from hypothesis import strategies as st
from reference import lzf as reference

from latticework.anomaly.scans.lzf import MAX_RATIO, decompress
from latticework.core.errors import InputError

REPETITIVE = st.lists(st.tuples(st.binary(max_size=9), st.integers(1, 400)), max_size=12).map(
    lambda pieces: b"".join(piece * times for piece, times in pieces)
)


@given(st.binary(max_size=2000) | REPETITIVE)
def test_what_was_packed_comes_back(data):
    packed = reference.compress(data)
    assert reference.decompress(packed) == data
    assert decompress(packed, len(data), "a.pcd") == data


@given(st.binary(max_size=200), st.integers(0, 3000))
def test_any_bytes_unpack_as_the_format_says_or_are_refused(data, size):
    try:
        expected = reference.decompress(data)
    except IndexError:
        expected = None
    for claimed in {size, len(expected or b"")}:
        message = refused(lambda claimed=claimed: decompress(data, claimed, "a.pcd"))
        if expected is not None and len(expected) == claimed:
            assert message is None
            assert decompress(data, claimed, "a.pcd") == expected
        else:
            assert message.startswith("a.pcd: ")


def test_references_may_overlap_what_they_write():
    assert decompress(bytes([0, 7, 0xE0, 255, 0]), 265, "a") == bytes([7]) * 265
    assert decompress(bytes([1, 1, 2, 0x60, 1]), 7, "a") == bytes([1, 2, 1, 2, 1, 2, 1])


@pytest.mark.parametrize(
    "data, size, message",
    [
        (bytes([5, 1]), 6, "cut off"),
        (bytes([0, 1, 0x20]), 4, "cut off"),
        (bytes([0, 1, 0x20, 1]), 4, "before its beginning"),
        (bytes([0, 1]), 2, "does not hold the 2 bytes"),
        (bytes([0, 1]), 10**15, "2 packed bytes cannot hold 1,000,000,000,000,000"),
    ],
)
def test_damage_is_refused(data, size, message):
    with pytest.raises(InputError, match=message):
        decompress(data, size, "a.pcd")


def test_a_bomb_is_stopped_early():
    bomb = bytes([0, 7]) + bytes([0xE0, 255, 0]) * 100_000  # 26 MB if it were unpacked
    with pytest.raises(InputError, match="does not hold"):
        decompress(bomb, 300, "a.pcd")
    assert len(bomb) * MAX_RATIO > 26_000_000
