from dataclasses import replace

import nibabel
import numpy as np
import pandas as pd
import pytest
from mediation.niftis import AFFINE, MASK, VOLUMES, X, Y, image, refused, saved, study
from shape_check import any_shapes

from latticework.mediation.study import study_of

RNG = np.random.default_rng(2)


def test_arrays_become_a_study_as_they_are():
    mediators = RNG.normal(size=(12, 6)).astype(np.float32)
    made = study(mediators=mediators)
    assert made.mediators.dtype == np.float32
    assert np.shares_memory(made.mediators, mediators)
    assert (made.n_subjects, made.n_voxels, made.confounders.shape) == (12, 6, (12, 1))
    assert made.exposure.dtype == made.outcome.dtype == made.coordinates.dtype == np.float64
    assert made.subjects is made.regions is made.space is None
    assert made.confounder_names == ("confounder_1",)


def test_lists_and_booleans_are_numbers():
    made = study_of([True, False, True, False], [[1.0], [2], [4], [0]], [1, 2, 3, 5])
    assert made.exposure.tolist() == [1, 0, 1, 0]
    assert made.coordinates.tolist() == [[0.0]]  # a single mediator is somewhere


def test_pandas_gives_names_and_ids():
    index = [f"s{row}" for row in range(12)]
    table = pd.DataFrame(RNG.normal(size=(12, 3)), index=index, columns=["dose", "memory", "age"])
    made = study(exposure=table["dose"], outcome=table["memory"], confounders=table[["age"]])
    assert made.subjects == tuple(index)
    assert (made.exposure_name, made.outcome_name, made.confounder_names) == ("dose", "memory", ("age",))
    made = study(exposure=table[["dose"]], outcome=table["memory"], confounders=table["age"])
    assert (made.exposure_name, made.confounder_names) == ("dose", ("age",))


def test_indexes_that_differ_are_never_aligned():
    one = pd.Series(RNG.normal(size=12), index=list("abcdefghijkl"))
    with refused("same subjects in another order", "row 0"):
        study(exposure=one, outcome=one[::-1])
    with refused("other subjects", "'z'"):
        study(exposure=one, outcome=one.rename({"l": "z"}))
    with refused("other subjects"):
        study(exposure=one, outcome=one.reset_index(drop=True))
    with refused("other subjects"):
        study(exposure=one, subjects=list("abcdefghijkz"))
    with refused("more than once"):
        study(exposure=one.set_axis(list("aacdefghijkl")))
    for subjects in ("abcdefghijkl", set("abcdefghijkl")):
        with refused("subjects: expected a list of ids, got a "):
            study(subjects=subjects)
    assert study(exposure=one.reset_index(drop=True), subjects=list("abcdefghijkl")).subjects == tuple("abcdefghijkl")


def test_lengths_that_differ_are_refused():
    with refused("12 subjects in exposure, and 11 in outcome"):
        study(outcome=np.arange(11.0))
    with refused("confounders"):
        study(confounders=np.ones((11, 1)))
    with refused("transposed"):
        study(confounders=np.ones((2, 12)))
    with refused("subjects"):
        study(subjects=["a", "b"])
    with refused("transposed?", "[6, 12]"):
        study(mediators=np.ones((6, 12)))
    with refused("coordinates are [5, 2]"):
        study(coordinates=np.ones((5, 2)))
    with refused("transposed"):
        study(coordinates=np.ones((2, 6)))
    with refused("mediators are [11, 6]"):
        study(mediators=np.ones((11, 6)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_what_is_missing_or_infinite_is_refused_with_its_place(bad):
    values = RNG.normal(size=12)
    values[3] = bad
    with refused("exposure", "subject 3"):
        study(exposure=values)
    with refused("outcome", "'p3'"):
        study(outcome=values, subjects=[f"p{row}" for row in range(12)])
    with refused("confounder_1", "subject 3"):
        study(confounders=values)
    mediators = RNG.normal(size=(12, 6))
    mediators[4, 2] = bad
    with refused("subject 4", "voxel 2"):
        study(mediators=mediators)
    with refused("coordinates of voxel 1"):
        study(coordinates=np.array([[0.0], [bad], [1], [2], [3], [4]]))


def test_missing_values_of_pandas_are_missing():
    with refused("exposure", "nan", "subject 1"):
        study(exposure=pd.Series([1, None, *range(10)], dtype="Int64"))
    with refused("exposure", "nan", "subject 1"):
        study_of([1.0, None, 2.0, 5.0], np.ones((4, 1)), [1, 2, 3, 4])


def test_what_a_masked_array_marks_is_missing():
    with refused("exposure", "nan", "subject 1"):
        study(exposure=np.ma.masked_equal([1, -999, *range(10)], -999))
    with refused("outcome", "nan", "subject 11"):
        study(outcome=np.ma.masked_greater(np.arange(12.0), 10))
    with refused("confounder_1", "nan", "subject 0"):
        study(confounders=np.ma.masked_less(np.arange(12.0), 1))
    mediators = RNG.normal(size=(12, 6)).astype(np.float32)
    hidden = np.zeros((12, 6), dtype=bool)
    made = study(mediators=np.ma.masked_array(mediators, hidden))
    assert type(made.mediators) is np.ndarray
    assert made.mediators.dtype == np.float32
    hidden[4, 2] = True
    with refused("subject 4", "voxel 2", "nan"):
        study(mediators=np.ma.masked_array(mediators, hidden))
    with refused("coordinates of voxel 4"):
        study(coordinates=np.ma.masked_array(np.arange(12.0).reshape(6, 2), hidden[:6, 2:4]))
    with refused("text"):
        study(outcome=np.ma.masked_equal(list("abcdefghijkl"), "b"))


def test_what_is_no_number_is_refused():
    with refused("two levels, 'a' and 'b'", "0 and 1"):
        study(exposure=np.array(["a", "b"] * 6))
    with refused("text", "categories"):
        study(exposure=pd.Series(list("abcdefghijkl"), dtype="category"))
    with refused("complex"):
        study(outcome=np.ones(12) * 1j)
    with refused("datetime"):
        study(outcome=pd.Series(pd.date_range("2020-01-01", periods=12)))
    with refused("exposure"):
        study(exposure=[[1, 2], [3]])
    with refused("exposure"):
        study(exposure=np.ones((12, 2)))
    with refused("confounder 'site'", "two levels"):
        study(confounders=pd.DataFrame({"site": ["A", "B"] * 6}))
    with refused("mediators"):
        study(mediators=np.array([["a"] * 6] * 12))


def test_what_does_not_vary_is_refused():
    with refused("exposure", "vary"):
        study(exposure=np.full(12, 3.0))
    for tiny in (np.arange(12.0) * 1e-170, 1e-160 + np.arange(12.0) * 1e-170):  # their squares are 0
        with refused("exposure", "vary"):
            study(exposure=tiny)
        with refused("intercept is there already"):
            study(confounders=tiny)
        with refused("nothing that could mediate"):
            study(mediators=np.outer(tiny, np.arange(1, 7)))
    with refused("outcome", "vary"):
        study(outcome=np.zeros(12))
    with refused("confounder_1", "intercept is there already"):
        study(confounders=np.full((12, 1), 0.1))
    year = 2010.0 + np.arange(12.0)
    assert study(confounders=year).confounders[:, 0].tolist() == year.tolist()


def test_redundant_confounders_are_named():
    one, two = RNG.normal(size=12), RNG.normal(size=12)
    table = pd.DataFrame({"age": one, "height": two, "both": 2 * one - two + 7})
    with refused("'both'", "'age' and 'height'"):
        study(confounders=table)
    with refused("two confounders have the same name"):
        study(confounders=table[["age", "age"]])


def test_an_exposure_in_the_span_of_confounders_is_refused():
    table = pd.DataFrame({"age": RNG.normal(size=12), "height": RNG.normal(size=12)})
    with refused("exposure", "confounders 'height'"):
        study(exposure=5 - 3 * table["height"].to_numpy(), confounders=table)
    near = table["height"].to_numpy() + 1e-4 * RNG.normal(size=12)
    assert study(exposure=near, confounders=table).n_subjects == 12


def test_too_few_subjects_are_refused():
    with refused("4 subjects and 2 confounders", "more than 4"):
        study(n=4, q=2)
    assert study(n=5, q=2).n_subjects == 5


def test_constant_voxels_are_left_out_with_a_warning():
    mediators = RNG.normal(size=(12, 6))
    mediators[:, [1, 4]] = 3
    with pytest.warns(UserWarning, match="2 voxels of 6 are the same"):
        made = study(mediators=mediators, regions=[0, 9, 5, 5, 7, 2])
    assert np.array_equal(made.mediators, mediators[:, [0, 2, 3, 5]])
    assert made.regions.tolist() == [0, 2, 2, 1]
    assert made.region_names == ("0", "2", "5")
    with refused("nothing that could mediate"):
        study(mediators=np.ones((12, 6)))


def test_pictures_lie_on_their_grid():
    pictures = RNG.normal(size=(12, 2, 3))
    made = study(mediators=pictures, coordinates=None)
    assert made.coordinates.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert np.array_equal(made.space.grid(made.mediators[0])[..., 0], pictures[0])
    inside = np.array([[True, False, True], [False, True, True]])
    made = study(mediators=pictures, coordinates=None, mask=inside, regions=np.array([[4, 0, 4], [0, 2, 2]]))
    assert np.array_equal(made.mediators, pictures[:, inside])
    assert made.regions.tolist() == [1, 1, 0, 0]
    with refused("[2, 3]", "mask"):
        study(mediators=pictures, coordinates=None, mask=inside.T)


def test_a_matrix_needs_to_know_where_its_voxels_are():
    with refused("where are the 6 voxels"):
        study(coordinates=None)
    made = study(coordinates=None, mask=np.array([[True] * 3, [False] * 3, [True] * 3]))
    assert made.coordinates.tolist() == [[0, 0], [0, 1], [0, 2], [2, 0], [2, 1], [2, 2]]
    with refused("6 voxels, and the mask 5"):
        study(coordinates=None, mask=np.ones(5, dtype=bool))


def test_regions_have_any_labels():
    made = study(regions=[30, 7, 30, 7, 7, 0])
    assert made.regions.tolist() == [2, 1, 2, 1, 1, 0]
    assert made.region_names == ("0", "7", "30")
    made = study(regions=["insula", "acc", "insula", "acc", "acc", "acc"])
    assert made.region_names == ("acc", "insula")
    assert made.regions.tolist() == [1, 0, 1, 0, 0, 0]
    with refused("[5] labels"):
        study(regions=[1] * 5)
    with refused("whole numbers"):
        study(regions=[1.5] * 6)
    with refused("-1"):
        study(regions=[-1] * 6)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_voxel_without_a_label_among_texts_is_refused(missing):
    labels = np.array(["left", missing, "right", "left", 7, "right"], dtype=object)
    for given in (labels, labels.tolist(), pd.Series(labels)):
        with refused("regions: voxel 1 has the label", "text"):
            study(regions=given)
    labels[1] = "left"
    assert study(regions=labels).region_names == ("7", "left", "right")
    inside = np.array([[True, False], [True, True]])
    labels = np.array([["a", missing], ["b", "a"]], dtype=object)
    made = study(mediators=RNG.normal(size=(12, 3)), coordinates=None, mask=inside, regions=labels)
    assert made.regions.tolist() == [0, 1, 0]


def test_labels_that_a_masked_array_masks_are_missing():
    labels = np.ma.masked_equal([3, 7, 3, 3, 9, 9], 7)
    with refused("regions: voxel 1 has the label None"):
        study(regions=labels)
    assert study(regions=np.ma.masked_equal(labels.data, 8)).region_names == ("3", "7", "9")
    inside = np.array([[True, False], [True, True]])
    labels = np.ma.masked_equal([[3, 1], [4, 3]], 1)  # what lies outside is not looked at
    made = study(mediators=RNG.normal(size=(12, 3)), coordinates=None, mask=inside, regions=labels)
    assert made.regions.tolist() == [0, 1, 0]


def test_whole_numbers_are_labels_whatever_holds_them():
    labels = [10, 2, 10, 2, 0, 0]
    held = ([10.0, np.int8(2), 10, 2, 0, 0], pd.array(labels, "Int64"), pd.Series(labels, dtype=object))
    for given in (labels, np.array(held[0], dtype=object), held[1].to_numpy(dtype=object), held[2]):
        made = study(regions=given)
        assert made.region_names == ("0", "2", "10")
        assert made.regions.tolist() == [2, 1, 2, 1, 0, 0]
    assert study(regions=np.array([b"a", b"b"] * 3)).region_names == ("a", "b")
    for wrong in (0.5, -1, True, 2.0**60, np.inf):
        with refused("regions: voxel 2 has the label"):
            study(regions=np.array([1, 2, wrong, 1, 2, 3], dtype=object))


def test_voxels_without_a_label_are_dropped_with_a_warning():
    labels = np.full(MASK.shape, 5)
    labels[2] = 0
    with pytest.warns(UserWarning, match="6 voxels of 18 are in no region"):
        made = study_of(X, image(VOLUMES), Y, mask=image(MASK.astype(np.uint8)), regions=labels)
    assert made.n_voxels == made.space.n_voxels == 12
    assert made.region_names == ("5",)
    assert np.allclose(made.space.coordinates(), made.coordinates)
    with refused("in no region"):
        study_of(X, image(VOLUMES), Y, mask=image(MASK.astype(np.uint8)), regions=np.zeros(MASK.shape, int))


def test_images_with_a_mask_lose_constant_voxels_with_a_warning(tmp_path):
    values = VOLUMES.copy()
    values[1, 1, 0] = 0
    file = saved(tmp_path / "all.nii.gz", values)
    with pytest.warns(UserWarning, match="1 voxel of 18"):
        made = study_of(X, file, Y, mask=image(MASK.astype(np.uint8)))
    assert made.n_voxels == made.space.n_voxels == 17
    assert not made.space.mask[1, 1, 0]
    assert np.array_equal(made.mediators, values[made.space.mask].T)


def test_a_time_series_is_no_study():
    with refused("9 images for 8 subjects", "time series"):
        study_of(X[:8], image(VOLUMES), Y[:8], mask=MASK)
    with refused("9 volumes", "time series"):
        study_of(X, [image(VOLUMES)] * 9, Y, mask=MASK)


def test_missing_voxels_of_images_are_told_with_their_place():
    values = VOLUMES.copy()
    values[2, 2, 1, 4] = np.nan
    with refused("subject 4", "(2, 2, 1)"):
        study_of(X, image(values), Y, mask=MASK)


def test_a_npy_file_is_mapped(tmp_path):
    values = RNG.normal(size=(9, 18)).astype(np.float32)
    np.save(tmp_path / "m.npy", values)
    made = study_of(X, tmp_path / "m.npy", Y, mask=image(MASK.astype(np.uint8)))
    assert isinstance(made.mediators.base, np.memmap)
    assert np.array_equal(made.mediators, values)
    np.save(tmp_path / "o.npy", np.array([{"a": 1}]), allow_pickle=True)
    with refused("o.npy"):
        study_of(X, tmp_path / "o.npy", Y)
    with refused("no such file"):
        study_of(X, tmp_path / "none.npy", Y)
    with refused(".nii"):
        study_of(X, tmp_path / "m.csv", Y)


def test_maps_of_a_study_lie_where_its_images_do():
    made = study_of(X, image(VOLUMES), Y, mask=MASK)
    back = made.space.image(made.mediators[0])
    assert np.array_equal(back.affine, AFFINE)
    assert isinstance(back, nibabel.Nifti1Image)
    assert np.array_equal(back.get_fdata(), np.where(MASK, VOLUMES[..., 0], 0))


def test_an_image_that_is_the_same_everywhere_is_refused_with_its_subject():
    mediators = RNG.normal(size=(12, 6))
    mediators[7] = 0
    with refused("7", "is 0 in every voxel"):
        study(mediators=mediators)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_whole_numbers_are_labels_as_far_as_floats_tell_them_apart(kind):
    exact = 2 ** (min(np.finfo(kind).nmant, 52) + 1)
    largest = exact - 1 if exact - 1 <= float(np.finfo(kind).max) else 2047
    assert study(regions=np.array([1, largest, 1, 1, 0, 0], kind)).region_names == ("0", "1", str(largest))
    if exact <= float(np.finfo(kind).max):
        with refused("regions: voxel 2 has the label", f"whole numbers up to {exact - 1:,}"):
            study(regions=np.array([1, 1, exact, 1, 0, 0], kind))
        with refused("regions: voxel 2 has the label", f"whole numbers up to {exact - 1:,}"):
            study(regions=np.array(["a", 1, kind(exact), 1, 0, 0], object))
    with refused("voxel 0 has the label inf", "at least 0"):
        study(regions=np.array([np.inf, 1, 1, 1, 0, 0], kind))


def test_labels_may_be_as_large_as_64_bits_and_texts_of_any_type():
    labels = [2**60, 2**60 + 1, 2**63 - 1, 2**60, 0, 0]
    names = ("0", str(2**60), str(2**60 + 1), str(2**63 - 1))
    assert study(regions=labels).region_names == names
    assert study(regions=np.array(labels, object)).region_names == names
    for kind in (np.uint64, object):
        with refused(f"voxel 1 has the label {2**63}", f"whole numbers up to {2**63 - 1:,}"):
            study(regions=np.array([1, 2**63, 1, 1, 1, 1], kind))
    texts = np.array(["left", "right"] * 3, dtype=np.dtypes.StringDType())
    assert study(regions=texts).region_names == ("left", "right")


def test_regions_of_a_study_by_hand_are_places_in_their_names():
    made = study(regions=[5, 7, 5, 7, 7, 5])
    with any_shapes():
        replace(made, regions=[0, 1, 0, 1, 1, 0]).check()
    with refused("regions: voxel 2 is in region 2, and there are 2 region_names"):
        replace(made, regions=np.array([0, 1, 2, 1, 1, 0])).check()
    with any_shapes(), refused("regions are float64: expected places in region_names"):
        replace(made, regions=[0.0, 1, 0, 1, 1, 0]).check()
