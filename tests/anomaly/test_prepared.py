import json
import shutil
import warnings

import joblib
import numpy as np
import pytest
from anomaly.grounds import disc, overlap, table

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import describe
from latticework.anomaly.part_warnings import noted
from latticework.anomaly.preparation import prepared
from latticework.anomaly.preparation.frames import frame
from latticework.anomaly.preparation.prepared import preprocess_folder
from latticework.anomaly.preparation.squares import Square
from latticework.anomaly.scans.arrays import write_xyz
from latticework.anomaly.scans.folders import find_splits, read_class_ids, read_folder
from latticework.core import progress
from latticework.core.errors import InputError

image_module = pytest.importorskip("PIL.Image")
pytest.importorskip("tifffile")

PART = disc(96, 128, 48, 60, 25)
XYZ = table(96, 128, heights=np.where(PART, 0.02, 0.0), noise=0, missing=0)
RGB = np.random.default_rng(0).integers(1, 256, (96, 128, 3), dtype=np.uint8)
TRUTH = disc(96, 128, 50, 60, 5) * np.uint8(254)
PARTS = ("train/good/000", "train/good/001", "test/cut/000", "test/good/000")


def save(file, values):
    file.parent.mkdir(parents=True, exist_ok=True)
    image_module.fromarray(values).save(file)


@pytest.fixture
def source(tmp_path):
    for name in PARTS:
        folder, stem = (tmp_path / "raw" / name).parent, name[-3:]
        save(folder / f"rgb/{stem}.png", RGB)
        save(folder / f"gt/{stem}.png", TRUTH if "cut" in name else TRUTH * 0)
        (folder / "xyz").mkdir(exist_ok=True)
        write_xyz(folder / f"xyz/{stem}.tiff", XYZ)
    (tmp_path / "raw/class_ids.json").write_text('{"0": "good", "254": "cut"}')
    return tmp_path / "raw"


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_folder_is_written_in_the_layout_that_it_has(source, tmp_path):
    before = contents(source)
    done = preprocess_folder(source, tmp_path / "ready", size=None)
    assert (set(done.written), done.there, done.failed, done.doubts) == (set(PARTS), (), {}, {})
    assert contents(source) == before
    parts = read_folder(tmp_path / "ready")
    assert [(part.name, part.label) for part in parts] == [(part.name, part.label) for part in read_folder(source)]
    assert list(find_splits(tmp_path / "ready")) == ["train", "test"]
    assert read_class_ids(tmp_path / "ready") == {0: "good", 254: "cut"}
    cut = next(part.read() for part in parts if part.label == "cut")
    assert np.array_equal(cut.mask, PART)
    assert np.array_equal(cut.truth, TRUTH)
    assert np.array_equal(cut.xyz, np.where(PART[..., None], XYZ, np.nan), equal_nan=True)
    assert np.array_equal(cut.rgb, RGB * PART[..., None])


def test_parts_are_brought_to_a_size_as_frames_are(source, tmp_path):
    preprocess_folder(source, tmp_path / "ready", size=64, split="test")
    sample = read_folder(tmp_path / "ready")[0].read()
    square = Square(96, 128, 64)
    assert sample.size == (64, 64)
    assert np.array_equal(sample.mask, square.nearest(PART, fill=False))
    assert np.array_equal(sample.xyz[sample.mask], square.nearest(XYZ, fill=np.nan)[sample.mask])


def test_no_pixel_of_a_defect_is_lost_and_truths_are_those_of_the_raw_folder(source, tmp_path):
    scratch = np.zeros((96, 128), dtype=np.uint8)
    scratch[40:56, 60] = 254  # narrower than what becomes one pixel
    save(source / "test/cut/gt/000.png", scratch)
    preprocess_folder(source, tmp_path / "ready", size=32, split="test")
    parts = [read_folder(folder, split="test")[0].read() for folder in (source, tmp_path / "ready")]
    raw, ready = (describe(part, ("geometry",), M3DMConfig(size=32)) for part in parts)
    assert np.array_equal(ready.truth, raw.truth)
    assert np.count_nonzero(ready.truth) == 4


def test_what_was_written_is_found_again_and_not_cut_twice(source, tmp_path):
    preprocess_folder(source, tmp_path / "ready", size=None)
    for raw, ready in zip(read_folder(source), read_folder(tmp_path / "ready"), strict=True):
        first, second = (frame(part.read()).foreground.numpy() for part in (raw, ready))
        assert overlap(first, second) > 0.97


def test_a_run_goes_on_where_it_was_and_a_bad_file_is_no_reason_to_stop(source, tmp_path):
    bad = source / "train/good/rgb/000.png"
    good = bad.read_bytes()
    bad.write_bytes(b"no picture")
    done = preprocess_folder(source, tmp_path / "ready")
    assert list(done.failed) == ["train/good/000"]
    assert "000.png is no picture" in done.failed["train/good/000"]
    assert len(done.written) == 3
    bad.write_bytes(good)
    (tmp_path / "ready/test/cut/mask/000.png").unlink()  # as if it had been stopped before the end of this part
    before = contents(tmp_path / "ready")
    done = preprocess_folder(source, tmp_path / "ready")
    assert set(done.written) == {"train/good/000", "test/cut/000"}
    assert set(done.there) == {"train/good/001", "test/good/000"}
    after = contents(tmp_path / "ready")
    assert {name: after[name] for name in before} == before
    whole = preprocess_folder(source, tmp_path / "whole")
    assert (len(whole.written), contents(tmp_path / "whole")) == (4, after)


def test_a_part_without_a_partner_is_no_reason_to_stop(source, tmp_path):
    (source / "train/good/rgb/000.png").unlink()
    done = preprocess_folder(source, tmp_path / "ready")
    assert set(done.written) == set(PARTS) - {"train/good/000"}
    assert list(done.failed) == ["train/good/000"]
    assert "xyz/000.tiff: without rgb: files of one part" in done.failed["train/good/000"]


def test_truths_of_some_defects_alone_are_refused_before_anything_is_written(source, tmp_path):
    shutil.copy(source / "test/cut/rgb/000.png", source / "test/cut/rgb/001.png")
    shutil.copy(source / "test/cut/xyz/000.tiff", source / "test/cut/xyz/001.tiff")
    with pytest.raises(InputError, match=r"test/cut/gt lacks 001: give one for each part, or none"):
        preprocess_folder(source, tmp_path / "ready")
    assert not (tmp_path / "ready").exists()
    (source / "test/cut/rgb/001.png").unlink()  # then it is left out, and needs none
    (source / "test/good/gt/000.png").unlink()  # good ones need none either
    assert list(preprocess_folder(source, tmp_path / "ready").failed) == ["test/cut/001"]
    assert len(read_folder(tmp_path / "ready")) == len(PARTS)


def test_what_holds_for_many_parts_is_said_once(source, tmp_path):
    with pytest.warns(UserWarning, match="less than 1 mm") as caught:
        preprocess_folder(source, tmp_path / "ready", unit="mm")
    first, more = (str(warning.message) for warning in caught)
    assert {warning.filename for warning in caught} == {__file__}
    assert "rgb" not in first.split(":")[0]
    assert more.startswith("3 more parts: the points span less than 1 mm")
    with noted() as notes:
        preprocess_folder(source, tmp_path / "again", unit="mm")
    assert len(notes) == 4


def test_splits_can_be_written_one_after_the_other(source, tmp_path):
    assert len(preprocess_folder(source, tmp_path / "ready", split="train").written) == 2
    done = preprocess_folder(source, tmp_path / "ready")
    assert (len(done.written), len(done.there)) == (2, 2)


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_the_work_is_done_wherever_joblib_is_told_to(source, tmp_path, backend):
    preprocess_folder(source, tmp_path / "one")
    with joblib.parallel_config(backend=backend, n_jobs=2):
        preprocess_folder(source, tmp_path / "two")
    with joblib.parallel_config(backend=backend):
        preprocess_folder(source, tmp_path / "three", jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "three")
    with pytest.raises(InputError, match="jobs=0"):
        preprocess_folder(source, tmp_path / "four", jobs=0)
    assert not (tmp_path / "four").exists()


def test_nothing_is_written_in_place(source):
    before = contents(source)
    for target in (source, source / "ready", source.parent, source / "../raw"):
        with pytest.raises(InputError, match="is the folder of the parts, or in it or around it"):
            preprocess_folder(source, target)
    with pytest.raises(InputError, match="is the folder of the parts"):
        preprocess_folder(source / "train/good/rgb/000.png", source / "train/good/rgb")
    assert contents(source) == before


def test_a_link_to_the_folder_is_the_folder(source, tmp_path):
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(InputError, match="is the folder of the parts"):
        preprocess_folder(source, tmp_path / "link")


def test_a_folder_with_other_things_or_settings_is_refused(source, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used/note.txt").write_text("mine")
    with pytest.raises(InputError, match=r"used holds other things, such as note\.txt: choose another folder"):
        preprocess_folder(source, tmp_path / "used")
    assert contents(tmp_path / "used") == {"note.txt": b"mine"}
    preprocess_folder(source, tmp_path / "ready", split="test")
    with pytest.raises(InputError, match=r"written with size=224, not 64, pieces=0\.1, not 0\.5: give a new fo"):
        preprocess_folder(source, tmp_path / "ready", size=64, pieces=0.5)
    settings = tmp_path / "ready" / prepared.SETTINGS
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "more": 1}))
    with pytest.raises(InputError, match="ready was written with more settings"):
        preprocess_folder(source, tmp_path / "ready")
    for text in ("{", "[1]", "[" * 100_000):
        settings.write_text(text)
        with pytest.raises(InputError, match="give a new folder"):
            preprocess_folder(source, tmp_path / "ready")
    with pytest.raises(InputError, match=r"note\.txt cannot be written: .*is not a folder"):
        preprocess_folder(source, tmp_path / "used/note.txt")


def test_a_run_that_was_stopped_at_its_beginning_can_begin_again(source, tmp_path):
    (tmp_path / "ready").mkdir()
    (tmp_path / "ready/class_ids.json").write_text("{}")
    (tmp_path / "ready/.latticework-0123456789abcdef.tmp").write_text("")
    assert len(preprocess_folder(source, tmp_path / "ready").written) == 4


def test_colours_alone_and_plain_folders_are_written_too(tmp_path):
    rgb = np.where(PART[..., None], np.uint8(60), np.uint8(200)).repeat(3, axis=2)
    save(tmp_path / "raw/rgb/a.b.png", rgb)
    save(tmp_path / "raw/rgb/plain.png", rgb * 0)
    done = preprocess_folder(tmp_path / "raw", tmp_path / "ready")
    assert done.written == ("a.b", "plain")
    assert list(done.doubts) == ["plain"]
    told, plain = (part.read() for part in read_folder(tmp_path / "ready"))
    assert told.xyz is None
    assert 0.05 < told.mask.mean() < 0.3
    assert not told.rgb[~told.mask].any()
    assert plain.mask.mean() == pytest.approx(0.75, abs=0.01)  # all but the padding


def test_points_alone_and_files_side_by_side_get_folders(tmp_path):
    (tmp_path / "raw").mkdir()
    np.save(tmp_path / "raw/a.npy", XYZ)
    preprocess_folder(tmp_path / "raw", tmp_path / "ready", size=None)
    (part,) = read_folder(tmp_path / "ready")
    assert part.rgb is None
    assert np.array_equal(part.read().returned, PART)


def test_the_parts_of_eyecandies_keep_their_labels(tmp_path):
    folder, part = tmp_path / "raw/test_public/data", disc(512, 512, 200, 240, 100)
    save(folder / "000_image_4.png", part.astype(np.uint8)[..., None].repeat(3, axis=2) * 90)
    save(folder / "000_mask.png", disc(512, 512, 200, 240, 10) * np.uint8(255))
    save(folder / "000_depth.png", np.where(part, 30_000, 40_000).astype(np.uint16))
    (folder / "000_info_depth.yaml").write_text("normalization:\n  max: 0.6\n  min: 0.4\n")
    (folder / "000_metadata.yaml").write_text("anomalous: 1\ndents: 1\n")
    assert preprocess_folder(tmp_path / "raw", tmp_path / "ready", size=None).written == ("test_public/000",)
    (found,) = read_folder(tmp_path / "ready", split="test")
    assert (found.name, found.label) == ("test_public/dents/000", "dents")
    assert np.array_equal(found.read().mask, part)
    assert found.read().truth.any()
    (folder / "001_image_4.png").write_bytes((folder / "000_image_4.png").read_bytes())
    with pytest.raises(InputError, match="test_public/001 has no label that can be read, but test_public/000 has"):
        preprocess_folder(tmp_path / "raw", tmp_path / "more")
    assert not (tmp_path / "more").exists()


def test_what_has_no_place_left_is_reported(source, tmp_path):
    done = preprocess_folder(source, tmp_path / "ready", size=1)
    assert len(done.written) + len(done.failed) == 4
    assert all("nothing of the part is left at 1 x 1" in error for error in done.failed.values())


def test_a_mask_of_which_nothing_returned_is_told_at_any_size(source, tmp_path):
    save(source / "test/cut/mask/000.png", PART * np.uint8(255))
    write_xyz(source / "test/cut/xyz/000.tiff", np.where(PART[..., None], np.float32(np.nan), XYZ))
    for size, why in ((None, "no point returned where its mask is"), (64, "nothing of the part is left at 64 x 64")):
        done = preprocess_folder(source, tmp_path / f"ready{size}", size=size, split="test")
        assert done.failed == {"test/cut/000": f"test/cut/000: {why}"}


def test_what_cannot_be_written_ends_the_run_and_names_the_file(source, tmp_path):
    preprocess_folder(source, tmp_path / "ready", split="test")
    (tmp_path / "ready/train").write_text("in the way")
    with pytest.raises(InputError, match=r"ready/train/good/rgb/000\.png cannot be written: "):
        preprocess_folder(source, tmp_path / "ready")
    (tmp_path / "ready/train").unlink()
    assert len(preprocess_folder(source, tmp_path / "ready").written) == 2


def test_a_full_disk_ends_the_run_and_is_no_fault_of_a_part(source, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(prepared, "png_bytes", lambda values: b"")
    monkeypatch.setattr(prepared, "_open_target", lambda *_: None)
    monkeypatch.setattr(prepared, "write_output", full)
    with joblib.parallel_config(n_jobs=1), pytest.raises(OSError, match=r"No space left on device: .*ready/"):
        preprocess_folder(source, tmp_path / "ready")


def test_progress_and_what_was_left_out_are_told(source, tmp_path, capsys):
    (source / "train/good/rgb/000.png").write_bytes(b"")
    with progress.showing():
        preprocess_folder(source, tmp_path / "ready")
    told = capsys.readouterr().err
    assert "left out: train/good/000: " in told
    assert "preprocessing: 4 of 4 parts (100%)" in told


@pytest.mark.parametrize("options", [{"size": 0}, {"size": "x"}, {"pieces": 2}, {"split": "all"}, {"unit": "inch"}])
def test_options_that_cannot_be_are_refused_before_anything_is_written(source, tmp_path, options):
    with pytest.raises(InputError, match=next(iter(options))), warnings.catch_warnings():
        preprocess_folder(source, tmp_path / "ready", **options)
    assert not (tmp_path / "ready").exists()
