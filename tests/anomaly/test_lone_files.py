"""One file of a part: what is found beside and above it is what its data set's folder finds."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from anomaly.layouts import candy, put

from latticework.anomaly.scans.folders import read_folder
from latticework.anomaly.scans.inputs import list_parts
from latticework.core.errors import InputError

pytest.importorskip("PIL.Image")

LAYOUTS = {
    "splits and labels": ("mask.png", "test/dent/rgb/000.png", "test/dent/xyz/000.npy", "test/dent/gt/000.png"),
    "beside good": ("mask.png", "test/dent/rgb/000.png", "test/good/rgb/000.png"),
    "depths": ("mask.png", "intrinsics.json", "test/dent/rgb/000.png", "test/dent/depth/000.png"),
    "a camera of the split": ("test/camera.json", "test/dent/depth/000.png", "intrinsics.json"),
    "calibration": ("calibration/camera_parameters.json", "train/good/depth/000.png"),
    "splits alone": ("mask.png", "validation/rgb/000.png", "validation/xyz/000.npy"),
    "labels alone": ("mask.png", "dent/rgb/000.png", "good/rgb/000.png", "good/rgb/001.png"),
    "plain": ("mask.png", "intrinsics.json", "rgb/000.png", "depth/000.png", "gt/000.png"),
    "masks": ("test/dent/rgb/000.png", "test/dent/mask/000.png", "mask.png"),
    "masks that one lacks": ("rgb/000.png", "rgb/001.png", "mask/000.png", "mask.png"),
    "side by side": ("mask.png", "test/dent/000.png", "test/dent/000.pcd", "test/good/001.npy"),
    "files": ("mask.png", "000.npy", "001.pcd"),
    "capitals": ("rgb/000.PNG", "xyz/000.npy", "gt/000.PNG"),
}


def files(part):
    return [file for file in (part.file, part.rgb, part.xyz, part.depth) if file is not None]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_is_the_part_that_its_folder_lists(tmp_path, layout, monkeypatch):
    put(tmp_path / "set", *LAYOUTS[layout])
    put(tmp_path, "mask.png", "intrinsics.json")  # above the data set: not its own
    parts = read_folder(tmp_path / "set", partners="reported")
    for part in parts:
        for file in files(part):
            (lone,) = read_folder(file, partners="reported")
            assert replace(lone, name=part.name, label=part.label) == part
            assert (lone.name, lone.label in (None, part.label)) == (part.name[-3:], True)
            monkeypatch.chdir(file.parent)
            (near,) = read_folder(file.name, partners="reported")
            found = [where and os.path.realpath(where) for where in (near.camera, near.mask, near.truth, near.rgb)]
            assert found == [where and str(where) for where in (part.camera, part.mask, part.truth, part.rgb)]


def test_beside_good_ones_a_file_has_the_label_of_its_folder(tmp_path):
    put(tmp_path, "test/dent/rgb/000.png", "test/good/rgb/000.png", "train/tray/000.npy")
    labels = [read_folder(tmp_path / f"{name}/000.png")[0].label for name in ("test/dent/rgb", "test/good/rgb")]
    assert labels == ["dent", "good"]
    assert read_folder(tmp_path / "train/tray/000.npy")[0].label is None  # nothing says that a tray is a defect


@pytest.mark.parametrize("folder", ["test/good", "test/dent", "plain"])
def test_a_file_needs_no_truth_whatever_others_have(tmp_path, folder):
    put(tmp_path, *(f"{folder}/{name}" for name in ("rgb/000.png", "rgb/001.png", "gt/000.png", "gt/002.png")))
    put(tmp_path, f"{folder}/gt/002.jpg")  # two of another part
    assert read_folder(tmp_path / folder / "rgb/001.png")[0].truth is None
    assert read_folder(tmp_path / folder / "rgb/000.png")[0].truth.name == "000.png"
    put(tmp_path, f"{folder}/gt/001.png", f"{folder}/gt/001.jpg")
    with pytest.raises(InputError, match=r"001\.\w+ and 001\.\w+, both for one part"):
        read_folder(tmp_path / folder / "rgb/001.png")


def test_a_mask_that_others_have_is_needed(tmp_path):
    put(tmp_path, "rgb/000.png", "rgb/001.png", "mask/000.png")
    with pytest.raises(InputError, match="mask lacks 001: give one for each part, or none"):
        read_folder(tmp_path / "rgb/001.png")
    (part,) = read_folder(tmp_path / "rgb/001.png", partners="reported")
    assert "001.png: without mask" in part.fault


@pytest.mark.parametrize(
    "names",
    [("{}.png", "{}.npy"), ("rgb/{}.png", "xyz/{}.npy", "gt/{}.png", "mask/{}.png"), ("test/good/depth/{}.png",)],
    ids=["side by side", "folders", "splits"],
)
def test_many_files_list_no_folder(tmp_path, names, monkeypatch):
    put(tmp_path, "intrinsics.json", *(name.format(f"{number:03}") for number in range(9) for name in names))
    given = [tmp_path / names[0].format(f"{number:03}") for number in range(9)]
    assert listings(monkeypatch, lambda: list_parts(given, split="test")) == 0
    assert listings(monkeypatch, lambda: read_folder(tmp_path)) > 0


def test_many_files_of_eyecandies_list_no_folder(tmp_path, monkeypatch):
    folder = tmp_path / "train/data"
    for number in range(3):
        candy(folder, f"{number:03}")
    given = [folder / f"{number:03}_image_4.png" for number in range(3)]
    assert listings(monkeypatch, lambda: list_parts(given, split="test")) == 0
    assert list_parts(given, split="test") == read_folder(folder)
    monkeypatch.chdir(folder)
    assert read_folder("001_depth.png")[0].label == "good"


def listings(monkeypatch, work):
    """How many folders are listed meanwhile."""
    seen = []
    with monkeypatch.context() as patched:
        for name in ("listdir", "scandir"):
            real = getattr(os, name)
            patched.setattr(os, name, lambda *place, real=real: seen.append(place) or real(*place))
        work()
    return len(seen)
