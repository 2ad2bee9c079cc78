import numpy as np
import pytest
from anomaly.scans import refused, same, scan
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.anomaly.scans.ply import read_ply, write_ply
from latticework.core.errors import InputError

GRID = ["obj_info num_cols 3", "obj_info num_rows 2"]
VERTEX = ["element vertex 6", "property float x", "property float y", "property float z"]
KINDS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
RANGES = ["element range_grid 6", "property list uchar int vertex_indices"]


def ply(*lines, kind="ascii", body=b""):
    return "\n".join(["ply", f"format {kind} 1.0", *(lines or [*GRID, *VERTEX]), "end_header"]).encode() + b"\n" + body


def rows(kind, *columns):
    """Columns as rows of that kind."""
    if kind == "ascii":
        return "".join(
            " ".join(map(str, row)) + "\n" for row in zip(*(c.tolist() for c in columns), strict=True)
        ).encode()
    turned = [column.astype(column.dtype.newbyteorder(KINDS[kind])) for column in columns]
    return b"".join(column[row : row + 1].tobytes() for row in range(len(columns[0])) for column in turned)


def lists(kind, members, counted="u1", listed="i4"):
    if kind == "ascii":
        return "".join(" ".join(map(str, [len(row), *row])) + "\n" for row in members).encode()
    order = KINDS[kind]
    return b"".join(
        np.array(len(row), order + counted).tobytes() + np.array(row, order + listed).tobytes() for row in members
    )


@pytest.mark.parametrize("data", ["ascii", "binary"])
@pytest.mark.parametrize("coloured", [True, False])
def test_what_is_written_is_read_as_the_same_to_the_last_bit(tmp_path, data, coloured):
    xyz, rgb = scan(7, 5)
    write_ply(tmp_path / "a.ply", xyz, rgb if coloured else None, data=data)
    cloud = read_ply(tmp_path / "a.ply")
    assert same(cloud.xyz, xyz)
    assert same(cloud.rgb, rgb) if coloured else cloud.rgb is None
    assert not cloud.fields


@pytest.mark.parametrize("kind", KINDS)
def test_properties_in_any_order_and_others_are_read(write, kind):
    xyz, rgb = scan(2, 3)
    x, y, z = (xyz[..., index].ravel().astype(float) for index in range(3))
    red, green, blue = (rgb[..., index].ravel() for index in range(3))
    quality = np.arange(6, dtype=np.int16) - 3
    content = ply(
        "comment made by hand",
        *GRID,
        "element camera 1",
        "property int viewportx",
        "element vertex 6",
        "property double z",
        "property uchar green",
        "property short quality",
        "property float64 x",
        "property uint8 red",
        "property uchar alpha",
        "property uchar blue",
        "property double y",
        "element face 2",
        "property list uchar int vertex_indices",
        kind=kind,
        body=rows(kind, np.array([3], dtype=np.int32))
        + rows(kind, z, green, quality, x, red, red, blue, y)
        + lists(kind, [[0, 1, 2], [1, 2, 3, 4]]),
    )
    cloud = read_ply(write("a.ply", content))
    assert same(cloud.xyz, xyz)
    assert same(cloud.rgb, rgb)
    assert cloud.fields["quality"].tolist() == [[-3, -2, -1], [0, 1, 2]]
    assert cloud.fields["quality"].dtype == np.int16


@pytest.mark.parametrize(
    "grid",
    [
        ["obj_info num_cols 3", "obj_info num_rows 2"],
        ["comment num_cols 3", "comment num_rows 2"],
        ["comment width: 3", "comment height = 2"],
        ["element camera 1", "property int viewportx", "property int viewporty"],
    ],
)
def test_the_grid_is_said_in_one_of_several_ways(write, grid):
    columns = np.arange(1, 19, dtype=np.float32).reshape(6, 3).T
    before = rows("ascii", np.array([3]), np.array([2])) if len(grid) == 3 else b""
    cloud = read_ply(write("a.ply", ply(*grid, *VERTEX, body=before + rows("ascii", *columns))))
    assert cloud.xyz[:, 0, 0].tolist() == [1, 10]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("counted, listed", [("uchar", "int"), ("uint", "ushort"), ("int", "uint")])
def test_a_range_grid_says_which_point_lies_where(write, kind, counted, listed):
    columns = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=np.float32).T
    bytes_ = {"uchar": "u1", "uint": "u4", "int": "i4", "ushort": "u2"}
    content = ply(
        *GRID,
        "element vertex 3",
        *VERTEX[1:],
        "property uchar red",
        "property uchar green",
        "property uchar blue",
        "element range_grid 6",
        f"property list {counted} {listed} vertex_indices",
        kind=kind,
        body=rows(kind, *columns, *np.array([[1, 2, 3]] * 3, dtype=np.uint8).T)
        + lists(kind, [[], [2], [0], [], [1], []], bytes_[counted], bytes_[listed]),
    )
    cloud = read_ply(write("a.ply", content))
    nan = [np.nan] * 3
    assert np.array_equal(cloud.xyz.reshape(6, 3), [nan, [7, 8, 9], [1, 2, 3], nan, [4, 5, 6], nan], equal_nan=True)
    assert cloud.rgb.reshape(6, 3).tolist() == [[0] * 3, [1, 2, 3], [1, 2, 3], [0] * 3, [1, 2, 3], [0] * 3]


@pytest.mark.parametrize("kind", KINDS)
def test_elements_with_lists_before_the_points_are_passed_over(write, kind):
    columns = np.arange(1, 19, dtype=np.float32).reshape(6, 3).T
    before = ["element strip 2", "property list uchar short a", "property uchar b", "property list ushort double c"]
    body = b"".join(
        lists(kind, [[1, 2]], "u1", "i2") + rows(kind, np.array([7], dtype=np.uint8)) + lists(kind, [[0.5]], "u2", "f8")
        for _ in range(2)
    )
    cloud = read_ply(write("a.ply", ply(*GRID, *before, *VERTEX, kind=kind, body=body + rows(kind, *columns))))
    assert cloud.xyz.ravel().tolist() == list(range(1, 19))


def test_colours_of_16_bits_and_floats_are_read(write):
    columns = np.ones((3, 6), dtype=np.float32)
    for kind, values, expected in (("ushort", [256, 0, 65535], [1, 0, 255]), ("float", [0, 0.5, 1], [0, 128, 255])):
        names = [f"property {kind} {name}" for name in ("r", "g", "b")]
        body = rows("ascii", *columns, *np.array([values] * 6).T)
        assert read_ply(write("a.ply", ply(*GRID, *VERTEX, *names, body=body))).rgb[0, 0].tolist() == expected
    body = rows("ascii", *columns, *np.array([[0, 0, 1.5]] * 6).T)
    with pytest.raises(InputError, match="colours that are floats are to be from 0 to 1"):
        read_ply(write("a.ply", ply(*GRID, *VERTEX, *names, body=body)))


def test_windows_line_ends_change_nothing(write):
    columns = np.arange(1, 19, dtype=np.float32).reshape(6, 3).T
    for kind in ("ascii", "binary_little_endian"):
        body = rows(kind, *columns)
        content = ply(kind=kind).replace(b"\n", b"\r\n") + (body.replace(b"\n", b"\r\n") if kind == "ascii" else body)
        assert read_ply(write("a.ply", content)).xyz.ravel().tolist() == list(range(1, 19))


SOUND = b"1 2 3\n" * 6


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is no PLY file: its first line is not ply"),
        (b"solid\n", "is no PLY file"),
        (b"ply\nformat ascii 1.0\n", "there is no end_header"),
        (b"ply\nend_header\n", "the header has no format"),
        (ply(kind="text"), "format is 'text 1.0', expected ascii, binary_little_endian, binary_big_endian"),
        (ply("obj_info num_cols x", *VERTEX), "num_cols is 'x', expected a whole number"),
        (ply("nonsense"), "'nonsense' is no line of the header"),
        (ply("property float x"), "'property float x' is no line of the header"),
        (ply("element vertex -1"), "the count is '-1'"),
        (ply("element vertex 6", "element vertex 6"), "there are two elements 'vertex'"),
        (ply("element vertex 6", "property x"), "a property is 'x', expected a type that PLY knows and a name"),
        (ply("element vertex 6", "property"), "a property is ''"),
        (ply("element vertex 6", "property quad x"), "a property is 'quad x'"),
        (ply("element vertex 6", "property list int x"), "a property is 'list int x'"),
        (ply("element vertex 6", "property list float int x"), "the lengths of a list are of type float"),
        (ply(*VERTEX, "property float x"), "there are two properties 'x'"),
        (
            ply("element v 1", *(f"property double a{i}" for i in range(3000))),
            "is no PLY file|more than the 16,384 bytes",
        ),
        (ply("element vertex 6", "property float x"), "vertex has x, expected x, y and z"),
        (ply("element vertex 6"), "vertex has nothing, expected x, y and z"),
        (ply(*VERTEX, "property list uchar int i"), "vertex has a list"),
        (ply("element vertex 0", *VERTEX[1:]), "the cloud has no points"),
        (ply("element face 6"), "the cloud has no points"),
        (ply("element vertex 99999999", *VERTEX[1:]), "99,999,999 points are more than the"),
        (ply(*VERTEX, body=SOUND), r"6 points without a grid.*PLY with obj_info num_cols and num_rows"),
        (ply("element vertex 6", *VERTEX[1:], *RANGES, body=SOUND + b"0\n" * 6), "without a grid"),
        (ply("obj_info num_cols 3", *VERTEX, body=SOUND), "without a grid"),
        (ply("obj_info num_cols 4", GRID[1], *VERTEX, body=SOUND), "2 rows of 4 are 8 points, but there are 6"),
        (ply(body=SOUND[:-6]), "is cut off: 6 vertex need 18 numbers, 15 are left"),
        (ply(body=b"1 2 x\n" * 6), "'x' in line 1 after the header is no number"),
        (ply(body=b"1 2 3\n1 2 1_0\n" * 3), "'1_0' in line 2 after the header is no number"),
        (ply(kind="binary_little_endian", body=b"\0" * 71), "is cut off: its 6 vertex need"),
        (
            ply(*GRID, *VERTEX, *RANGES, body=SOUND + b"1 6\n" + b"0\n" * 5),
            "range_grid names a point that is not there",
        ),
        (ply(*GRID, *VERTEX, *RANGES, body=SOUND + b"1 -1\n" + b"0\n" * 5), "range_grid names a point that is not"),
        (ply(*GRID, *VERTEX, *RANGES, body=SOUND + b"1 .5\n" + b"0\n" * 5), "that no int64 is"),
        (ply(*GRID, *VERTEX, *RANGES, body=SOUND + b"-1\n" + b"0\n" * 5), "said to have -1.0 members"),
        (ply(*GRID, *VERTEX, *RANGES, body=SOUND + b"1 0\n" * 5 + b"1"), "is cut off"),
        (ply(*GRID, *VERTEX, *RANGES, body=SOUND + b"nan\n" + b"0\n" * 5), "said to have nan members"),
    ],
)
def test_what_cannot_be_is_refused(write, content, message):
    with pytest.raises(InputError, match=message):
        read_ply(write("a.ply", content))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_anywhere_is_refused_or_whole(write, kind):
    columns = [column.round(3) for column in scan(2, 3)[0].reshape(-1, 3).T]
    body = rows(kind, *columns) + lists(kind, [[0], [], [1], [2], [], [3]])
    content = ply(*GRID, *VERTEX, *RANGES, kind=kind, body=body)
    for end in range(len(content)):
        message = refused(lambda end=end: read_ply(write("a.ply", content[:end])))
        assert message or (kind == "ascii" and end > len(content) - 3), end
    assert refused(lambda: read_ply(write("a.ply", content))) is None


@given(st.data())
@settings(max_examples=200)
def test_random_headers_and_bytes_are_refused_with_our_error_alone(tmp_path_factory, data):
    sound = ["ply", "format ascii 1.0", *GRID, *VERTEX, *RANGES]
    number = st.sampled_from(["0", "1", "2", "6", "-1", "99999999999", "x"])
    line = st.one_of(
        st.sampled_from([f"format {kind} 1.0" for kind in KINDS]),
        st.builds("element {} {}".format, st.sampled_from(["vertex", "range_grid", "camera", "face"]), number),
        st.builds(
            "property {} {}".format,
            st.sampled_from(["float", "uchar", "int8"]),
            st.sampled_from(["x", "y", "viewportx"]),
        ),
        st.builds(
            "property list {} {} i".format,
            st.sampled_from(["uchar", "char", "int"]),
            st.sampled_from(["int", "double"]),
        ),
        st.builds("obj_info {} {}".format, st.sampled_from(["num_cols", "num_rows"]), number),
        st.text(max_size=20),
    )
    for place, new in data.draw(st.lists(st.tuples(st.integers(1, len(sound)), line), max_size=4)):
        sound[place:place] = [new]
    for place in sorted(data.draw(st.sets(st.integers(0, len(sound) - 1), max_size=2)), reverse=True):
        del sound[place]
    body = data.draw(
        st.binary(max_size=120) | st.just(b"1 0 2 0 1 3 1 4 " * 6) | st.just(b"1 2 3\n" * 6 + b"1 0\n" * 6)
    )
    file = tmp_path_factory.getbasetemp() / "random.ply"
    file.write_bytes("\n".join([*sound, "end_header"]).encode() + b"\n" + body)
    refused(lambda: read_ply(file))


def test_only_clouds_are_written(tmp_path):
    xyz, rgb = scan()
    with pytest.raises(InputError, match="rgb is float64"):
        write_ply(tmp_path / "a.ply", xyz, rgb / 255)
    with pytest.raises(InputError, match="data='big': expected"):
        write_ply(tmp_path / "a.ply", xyz, data="big")
    assert not list(tmp_path.iterdir())
