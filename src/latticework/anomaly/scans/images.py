"""Pictures: colours, masks, class ids and depths.

Sizes are bounded before anything is unpacked, so that a small file cannot become a large picture. Pictures are taken as
they are stored: a rotation that is only noted beside the picture (EXIF) is left out, since points have none.
"""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from latticework.anomaly.part_warnings import warn
from latticework.anomaly.scans.arrays import TIFFS, read_npy, read_tiff
from latticework.anomaly.scans.clouds import MAX_FILE_BYTES, MAX_POINTS, eight_bits
from latticework.core.errors import InputError, require
from latticework.core.files import read_bytes

PICTURES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", *TIFFS)
DEPTHS: Final = (".png", ".pgm", ".npy", *TIFFS)
_FORMATS: Final = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "TIFF")  # none of those that start other programs
_ORIENTATION: Final = 274  # the tag of such a note
_DARK: Final = 4096  # of 65536: a picture of 12 bits in 16
_TOO_DARK: Final = "hardly anything is in the upper half of its 16 bits, so that it is read as black: spread it"


def read_rgb(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "height width 3"]:
    """Read a colour picture.

    Of 16 bits the upper eight are kept, with a warning where they hold next to nothing; grey becomes three equal
    colours; alpha is left out, and the colours below it stay as they are stored.

    Raises
    ------
    InputError
        If it is no picture, is damaged or cut off, or is larger than 67 megapixels.
    """
    path = Path(path)
    pixels = _pixels(path)
    if pixels.dtype.kind == "f":
        raise InputError(f"{path} holds floats, which are no colours: points belong into xyz")
    return as_rgb(pixels, str(path))


def as_rgb(values: Shaped[np.ndarray, "*shape"], where: str) -> UInt8[np.ndarray, "height width 3"]:
    """Colours of whatever type, grey or with alpha, as red, green and blue from 0 to 255.

    Raises
    ------
    InputError
        If they are no colours.

    Examples
    --------
    >>> as_rgb(np.array([[0.0, 1.0]]), "rgb").tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4):
        shape = list(values.shape)
        hint = ": move the channels to the end" if values.ndim == 3 and values.shape[0] in (1, 3, 4) else ""
        raise InputError(f"{where}: colours are {shape}, expected [height, width] or [height, width, 3]{hint}")
    if values.dtype.newbyteorder("=") == np.uint16 and 0 < values.max(initial=0) < _DARK:
        warn(where, _TOO_DARK)
    colours = values[..., :1] if values.shape[2] < 3 else values[..., :3]
    return np.ascontiguousarray(np.broadcast_to(eight_bits(colours, where), (*values.shape[:2], 3)))


def read_mask(path: str | os.PathLike[str]) -> Bool[np.ndarray, "height width"]:
    """Read where a part may be judged: wherever a picture of one channel, or of equal ones, is not 0.

    Raises
    ------
    InputError
        As `read_rgb`, or if it has colours.
    """
    path = Path(path)
    return _one_channel(_pixels(path, numbered=True), str(path), "a mask") != 0


def read_truth(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "height width"]:
    """Read class ids, 0 for what is good, from a picture of one channel, or of equal ones.

    Raises
    ------
    InputError
        As `read_rgb`, or if it has colours, or ids above 255.
    """
    path = Path(path)
    return as_classes(_pixels(path, numbered=True), str(path))


def as_classes(values: Shaped[np.ndarray, "*shape"], where: str) -> UInt8[np.ndarray, "height width"]:
    """Class ids of whatever type, or whether there is a defect (then 1).

    Raises
    ------
    InputError
        If they are no whole numbers from 0 to 255, one a pixel.

    Examples
    --------
    >>> as_classes(np.array([[False, True]]), "truth").tolist()
    [[0, 1]]
    """
    values = _one_channel(values, where, "class ids")
    if values.size and not ((values >= 0) & (values <= 255) & (values == np.rint(values))).all():
        raise InputError(f"{where}: class ids are to be whole numbers from 0 to 255")
    return values.astype(np.uint8)


def _one_channel(values: Shaped[np.ndarray, "*shape"], where: str, expected: str) -> Shaped[np.ndarray, "height width"]:
    if values.ndim == 3 and values.shape[2] in (1, 2, 3, 4):  # alpha, which says nothing of classes, is left out
        colours = values[..., : values.shape[2] - (values.shape[2] in (2, 4))]
        if (colours == colours[..., :1]).all():
            values = colours[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise InputError(f"{where}: expected {expected} [height, width], got {values.dtype} {list(values.shape)}")
    return values


def read_depth(path: str | os.PathLike[str]) -> Shaped[np.ndarray, "height width"]:
    """Read a depth picture, as it is stored: 16 bits as PNG or PGM, or whole numbers or floats as TIFF or NPY.

    Raises
    ------
    InputError
        As `read_rgb`, or if it is of 8 bits or has colours.
    """
    path = Path(path)
    depth = read_npy(path) if path.suffix.lower() == ".npy" else _pixels(path, numbered=True)
    if depth.ndim != 2 or depth.dtype.kind not in "iuf" or depth.dtype.itemsize < 2:
        raise InputError(
            f"{path}: a depth picture has one channel of 16 bits or of floats, got {depth.dtype} {list(depth.shape)}"
        )
    return depth


def png_bytes(pixels: UInt8[np.ndarray, "height width *channels"], *, compress_level: int = 6) -> bytes:
    """A picture as a PNG file, packed from 0 (not at all, quickly) to 9.

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    """
    stream = io.BytesIO()
    image = require("PIL.Image", extra="anomaly", purpose="writing pictures").fromarray(pixels)
    image.save(stream, "PNG", compress_level=compress_level)
    return stream.getvalue()


def _pixels(path: Path, *, numbered: bool = False) -> Shaped[np.ndarray, "*shape"]:
    """The values of a picture: its colours, or the numbers that are stored, in a palette those of its colours."""
    raw = read_bytes(path, most=MAX_FILE_BYTES)
    image_module = require("PIL.Image", extra="anomaly", purpose="reading pictures")
    bombs = (
        image_module.DecompressionBombError,
        image_module.DecompressionBombWarning,
    )  # the latter where warnings are errors
    try:
        with image_module.open(io.BytesIO(raw), formats=_FORMATS) as image:
            if math.prod(image.size) > MAX_POINTS:
                raise InputError(_too_large(path, *image.size))
            return _values(image, path, numbered=numbered)
    except InputError:
        raise
    except bombs as error:
        raise InputError(f"{path} is larger than the {MAX_POINTS:,} pixels that are read") from error
    except Exception as error:  # whatever a foreign reader stumbles over
        if path.suffix.lower() in TIFFS:
            return read_tiff(path)
        why = "" if isinstance(error, image_module.UnidentifiedImageError) else f" ({error})"  # that names no file
        raise InputError(f"{path} is no picture, or damaged or cut off{why}") from error


def _values(image: Any, path: Path, *, numbered: bool) -> Shaped[np.ndarray, "*shape"]:
    deep = image.format == "PNG" and "16" in str(image.tile[0][3])  # colours of which PIL gives the upper eight bits
    whole = image.mode == "I" and image.format in ("PNG", "PPM")
    most = _most(image) if numbered else None
    if most is not None and most > 255 and image.mode == "RGB":
        raise InputError(f"{path} has numbers up to {most} in colours, of which 8 bits are read: write a PGM or a PNG")
    image = _as_stored(image)
    if image.mode == "1":
        image = image.convert("L")
    kept = ("L", "LA", "RGB", "RGBA", "F", "I", *(["P"] if numbered else []))
    if image.mode not in kept and not image.mode.startswith("I;16"):
        image = image.convert("RGB")
    values = np.asarray(image)
    if whole:
        values = values.astype(np.uint16)  # which is what they have
    if most is not None:
        values = np.rint(values * (most / np.iinfo(values.dtype).max)).astype(values.dtype)
    if deep and image.mode.startswith("RGB") and 0 < values[..., :3].max() < _DARK >> 8:
        warn(str(path), _TOO_DARK)
    return values


def _most(image: Any) -> int | None:
    """The most that a number of a PPM can be, where Pillow spreads them from there to all that their type holds."""
    if image.format != "PPM" or image.mode == "1" or image.tile[0][0] not in ("ppm", "ppm_plain"):
        return None
    return int(image.tile[0][3][-1])


def _as_stored(image: Any) -> Any:
    """The picture without the turn by which Pillow, for TIFF alone, heeds a note beside it."""
    turn = image.getexif().get(_ORIENTATION, 1) if image.format == "TIFF" else 1
    if turn == 1:
        return image
    image.load()
    image.getexif()[_ORIENTATION] = {6: 8, 8: 6}.get(turn, turn)  # a quarter undoes the other; flips undo themselves
    return require("PIL.ImageOps", extra="anomaly", purpose="reading pictures").exif_transpose(image)


def _too_large(path: Path, width: int, height: int) -> str:
    return f"{path} is {width} x {height}, larger than the {MAX_POINTS:,} pixels that are read"
