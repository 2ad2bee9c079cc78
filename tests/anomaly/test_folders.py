import errno
import os
import pickle
import re
import zipfile
from collections import Counter

import numpy as np
import pytest
from anomaly.layouts import RGB, TRUTH, XYZ, put
from anomaly.scans import refused, same

from latticework.anomaly.scans.folders import find_splits, read_class_ids, read_folder
from latticework.core.errors import InputError

image_module = pytest.importorskip("PIL.Image")
ONE_NAME = "files of one part have one name before the ending"


def names(found):
    return [part.name for part in found]


@pytest.fixture
def mvtec(tmp_path):
    put(tmp_path, *(f"train/good/{scans}" for scans in ("rgb/000.png", "xyz/000.npy", "rgb/001.png", "xyz/001.npy")))
    put(tmp_path, "validation/good/rgb/000.png", "validation/good/xyz/000.npy")
    put(tmp_path, *(f"test/good/{scans}" for scans in ("rgb/000.png", "xyz/000.npy")))
    put(tmp_path, *(f"test/cut/{scans}" for scans in ("rgb/000.png", "xyz/000.npy", "gt/000.png")))
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration/camera_parameters.json").write_text("{}")
    (tmp_path / "readme.txt").write_text("")
    (tmp_path / "class_ids.json").write_text('{"254": "cut", "0": "good"}')
    (tmp_path / "train/good/rgb/._000.png").write_bytes(b"\0")  # as a Mac leaves them
    return tmp_path


def test_the_layout_of_mvtec_is_listed_by_split_label_and_stem(mvtec):
    everything = read_folder(mvtec)
    assert names(everything) == [
        "train/good/000",
        "train/good/001",
        "validation/good/000",
        "test/cut/000",
        "test/good/000",
    ]
    assert [part.label for part in everything] == ["good", "good", "good", "cut", "good"]
    assert names(read_folder(mvtec, split="validation")) == ["validation/good/000"]
    assert list(find_splits(mvtec)) == ["train", "validation", "test"]
    assert read_class_ids(mvtec) == {254: "cut", 0: "good"}


def test_a_part_is_read_with_its_truth_which_is_0_for_good_ones(mvtec):
    cut, good = (part.read() for part in read_folder(mvtec, split="test"))
    assert same(cut.rgb, RGB)
    assert same(cut.xyz, XYZ)
    assert np.array_equal(cut.truth, TRUTH)
    assert (cut.name, cut.label, cut.is_good) == ("test/cut/000", "cut", False)
    assert (good.label, good.is_good, good.truth.shape, good.truth.any()) == ("good", True, (4, 6), False)


def test_folders_within_the_layout_are_folders_of_parts(mvtec):
    assert [(part.name, part.label) for part in read_folder(mvtec / "test")] == [
        ("cut/000", "cut"),
        ("good/000", "good"),
    ]
    assert [(part.name, part.label) for part in read_folder(mvtec / "test/cut")] == [("000", None)]
    assert read_folder(mvtec / "test/cut")[0].truth is not None
    assert names(read_folder(mvtec / "train", split="test")) == ["good/000", "good/001"]  # it is one whole


def test_one_file_brings_its_partners(mvtec):
    for file in ("rgb/000.png", "xyz/000.npy"):
        (part,) = read_folder(mvtec / "test/cut" / file)
        assert (part.rgb, part.xyz) == (mvtec / "test/cut/rgb/000.png", mvtec / "test/cut/xyz/000.npy")
        assert part.truth == mvtec / "test/cut/gt/000.png"
    (mvtec / "test/cut/rgb/009.png").write_bytes(b"")  # another's lack of a partner is no matter
    assert read_folder(mvtec / "test/cut/rgb/000.png")[0].name == "000"
    with pytest.raises(InputError, match="without xyz: 009"):
        read_folder(mvtec / "test/cut/rgb/009.png")
    with pytest.raises(InputError, match=r"class_ids\.json: parts are read from"):
        read_folder(mvtec / "class_ids.json")[0].read()
    (mvtec / "test/cut/rgb/a.txt").write_text("")
    with pytest.raises(InputError, match=r"a\.txt: what lies in rgb ends in \.png"):
        read_folder(mvtec / "test/cut/rgb/a.txt")


def test_a_bad_file_is_told_when_it_is_read_and_spoils_no_other(mvtec):
    (mvtec / "train/good/rgb/000.png").write_bytes(b"no picture")
    first, second = read_folder(mvtec, split="train")
    with pytest.raises(InputError, match=r"train/good/rgb/000\.png is no picture"):
        first.read()
    assert same(second.read().rgb, RGB)


def test_nothing_is_read_when_a_folder_is_listed(mvtec, monkeypatch):
    def never(*_, **__):
        raise AssertionError

    for module in ("images", "arrays", "pcd", "ply"):
        monkeypatch.setattr(f"latticework.anomaly.scans.{module}.read_bytes", never)
    assert len(read_folder(mvtec)) == 5


def test_what_was_found_can_be_sent_to_another_process(mvtec):
    part = read_folder(mvtec, split="test")[0]
    assert pickle.loads(pickle.dumps(part)) == part  # noqa: S301 - as joblib does


def test_missing_partners_are_listed(mvtec):
    put(mvtec, *(f"train/good/rgb/{number:03}.png" for number in range(2, 15)))
    put(mvtec, "train/good/xyz/020.npy")
    with pytest.raises(InputError, match=r"without rgb: 020; without xyz: 002, 003, .*006 and 8 more"):
        read_folder(mvtec)
    assert names(read_folder(mvtec, split="test")) == ["test/cut/000", "test/good/000"]


def test_parts_without_a_partner_may_be_told_one_by_one(mvtec):
    put(mvtec, "train/good/rgb/002.png", "train/good/xyz/003.npy", "test/cut/rgb/001.png", "test/cut/xyz/001.npy")
    found = {part.name: part for part in read_folder(mvtec, partners="reported")}
    assert len(found) == 8
    lacking = {name: part.fault for name, part in found.items() if part.fault}
    assert lacking == {
        "train/good/002": f"{mvtec}/train/good/rgb/002.png: without xyz: {ONE_NAME}",
        "train/good/003": f"{mvtec}/train/good/xyz/003.npy: without rgb: {ONE_NAME}",
    }
    for name, fault in lacking.items():
        with pytest.raises(InputError, match=re.escape(fault)):
            found[name].read()
    assert same(found["train/good/000"].read().rgb, RGB)
    assert found["test/cut/001"].read().truth is None  # which is no reason not to inspect it
    put(mvtec, "train/good/mask/000.png")
    lacking = [part.fault.split(": ")[1:2] for part in read_folder(mvtec, split="train", partners="reported")]
    assert lacking == [[], ["without mask"], ["without xyz, mask"], ["without rgb, mask"]]
    with pytest.raises(InputError, match="partners='some': expected one of required, reported"):
        read_folder(mvtec, partners="some")


def test_a_truth_that_some_defects_lack_is_listed(mvtec):
    put(mvtec, "test/cut/rgb/001.png", "test/cut/xyz/001.npy")
    with pytest.raises(InputError, match=r"test/cut/gt lacks 001: give one for each part, or none"):
        read_folder(mvtec)
    (mvtec / "test/cut/gt/000.png").unlink()
    assert [part.truth for part in read_folder(mvtec / "test")] == [None] * 3
    assert read_folder(mvtec / "test")[0].read().truth is None


def test_pairs_are_made_by_stem_not_by_order(tmp_path):
    put(tmp_path, "rgb/b.png", "rgb/a.jpg", "xyz/a.npy", "xyz/b.pcd")
    first, second = read_folder(tmp_path)
    assert (first.rgb.name, first.xyz.name) == ("a.jpg", "a.npy")
    assert (second.rgb.name, second.xyz.name) == ("b.png", "b.pcd")
    assert same(second.read().rgb, RGB)
    put(tmp_path, "rgb/a.png")
    with pytest.raises(InputError, match=r"rgb holds a\.jpg and a\.png, both for one part: remove one"):
        read_folder(tmp_path)
    first, second = read_folder(tmp_path, partners="reported")
    with pytest.raises(InputError, match=r"rgb holds a\.jpg and a\.png, both for one part: remove one"):
        first.read()
    assert same(second.read().rgb, RGB)


def test_colours_alone_or_points_alone_are_parts(tmp_path):
    put(tmp_path, "colour/rgb/a.png", "points/xyz/a.npy")
    assert read_folder(tmp_path / "colour")[0].read().xyz is None
    assert read_folder(tmp_path / "points")[0].read().rgb is None
    (tmp_path / "colour/xyz").mkdir()
    with pytest.raises(InputError, match="without xyz: a"):  # a copy that failed, more likely than colours alone
        read_folder(tmp_path / "colour")


def test_depths_are_read_with_the_camera_beside_or_above(tmp_path):
    put(tmp_path, "train/good/rgb/a.png", "train/good/depth/a.png")
    with pytest.raises(InputError, match=r"train/good/depth needs to know the camera: put intrinsics\.json"):
        read_folder(tmp_path)
    put(tmp_path, "calibration/camera_parameters.json")
    assert read_folder(tmp_path)[0].camera == tmp_path / "calibration/camera_parameters.json"
    put(tmp_path, "train/intrinsics.json")
    (part,) = read_folder(tmp_path)
    assert part.camera == tmp_path / "train/intrinsics.json"
    assert part.read().xyz[0, 0, 2] == pytest.approx((400 + int(RGB[0, 0, 0])) / 1000)
    with pytest.raises(InputError, match="needs to know the camera"):  # none above what was given
        read_folder(tmp_path / "train/good")
    put(tmp_path, "train/good/xyz/a.npy")
    with pytest.raises(InputError, match="holds xyz and depth"):
        read_folder(tmp_path)


def test_masks_are_for_one_part_or_for_all(tmp_path):
    put(tmp_path, "rgb/a.png", "rgb/b.png", "mask.png")
    assert [np.array_equal(part.read().mask, TRUTH > 0) for part in read_folder(tmp_path)] == [True, True]
    put(tmp_path, "mask/a.png")
    with pytest.raises(InputError, match="mask lacks b: give one for each part, or none"):
        read_folder(tmp_path)
    put(tmp_path, "mask/b.png")
    assert [part.mask.parent.name for part in read_folder(tmp_path)] == ["mask", "mask"]


def test_files_side_by_side_are_parts(tmp_path):
    put(tmp_path, "clouds/b.pcd", "clouds/a.npy", "clouds/mask.png", "both/a.png", "both/a.pcd", "pictures/a.png")
    assert [(part.name, part.file.name) for part in read_folder(tmp_path / "clouds")] == [
        ("a", "a.npy"),
        ("b", "b.pcd"),
    ]
    (part,) = read_folder(tmp_path / "both")
    assert same(part.read().rgb, RGB)
    assert same(part.read().xyz, XYZ)
    assert read_folder(tmp_path / "pictures")[0].read().xyz is None
    assert [(part.name, part.label) for part in read_folder(tmp_path)] == [
        ("both/a", "both"),
        ("clouds/a", "clouds"),
        ("clouds/b", "clouds"),
        ("pictures/a", "pictures"),
    ]
    put(tmp_path, "both/c.png")
    with pytest.raises(InputError, match="without xyz: c"):
        read_folder(tmp_path / "both")


def test_one_of_files_side_by_side_brings_its_partner(tmp_path, monkeypatch):
    put(tmp_path, "both/a.png", "both/a.pcd", "both/b.jpg", "both/b.npy", "both/c.png", "both/mask.png", "both/d.json")
    pairs = {part.name: part for part in read_folder(tmp_path / "both", partners="reported")}
    assert (list(pairs), "without xyz" in pairs["c"].fault) == (["a", "b", "c"], True)
    for file in ("a.png", "a.pcd", "b.jpg", "b.npy"):
        assert read_folder(tmp_path / "both" / file) == [pairs[file[0]]]
    (lone,) = read_folder(tmp_path / "both/c.png")
    assert (lone.file.name, lone.mask.name, lone.read().xyz) == ("c.png", "mask.png", None)
    put(tmp_path, "both/a.jpg", "both/rgb/a.png")  # a folder of scans beside them is not theirs
    assert read_folder(tmp_path / "both/a.png") == [pairs["a"]]
    with pytest.raises(InputError, match=r"a\.jpg and a\.png, both for one part"):
        read_folder(tmp_path / "both/a.pcd")
    with pytest.raises(InputError, match=r"d\.json: parts are read from"):
        read_folder(tmp_path / "both/d.json")[0].read()
    put(tmp_path, "rgb/e.png", "xyz/e.npy")
    monkeypatch.chdir(tmp_path / "rgb")
    assert same(read_folder("e.png")[0].read().xyz, XYZ)
    monkeypatch.chdir(tmp_path / "both")
    assert same(read_folder("b.jpg")[0].read().xyz, XYZ)


def test_tiffs_side_by_side_are_what_they_hold(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb")
    tifffile.imwrite(tmp_path / "b.tif", XYZ, photometric="rgb")
    first, second = (part.read() for part in read_folder(tmp_path))
    assert same(first.rgb, RGB)
    assert same(second.xyz, XYZ)


def test_a_tiff_beside_a_cloud_is_its_picture_and_beside_a_picture_its_cloud(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    put(tmp_path, "a.pcd", "b.png")
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb")
    tifffile.imwrite(tmp_path / "b.tif", XYZ, photometric="rgb")
    for part in read_folder(tmp_path):
        assert same(part.read().rgb, RGB)
        assert same(part.read().xyz, XYZ)
        for file in (part.rgb, part.xyz):
            assert read_folder(file) == [part]


def test_a_lone_tiff_of_colours_may_be_packed_in_any_way(tmp_path):
    pytest.importorskip("tifffile")
    image_module.fromarray(RGB).save(tmp_path / "a.tif", compression="tiff_lzw")
    assert same(read_folder(tmp_path)[0].read().rgb, RGB)


def test_other_pictures_beside_scans_are_no_matter(tmp_path):
    put(tmp_path, "rgb/a.png", "xyz/a.npy", "thumbnails/a.png")
    assert names(read_folder(tmp_path)) == ["a"]


def test_folders_beside_scans_need_not_be_open_to_all(tmp_path, monkeypatch):
    put(tmp_path, "rgb/a.png", "xyz/a.npy", "lost+found/rgb/a.png")
    stat = os.stat

    def refusing(path, *arguments, **options):
        if "lost+found/" in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refusing)
    assert names(read_folder(tmp_path)) == ["a"]


def test_a_unit_is_that_of_all_parts(tmp_path):
    (tmp_path / "xyz").mkdir()
    np.save(tmp_path / "xyz/a.npy", XYZ * 1000)
    assert np.allclose(read_folder(tmp_path, unit="mm")[0].read().xyz, XYZ, equal_nan=True)
    with pytest.raises(InputError, match="unit='inch'"):
        read_folder(tmp_path, unit="inch")


def test_folders_that_hold_no_parts_are_refused_with_what_to_do(tmp_path, mvtec):
    (tmp_path / "empty/rgb").mkdir(parents=True)
    (tmp_path / "none/deep/deeper").mkdir(parents=True)
    put(tmp_path, "mixed/a.png", "mixed/old/b.png", "classes/bagel/train/good/rgb/a.png", "classes/tire/test/cut/a.png")
    put(tmp_path, "scans/xyz/a.npy", "scans/good/xyz/b.npy", "pictures/rgb/a.png", "pictures/good/b.png")
    put(tmp_path, "twice/val/good/rgb/a.png", "twice/validation/good/rgb/a.png")
    for folder, message in (
        ("missing", "there is no such file or folder"),
        ("empty", "empty holds no part: rgb are empty"),
        ("none", "none holds no part: expected train, validation and test as MVTec 3D-AD"),
        ("mixed", r"mixed holds parts \(a\.png\) and folders of parts \(old\): give one of the folders"),
        ("scans", r"scans holds parts \(xyz\) and folders of parts \(good\): give one of the folders"),
        ("pictures", r"pictures holds parts \(rgb\) and folders of parts \(good\): give one of the folders"),
        ("classes", "classes holds 2 classes: give the folder of one: bagel, tire"),
        ("twice", "holds validation and val, which mean the same: remove one"),
        ("a" * 300, "there is no such file or folder|cannot be read: File name too long"),
    ):
        with pytest.raises(InputError, match=message):
            read_folder(tmp_path / folder)
    with pytest.raises(InputError, match="split='tests': expected one of train, validation, test, test_private"):
        read_folder(mvtec, split="tests")
    with pytest.raises(InputError, match="has no test_private: there is train, validation, test"):
        read_folder(mvtec, split="test_private")


def test_archives_are_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "parts.zip", "w") as archive:
        archive.writestr("../../evil.png", b"x")
    with pytest.raises(InputError, match=r"parts\.zip is an archive: unpack it, and give the folder"):
        read_folder(tmp_path / "parts.zip")
    assert [file.name for file in tmp_path.iterdir()] == ["parts.zip"]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b'{"a": "b"}', b'{"1": 2}', b'{"256": "a"}', b'{"1": "a", "1": "b"}', b"[" * 100_000, b"\xff"),
        *(b'{"1_0": "a"}', '{"\u0663": "a"}'.encode(), b'{"-1": "a"}', b'{"%s": "a"}' % (b"1" * 5000)),
    ],
)
def test_class_ids_that_are_none_are_refused(tmp_path, content):
    (tmp_path / "class_ids.json").write_bytes(content)
    assert "class_ids.json: expected" in refused(lambda: read_class_ids(tmp_path))


def test_a_folder_without_class_ids_has_none(tmp_path):
    assert read_class_ids(tmp_path) == {}


@pytest.mark.realdata("anomaly/mvtec3d_tire_rgb_half")
def test_the_real_tires_are_as_their_licence_file_counts_them(data_folder):
    folder = data_folder / "anomaly/mvtec3d_tire_rgb_half"
    train = read_folder(folder, split="train")
    assert len(train) == 40
    assert all(part.label == "good" and part.xyz is None for part in train)
    test = read_folder(folder, split="test")
    assert set(Counter(part.label for part in test)) == {"combined", "contamination", "cut", "good", "hole"}
    ids = read_class_ids(folder)
    for part in test:
        sample = part.read()
        assert sample.rgb.shape == (400, 300, 3)
        found = {ids[number] for number in np.unique(sample.truth).tolist() if number}
        assert found == {part.label} - {"good"} or part.label == "combined"
        assert bool(found) == (part.label != "good")
