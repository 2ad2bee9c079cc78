"""What may be given for parts, and how good ones are divided."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from anomaly.detectors import part, parts

from latticework.anomaly import M3DMConfig, Sample, read_folder, read_sample
from latticework.anomaly.scans.arrays import write_xyz
from latticework.anomaly.scans.inputs import list_parts, name_of, read, train_held_out_split, unit_of
from latticework.core.errors import InputError

image_module = pytest.importorskip("PIL.Image")
pytest.importorskip("tifffile")

CONFIG = M3DMConfig(size=64)


def save(folder, sample, stem="000"):
    for kind in ("rgb", "xyz"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    image_module.fromarray(sample.rgb).save(folder / f"rgb/{stem}.png")
    write_xyz(folder / f"xyz/{stem}.tiff", sample.xyz)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    for number, place in enumerate(("train/good", "train/good", "train/good", "validation/good", "test/good")):
        save(root / place, part(number), f"{number:03}")
    return root


def names(found):
    return [item.name for item in found]


def test_folders_are_listed_by_split_and_not_read(folder):
    assert names(list_parts(folder, split="train")) == ["train/good/000", "train/good/001", "train/good/002"]
    assert names(list_parts(str(folder), split="test")) == ["test/good/004"]
    with pytest.raises(InputError, match="test_private"):
        list_parts(folder, split="test_private")


def test_anything_that_is_a_part_will_do(folder):
    sample, found = part(7), read_folder(folder)[0]
    file = folder / "train/good/rgb/001.png"
    assert list_parts(sample, split="test") == [sample]
    assert list_parts(found, split="test") == [found]
    assert len(list_parts(file, split="test")) == 1
    mixed = list_parts((given for given in (sample, found, file, str(file))), split="test")
    assert mixed[:2] == [sample, found]
    assert [np.array_equal(read(item).rgb, part(1).rgb) for item in mixed[2:]] == [True, True]
    assert list_parts(np.array([sample, found], dtype=object).tolist(), split="test") == [sample, found]


def test_a_part_is_read_however_it_is_given(folder):
    for given in (
        part(0),
        read_folder(folder)[0],
        folder / "train/good/rgb/000.png",
        str(folder / "train/good/xyz/000.tiff"),
    ):
        found = read(given)
        assert isinstance(found, Sample)
        assert np.array_equal(found.rgb, part(0).rgb)
        np.testing.assert_array_equal(found.xyz, part(0).xyz)


def test_folders_and_files_are_read_in_the_unit_that_is_asked_for(folder):
    file = folder / "train/good/xyz/001.tiff"
    for given in (folder, file, [file, str(file)]):
        parts = list_parts(given, split="train", unit="mm")
        assert unit_of(parts) == "mm"
    found = read_folder(file)
    assert list_parts(found, split="train", unit="mm") == found  # which has its own
    with pytest.warns(UserWarning, match="another unit than mm"):
        scaled = read(file, unit="mm")
    np.testing.assert_allclose(scaled.xyz, read(file).xyz / 1000, rtol=1e-5)
    train, aside, _ = train_held_out_split(folder, None, CONFIG, 0, unit="cm")
    assert unit_of([*train, *aside]) == "cm"
    assert unit_of([*train, part(0)]) == "m"
    assert unit_of([part(0)]) == "m"


@pytest.mark.parametrize(
    "wrong, message",
    [
        (None, "got NoneType"),
        (3, "got int"),
        (np.zeros((2, 4, 4, 3)), "got ndarray"),
        ([], "list is empty"),
        ((), "list is empty"),
        ([part(0), None], "part 1 is a NoneType"),
        ([part(0).rgb], "part 0 is a ndarray"),
        (b"rgb", "part 0 is a int"),
        ("nowhere", "no such file or folder"),
        (["nowhere.png"], "no such file or folder"),
    ],
)
def test_anything_else_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        list_parts(wrong, split="train")


@pytest.mark.parametrize("wrong", [None, 3, [part(0)], part(0).rgb])
def test_one_part_is_asked_for(wrong):
    with pytest.raises(InputError, match="a part is a Sample"):
        read(wrong)


def test_where_one_may_not_look_there_is_no_part(monkeypatch):
    stat = os.stat

    def refusing(path, *arguments, **options):
        if "closed/" in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refusing)
    for place in ("closed/b.png", "a" * 300):
        for ask in (read, read_sample, lambda part: list_parts([part], split="train")):
            with pytest.raises(InputError, match=r"there is no such file|cannot be read|parts are read from"):
                ask(place)


def test_folders_among_files_and_for_one_part_are_refused(folder):
    with pytest.raises(InputError, match="is a folder"):
        list_parts([folder], split="train")
    with pytest.raises(InputError, match="is a folder"):
        read(folder)


@pytest.mark.parametrize(
    "count, share, aside",
    [(1, 0.25, 0), (1, 0.6, 0), (2, 0.25, 1), (2, 0.9, 1), (5, 0.01, 1), (20, 0.25, 5), (20, 0.99, 19), (6, 0, 0)],
)
def test_a_share_is_set_aside_and_something_is_left(count, share, aside):
    given = parts(count)
    train, held_out, _ = train_held_out_split(given, None, M3DMConfig(held_out=share), 0)
    assert (len(train), len(held_out)) == (count - aside, aside)
    assert sorted(names(train + held_out)) == sorted(names(given))
    assert names(train) == [name for name in names(given) if name in names(train)]


def test_which_are_set_aside_follows_from_the_seed():
    chosen = [names(train_held_out_split(parts(12), None, CONFIG, seed)[1]) for seed in (0, 0, 1, 2, 3)]
    assert chosen[0] == chosen[1]
    assert len({tuple(each) for each in chosen}) > 1


def test_parts_that_are_given_are_set_aside_and_all_others_learnt():
    train, held_out, _ = train_held_out_split(parts(3), parts(2, first=10), CONFIG, 0)
    assert names(train) == ["part 0", "part 1", "part 2"]
    assert names(held_out) == ["part 10", "part 11"]


def test_the_validation_split_of_a_folder_is_set_aside(folder):
    train, held_out, drawn = train_held_out_split(folder, None, CONFIG, 0)
    assert (len(train), drawn) == (3, False)
    assert names(held_out) == ["validation/good/003"]
    train, held_out, _ = train_held_out_split(folder, parts(1), CONFIG, 0)
    assert names(held_out) == ["part 0"]
    train, held_out, drawn = train_held_out_split(folder / "train", None, CONFIG, 0)
    assert (len(train), len(held_out), drawn) == (2, 1, True)


def test_defective_parts_are_no_good_ones():
    bad = part(1, "dent")
    for given, held_out in (([part(0), bad], None), (parts(3), [bad])):
        with pytest.raises(InputError, match=r"^dent 1 is labelled as defective \(dent\): a detector learns from good"):
            train_held_out_split(given, held_out, CONFIG, 0)


def test_parts_of_which_nothing_is_known_may_be_good():
    assert len(train_held_out_split([part(0, label=None, truth=None)], None, CONFIG, 0)[0]) == 1


def test_defective_parts_of_a_folder_are_refused_before_any_is_read(tmp_path):
    for label in ("good", "cut"):
        (tmp_path / f"train/{label}/rgb").mkdir(parents=True)
        (tmp_path / f"train/{label}/rgb/000.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="train/cut/000 is labelled as defective"):
        train_held_out_split(tmp_path, None, CONFIG, 0)


@pytest.mark.parametrize(
    "part, name",
    [("scans/a.b.tiff", "a.b"), (Path("x.png"), "x"), (Sample.of(rgb=np.zeros((2, 2, 3)), name="cut/1"), "cut/1")],
    ids=str,
)
def test_a_part_has_a_name_before_it_is_read(part, name):
    assert name_of(part) == name
