import json

import numpy as np
import pytest
import torch
from anomaly.scans import same, scan

from latticework.anomaly.scans.arrays import write_xyz
from latticework.anomaly.scans.cameras import Camera
from latticework.anomaly.scans.clouds import MAX_FILE_BYTES, MAX_POINTS
from latticework.anomaly.scans.pcd import write_pcd
from latticework.anomaly.scans.ply import write_ply
from latticework.anomaly.scans.sample_files import read_cloud, read_sample
from latticework.anomaly.scans.samples import Sample
from latticework.core.errors import InputError

XYZ, RGB = scan()


def save(path, values):
    pytest.importorskip("PIL.Image").fromarray(values).save(path)
    return path


def test_a_sample_of_arrays_is_of_the_types_that_are_promised():
    sample = Sample.of(
        rgb=RGB, xyz=XYZ.astype(float), mask=RGB[..., 0] > 9, truth=RGB[..., 1] > 250, label="cut", name="a"
    )
    assert [part.dtype for part in (sample.rgb, sample.xyz, sample.mask, sample.truth)] == ["u1", "f4", "?", "u1"]
    assert same(sample.rgb, RGB)
    assert same(sample.xyz, XYZ)
    assert sample.size == (4, 6)
    assert np.array_equal(sample.returned, ~np.isnan(XYZ[..., 0]))
    assert (sample.name, sample.label, sample.path) == ("a", "cut", None)


def test_lists_and_tensors_are_arrays():
    assert same(Sample.of(xyz=torch.tensor(XYZ).requires_grad_()).xyz, XYZ)
    assert same(Sample.of(rgb=RGB.tolist()).rgb, RGB)
    with pytest.raises(InputError, match="sample: rgb is no array"):
        Sample.of(rgb=[[1, 2], [3]])
    with pytest.raises(InputError, match="a: rgb is <U1"):
        Sample.of(rgb=[["x"]], name="a")
    with pytest.raises(InputError, match=r"rgb is uint8 \[0, 6, 3\]"):
        Sample.of(rgb=RGB[:0])


def test_the_arrays_that_were_given_stay_as_they_are():
    given = np.ones((4, 6, 3), dtype=np.float32)
    given[0, :, 0] = np.arange(6)
    given[1] = 0
    Sample.of(xyz=given)
    assert (given[1] == 0).all()


def test_colours_alone_and_points_alone_are_samples():
    colour, cloud = Sample.of(rgb=RGB), Sample.of(xyz=XYZ)
    assert colour.xyz is None
    assert colour.returned.all()
    assert cloud.rgb is None
    assert colour.size == cloud.size == (4, 6)


def test_a_part_is_good_as_its_label_says_or_else_its_truth():
    none = np.zeros((4, 6))
    assert Sample.of(rgb=RGB).is_good is None
    assert Sample.of(rgb=RGB, truth=none).is_good is True
    assert Sample.of(rgb=RGB, truth=none + 254).is_good is False
    assert Sample.of(rgb=RGB, truth=none, label="cut").is_good is False
    assert Sample.of(rgb=RGB, label="good").is_good is True


@pytest.mark.parametrize(
    "parts, message",
    [
        ({}, "part: there are neither colours nor points: give rgb, xyz or both"),
        ({"mask": RGB[..., 0]}, "there are neither colours nor points"),
        ({"rgb": RGB, "xyz": XYZ[:3]}, "part: rgb is 6 x 4 and xyz 6 x 3: they have to be on one grid, pixel by pixel"),
        ({"xyz": XYZ, "truth": RGB[:, :2, 0]}, "xyz is 6 x 4 and truth 2 x 4"),
        ({"rgb": RGB, "mask": RGB[:1, :, 0]}, "rgb is 6 x 4 and mask 6 x 1"),
        ({"rgb": RGB, "mask": np.zeros((4, 6))}, r"the mask has to be \[height, width\] and to leave something"),
        ({"rgb": RGB, "mask": RGB}, r"the mask has to be \[height, width\]"),
        ({"rgb": RGB, "mask": RGB[..., 0].ravel()}, r"the mask has to be \[height, width\]"),
        ({"rgb": RGB, "mask": True}, r"the mask has to be \[height, width\]"),
        ({"rgb": RGB, "truth": RGB}, "part: truth: expected class ids"),
        ({"rgb": RGB, "truth": RGB[..., 0] + 0.5}, "class ids are to be whole numbers from 0 to 255"),
        ({"xyz": XYZ * 0}, "part: no point returned, all are 0, NaN or infinite: leave xyz out"),
        ({"rgb": RGB, "xyz": XYZ * np.nan}, "no point returned"),
        ({"xyz": XYZ[..., 2]}, r"part: xyz: \[4, 6\] is a depth picture"),
        ({"xyz": XYZ, "unit": "inch"}, "unit='inch'"),
    ],
)
def test_what_does_not_fit_is_refused(parts, message):
    with pytest.raises(InputError, match=message):
        Sample.of(**parts, name="part")


def test_a_unit_that_cannot_be_gives_a_warning():
    for wrong, unit, told in (
        (
            XYZ * 1000,
            "m",
            r"^part: the points span more than 10 m: are they in another unit than m\? Then say unit mm$",
        ),
        (XYZ * 1e6, "mm", r"^part: the points span more than 10 m: are they in mm\?$"),
        (XYZ / 1000, "m", r"^part: the points span less than 1 mm: are they in m\?$"),
        (XYZ, "mm", r"^part: the points span less than 1 mm: are they in another unit than mm\? Then say unit m$"),
    ):
        with pytest.warns(UserWarning, match=told):
            Sample.of(xyz=wrong, name="part", unit=unit)
    assert np.allclose(Sample.of(xyz=XYZ * 1000, unit="mm").xyz, XYZ, equal_nan=True)
    far = np.repeat(np.repeat(XYZ, 10, axis=0), 10, axis=1)
    far[0, 0] = 1, 1, 900  # a single point that flies far is no sign of it
    Sample.of(xyz=far)


def test_the_file_of_the_points_is_named_not_that_of_the_colours(tmp_path):
    files = {"rgb": save(tmp_path / "a.png", RGB), "xyz": tmp_path / "a.npy"}
    np.save(files["xyz"], XYZ * 1000)
    with pytest.warns(UserWarning, match=r"a\.npy: the points span"):
        read_sample(**files)
    np.save(files["xyz"], XYZ * np.nan)
    with pytest.raises(InputError, match=r"a\.npy: no point returned"):
        read_sample(**files)
    with pytest.raises(InputError, match=r"mask\.png: the mask has to"):
        read_sample(files["rgb"], mask=save(tmp_path / "mask.png", RGB[..., 0] * 0))


def test_of_depths_the_scale_is_doubted_and_of_those_in_metres_the_unit(tmp_path):
    (tmp_path / "lens.json").write_text('{"fx": 20, "fy": 20, "cx": 3, "cy": 2, "scale": 1}')
    np.save(tmp_path / "a.npy", np.full((4, 6), 400, dtype=np.uint16))
    given = {"depth": tmp_path / "a.npy", "camera": tmp_path / "lens.json"}
    told = r"\): the points span more than 10 m: is the camera's scale right, the metres that one of a depth picture is"
    with pytest.warns(UserWarning, match=rf"a\.npy \(scale 1, .*lens\.json{told}\?$"):
        read_sample(**given)
    with pytest.warns(UserWarning, match=rf"a\.npy \(scale 1{told}\?$"):
        read_sample(depth=given["depth"], camera=Camera.read(given["camera"]))
    np.save(tmp_path / "a.npy", np.full((4, 6), 400.0))
    with pytest.warns(UserWarning, match=r"a\.npy: .* Then say unit mm$"):
        read_sample(**given)


def test_one_file_of_any_kind_is_a_part(tmp_path):
    write_pcd(tmp_path / "a.pcd", XYZ, RGB)
    write_ply(tmp_path / "a.ply", XYZ)
    np.save(tmp_path / "a.npy", XYZ)
    for ending, coloured in (("pcd", True), ("ply", False), ("npy", False)):
        sample = read_sample(tmp_path / f"a.{ending}", label="good")
        assert same(sample.xyz, XYZ)
        assert (sample.rgb is not None) == coloured
        assert (sample.name, sample.label, sample.path) == ("a", "good", tmp_path / f"a.{ending}")
    assert same(read_sample(save(tmp_path / "b.png", RGB)).rgb, RGB)
    pytest.importorskip("tifffile")
    write_xyz(tmp_path / "a.tiff", XYZ)
    assert same(read_sample(tmp_path / "a.tiff").xyz, XYZ)
    sample = read_sample(save(tmp_path / "c.tif", RGB))  # a TIFF may be a picture as well
    assert same(sample.rgb, RGB)
    assert sample.xyz is None


def test_a_part_of_several_files_is_put_together(tmp_path):
    write_pcd(tmp_path / "a.pcd", XYZ, 255 - RGB)
    truth, mask = (RGB[..., 0] > 200) * np.uint8(254), (RGB[..., 1] > 9) * np.uint8(1)
    sample = read_sample(
        rgb=save(tmp_path / "a.png", RGB),
        xyz=tmp_path / "a.pcd",
        truth=save(tmp_path / "truth.png", truth),
        mask=save(tmp_path / "mask.png", mask),
        label="hole",
    )
    assert same(sample.rgb, RGB)  # not the colours of the cloud
    assert np.array_equal(sample.truth, truth)
    assert np.array_equal(sample.mask, mask > 0)
    assert sample.name == "a"


def test_a_depth_picture_and_a_camera_are_points(tmp_path):
    depth = np.random.default_rng(0).integers(400, 600, (4, 6)).astype(np.uint16)
    camera = Camera(20, 20, 2, 1)
    (tmp_path / "camera.json").write_text(json.dumps({"fx": 20, "fy": 20, "cx": 2, "cy": 1}))
    file = save(tmp_path / "a.png", depth)
    for given in (camera, tmp_path / "camera.json"):
        assert same(read_sample(depth=file, camera=given).xyz, camera.unproject(depth))
    np.save(tmp_path / "a.npy", depth.astype(np.float32))
    sample = read_sample(depth=tmp_path / "a.npy", camera=camera, unit="mm")
    assert np.allclose(sample.xyz, camera.unproject(depth), atol=1e-6)


def test_what_is_read_is_said_clearly(tmp_path):
    write_pcd(tmp_path / "a.pcd", XYZ)
    for arguments, message in (
        ({}, "there are neither colours nor points"),
        ({"path": tmp_path}, "is a folder: read it with read_folder"),
        ({"path": tmp_path / "a.txt"}, r"a\.txt: parts are read from \.png, .*\.npy"),
        ({"path": tmp_path / "b.pcd"}, "there is no such file"),
        ({"path": tmp_path / "a.pcd", "rgb": "b.png"}, "give one file, or rgb=, xyz= and depth=, not both"),
        ({"xyz": tmp_path / "a.pcd", "depth": "b.png"}, "give depth= or xyz=, not both"),
        ({"depth": "b.png"}, "a depth picture needs camera="),
        ({"xyz": "b.png"}, r"b\.png: points are read from \.pcd, .* depth pictures need the camera's intrinsics"),
    ):
        with pytest.raises(InputError, match=message):
            read_sample(**arguments)


def test_sizes_that_differ_are_said_with_the_file(tmp_path):
    write_pcd(tmp_path / "a.pcd", XYZ[:3])
    with pytest.raises(InputError, match=r"a\.png: rgb is 6 x 4 and xyz 6 x 3: they have to be on one grid"):
        read_sample(rgb=save(tmp_path / "a.png", RGB), xyz=tmp_path / "a.pcd")


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    with (tmp_path / "a.pcd").open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)  # which takes no room
    with pytest.raises(InputError, match="has 2,147,483,649 bytes, more than the 2,147,483,648 that are read"):
        read_cloud(tmp_path / "a.pcd")
    assert MAX_POINTS * 12 < MAX_FILE_BYTES


def test_what_is_no_ordinary_file_is_refused(tmp_path):
    import os

    os.mkfifo(tmp_path / "a.pcd")
    with pytest.raises(InputError, match="is no ordinary file"):
        read_cloud(tmp_path / "a.pcd")


@pytest.mark.realdata("anomaly/mosd")
def test_a_real_scan_is_a_sample_with_colours(data_folder):
    sample = read_sample(data_folder / "anomaly/mosd/test0.pcd")
    assert sample.name == "test0"
    assert sample.size == (480, 640)
    assert sample.returned.sum() == 307_200 - 118_002
    assert sample.rgb.mean() > 100
