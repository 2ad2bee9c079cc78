"""What is written: maps that lie where the images do, draws as they are, and strict tables."""

import copy
import csv
import json
import os
import stat
from pathlib import Path

import nibabel
import numpy as np
import pytest
from mediation.conftest import LAS, NASTY

from latticework.core.errors import InputError
from latticework.mediation.draws import inference_data, write_netcdf
from latticework.mediation.effects import import_arviz
from latticework.mediation.export import write_effects, write_maps, write_results

ALWAYS = {
    "effect_mean", "effect_sd", "effect_lower", "effect_upper", "effect_positive", "selected",
    "alpha_mean", "alpha_sd", "beta_mean", "beta_sd",
}  # fmt: skip


def names(written):
    return {path.rpartition("/")[2].removesuffix(".nii.gz") for path in written}


def strict(path):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(path.read_text("utf-8"), parse_constant=refuse)


def test_maps_lie_in_the_world_as_the_images_did(volume, tmp_path):
    written = volume.to_nifti(tmp_path / "maps")
    assert names(written) == ALWAYS | {"nu_mean", "nu_sd", "nu_included", "maps.json"}
    for path in written[:-1]:
        image = nibabel.load(path)
        assert np.array_equal(image.affine, LAS)
        assert nibabel.aff2axcodes(image.affine) == ("L", "A", "S")
        assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (4, 1)
        values = np.asarray(image.dataobj)
        assert np.isfinite(values).all()
        assert not values[~volume.space_.mask].any()


def test_maps_hold_what_the_model_says(volume, tmp_path):
    write_maps(volume, tmp_path / "maps")
    mask, maps = volume.space_.mask, volume.maps_

    def read(name):
        return np.asarray(nibabel.load(tmp_path / "maps" / f"{name}.nii.gz").dataobj)[mask]

    for name, values in (
        ("effect_mean", maps.effect), ("effect_lower", maps.effect_lower), ("effect_positive", maps.positive),
        ("alpha_sd", maps.alpha_sd), ("beta_mean", maps.beta), ("nu_included", volume.included_),
    ):  # fmt: skip
        np.testing.assert_allclose(read(name), values, rtol=1e-6, atol=1e-12)
    assert read("selected").dtype == np.uint8
    assert np.array_equal(read("selected"), volume.select())


def test_a_threshold_adds_its_probabilities_and_selects_by_them(thresholded, tmp_path):
    written = write_maps(thresholded, tmp_path / "maps")
    assert names(written) == ALWAYS | {"pip", "maps.json"}
    chosen = np.asarray(nibabel.load(tmp_path / "maps" / "selected.nii.gz").dataobj)
    assert int(chosen.sum()) == int((thresholded.pip_ > 0.5).sum())
    assert "'pip'" in strict(tmp_path / "maps" / "maps.json")["maps"]["selected.nii.gz"]["is"]


def test_every_map_has_a_meaning_and_a_unit_with_the_users_names(volume, tmp_path):
    written = write_maps(volume, tmp_path / "maps")
    about = strict(tmp_path / "maps" / "maps.json")
    assert [path.rpartition("/")[2] for path in written[:-1]] == list(about["maps"])
    assert about["maps"]["effect_mean.nii.gz"]["unit"] == f"score {NASTY} per unit of dose {NASTY}"
    assert all(one["is"] and one["unit"] for one in about["maps"].values())


def test_maps_of_an_earlier_call_are_replaced_and_nothing_else_is(basmu, thresholded, tmp_path):
    maps = tmp_path / "some" / "maps"
    write_maps(basmu, maps)
    write_maps(thresholded, maps)
    assert "nu_mean.nii.gz" not in {path.name for path in maps.iterdir()}
    (maps / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds other things, such as notes\.txt"):
        write_maps(basmu, maps)
    assert (maps / "notes.txt").read_text() == "mine"
    assert (maps / "pip.nii.gz").exists()
    assert {path.name for path in maps.parent.iterdir()} == {"maps"}


def test_a_folder_of_other_things_is_refused_even_if_they_are_called_as_ours(basmu, tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    (folder / "effect_mean.nii.gz").write_text("somebody's")
    with pytest.raises(InputError, match="holds other things"):
        write_maps(basmu, folder)
    for damaged in ("{", "[]", '{"kind": "latticework mediation maps", "maps": 1}'):
        (folder / "maps.json").write_text(damaged)
        with pytest.raises(InputError, match="holds other things"):
            write_maps(basmu, folder)


def test_without_a_grid_there_are_no_maps_and_the_message_says_how_to_give_one(basmu, tmp_path):
    model = copy.copy(basmu)
    model.space_ = None
    with pytest.raises(InputError, match="mask="):
        write_maps(model, tmp_path / "maps")
    written = write_results(model, tmp_path / "results")
    assert names(written) == {"effects.csv", "effects.json", "draws.nc"}


@pytest.mark.parametrize("write", [write_maps, write_netcdf])
def test_targets_that_cannot_be_written_are_refused(basmu, tmp_path, write):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match=r"file is a file|there is no folder"):
        write(basmu, tmp_path / "file" / "there")
    (tmp_path / "folder").mkdir()
    wrong = tmp_path / ("file" if write is write_maps else "folder")
    with pytest.raises(InputError, match="is a f"):
        write(basmu, wrong)
    with pytest.raises(InputError, match="is a file, expected the name of a folder"):
        write_effects(basmu, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_arviz_has_the_draws_as_they_are(volume):
    data = volume.to_arviz()
    posterior = data.posterior
    shape = volume.posterior_.direct.shape
    assert np.array_equal(posterior["nde"].values, volume.posterior_.direct)
    np.testing.assert_allclose(posterior["nie"].values.ravel(), volume.nie_)
    np.testing.assert_allclose(posterior["te"].values.ravel(), volume.te_)
    np.testing.assert_allclose(posterior["proportion_mediated"].values.ravel(), volume.proportion_mediated_)
    assert np.array_equal(posterior["alpha"].values, volume.posterior_.alpha)
    assert np.array_equal(posterior["beta"].values, volume.posterior_.beta)
    assert np.array_equal(posterior["nu"].values, volume.posterior_.projected)
    assert posterior["nie_region"].dims == ("chain", "draw", "region")
    assert posterior["region"].values.tolist() == [block.name for block in volume.basis_.blocks]
    np.testing.assert_allclose(posterior["nie_region"].sum("region").values, volume.nie_.reshape(shape))
    assert np.array_equal(posterior["sigma_outcome"].values, volume.posterior_.sigmas["sigma_outcome"])
    assert data.attrs["class"] == "BASMU"
    assert json.loads(data.attrs["prior"])["direct_effect_sd"] == volume.prior_.direct_effect_sd
    assert data.attrs["handed_on"] == "draws of the exposure's effects, and the mean share of individual effects"


def test_bima_has_no_confounder_in_arviz(thresholded):
    data = inference_data(thresholded)
    assert "nu" not in data.posterior
    assert data.attrs["handed_on"] == "not applicable"
    assert json.loads(data.attrs["thresholds"]) == pytest.approx([0.05, 0.05])


def test_netcdf_comes_back(volume, tmp_path):
    path = write_netcdf(volume, tmp_path / "draws.nc")
    before = (tmp_path / "draws.nc").read_bytes()
    assert path == write_netcdf(volume, tmp_path / "draws.nc")
    assert (tmp_path / "draws.nc").read_bytes() == before
    back = import_arviz("reading").from_netcdf(path)
    assert np.array_equal(back.posterior["nde"].values, volume.posterior_.direct)
    assert NASTY in back.posterior["region"].values[0]
    assert back.attrs["outcome"] == f"score {NASTY}"
    back.close()
    assert {file.name for file in tmp_path.iterdir()} == {"draws.nc"}


def test_tables_of_effects_agree_and_are_strict(volume, tmp_path):
    write_effects(volume, tmp_path / "new" / "folder")
    about = strict(tmp_path / "new" / "folder" / "effects.json")
    with (tmp_path / "new" / "folder" / "effects.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["effect"] for row in rows] == [one["effect"] for one in about["effects"]]
    assert [row["region"] for row in rows][-2:] == [f"left {NASTY}", "right"]
    proportion = next(one for one in about["effects"] if one["effect"] == "proportion mediated")
    assert proportion["mean"] is None
    assert next(row for row in rows if row["effect"] == "proportion mediated")["mean"] == ""
    assert float(rows[0]["median"]) == pytest.approx(about["effects"][0]["median"], rel=1e-12)
    assert about["diagnosis"]["warnings"] == list(volume.diagnose().warnings)
    assert about["diagnosis"]["prior_share"] == pytest.approx(volume.diagnose().prior_share)


def test_all_results_are_written_and_other_files_stay(basmu, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    written = write_results(basmu, tmp_path)
    assert {"effects.csv", "effects.json", "draws.nc", "effect_mean", "maps.json"} <= names(written)
    assert write_results(basmu, tmp_path) == written
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_nothing_is_written_if_the_folder_of_maps_is_somebody_elses(basmu, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "atlas.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other things"):
        write_results(basmu, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"maps"}


def test_a_full_disk_is_told_with_the_folder(basmu, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("latticework.core.folders._put_in_place", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/maps'"):
        write_maps(basmu, tmp_path / "maps")
    assert not any(tmp_path.iterdir())


@pytest.fixture
def common_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_files_can_be_read_by_others(basmu, tmp_path, common_umask):
    written = [Path(path) for path in write_results(basmu, tmp_path / "results")]
    for path in {*written, *(path.parent for path in written)}:
        assert oct(stat.S_IMODE(path.stat().st_mode)) == ("0o755" if path.is_dir() else "0o644"), path
