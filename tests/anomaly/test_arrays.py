import io
import struct
import zlib

import numpy as np
import pytest
from anomaly.scans import refused, same, scan
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.anomaly.scans.arrays import as_xyz, is_points, read_npy, read_tiff, write_xyz
from latticework.anomaly.scans.sample_files import read_cloud
from latticework.core.errors import InputError

tifffile = pytest.importorskip("tifffile")


def npy(array, **changed):
    stream = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | changed
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + array.tobytes()


def tiff(array, **options):
    stream = io.BytesIO()
    options = options if array.dtype == np.uint8 else {"photometric": "rgb"} | options
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def test_what_is_written_is_read_as_the_same_and_gives_the_same_bytes(tmp_path):
    xyz = scan(7, 5)[0]
    for name in ("a.tiff", "b.tiff"):
        write_xyz(tmp_path / name, xyz)
    assert same(read_cloud(tmp_path / "a.tiff").xyz, xyz)
    assert (tmp_path / "a.tiff").read_bytes() == (tmp_path / "b.tiff").read_bytes()
    stored = tifffile.imread(tmp_path / "a.tiff")  # as others read MVTec 3D-AD
    assert stored.shape == (7, 5, 3)
    assert same(stored, np.nan_to_num(xyz, nan=0.0))
    with pytest.raises(InputError, match="xyz is float64"):
        write_xyz(tmp_path / "c.tiff", xyz.astype(float))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"photometric": "minisblack"},  # a page for each row
        {"compression": "zlib"},
        {"byteorder": ">"},
        {"tile": (16, 16)},
        {"rowsperstrip": 3},
        {"bigtiff": True},
        {"photometric": "minisblack", "planarconfig": "contig"},
    ],
)
def test_points_of_any_ordinary_tiff_are_read(write, options):
    xyz = scan(40, 30)[0]
    assert same(read_cloud(write("a.tif", tiff(xyz, **options))).xyz, xyz)


def test_points_of_a_tiff_in_planes_or_as_doubles_are_read(write):
    xyz = scan(40, 30)[0]
    planes = tiff(np.moveaxis(xyz, -1, 0), photometric="rgb", planarconfig="separate")
    assert same(read_cloud(write("a.tif", planes)).xyz, xyz)
    assert same(read_cloud(write("a.tif", tiff(xyz.astype(float), photometric="rgb"))).xyz, xyz)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_points_of_npy_are_read(tmp_path, dtype, order):
    xyz = scan()[0].astype(dtype)
    np.save(tmp_path / "a.npy", np.asarray(xyz, order=order))
    assert same(read_cloud(tmp_path / "a.npy").xyz, xyz.astype(np.float32))


def test_units_are_brought_to_metres(tmp_path):
    xyz = np.round(scan()[0] * 1000)
    np.save(tmp_path / "a.npy", xyz)
    assert np.allclose(read_cloud(tmp_path / "a.npy", unit="mm").xyz, xyz / 1000, equal_nan=True)
    assert np.allclose(as_xyz(xyz, "xyz", unit="cm"), xyz / 100, equal_nan=True)
    with pytest.raises(InputError, match="unit='inch': expected one of m, cm, mm"):
        read_cloud(tmp_path / "a.npy", unit="inch")


@pytest.mark.parametrize(
    "array, message",
    [
        (np.ones((4, 6)), r"\[4, 6\] is a depth picture: give it with the camera's intrinsics"),
        (np.ones((24, 3)), "24 points without a grid"),
        (np.ones((3, 4, 6)), "expected floats .*: move x, y and z to the end"),
        (np.ones((4, 6, 4)), r"points are float64 \[4, 6, 4\], expected floats \[height, width, 3\]$"),
        (np.ones((4, 6, 3), dtype=np.uint8), "points are uint8"),
        (np.ones((4, 6, 3), dtype=bool), "points are bool"),
        (np.float64(1), r"points are float64 \[\]"),
        (np.ones((0, 6, 3)), "is empty"),
        (np.ones((4, 6, 3), dtype=complex), "holds complex128, expected numbers"),
        (np.array(["a"]), "holds <U1, expected numbers"),
    ],
)
def test_arrays_that_are_no_points_are_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message):
        read_cloud(tmp_path / "a.npy")


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="holds object, expected numbers"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is no array, or damaged"),
        (b"\x93NUMPY\x01\x00\xff\xff{}", "is no array, or damaged"),
        (npy(np.ones((2, 3, 3)), shape=(10**6, 10**6, 3)), "is cut off"),
        (npy(np.ones((2, 3, 3)), shape=(2, 3, 4)), "is cut off"),
        (npy(np.ones((2, 3, 3)), shape=(-1, -3, 6)), "is cut off"),
        (npy(np.ones((2, 3, 3)), shape=(-1,)), "is cut off"),
        (npy(np.ones((2, 3, 3)))[:-1], "is cut off"),
    ],
)
def test_damaged_npy_files_are_refused(write, content, message):
    with pytest.raises(InputError, match=message):
        read_npy(write("a.npy", content))


def test_damaged_and_foreign_tiffs_are_refused(write):
    sound = tiff(scan(40, 30)[0])
    for content, message in (
        (b"", "is no TIFF file"),
        (b"II*\0" + b"\xff" * 20, "is no TIFF file"),
        (sound[:-100], "is cut off"),
        (sound[:200], "is no TIFF|is cut off"),
        (tiff(np.ones((2, 2), dtype=np.uint8), compression="lzma"), "is compressed with LZMA, which is not read"),
    ):
        with pytest.raises(InputError, match=message):
            read_tiff(write("a.tif", content))


def changed_tags(content, **values):
    """A TIFF of one page with other numbers in its tags."""
    changed = bytearray(content)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        for name, value in values.items():
            tag = file.pages[0].tags[name]
            size = {3: "<H", 4: "<I"}[tag.dtype]
            changed[tag.valueoffset : tag.valueoffset + struct.calcsize(size)] = struct.pack(size, value)
    return bytes(changed)


@pytest.mark.parametrize("size, message", [(60_000, "is cut off"), (10**9, "larger than the 67,108,864 pixels")])
def test_a_tiff_that_says_it_is_huge_is_refused_before_it_is_read(write, size, message):
    sound = tiff(np.zeros((7, 11, 3), dtype=np.float32), metadata=None)
    with pytest.raises(InputError, match=message):
        read_tiff(write("a.tif", changed_tags(sound, ImageWidth=size, ImageLength=size // 60)))


def test_a_strip_that_unpacks_to_more_than_it_says_is_refused(write):
    sound = tiff(np.zeros((8, 8, 3), dtype=np.float32), compression="zlib", metadata=None)
    bomb = zlib.compress(bytes(10**7), 9)
    content = changed_tags(sound + bomb, StripByteCounts=len(bomb), StripOffsets=len(sound))
    with pytest.raises(InputError, match="a strip unpacks to more than the 768 bytes that it says"):
        read_tiff(write("a.tif", content))


@given(st.data())
@settings(max_examples=150)
def test_changed_bytes_and_cut_off_files_give_our_error_alone(tmp_path_factory, data):
    xyz = scan(6, 5)[0]
    kind = data.draw(st.sampled_from(["npy", "tif", "deflated"]))
    options = {"compression": "zlib"} if kind == "deflated" else {}
    content = bytearray(npy(xyz) if kind == "npy" else tiff(xyz, **options))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)):
        content[place % len(content)] = value
    end = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    file = tmp_path_factory.getbasetemp() / f"random.{kind[:3]}"
    file.write_bytes(bytes(content[:end]))
    refused(lambda: read_npy(file) if kind == "npy" else read_tiff(file))


def test_a_tiff_is_of_points_if_it_holds_floats(write):
    assert is_points(write("a.tif", tiff(scan()[0])))
    assert not is_points(write("b.tif", tiff(scan()[1])))
    assert not is_points(write("c.npy", npy(scan()[0])))


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_whose_pages_overlap_is_refused_at_once(tmp_path, big):
    """Each of a thousand pages begins a few bytes after the one before, and has as many tags as fit."""
    head, tag, pointer = (8, 20, 8) if big else (2, 12, 4)
    data = bytearray(60_000)
    data[:16] = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if big else struct.pack("<2sHI8x", b"II", 42, 16)
    for page in range(1000):
        place, tags = 16 + 8 * page, 100
        data[place : place + head] = tags.to_bytes(head, "little")
        end = place + head + tag * tags
        data[end : end + pointer] = (place + 8).to_bytes(pointer, "little")
    (tmp_path / "some.tiff").write_bytes(data)
    with pytest.raises(InputError, match="longer than the file"):
        read_tiff(tmp_path / "some.tiff")
