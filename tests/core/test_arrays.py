"""Arrays in files: whatever the bytes are, an array that fits into its file or one clear error."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from latticework.core import arrays as arrays_module
from latticework.core.arrays import array_of, read_npy, read_npz
from latticework.core.errors import InputError

KINDS = st.one_of(
    arrays.boolean_dtypes(), arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.floating_dtypes()
)


@settings(max_examples=60)
@given(arrays.arrays(KINDS, arrays.array_shapes(max_dims=3, max_side=4)), st.booleans())
def test_what_numpy_saves_is_read(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, fortran: bool) -> None:
    array = np.asfortranarray(array) if fortran else array
    folder = tmp_path_factory.mktemp("arrays")
    np.save(folder / "a.npy", array)
    np.savez(folder / "a.npz", one=array, other=[1])
    assert read_npy(folder / "a.npy").dtype == array.dtype
    np.testing.assert_array_equal(read_npy(folder / "a.npy"), array)
    found = read_npz(folder / "a.npz", ("one", "absent"))
    assert list(found) == ["one"]
    assert found["one"].dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found["one"], array)


@settings(max_examples=150)
@given(st.data())
def test_damage_is_an_input_error_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    stream = io.BytesIO()
    if compressed := data.draw(st.booleans()):
        np.savez_compressed(stream, one=np.arange(40.0).reshape(5, 8), two=np.array(["a", "bc"]))
    else:
        np.save(stream, np.arange(40.0).reshape(5, 8))
    content = bytearray(stream.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / ("a.npz" if compressed else "a.npy")
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    found = []
    with suppress(InputError):
        found = list(read_npz(path, ("one", "two")).values()) if compressed else [read_npy(path)]
    assert sum(array.nbytes for array in found) <= 1100 * len(content)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(tmp_path: Path, version: tuple[int, int]) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.arange(3), version=version)
    (tmp_path / "a.npy").write_bytes(stream.getvalue())
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("one.npy", stream.getvalue())
    assert read_npy(tmp_path / "a.npy").tolist() == [0, 1, 2]
    assert read_npz(tmp_path / "a.npz", ["one"])["one"].tolist() == [0, 1, 2]


def test_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    trap = np.array([Trap()], dtype=object)
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "a.npz", one=trap, allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap()))
    for path in ("a.npy", "b.npy"):
        with pytest.raises(InputError, match=path):
            read_npy(tmp_path / path)
    with pytest.raises(InputError, match=r"holds object, expected numbers or texts$"):
        read_npz(tmp_path / "a.npz", ["one"])
    assert not (tmp_path / "sprung").exists()


def test_a_header_that_promises_more_than_the_file_has_costs_no_memory(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)})
    (tmp_path / "a.npy").write_bytes(header.getvalue() + b"\0" * 64)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("one.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(InputError, match=r"a\.npy cannot be read"):
        read_npy(tmp_path / "a.npy")
    with pytest.raises(InputError, match="'one' is cut off"):
        read_npz(tmp_path / "a.npz", ["one"])


@pytest.mark.parametrize("shape", ["(0, 9223372036854775808, 3)", "(0, 4294967296, 4294967296)"])
def test_no_numbers_in_a_shape_that_no_array_has_are_refused(shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}}}".encode().ljust(118) + b"\n"
    with pytest.raises(InputError, match=r"some is damaged: no array has \[0, [0-9, ]+\] numbers"):
        array_of(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header, "some")


def test_an_archive_that_tells_of_more_than_it_can_hold_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", one=np.zeros(2**16))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = (2**31).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"tells of 2,147,483,648 bytes, more than are in the file"):
        read_npz(tmp_path / "a.npz", ["one"])


def test_what_is_no_ordinary_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    for name, told in (("pipe.npy", "is no ordinary file"), (".", "is a folder"), ("x.npy", "no such file")):
        with pytest.raises(InputError, match=told):
            read_npy(tmp_path / name)
        with pytest.raises(InputError, match=told):
            read_npz(tmp_path / name, ["one"])
    np.savez(tmp_path / "named.npy", one=[1])
    os.replace(tmp_path / "named.npy.npz", tmp_path / "named.npy")
    with pytest.raises(InputError, match=r"several arrays: name it \.npz"):
        read_npy(tmp_path / "named.npy")


@pytest.mark.parametrize("calls", [("builtins.open", "io.open"), ("os.stat",)])
def test_what_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...]
) -> None:
    def refused(path: object, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    def read(name: str) -> None:
        with monkeypatch.context() as patch:
            for call in calls:
                patch.setattr(call, refused)
            read_npy(tmp_path / name) if name.endswith(".npy") else read_npz(tmp_path / name, ["one"])

    np.save(tmp_path / "a.npy", [1])
    np.savez(tmp_path / "a.npz", one=[1])
    for name in ("a.npy", "a.npz"):
        with pytest.raises(InputError, match=f"{name} cannot be read: Permission denied"):
            read(name)


def zipped(path: Path, method: int, *, shape: tuple[int, ...], values: bytes, times: int = 1) -> Path:
    """Write an array that says it is of some shape of bytes, and is of some values, one after the other."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", method) as archive, archive.open("one.npy", "w") as stream:
        stream.write(header.getvalue())
        for _ in range(times):
            stream.write(values)
    return path


def test_what_unpacks_to_more_than_a_laptop_holds_is_refused_before_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert arrays_module.MAX_NPZ_BYTES <= 2**32
    monkeypatch.setattr(arrays_module, "MAX_NPZ_BYTES", 2**20)
    np.savez_compressed(tmp_path / "a.npz", one=np.zeros(2**16), two=np.zeros(2**16), three=np.zeros(2**10))
    assert read_npz(tmp_path / "a.npz", ["one", "three"])["one"].shape == (2**16,)
    with pytest.raises(InputError, match=r"a\.npz unpacks to more than 1,048,576 bytes: write it with numpy\.savez"):
        read_npz(tmp_path / "a.npz", ["one", "two"])
    np.savez(tmp_path / "b.npz", one=np.zeros(2**18))  # as long as its file
    assert read_npz(tmp_path / "b.npz", ["one"])["one"].shape == (2**18,)


def test_what_is_longer_than_its_array_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.npz", zipfile.ZIP_DEFLATED, shape=(8,), values=bytes(2**20), times=16)
    other = zipped(tmp_path / "b.npz", zipfile.ZIP_DEFLATED, shape=(8,), values=bytes(8))
    assert read_npz(other, ["one"])["one"].tolist() == [0] * 8
    monkeypatch.setattr(arrays_module, "array_of", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(InputError, match=r"'one' is damaged: 16,777,208 bytes follow its \[8\] of uint8"):
        read_npz(path, ["one"])


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_without_a_bound_is_refused(tmp_path: Path, method: int) -> None:
    path = zipped(tmp_path / "a.npz", method, shape=(8,), values=bytes(8))
    with pytest.raises(InputError, match=r"'one' is compressed as NumPy never does: write it with numpy\.savez"):
        read_npz(path, ["one"])


def test_memory_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    np.savez(tmp_path / "a.npz", one=np.zeros(16))
    monkeypatch.setattr(arrays_module, "array_of", full)
    with pytest.raises(InputError, match=r"'one' has 256 bytes, more than there is memory for"):
        read_npz(tmp_path / "a.npz", ["one"])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("letter", [0xD800, 0x110000, 0xFFFFFFFF])
def test_text_that_no_text_can_be_is_refused(tmp_path: Path, order: str, letter: int) -> None:
    """NumPy takes such letters from a file, and whoever looks at them later gets a SystemError."""
    text = np.array(["ab", "cd"], dtype=f"{order}U2")
    text.view(f"{order}u4")[1] = letter
    np.savez(tmp_path / "some.npz", names=text)
    with pytest.raises(InputError, match="'names' holds what is no text"):
        read_npz(tmp_path / "some.npz", ["names"])
