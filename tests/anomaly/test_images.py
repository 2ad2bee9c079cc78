import io
import struct
import zlib

import numpy as np
import pytest
from anomaly.scans import refused, scan
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.anomaly.scans.images import as_classes, as_rgb, read_depth, read_mask, read_rgb, read_truth
from latticework.core.errors import InputError

image_module = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")
RGB = scan()[1]


def picture(values, mode=None, kind="PNG", **options):
    image = image_module.fromarray(values) if mode is None else image_module.fromarray(values).convert(mode)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(height, width, depth, colour, rows):
    """A PNG of any kind, of which `rows` are the bytes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def deep(values, colour):
    return png(*values.shape[:2], 16, colour, [row.astype(">u2").tobytes() for row in values])


def ppm(values, most, *, text=False):
    """A PGM, or a PPM, whose numbers go up to `most`, in text or not."""
    kind = {(2, False): 5, (3, False): 6, (2, True): 2, (3, True): 3}[values.ndim, text]
    head = f"P{kind} {values.shape[1]} {values.shape[0]} {most}\n".encode()
    numbers = values.astype(">u2" if most > 255 else np.uint8)
    return head + (" ".join(map(str, values.ravel().tolist())).encode() if text else numbers.tobytes())


def tiff(values, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def test_colours_are_read_as_they_are(write):
    assert np.array_equal(read_rgb(write("a.png", picture(RGB))), RGB)
    assert np.array_equal(read_rgb(write("a.bmp", picture(RGB, kind="BMP"))), RGB)
    assert np.array_equal(read_rgb(write("a.tif", picture(RGB, kind="TIFF"))), RGB)
    assert np.array_equal(read_rgb(write("a.tif", picture(RGB, kind="TIFF", compression="tiff_lzw"))), RGB)
    smooth = np.full((16, 16, 3), [200, 100, 50], dtype=np.uint8)
    assert np.abs(read_rgb(write("a.jpg", picture(smooth, kind="JPEG"))).astype(int) - smooth).max() <= 3


def test_grey_becomes_three_equal_colours_and_alpha_is_left_out(write):
    grey = RGB[..., 0]
    assert np.array_equal(read_rgb(write("a.png", picture(grey))), np.stack([grey] * 3, -1))
    alpha = np.zeros((4, 6, 1), dtype=np.uint8)  # colours below what is transparent stay as they are stored
    assert np.array_equal(read_rgb(write("a.png", picture(np.concatenate([RGB, alpha], -1)))), RGB)
    both = np.concatenate([grey[..., None], alpha], -1)
    assert np.array_equal(read_rgb(write("a.png", picture(both))), np.stack([grey] * 3, -1))


def test_palettes_are_colours_or_the_numbers_of_classes(write):
    image = image_module.new("P", (2, 2))
    image.putpalette([9, 9, 9, 255, 0, 0, 0, 0, 255])
    image.putdata([0, 1, 2, 2])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    file = write("a.png", stream.getvalue())
    assert read_rgb(file).reshape(-1, 3).tolist() == [[9, 9, 9], [255, 0, 0], [0, 0, 255], [0, 0, 255]]
    assert read_truth(file).tolist() == [[0, 1], [2, 2]]


def test_of_16_bits_the_upper_eight_are_kept_whatever_holds_them(write):
    values = np.random.default_rng(0).integers(0, 65536, (4, 6, 4), dtype=np.uint16)
    expected = (values >> 8).astype(np.uint8)
    grey = np.stack([expected[..., 0]] * 3, -1)
    assert np.array_equal(read_rgb(write("a.png", deep(values[..., :3], 2))), expected[..., :3])
    assert np.array_equal(read_rgb(write("a.png", deep(values, 6))), expected[..., :3])
    assert np.array_equal(read_rgb(write("a.png", deep(values[..., 0], 0))), grey)
    assert np.array_equal(read_rgb(write("a.pgm", ppm(values[..., 0], 65535))), grey)
    for order in "<>":
        colours = tiff(values[..., :3], photometric="rgb", byteorder=order)
        assert np.array_equal(read_rgb(write("a.tif", colours)), expected[..., :3])
        assert np.array_equal(read_rgb(write("a.tif", tiff(values[..., 0], byteorder=order))), grey)
        assert np.array_equal(as_rgb(values.astype(f"{order}u2"), "rgb"), expected[..., :3])


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_no_innards_are_told(write, content):
    assert refused(lambda: read_rgb(write("a.png", content))).endswith("a.png is no picture, or damaged or cut off")


def test_twelve_bits_in_sixteen_give_a_warning(write):
    values = np.full((4, 6, 3), 4095, dtype=np.uint16)
    for content in (deep(values, 2), deep(values[..., 0], 0), tiff(values[..., 0], byteorder=">")):
        with pytest.warns(UserWarning, match=r"a\.png: hardly anything is in the upper half of its 16 bits"):
            assert read_rgb(write("a.png", content)).max() == 15
    assert read_rgb(write("a.pgm", ppm(values[..., 0], 4095))).min() == 255  # which says itself what is white
    assert read_rgb(write("a.png", deep(values * 0, 2))).max() == 0  # black is no sign of it


def test_one_bit_is_black_and_white(write):
    file = write("a.png", picture(np.array([[0, 255]], dtype=np.uint8), "1"))
    assert read_rgb(file).tolist() == [[[0] * 3, [255] * 3]]
    assert read_mask(file).tolist() == [[False, True]]
    assert read_truth(file).tolist() == [[0, 255]]


def test_class_ids_are_kept_and_equal_channels_are_one(write):
    ids = np.array([[0, 253, 254, 255]], dtype=np.uint8)
    for values in (ids, np.stack([ids] * 3, -1), np.stack([ids, ids, ids, ids * 0 + 255], -1)):
        assert np.array_equal(read_truth(write("a.png", picture(values))), ids)
    assert np.array_equal(read_truth(write("a.png", deep(ids.astype(np.uint16), 0))), ids)
    assert as_classes(ids.astype(float), "truth").dtype == np.uint8
    few = np.array([[0, 1, 2, 3]], dtype=np.uint8)
    for text in (False, True):
        for values in (few, np.stack([few] * 3, -1)):
            assert np.array_equal(read_truth(write("a.pgm", ppm(values, 3, text=text))), few)
    with pytest.raises(InputError, match=r"a\.pgm has numbers up to 1023 in colours, of which 8 bits are read"):
        read_truth(write("a.pgm", ppm(np.stack([few.astype(np.uint16)] * 3, -1), 1023)))
    for values in (RGB, deep(ids.astype(np.uint16) + 1, 0)):
        with pytest.raises(InputError, match="class ids"):
            read_truth(write("a.png", values if isinstance(values, bytes) else picture(values)))


def test_a_mask_is_wherever_a_picture_is_not_0(write):
    where = np.array([[False, True], [True, False]])
    pictures = (
        deep(where * np.uint16(65535), 0),
        tiff(where / np.float32(2)),
        picture(np.stack([where * np.uint8(9)] * 3, -1)),
    )
    for content in pictures:
        assert np.array_equal(read_mask(write("a.png", content)), where)
    with pytest.raises(InputError, match=r"a\.png: expected a mask \[height, width\], got uint8 \[4, 6, 3\]"):
        read_mask(write("a.png", picture(RGB)))


def test_depths_are_read_as_they_are_stored(write, tmp_path):
    values = np.array([[0, 1, 65535]], dtype=np.uint16)
    assert np.array_equal(read_depth(write("a.png", deep(values, 0))), values)
    for array in (values, values.astype(np.float32)):
        np.save(tmp_path / "a.npy", array)
        tifffile.imwrite(tmp_path / "a.tif", array)
        assert np.array_equal(read_depth(tmp_path / "a.npy"), array)
        assert np.array_equal(read_depth(tmp_path / "a.tif"), array)
    for most, text in ((4095, False), (4095, True), (300, False), (65535, False), (65535, True)):
        numbers = np.array([[0, 1, 37, most - 1, most]], dtype=np.uint16)
        assert np.array_equal(read_depth(write("a.pgm", ppm(numbers, most, text=text))), numbers)
    for content in (picture(RGB), picture(RGB[..., 0])):
        with pytest.raises(InputError, match="a depth picture has one channel of 16 bits or of floats, got uint8"):
            read_depth(write("a.png", content))


def test_a_rotation_noted_beside_the_picture_is_left_out(write):
    for turn in range(1, 9):
        turned = image_module.Exif()
        turned[274] = turn
        assert read_rgb(write("a.jpg", picture(RGB, kind="JPEG", exif=turned))).shape == RGB.shape
        for packed in ("raw", "tiff_lzw"):
            file = write("a.tif", picture(RGB, kind="TIFF", exif=turned, compression=packed))
            assert np.array_equal(read_rgb(file), RGB)
        for values in (RGB[..., 0].astype(np.uint16), RGB[..., 0].astype(np.float32)):
            assert np.array_equal(read_depth(write("a.tif", picture(values, kind="TIFF", exif=turned))), values)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is no picture, or damaged or cut off"),
        (b"GIF89a" + bytes(100), "is no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is no picture"),
        (picture(RGB)[:-40], "is no picture, or damaged or cut off"),
        (png(8193, 8193, 8, 0, []), "is 8193 x 8193, larger than the 67,108,864 pixels"),
        (png(30_000, 30_000, 1, 0, []), "is larger than the 67,108,864 pixels|is 30000 x 30000"),
        (png(10_000, 10_000, 1, 0, []), "is larger than the 67,108,864 pixels|is 10000 x 10000"),
    ],
)
def test_what_is_no_picture_or_a_bomb_is_refused(write, content, message):
    with pytest.raises(InputError, match=message):
        read_rgb(write("a.png", content))


def test_points_are_no_colours(write):
    stream = io.BytesIO()
    tifffile.imwrite(stream, scan()[0], photometric="rgb")
    with pytest.raises(InputError, match="holds floats, which are no colours: points belong into xyz"):
        read_rgb(write("a.tif", stream.getvalue()))


@pytest.mark.parametrize(
    "values, message",
    [
        (np.zeros(3), r"colours are \[3\], expected \[height, width\]"),
        (np.zeros((3, 4, 6)), "move the channels to the end"),
        (np.full((4, 6, 3), 255.0), "floats are to be from 0 to 1; or give uint8"),
        (np.full((4, 6, 3), np.nan), "floats are to be from 0 to 1"),
        (np.full((4, 6, 3), -1), "colours are from -1 to -1, expected 0 to 255"),
        (np.full((4, 6, 3), 256, dtype=np.int32), "colours are from 256 to 256"),
        (np.ones((4, 6, 3), dtype=bool), "colours are of type bool"),
    ],
)
def test_arrays_that_are_no_colours_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        as_rgb(values, "rgb")


@given(st.data())
@settings(max_examples=150)
def test_changed_bytes_and_cut_off_files_give_our_error_alone(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM"]))
    content = bytearray(picture(RGB, kind=kind))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)):
        content[place % len(content)] = value
    end = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    file = tmp_path_factory.getbasetemp() / f"random.{kind.lower()}"
    file.write_bytes(bytes(content[:end]))
    for read in (read_rgb, read_truth, read_depth):
        refused(lambda read=read: read(file))
