"""Files of scans, laid out as data sets lay them out."""

import json

import numpy as np
import pytest
from anomaly.scans import scan

from latticework.anomaly.scans.pcd import write_pcd

image_module = pytest.importorskip("PIL.Image")
XYZ, RGB = scan()
TRUTH = (RGB[..., 0] > 200) * np.uint8(254)
SIZE = 512  # of Eyecandies' pictures


def put(root, *names):
    """Files of a scan, each as its name says."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".npy":
            np.save(file, XYZ)
        elif file.suffix == ".pcd":
            write_pcd(file, XYZ, 255 - RGB)
        elif file.suffix == ".json":
            file.write_text(json.dumps({"fx": 20, "fy": 20, "cx": 2, "cy": 1}))
        elif "depth" in file.parts[-2]:
            image_module.fromarray((RGB[..., 0] + np.uint16(400)).astype(np.uint16)).save(file)
        elif file.parts[-2] in ("gt", "mask") or file.stem == "mask":
            image_module.fromarray(TRUTH).save(file)
        else:
            image_module.fromarray(RGB).save(file)
    return root


def candy(folder, start, metadata=None, defect=0):
    """One part of Eyecandies."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = np.full((SIZE, SIZE, 3), 40, dtype=np.uint8)
    for light in (0, 4):
        image_module.fromarray(colours + np.uint8(light)).save(folder / f"{start}_image_{light}.png")
    depth = np.tile(np.arange(SIZE, dtype=np.uint16) * 128, (SIZE, 1))
    image_module.fromarray(depth).save(folder / f"{start}_depth.png")
    (folder / f"{start}_info_depth.yaml").write_text("normalization:\n  max: 3.0\n  min: 2.0\n")
    mask = np.zeros((SIZE, SIZE), dtype=np.uint8)
    mask[:9, :9] = defect
    image_module.fromarray(mask).save(folder / f"{start}_mask.png")
    if metadata is not None:
        (folder / f"{start}_metadata.yaml").write_text(metadata)
