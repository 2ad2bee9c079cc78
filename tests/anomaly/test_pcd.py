import struct

import numpy as np
import pytest
from anomaly.scans import refused, same, scan
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import lzf

from latticework.anomaly.scans.pcd import read_pcd, write_pcd
from latticework.core.errors import InputError

FIELDS = ["FIELDS x y z", "SIZE 4 4 4", "TYPE F F F", "COUNT 1 1 1"]


def pcd(*lines, data="ascii", body=b"", width=3, height=2, points=None):
    head = ["# .PCD v0.7", "VERSION 0.7", *(lines or FIELDS), f"WIDTH {width}", f"HEIGHT {height}"]
    head += ["VIEWPOINT 0 0 0 1 0 0 0", f"POINTS {width * height if points is None else points}", f"DATA {data}"]
    return "\n".join(head).encode() + b"\n" + body


def packed(*columns):
    plain = b"".join(np.ascontiguousarray(column).tobytes() for column in columns)
    small = lzf.compress(plain)
    return struct.pack("<II", len(small), len(plain)) + small


@pytest.mark.parametrize("data", ["ascii", "binary"])
@pytest.mark.parametrize("coloured", [True, False])
def test_what_is_written_is_read_as_the_same_to_the_last_bit(tmp_path, data, coloured):
    xyz, rgb = scan(7, 5)
    write_pcd(tmp_path / "a.pcd", xyz, rgb if coloured else None, data=data)
    cloud = read_pcd(tmp_path / "a.pcd")
    assert same(cloud.xyz, xyz)
    assert same(cloud.rgb, rgb) if coloured else cloud.rgb is None
    assert not cloud.fields


@given(st.data())
@settings(max_examples=40)
def test_every_float_survives_as_text(tmp_path_factory, data):
    bits = np.array(data.draw(st.lists(st.integers(0, 2**32 - 1), min_size=12, max_size=12)), dtype=np.uint32)
    xyz = bits.view(np.float32).reshape(2, 2, 3)
    gone = ~np.isfinite(xyz).all(-1) | (xyz == 0).all(-1)
    file = tmp_path_factory.mktemp("pcd") / "a.pcd"
    for kind in ("ascii", "binary"):
        write_pcd(file, xyz, data=kind)
        assert same(read_pcd(file).xyz, np.where(gone[..., None], np.float32(np.nan), xyz))


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_fields_in_any_order_with_padding_and_others_are_read(write, data):
    xyz, rgb = scan(2, 3)
    x, y, z = (xyz[..., index].ravel() for index in range(3))
    bits = (rgb.astype(np.uint32) << [16, 8, 0]).sum(-1).astype(np.uint32).ravel()
    label, normal = np.arange(6, dtype=np.int16), np.arange(12, dtype=np.float64).reshape(6, 2)
    lines = ["FIELDS z label _ rgb x normal y", "SIZE 4 2 1 4 4 8 4", "TYPE F I U U F F F", "COUNT 1 1 3 1 1 2 1"]
    columns = [z, label, np.zeros((6, 3), dtype=np.uint8), bits, x, normal, y]
    if data == "ascii":
        rows = [
            " ".join(f"{value!s}" for column in columns for value in np.atleast_1d(column[row])) for row in range(6)
        ]
        body = "\r\n".join(rows).encode()
    elif data == "binary":
        body = b"".join(column[row].tobytes() for row in range(6) for column in columns)
    else:
        body = packed(*columns)
    cloud = read_pcd(write("a.pcd", pcd(*lines, data=data, body=body)))
    assert same(cloud.xyz, xyz)
    assert same(cloud.rgb, rgb)
    assert cloud.fields["label"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert cloud.fields["label"].dtype == np.int16
    assert cloud.fields["normal"].shape == (2, 3, 2)
    assert cloud.fields["normal"].ravel().tolist() == list(range(12))
    if data == "binary_compressed":  # the library's own writer leaves padding out
        body = packed(*columns[:2], *columns[3:])
        again = read_pcd(write("b.pcd", pcd(*lines, data=data, body=body)))
        assert same(again.xyz, xyz)
        assert same(again.rgb, rgb)


@pytest.mark.parametrize("data", ["binary", "binary_compressed"])
@pytest.mark.parametrize("name, kind", [("rgb", "F"), ("rgba", "U"), ("rgb", "I")])
def test_colours_are_the_bits_of_floats_and_integers_whatever_the_alpha(write, data, name, kind):
    xyz = np.ones((6, 3), dtype=np.float32)
    bits = np.array([0, 0xFF010203, 0xFFC0FFEE, 0x7F800001, 0x00FF0000, 0x800000FF], dtype=np.uint32)  # NaNs among them
    columns = [*xyz.T, bits]
    body = packed(*columns) if data != "binary" else np.stack([c.view(np.uint32) for c in columns], -1).tobytes()
    lines = [f"FIELDS x y z {name}", "SIZE 4 4 4 4", f"TYPE F F F {kind}", "COUNT 1 1 1 1"]
    cloud = read_pcd(write("a.pcd", pcd(*lines, data=data, body=body)))
    expected = [[0, 0, 0], [1, 2, 3], [0xC0, 0xFF, 0xEE], [0x80, 0, 1], [255, 0, 0], [0, 0, 255]]
    assert cloud.rgb.reshape(-1, 3).tolist() == expected


def test_colours_as_a_float_in_text_are_read_and_nan_is_black(write):
    value = np.array([0x00010203], dtype=np.uint32).view(np.float32)[0]
    body = f"1 1 1 {value:.9g}\n1 1 1 nan\n".encode() * 3
    lines = ["FIELDS x y z rgb", "SIZE 4 4 4 4", "TYPE F F F F", "COUNT 1 1 1 1"]
    assert read_pcd(write("a.pcd", pcd(*lines, body=body))).rgb[0, :2].tolist() == [[1, 2, 3], [0, 0, 0]]


def test_no_return_is_nan_in_all_three_however_it_is_said(write):
    body = b"0 0 0\n-0 0 -0\nnan 1 1\n1 inf 1\n1 1 -inf\n0 0 1\n"
    xyz = read_pcd(write("a.pcd", pcd(body=body))).xyz
    assert np.isnan(xyz).reshape(6, 3).tolist() == [[True] * 3] * 5 + [[False] * 3]


def test_counts_may_be_left_out_and_old_headers_are_read(write):
    body = b"1 2 3\n" * 6
    lines = ["COLUMNS x y z", "SIZE 4 4 8", "TYPE f F F"]
    assert read_pcd(write("a.pcd", pcd(*lines, body=body))).xyz[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is no PCD file: there is no DATA"),
        (b"ply\n", "is no PCD file"),
        (b"\n" * 100_000, "is no PCD file"),
        (pcd("FIELDS x y z", "TYPE F F F"), "the header has no SIZE"),
        (pcd("FIELDS x y", "SIZE 4 4", "TYPE F F"), "there is no field z with one number a point"),
        (pcd("FIELDS x y z", "SIZE 4 4", "TYPE F F F"), "of FIELDS, SIZE, TYPE and COUNT there are 3, 2, 3, 3"),
        (pcd("FIELDS x y z x", "SIZE 4 4 4 4", "TYPE F F F F"), "there are two fields 'x'"),
        (pcd("FIELDS x y z", "SIZE 4 4 2", "TYPE F F F"), "z has the type F 2"),
        (pcd("FIELDS x y z", "SIZE 4 4 4", "TYPE F F Q"), "z has the type Q 4"),
        (pcd("FIELDS x y z", "SIZE 4 4 4", "TYPE F F F", "COUNT 1 1 2"), "no field z with one number"),
        (pcd("FIELDS x y z a", "SIZE 4 4 4 8", "TYPE F F F F", "COUNT 1 1 1 9999"), "a point has 80,004 bytes"),
        (pcd("FIELDS x y z a", "SIZE 4 4 4 8", "TYPE F F F F", "COUNT 1 1 1 99999"), "expected a whole number up to"),
        (pcd(*FIELDS, "WIDTH 3"), "WIDTH stands there twice"),
        (pcd(width="-3", points=6), "WIDTH is '-3', expected a whole number"),
        (pcd(width="9" * 5000, points=6), "WIDTH is '9999"),
        (pcd(points=7), "2 rows of 3 are 6 points, but there are 7"),
        (pcd(width=0), "the cloud has no points"),
        (pcd(width=100_000, height=100_000), "POINTS is '10000000000'"),
        (pcd(width=10_000, height=10_000), "100,000,000 points are more than the 67,108,864"),
        (pcd(width=6, height=1), r"6 points without a grid.*\(PCD with WIDTH and HEIGHT above 1\), or as a depth pict"),
        (pcd(data="zip"), "DATA is 'zip', expected one of ascii, binary, binary_compressed"),
        (pcd(body=b"1 2 3\n" * 5), "15 numbers, expected 18: the file is cut off or damaged"),
        (pcd(body=b"1 2 3\n" * 7), "there are 21 numbers, expected 6 points of 3"),
        (pcd(body=b"1 2 3\n1 x 3\n" * 3), "'x' in line 2 after the header is no number"),
        (pcd("FIELDS x y z l", "SIZE 4 4 4 1", "TYPE F F F U", body=b"1 2 3 256\n" * 6), "that no uint8 is"),
        (pcd("FIELDS x y z l", "SIZE 4 4 4 8", "TYPE F F F I", body=b"1 2 3 1e300\n" * 6), "that no int64 is"),
        (pcd("FIELDS x y z l", "SIZE 4 4 4 4", "TYPE F F F I", body=b"1 2 3 0.5\n" * 6), "that no int32 is"),
        (pcd("FIELDS x y z rgb", "SIZE 4 4 4 1", "TYPE F F F U", body=b"1 2 3 4\n" * 6), "colours are uint8"),
        (pcd(data="binary", body=b"\0" * 71), "is cut off: 6 points of 12 bytes do not fit into 71"),
        (pcd(data="binary_compressed", body=b"\0" * 7), "is cut off after its header"),
        (pcd(data="binary_compressed", body=struct.pack("<II", 99, 72)), "of 99 packed bytes there are 0"),
        (pcd(data="binary_compressed", body=struct.pack("<II", 0, 71)), "6 points are 72 bytes, but it says that 71"),
        (pcd(data="binary_compressed", body=struct.pack("<II", 0, 72)), "0 packed bytes cannot hold 72"),
    ],
)
def test_what_cannot_be_is_refused(write, content, message):
    with pytest.raises(InputError, match=message):
        read_pcd(write("a.pcd", content))


def test_a_header_of_very_many_fields_is_refused_at_once(write):
    names = " ".join(map(str, range(20_000)))  # beyond what a header may have
    with pytest.raises(InputError, match="is no PCD file"):
        read_pcd(write("a.pcd", pcd(f"FIELDS {names}", "SIZE" + " 1" * 5000, "TYPE" + " U" * 5000)))


def test_a_file_that_is_none_is_refused(tmp_path):
    for path, message in ((tmp_path / "b.pcd", "there is no such file"), (tmp_path, "is a folder"), ("a\0", "no name")):
        with pytest.raises(InputError, match=message):
            read_pcd(path)


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_a_file_cut_off_anywhere_is_refused_or_whole(write, data):
    xyz = scan(2, 3)[0].reshape(-1, 3)
    whole = {
        "ascii": "\n".join(" ".join(f"{value:.3f}" for value in row) for row in xyz).encode(),
        "binary": xyz.tobytes(),
        "binary_compressed": packed(*xyz.T),
    }[data]
    content = pcd(data=data, body=whole)
    for end in range(len(content)):
        message = refused(lambda end=end: read_pcd(write("a.pcd", content[:end])))
        assert message or (data == "ascii" and end > len(content) - 8), end  # within its last number, text is whole
    assert refused(lambda: read_pcd(write("a.pcd", content))) is None


@given(st.data())
@settings(max_examples=200)
def test_random_headers_and_bytes_are_refused_with_our_error_alone(tmp_path_factory, data):
    number = st.sampled_from(["0", "1", "2", "3", "4", "8", "640", "-1", "1e3", "99999999999", "x", ""])
    words = {
        "FIELDS": st.lists(st.sampled_from(["x", "y", "z", "rgb", "_", "a"]), min_size=0, max_size=5),
        "SIZE": st.lists(number, max_size=5),
        "TYPE": st.lists(st.sampled_from(["F", "U", "I", "X"]), max_size=5),
        "COUNT": st.lists(number, max_size=5),
        "WIDTH": number,
        "HEIGHT": number,
        "POINTS": number,
        "DATA": st.sampled_from(["ascii", "binary", "binary_compressed", "", "b"]),
    }
    sound = {
        "FIELDS": "x y z",
        "SIZE": "4 4 4",
        "TYPE": "F F F",
        "COUNT": "1 1 1",
        "WIDTH": "3",
        "HEIGHT": "2",
        "POINTS": "6",
    }
    changed = data.draw(st.sets(st.sampled_from(sorted(words)), max_size=3)) | {"DATA"}
    lines = []
    for word, strategy in words.items():
        value = data.draw(strategy) if word in changed else sound[word]
        lines.append(f"{word} {value if isinstance(value, str) else ' '.join(value)}")
    body = data.draw(st.binary(max_size=100) | st.just(b"1 2 3 4 5\n" * 6) | st.just(bytes([0, 1, 0x80, 0]) * 30))
    file = tmp_path_factory.getbasetemp() / "random.pcd"
    file.write_bytes("\n".join(lines).encode() + b"\n" + body)
    refused(lambda: read_pcd(file))


def test_only_clouds_are_written(tmp_path):
    xyz, rgb = scan()
    for wrong, message in (
        ((xyz.astype(float), None), "xyz is float64"),
        ((xyz[0], None), r"xyz is float32 \[6, 3\]"),
        (([1], None), "xyz is list"),
        ((xyz, rgb[:2]), r"rgb is uint8 \[2, 6, 3\]"),
    ):
        with pytest.raises(InputError, match=message):
            write_pcd(tmp_path / "a.pcd", *wrong)
    with pytest.raises(InputError, match="data='zip': expected 'ascii' or 'binary'"):
        write_pcd(tmp_path / "a.pcd", xyz, data="zip")
    assert not list(tmp_path.iterdir())


@pytest.mark.realdata("anomaly/mosd")
@pytest.mark.parametrize("name, missing", [("learn0", 124_908), ("test0", 118_002)])
def test_real_scans_are_tables_with_two_objects(data_folder, name, missing):
    cloud = read_pcd(data_folder / "anomaly" / "mosd" / f"{name}.pcd")
    assert cloud.xyz.shape == cloud.rgb.shape == (480, 640, 3)
    gone = np.isnan(cloud.xyz)
    assert (gone.all(-1) == gone.any(-1)).all()
    assert gone.all(-1).sum() == missing
    label = cloud.fields["label"]
    assert np.unique(label).tolist() == [0, 1, 20, 30]
    assert not gone[label > 0].any()
    x, y, z = cloud.xyz[label > 0].T
    assert 0.5 < z.min() < z.max() < 1.4  # a Kinect above a table
    # The columns and rows of the grid are those of a camera: a pixel is where its point is seen.
    row, column = np.nonzero(label)
    assert np.corrcoef(x / z, column)[0, 1] > 0.9999
    assert np.corrcoef(y / z, row)[0, 1] > 0.9999


@pytest.mark.realdata("anomaly/mosd")
def test_a_real_scan_unpacks_as_the_literal_transcription_says(data_folder):
    data = (data_folder / "anomaly" / "mosd" / "learn0.pcd").read_bytes()
    begin = data.index(b"DATA binary_compressed\n") + len(b"DATA binary_compressed\n")
    size = struct.unpack_from("<I", data, begin)[0]
    plain = lzf.decompress(data[begin + 8 : begin + 8 + size])
    z = np.frombuffer(plain, dtype="<f4", count=307_200, offset=3 * 4 * 307_200).reshape(480, 640)
    cloud = read_pcd(data_folder / "anomaly" / "mosd" / "learn0.pcd")
    there = ~np.isnan(cloud.xyz[..., 2])
    assert np.array_equal(cloud.xyz[there][:, 2], z[there])
    assert np.isnan(z[~there]).all()
