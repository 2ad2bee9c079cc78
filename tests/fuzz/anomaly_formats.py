"""Scans: pictures, depths, clouds, cameras; class ids, prepared folders; weights of encoders."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anomaly.encoders import COLOUR, POINTS, point_mae_state, vit_state
from anomaly.scans import scan
from fuzz.examples import Files, Format
from fuzz.mutations import packed_tensors
from fuzz.text_formats import npy, zipped
from PIL import Image
from reference import lzf

from latticework.anomaly.encoders.checkpoints import read_tensors
from latticework.anomaly.encoders.weights import load_point_mae, load_vit
from latticework.anomaly.preparation.prepared import preprocess_folder
from latticework.anomaly.scans.cameras import Camera
from latticework.anomaly.scans.folders import read_class_ids, read_folder
from latticework.anomaly.scans.images import read_depth, read_mask, read_rgb, read_truth
from latticework.anomaly.scans.inputs import read
from latticework.anomaly.scans.pcd import read_pcd, write_pcd
from latticework.anomaly.scans.ply import read_ply, write_ply
from latticework.anomaly.scans.sample_files import read_cloud, read_sample

XYZ, RGB = scan(6, 5)
CAMERAS = [
    {"fx": 500, "fy": 500.5, "cx": 2, "cy": 3, "scale": 0.001, "width": 5, "height": 6},
    {"intrinsic_matrix": [500, 0, 0, 0, 500, 0, 2, 3, 1], "width": 5, "height": 6},
    {
        "focus": 0.02,
        "sx": 7.4e-06,
        "sy": 7.4e-06,
        "cx": 2.0,
        "cy": 3.0,
        "kappa": -300.0,
        "image_width": 5,
        "image_height": 6,
    },
]
_FOLDERS = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
HERE = b"the-folder-of-the-example"
YAML = b"normalization:\n  max: 3.5 # m\n  min: 2\n"


def new_folder() -> Path:
    return Path(tempfile.mkdtemp(dir=_FOLDERS.name))


def picture(values: np.ndarray, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind, **options)
    return stream.getvalue()


def of_one_channel() -> list[bytes]:
    palette = Image.fromarray(RGB).quantize(4)
    stream = io.BytesIO()
    palette.save(stream, "PNG")
    grey = RGB[..., 0]
    return [stream.getvalue(), picture(grey, "PNG"), picture(grey.astype(np.uint16), "PNG"), picture(grey > 99, "PNG")]


def pictures() -> list[Files]:
    kinds = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "TIFF")
    found = [picture(RGB, kind) for kind in kinds] + of_one_channel()
    found += [picture(RGB[..., 0].astype(np.uint16) * 256, "PNG"), deep_png()]
    return [{"some.png": data} for data in [*found, picture(RGB, "TIFF", compression="tiff_deflate")]]


def masks() -> list[Files]:
    grey = RGB[..., 0]
    found = [*of_one_channel(), picture(np.stack([grey] * 3, axis=-1), "BMP"), picture(np.stack([grey] * 2, -1), "PNG")]
    return [{"some.png": data} for data in [*found, picture(grey, "TIFF", compression="tiff_deflate")]]


def depth_pictures() -> list[Files]:
    deep = RGB[..., 0].astype(np.uint16) * 256
    found = [picture(deep, kind) for kind in ("PNG", "PPM", "TIFF")]
    found += [picture(deep.astype(kind), "TIFF", compression="tiff_deflate") for kind in (np.int32, np.float32)]
    return [{"some.png": data} for data in found]


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG, as far as there are whole ones."""
    found, place = [], 8
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    return found


def png(parts: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in parts
    )


def deep_png() -> bytes:
    """Colours of 16 bits each, which PIL does not write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in RGB.astype(np.uint16) * 257)
    return png(
        [(b"IHDR", struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    )


def with_checksums(files: Files) -> Files:
    """Give the chunks of PNGs the checksums that they are to have."""
    return {name: png(chunks(data)) if data[:4] == b"\x89PNG" else data for name, data in files.items()}


def depths() -> list[Files]:
    deep = (np.arange(30, dtype=np.uint16) * 300).reshape(6, 5)
    found = [{"depth.png": picture(deep, "PNG"), "camera.json": json.dumps(camera).encode()} for camera in CAMERAS]
    return [*found, {"depth.png": picture(deep, "TIFF"), "camera.json": json.dumps(CAMERAS[0]).encode()}]


def tiffs() -> list[Files]:
    import tifffile

    found = []
    for values, options in (
        (XYZ, {"photometric": "rgb"}),
        (XYZ, {"photometric": "rgb", "compression": "zlib"}),
        (XYZ.astype(">f8"), {"photometric": "rgb", "tile": (16, 16), "bigtiff": True}),
        (RGB, {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"}),
    ):
        stream = io.BytesIO()
        tifffile.imwrite(stream, np.nan_to_num(values), **options)
        found.append({"some.tiff": stream.getvalue()})
    return found


def pcds() -> list[Files]:
    found = []
    for kind in ("ascii", "binary"):
        for rgb in (RGB, None):
            write_pcd(path := new_folder() / "some.pcd", XYZ, rgb, data=kind)
            found.append({"some.pcd": path.read_bytes()})
    plain = b"".join(np.nan_to_num(XYZ[..., axis]).tobytes() for axis in range(3))
    head = found[-1]["some.pcd"].partition(b"DATA")[0] + b"DATA binary_compressed\n"
    packed = lzf.compress(plain)
    found.append({"some.pcd": head + struct.pack("<II", len(packed), len(plain)) + packed})
    fields = b"VERSION 0.7\nFIELDS x y z _ label n\nSIZE 4 4 4 1 2 4\nTYPE F F F U U F\nCOUNT 1 1 1 3 1 3\n"
    rows = b"1 2 3 0 0 0 7 0 0 1\n" * 4
    return [*found, {"some.pcd": fields + b"WIDTH 2\nHEIGHT 2\nPOINTS 4\nDATA ascii\n" + rows}]


def plys() -> list[Files]:
    found = []
    for kind in ("ascii", "binary"):
        write_ply(path := new_folder() / "some.ply", XYZ, RGB, data=kind)
        found.append({"some.ply": path.read_bytes()})
    ranges = [
        "obj_info num_cols 3",
        "obj_info num_rows 2",
        "element vertex 2",
        *(f"property float {axis}" for axis in "xyz"),
    ]
    ranges += ["element range_grid 6", "property list uchar int vertex_indices", "end_header\n"]
    for kind, order in (("binary_big_endian", ">"), ("binary_little_endian", "<")):
        body = np.arange(6, dtype=f"{order}f4").tobytes()
        body += b"".join(
            b"\1" + np.array(number, f"{order}i4").tobytes() if number < 2 else b"\0" for number in range(6)
        )
        found.append({"some.ply": "\n".join(["ply", f"format {kind} 1.0", *ranges]).encode() + body})
    text = "\n".join(["ply", "format ascii 1.0", *ranges]) + "1 2 3\n4 5 6\n1 0\n0\n1 1\n0\n0\n0\n"
    camera = [
        "element vertex 6",
        *(f"property {kind} {axis}" for kind, axis in zip(("double", "short", "float"), "xyz", strict=True)),
    ]
    camera += ["element camera 1", "property int viewportx", "property int viewporty", "end_header\n"]
    other = "\n".join(["ply", "format ascii 1.0", "comment by hand", *camera]) + "1 2 3\n" * 6 + "3 2\n"
    return [*found, {"some.ply": text.encode()}, {"some.ply": other.encode()}]


def eyecandies() -> list[Files]:
    deep = picture((np.arange(512 * 512, dtype=np.uint16) % 6000).reshape(512, 512), "PNG")
    small = picture(np.zeros((512, 512, 3), np.uint8), "PNG")
    return [
        {
            "test_public/data/00_image_4.png": small,
            "test_public/data/00_depth.png": deep,
            "test_public/data/00_info_depth.yaml": YAML,
            "test_public/data/00_metadata.yaml": b"anomalous: 1\nbumps: 0\ndents: 1\ncolors: 0\n",
            "test_public/data/00_mask.png": picture(np.zeros((512, 512), np.uint8), "PNG"),
        }
    ]


def parts_of(folder: Path) -> None:
    for part in read_folder(folder):
        part.read()


def ground() -> np.ndarray:
    rows, columns = np.mgrid[:32, :32].astype(np.float32)
    xyz = np.stack([columns / 1000, rows / 1000, np.full((32, 32), 0.5, dtype=np.float32)], axis=-1)
    xyz[10:20, 10:20, 2] -= 0.02
    return xyz


def prepared() -> list[Files]:
    raw = {"raw/train/good/xyz/000.npy": npy(ground()), "raw/class_ids.json": b'{"1": "cut"}'}
    folder = new_folder()
    for name, data in raw.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    preprocess_folder(folder / "raw", folder / "ready", size=None)
    made = {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in (folder / "ready").rglob("*")
        if file.is_file()
    }
    made["ready/preprocessed.json"] = made["ready/preprocessed.json"].replace(str(folder).encode(), HERE)
    return [raw | made]


def prepare(folder: Path) -> None:
    settings = folder / "ready" / "preprocessed.json"
    settings.write_bytes(settings.read_bytes().replace(HERE, str(folder).encode()))
    preprocess_folder(folder / "raw", folder / "ready", size=None)
    parts_of(folder / "ready")


def as_file(state: dict[str, Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream, **options)
    return stream.getvalue()


def archived() -> list[Files]:
    """What torch saves, member by member."""
    stored = as_file({"model": {"norm.weight": torch.ones(2), "bias": torch.arange(4)}, "epoch": 3})
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        return [{name.partition("/")[2]: archive.read(name) for name in archive.namelist()}]


def tensors_of(state: dict[str, torch.Tensor]) -> bytes:
    return packed_tensors({name: ("F32", list(one.shape), one.numpy().tobytes()) for name, one in state.items()})


FORMATS = [
    Format(
        "anomaly-pictures", pictures, lambda folder: read_rgb(folder / "some.png"), seal=with_checksums, guided=True
    ),
    Format(
        "anomaly-masks",
        masks,
        lambda folder: (read_mask(folder / "some.png"), read_truth(folder / "some.png")),
        seal=with_checksums,
        guided=True,
    ),
    Format(
        "anomaly-depth-pictures",
        depth_pictures,
        lambda folder: read_depth(folder / "some.png"),
        seal=with_checksums,
        guided=True,
    ),
    Format(
        "anomaly-depths",
        depths,
        lambda folder: read_sample(depth=folder / "depth.png", camera=folder / "camera.json"),
        seal=with_checksums,
    ),
    Format(
        "anomaly-camera",
        lambda: [{"camera.json": json.dumps(camera).encode()} for camera in CAMERAS],
        lambda folder: Camera.read(folder / "camera.json").unproject(np.ones((6, 5), np.uint16)),
    ),
    Format(
        "anomaly-camera-yaml",
        lambda: [{"info_depth.yaml": YAML}],
        lambda folder: Camera.read(folder / "info_depth.yaml").unproject(np.ones((512, 512), np.uint16)),
    ),
    Format("anomaly-tiff", tiffs, lambda folder: read(folder / "some.tiff"), guided=True),
    Format(
        "anomaly-npy",
        lambda: [{"some.npy": npy(XYZ)}, {"some.npy": npy(np.asfortranarray(XYZ), ">f8")}],
        lambda folder: read(folder / "some.npy", unit="mm"),
        guided=True,
    ),
    Format("anomaly-pcd", pcds, lambda folder: (read_pcd(folder / "some.pcd"), read(folder / "some.pcd")), guided=True),
    Format(
        "anomaly-ply",
        plys,
        lambda folder: (read_ply(folder / "some.ply"), read_cloud(folder / "some.ply")),
        guided=True,
    ),
    Format("anomaly-eyecandies", eyecandies, parts_of, seal=with_checksums),
    Format(
        "anomaly-class-ids", lambda: [{"class_ids.json": b'{"0": "good", "1": "cut", "255": "hole"}'}], read_class_ids
    ),
    Format(
        "anomaly-prepared",
        prepared,
        prepare,
        kept=frozenset({"raw/train/good/xyz/000.npy"}),
    ),
    Format(
        "anomaly-safetensors",
        lambda: [{"some.safetensors": tensors_of(vit_state())}],
        lambda folder: load_vit(folder / "some.safetensors", COLOUR),
        guided=True,
    ),
    Format(
        "anomaly-pth",
        archived,
        lambda folder: read_tensors(folder / "some.pth"),
        seal=zipped("some.pth", compression=zipfile.ZIP_STORED, folder="archive/"),
    ),
    Format(
        "anomaly-pth-whole",
        lambda: [{"some.pth": as_file({"teacher": {f"backbone.{name}": one for name, one in vit_state().items()}})}],
        lambda folder: load_vit(folder / "some.pth", COLOUR),
        guided=True,
    ),
    Format(
        "anomaly-pth-old",
        lambda: [{"some.pth": as_file(point_mae_state(), _use_new_zipfile_serialization=False)}],
        lambda folder: load_point_mae(folder / "some.pth", POINTS),
        guided=True,
        claims=True,
    ),
]
