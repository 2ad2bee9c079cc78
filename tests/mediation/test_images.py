import gzip
import struct
import warnings
from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mediation.niftis import AFFINE, MASK, SHAPE, VOLUMES, complaint, image, refused, saved
from nibabel import orientations

from latticework.mediation.images import as_space, read_images
from latticework.mediation.labels import label_image, nearest_centre_labels, read_centres
from latticework.mediation.nifti import open_volumes
from latticework.mediation.spaces import Space, grid_of

EXPECTED = VOLUMES[MASK].T
MASK_IMAGE = image(MASK.astype(np.uint8))


def raw(values=VOLUMES, kind=nibabel.Nifti1Image):
    return image(values, kind=kind).to_bytes()


def changed(data, offset, form, *values):
    return data[:offset] + struct.pack(form, *values) + data[offset + struct.calcsize(form) :]


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_volumes_are_read_from_4d_files_and_lists_of_3d_ones(tmp_path, kind, name):
    file = saved(tmp_path / name, VOLUMES, kind=kind)
    files = [saved(tmp_path / f"{n}{name}", VOLUMES[..., n], kind=kind) for n in range(9)]
    for images in (file, str(file), files, nibabel.load(file), image(VOLUMES), [nibabel.load(one) for one in files]):
        values, space = read_images(images, MASK_IMAGE)
        assert values.dtype == np.float32
        assert np.array_equal(values, EXPECTED)
        assert np.array_equal(space.affine, AFFINE)
        assert np.array_equal(space.mask, MASK)


def test_volumes_go_to_the_rows_they_are_meant_for():
    rows = [2, -1, 0, 1, -1, -1, -1, 3, -1]
    values, _ = read_images(image(VOLUMES), MASK, rows=rows)
    assert np.array_equal(values, EXPECTED[[2, 3, 0, 7]])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", "u2", "i8"])
def test_stored_types_and_scaling_are_as_nibabel_has_them(tmp_path, order, dtype):
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(dtype))
    made = nibabel.Nifti1Image(np.round(VOLUMES * 20), AFFINE, header)
    nibabel.save(made, tmp_path / "a.nii.gz")
    loaded = nibabel.load(tmp_path / "a.nii.gz")
    assert loaded.header.endianness == order
    values, _ = read_images(tmp_path / "a.nii.gz", MASK)
    assert np.array_equal(values, loaded.get_fdata()[MASK].T.astype(np.float32))


def test_the_same_grid_in_another_orientation_is_turned_exactly(tmp_path):
    reference = image(VOLUMES)
    for axes, flips in product(permutations(range(3)), product([1, -1], repeat=3)):
        turned = reference.as_reoriented(np.array([axes, flips]).T)
        values, space = read_images(saved(tmp_path / "t.nii.gz", turned.get_fdata(), turned.affine), MASK_IMAGE)
        assert np.array_equal(values, EXPECTED)
        assert np.array_equal(space.affine, AFFINE)
        values, space = read_images(reference, image(*_turned(MASK.astype(np.uint8), axes, flips)))
        places = {tuple(place): n for n, place in enumerate(Space.of(MASK, AFFINE).coordinates().tolist())}
        order = [places[tuple(place)] for place in space.coordinates().tolist()]
        assert np.array_equal(values, EXPECTED[:, order])


def _turned(values, axes, flips):
    turned = image(values).as_reoriented(np.array([axes, flips]).T)
    return np.asarray(turned.dataobj), turned.affine


def test_maps_survive_the_way_from_las_to_ras_and_back():
    ras = nibabel.as_closest_canonical(image(VOLUMES))
    assert orientations.aff2axcodes(ras.affine) == ("R", "A", "S")
    values, space = read_images(ras, MASK_IMAGE)
    back = space.image(values[3])
    assert orientations.aff2axcodes(back.affine) == ("L", "A", "S")
    assert np.array_equal(back.get_fdata(dtype=np.float32), np.where(MASK, VOLUMES[..., 3], 0))


def test_another_grid_is_refused_and_resampling_is_named(tmp_path):
    shifted = AFFINE.copy()
    shifted[0, 3] += 1
    with refused("c.nii", "nilearn.image.resample_to_img", "[4, 5, 3]"):
        read_images(saved(tmp_path / "c.nii", VOLUMES, shifted), MASK_IMAGE)
    with refused("[3, 5, 3]", "resample"):
        read_images(image(VOLUMES[1:]), MASK_IMAGE)
    with refused("b.nii", "resample"):
        read_images([image(VOLUMES[..., 0]), saved(tmp_path / "b.nii", VOLUMES[..., 1], shifted)], MASK)
    with refused("mask", "[4, 5, 2]"):
        read_images(image(VOLUMES), MASK[..., :2])
    near = AFFINE + np.diag([1e-6, 0, 0, 0])
    assert np.array_equal(read_images(image(VOLUMES, near), MASK_IMAGE)[0], EXPECTED)


def test_without_a_mask_what_all_images_have_is_taken_with_a_warning():
    values = VOLUMES.copy()
    values[0], values[2, 2, 2, 5], values[3, 3, 1, 8] = 0, np.nan, 0
    inside = np.ones(SHAPE, dtype=bool)
    inside[0], inside[2, 2, 2], inside[3, 3, 1] = False, False, False
    with pytest.warns(UserWarning, match="43 voxels of 60"):
        read, space = read_images(image(values))
    assert np.array_equal(space.mask, inside)
    assert np.array_equal(read, values[inside].T)
    with refused("no voxel"):
        read_images(image(VOLUMES * 0))


@pytest.mark.parametrize("codes", [(0, 2), (1, 1), (3, 0), (0, 0), (1, 4)])
def test_maps_keep_the_header_that_says_where_they_are(tmp_path, codes):
    rotated = AFFINE.copy()
    if codes != (0, 0):
        c, s = np.cos(0.3), np.sin(0.3)
        rotated[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ AFFINE[:3, :3]
    made = image(MASK.astype(np.uint8), rotated)
    made.header.set_xyzt_units("mm")
    made.set_qform(rotated, code=codes[0])
    made.set_sform(rotated, code=codes[1])
    nibabel.save(made, tmp_path / "mask.nii.gz")
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    space = as_space(tmp_path / "mask.nii.gz")
    nibabel.save(space.image(np.arange(space.n_voxels)), tmp_path / "map.nii.gz")
    back = nibabel.load(tmp_path / "map.nii.gz")
    assert np.array_equal(back.affine, mask.affine)
    fields = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "srow_x", "xyzt_units")
    for name in fields:
        assert np.array_equal(back.header[name], mask.header[name]), name
    assert np.array_equal(back.header["pixdim"][:4], mask.header["pixdim"][:4])
    assert back.get_data_dtype() == np.float32


@pytest.mark.parametrize("kind", [nibabel.MGHImage, nibabel.Nifti1Image])
def test_maps_of_other_images_and_of_changed_affines_have_voxels_of_their_size(kind):
    mask = kind(MASK.astype(np.uint8), np.eye(4))
    mask.affine[:] = AFFINE
    space = as_space(mask)
    back = space.image(np.ones(space.n_voxels))
    assert back.header.get_zooms() == (2, 2, 3)
    assert np.array_equal(back.affine, AFFINE)


def test_coordinates_are_world_millimetres_in_the_order_of_the_mask():
    space = as_space(MASK_IMAGE)
    assert np.allclose(space.coordinates(), nibabel.affines.apply_affine(AFFINE, np.argwhere(MASK)))
    made = image(MASK.astype(np.uint8), AFFINE / [[1000], [1000], [1000], [1]])
    made.header.set_xyzt_units("meter")
    assert np.allclose(as_space(made).coordinates(), space.coordinates(), atol=1e-4)
    assert space.index(0) == tuple(np.argwhere(MASK)[0])
    with refused("[3]", "18 voxels"):
        space.image(np.zeros(3))


def test_a_mask_holds_zeros_and_one_other_number():
    with pytest.warns(UserWarning, match="other values"):
        space = as_space(image(np.abs(VOLUMES[..., 0]) * MASK))
    assert np.array_equal(space.mask, MASK)
    with refused("no voxel"):
        as_space(image(np.zeros(SHAPE, np.uint8)))
    with refused("single"):
        as_space(image(VOLUMES))
    with refused("booleans"):
        as_space(np.ones(SHAPE))
    nowhere = np.full(SHAPE, np.nan, dtype=np.float32)
    nowhere[MASK] = 1
    assert np.array_equal(as_space(image(nowhere)).mask, MASK)


def damaged(data):
    """A NIfTI file with what can go wrong with it."""
    packed = gzip.compress(data)
    middle = len(packed) // 2
    return [
        b"",
        b"not an image",
        b"\x5c\x01\0\0" + bytes(400),
        data[:300],
        changed(data, 344, "4s", b"abcd"),
        changed(data, 344, "4s", b"ni1\0"),
        changed(data, 40, "<8h", 4, 4, 5, -3, 9, 1, 1, 1),
        changed(data, 40, "<8h", 0, 4, 5, 3, 9, 1, 1, 1),
        changed(data, 40, "<8h", 5, 4, 5, 3, 3, 3, 1, 1),
        changed(data, 40, "<8h", 4, 32767, 32767, 32767, 32767, 1, 1, 1),
        changed(data, 40, "<8h", 4, 512, 512, 512, 9, 1, 1, 1),
        changed(data, 70, "<h", 32),
        changed(data, 70, "<h", 128),
        changed(data, 70, "<h", 12345),
        changed(data, 108, "<f", 1e12),
        changed(data, 108, "<f", float("nan")),
        changed(data, 108, "<f", -4),
        changed(data, 112, "<2f", float("inf"), 0),
        changed(data, 112, "<2f", 1, float("nan")),
        changed(data, 280, "<4f", 0, 0, 0, 0),
        changed(data, 280, "<4f", float("nan"), 0, 0, 0),
        changed(changed(data, 252, "<2h", 1, 0), 256, "<3f", 9, 9, 9),
        data[:-1],
        packed[:-100],
        packed[:-6],
        packed[:-8] + bytes(8),
        packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :],
        packed[: middle - 20] + b"\xff" * 40 + packed[middle + 20 :],
    ]


@pytest.mark.parametrize("data", damaged(raw()))
def test_what_is_damaged_is_refused_by_name(write, data):
    for name in ("broken.nii", "broken.nii.gz"):
        with refused("broken.nii"):
            read_images(write(name, data), MASK)


@pytest.mark.parametrize("data", damaged(raw(np.arange(60, dtype=np.int16).reshape(SHAPE) % 7)))
def test_a_damaged_mask_or_atlas_is_refused_by_name(write, data):
    for name in ("broken.nii", "broken.nii.gz"):
        for read in (as_space, label_image):
            with refused("broken.nii"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is not refused holds other values than 0 and 1
                read(write(name, data))


def test_a_fifth_axis_of_one_is_passed_over_in_memory_and_in_a_file(tmp_path):
    with_five = VOLUMES[..., None]
    for images in (image(with_five), saved(tmp_path / "a.nii.gz", with_five)):
        assert np.array_equal(read_images(images, MASK_IMAGE)[0], EXPECTED)
    assert np.array_equal(as_space(image(MASK.astype(np.uint8)[..., None, None])).mask, MASK)


def test_files_that_are_not_there_or_no_files_are_refused(tmp_path):
    with refused("none.nii", "no such file"):
        read_images(tmp_path / "none.nii", MASK)
    with refused("folder"):
        read_images(tmp_path, MASK)
    with refused("no images"):
        read_images([], MASK)
    with refused("int is no image"):
        read_images([3], MASK)


def test_a_small_file_does_not_become_a_large_image(write):
    header = changed(raw(), 40, "<8h", 4, 500, 500, 500, 30000, 1, 1, 1)[:352]
    bomb = write("bomb.nii.gz", gzip.compress(header + bytes(2**22)))
    with refused("bomb.nii.gz", "cut off"):
        open_volumes(bomb)
    within = changed(raw(), 40, "<8h", 4, 64, 64, 8, 20, 1, 1, 1)[:352]
    with refused("cut off"):  # what the header tells could be in the file, and is not
        read_images(write("b.nii.gz", gzip.compress(within + bytes(2**21))), np.ones((64, 64, 8), dtype=bool))


def test_more_than_the_header_tells_is_not_unpacked(write):
    with refused("more.nii.gz", "more than its header tells"):
        read_images(write("more.nii.gz", gzip.compress(raw() + bytes(2**24))), MASK)
    assert np.array_equal(read_images(write("a.nii.gz", gzip.compress(raw() + bytes(99))), MASK)[0], EXPECTED)


def test_colours_and_complex_numbers_are_refused():
    with refused("complex"):
        read_images(image(VOLUMES.astype(np.complex64)), MASK)
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with refused("colours"):
        read_images([image(colours)], MASK)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 560), st.integers(0, 255)), max_size=8), end=st.integers(0, 2600))
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_whatever_a_file_holds_only_input_errors_come_out(write, kind, places, end):
    data = bytearray(raw(kind=kind))
    for place, value in places:
        data[place] = value
    for name, content in (("f.nii", bytes(data[:end])), ("g.nii.gz", gzip.compress(bytes(data)))):
        told = complaint(read_images, write(name, content), MASK)
        assert told is None or name in told


def test_label_images_hold_whole_numbers_and_have_names(tmp_path, write):
    labels = np.arange(60).reshape(SHAPE) % 7
    file = saved(tmp_path / "atlas.nii.gz", labels.astype(np.float32))
    assert label_image(file).names == {}
    write("atlas.tsv", ["index\tname", "1\tinsula", "6\tacc"])
    read = label_image(file)
    assert read.names == {1: "insula", 6: "acc"}
    assert np.array_equal(read.of(as_space(MASK_IMAGE)), labels[MASK])
    ras = nibabel.as_closest_canonical(image(labels.astype(np.int16)))
    assert np.array_equal(label_image(ras).of(as_space(MASK_IMAGE)), labels[MASK])
    with refused("whole numbers", "0.5"):
        label_image(image(labels + np.float32(0.5)))
    with refused("whole numbers"):
        label_image(image((labels - 1).astype(np.int16)))
    far = labels.astype(np.float64) + 312782546
    assert np.array_equal(label_image(image(far)).of(as_space(MASK_IMAGE)), far[MASK])
    with refused("float32 does not tell labels from 16,777,216 on apart: save them as int32"):
        label_image(image(far.astype(np.float32)))
    few = labels % 4
    narrow = image(few.astype(np.float64))
    narrow.set_data_dtype(np.uint8)  # a slope of 1/85 in single precision: the first label is 1.0000000196
    nibabel.save(narrow, tmp_path / "narrow.nii")
    assert np.array_equal(label_image(tmp_path / "narrow.nii").of(as_space(MASK_IMAGE)), few[MASK])
    write("atlas.tsv", ["index\tname", "1\tinsula", "1\tacc"])
    with refused("two names"):
        label_image(file)
    write("atlas.tsv", ["number\tname", "1\tinsula"])
    with refused("index and name"):
        label_image(file)
    write("atlas.tsv", ["index\tname", "1.5\tinsula"])
    with refused("whole numbers"):
        label_image(file)


def test_centres_are_read_and_the_nearest_taken(write):
    read = read_centres(write("c.csv", ["ROI,X,Y,Z", "1,0,0,0", "2,10,0,0"]))
    assert read.names == ("1", "2")
    points = np.array([[4.0, 9, 9], [6, 0, 0], [5, 1, 1]])
    assert nearest_centre_labels(points, read.points).tolist()[:2] == [0, 1]
    assert read_centres(write("d.csv", ["x,y", "1,2"])).points.tolist() == [[1, 2]]
    with refused("same axes"):
        nearest_centre_labels(points[:, :2], read.points)
    with refused("x, y and z"):
        read_centres(write("e.csv", ["a,b", "1,2"]))
    with refused(f"got {'a' * 200}..., b"):
        read_centres(write("e.csv", ["a" * 10**5 + ",b", "1,2"]))
    with refused("'y'"):
        read_centres(write("e.csv", ["x,y", "1,n/a"]))


def test_coordinates_find_their_grid():
    side = np.linspace(-1, 1, 40)
    points = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)[:, ::-1]
    keep = np.random.default_rng(0).random(len(points)) < 0.7
    space, order = grid_of(points[keep])
    assert space.mask.shape == (40, 40, 1)
    assert np.allclose(space.coordinates()[:, :2], points[keep][order], atol=1e-12)
    with refused("evenly spaced"):
        grid_of(np.random.default_rng(0).normal(size=(30, 2)))
    with refused("same coordinates"):
        grid_of(np.array([[0.0], [1.0], [1.0]]))
    with refused("axes"):
        grid_of(np.zeros((3, 4)))


@pytest.mark.realdata
def test_real_images_are_read_as_nibabel_reads_them(data_folder):
    files = sorted((data_folder / "mediation").glob("*.nii*"))
    assert len(files) == 5
    for file in files:
        loaded = nibabel.load(file)
        whole = np.ones(loaded.shape[:3], dtype=bool)
        values, space = read_images(file, whole)
        assert np.array_equal(values, loaded.get_fdata().reshape(whole.size, -1).T.astype(np.float32))
        assert np.array_equal(space.image(values[0]).affine, loaded.affine)
    with pytest.warns(UserWarning, match="other values"):
        space = as_space(data_folder / "mediation" / "neurovault_image_10426.nii.gz")
    centres = read_centres(data_folder / "mediation" / "power_2011.csv")
    assert (space.n_voxels, len(centres.names)) == (45_448, 264)
    assert len(np.unique(nearest_centre_labels(space.coordinates(), centres.points))) == 260
