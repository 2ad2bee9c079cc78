"""Data sets of synthetic parts: the layout of MVTec 3D-AD, the same bytes, and all of it or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import tifffile
from PIL import Image

from latticework.anomaly.synth import CLASS_IDS, FAMILIES, KINDS, THRESHOLDS, VERSION, draw, generate
from latticework.anomaly.synth import generate as package_attribute
from latticework.core import InputError
from latticework.core.errors import MissingExtraError
from latticework.core.seeds import spawn

module = sys.modules[package_attribute.__module__]
SMALL = {"good": 2, "validation": 1, "test_good": 1, "per_defect": 1, "size": 40}


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth") / "ring"
    assert generate(folder, seed=7, family="ring", **SMALL) == (folder,)
    return folder


def test_the_layout_is_that_of_mvtec_3d_ad(ring):
    files = set(digests(ring))
    expected = {"class_ids.json", "calibration/camera_parameters.json", "synth.json"}
    for split, names in (("train/good", ("000", "001")), ("validation/good", ("000",))):
        expected |= {f"{split}/rgb/{name}.png" for name in names} | {f"{split}/xyz/{name}.tiff" for name in names}
    for label in ("good", *KINDS):
        expected |= {f"test/{label}/{kind}" for kind in ("rgb/000.png", "xyz/000.tiff", "gt/000.png")}
    assert files == expected


def test_files_hold_what_was_drawn(ring):
    scene = draw(spawn(7, "ring/test/dent/0"), "ring", "dent", size=40)
    rgb, truth = Image.open(ring / "test/dent/rgb/000.png"), Image.open(ring / "test/dent/gt/000.png")
    xyz = tifffile.imread(ring / "test/dent/xyz/000.tiff")
    assert (rgb.mode, truth.mode) == ("RGB", "L")
    np.testing.assert_array_equal(np.asarray(rgb), scene.rgb)
    np.testing.assert_array_equal(np.asarray(truth), scene.truth)
    assert xyz.dtype == np.float32
    lost = np.isnan(scene.xyz[..., 0])
    np.testing.assert_array_equal(xyz[~lost], scene.xyz[~lost])
    assert lost.any()
    assert not xyz[lost].any(), "no return is (0, 0, 0), as there"


def test_class_ids_name_every_value_of_the_masks(ring):
    names = json.loads((ring / "class_ids.json").read_text())
    assert names["0"] == "good"
    assert {name: int(number) for number, name in names.items()} == CLASS_IDS
    for kind in KINDS:
        values = {str(value) for value in np.unique(np.asarray(Image.open(ring / f"test/{kind}/gt/000.png")))}
        assert values <= set(names)
        assert kind == "combined" or {names[value] for value in values} == {"good", kind}
    assert not np.asarray(Image.open(ring / "test/good/gt/000.png")).any()


def test_the_calibration_projects_points_onto_their_pixels(ring):
    camera = json.loads((ring / "calibration/camera_parameters.json").read_text())
    x, y, z = np.moveaxis(tifffile.imread(ring / "train/good/xyz/000.tiff").astype(float), 2, 0)
    seen = z > 0
    rows, columns = np.nonzero(seen)
    np.testing.assert_allclose(x[seen] / z[seen] * camera["focus"] / camera["sx"] + camera["cx"], columns, atol=1e-3)
    np.testing.assert_allclose(y[seen] / z[seen] * camera["focus"] / camera["sy"] + camera["cy"], rows, atol=1e-3)
    assert (camera["image_width"], camera["image_height"]) == (40, 40)


def test_what_it_was_made_with_stands_beside_the_data(ring):
    about = json.loads((ring / "synth.json").read_text())
    assert about["version"] == VERSION
    assert about["thresholds"] == THRESHOLDS
    assert (about["seed"], about["family"], about["contrast"], about["size"]) == (7, "ring", "medium", 40)
    assert (about["good"], about["per_defect"]) == (2, 1)


def test_the_same_seed_gives_the_same_bytes_whatever_the_jobs(ring, tmp_path):
    generate(tmp_path / "again", seed=7, family="ring", jobs=2, **SMALL)
    assert digests(tmp_path / "again") == digests(ring)


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_parts_are_drawn_wherever_joblib_is_told_to(ring, tmp_path, backend):
    with joblib.parallel_config(backend=backend, n_jobs=2):
        generate(tmp_path / "again", seed=7, family="ring", **SMALL)
    assert digests(tmp_path / "again") == digests(ring)


def test_more_parts_leave_the_first_ones_as_they_were(ring, tmp_path):
    generate(tmp_path / "more", seed=7, family="ring", **SMALL | {"good": 3, "validation": 0, "test_good": 2})
    more, before = digests(tmp_path / "more"), digests(ring)
    same = [name for name in before if name in more and name != "synth.json"]
    assert len(same) == len(before) - 3, "all but synth.json and the two files of the validation part"
    assert all(more[name] == before[name] for name in same)


def test_parts_of_a_set_differ_and_so_do_those_of_another_seed(ring, tmp_path):
    generate(tmp_path / "other", seed=8, family="ring", **SMALL)
    other, before = digests(tmp_path / "other"), digests(ring)
    pictures = [value for one in (other, before) for name, value in one.items() if "/rgb/" in name]
    assert len(set(pictures)) == len(pictures)


def test_another_contrast_has_the_same_good_parts(ring, tmp_path):
    generate(tmp_path / "hard", seed=7, family="ring", contrast="hard", **SMALL)
    hard, medium = digests(tmp_path / "hard"), digests(ring)
    assert all(hard[name] == medium[name] for name in medium if "/good/" in name)
    assert hard["test/dent/xyz/000.tiff"] != medium["test/dent/xyz/000.tiff"]


def test_all_families_have_a_folder_each_with_what_each_has_alone(ring, tmp_path):
    folders = generate(tmp_path / "some" / "all", seed=7, **SMALL)
    assert folders == tuple(tmp_path / "some" / "all" / family for family in FAMILIES)
    assert digests(tmp_path / "some" / "all" / "ring") == digests(ring)


def test_an_empty_folder_is_taken_and_a_full_one_left_alone(tmp_path):
    (tmp_path / "new").mkdir()
    generate(tmp_path / "new", seed=0, family="tube", **SMALL | {"per_defect": 0})
    before = digests(tmp_path / "new")
    with pytest.raises(
        InputError, match="new holds other things, such as calibration: choose another folder, or empty it"
    ):
        generate(tmp_path / "new", seed=1, family="tube", **SMALL)
    assert digests(tmp_path / "new") == before
    assert [path.name for path in tmp_path.iterdir()] == ["new"], "nothing beside it"


def test_a_relative_path_and_a_link_are_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    os.symlink("real", "link")
    generate(Path("link"), seed=0, family="tube", **SMALL | {"per_defect": 0})
    assert (tmp_path / "real" / "class_ids.json").is_file()
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError, OSError(28, "No space left on device")])
def test_nothing_is_left_of_what_was_not_completed(failure, tmp_path, monkeypatch):
    written = []

    def fail(*arguments, **options):
        written.append(arguments)
        if len(written) == 3:
            raise failure
        return write(*arguments, **options)

    write = module.write_scene
    monkeypatch.setattr(module, "write_scene", fail)
    with pytest.raises(OSError if isinstance(failure, OSError) else failure):
        generate(tmp_path / "new", seed=0, family="ring", **SMALL)
    assert len(written) == 3
    assert list(tmp_path.iterdir()) == []


def test_places_where_nothing_can_be_written_are_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        generate(tmp_path / "file", seed=0, family="ring", **SMALL)
    with pytest.raises(InputError, match="file is not a folder"):
        generate(tmp_path / "file" / "below", seed=0, family="ring", **SMALL)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"seed": None},
        {"family": "cube"},
        {"good": 0},
        {"good": 1.5},
        {"validation": -1},
        {"test_good": "3"},
        {"per_defect": -2},
        {"contrast": "high"},
        {"size": 8},
        {"jobs": 0},
        {"jobs": 1.5},
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(wrong, tmp_path):
    with pytest.raises(InputError, match=next(iter(wrong))):
        generate(tmp_path / "new", **{"seed": 0, "family": "ring", **SMALL, **wrong})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("library", ["tifffile", "PIL"])
def test_a_library_that_is_missing_is_named_before_anything_is_written(library, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"latticework\[anomaly\]"):
        generate(tmp_path / "new", seed=0, family="ring", **SMALL)
    assert list(tmp_path.iterdir()) == []
