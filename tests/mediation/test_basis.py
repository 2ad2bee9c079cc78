"""Every voxel has a region, every region its functions, and what was computed once is found again."""

from __future__ import annotations

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases import EstimatorCases
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import mediation_basis as textbook
from shape_check import any_shapes

from latticework.core.errors import InputError
from latticework.core.temporaries import locked
from latticework.mediation import basis as functions
from latticework.mediation import basis_parts
from latticework.mediation.basis import Basis, Block
from latticework.mediation.basis_parts import share_out
from latticework.mediation.decomposition import BasisDecomposition
from latticework.mediation.kernels import hermite_basis, matern_basis, standardise

RNG = np.random.default_rng(0)
PLACES = np.array([[x, y, z] for z in range(4) for y in range(5) for x in range(6)])
LABELS = np.where(PLACES[:, 0] < 2, 7, np.where(PLACES[:, 1] < 3, 30, 4))  # unsorted, with gaps
IMAGES = RNG.normal(size=(9, 120))
BIG = np.array([[x, y] for y in range(20) for x in range(17)], dtype=float)


class TestBasisDecomposition(EstimatorCases):
    def make(self):
        return BasisDecomposition(n_components=30)

    def fit_arguments(self):
        return (PLACES,), {"regions": LABELS}

    def queries(self):
        return {"transform": (IMAGES,), "inverse_transform": (IMAGES[:, :30],)}

    def bad_fits(self):
        broken = PLACES.astype(float)
        broken[3, 1] = np.nan
        yield "NaN", r"^coordinates: voxel 3 is at \(3\.0, nan, 0\.0\): expected finite numbers$", ((broken,), {})
        yield "one axis, without saying so", r"^coordinates have shape \(120,\)", ((PLACES[:, 0],), {})
        yield "no voxels", r"^coordinates have shape \(0, 3\): expected \(voxels, axes\)", ((PLACES[:0],), {})
        yield "the same voxel twice", "^coordinates: voxels 0 and 120", ((np.concatenate([PLACES, PLACES[:1]]),), {})
        yield "text", "^coordinates: two levels, 'a' and 'b': code them as 0 and 1$", (([["a", "b"]],), {})
        yield "ragged", "^coordinates: expected numbers in rows of one length", (([[1, 2], [3]],), {})
        yield "complex numbers", "^coordinates: expected real numbers, got complex128$", ((PLACES * 1j,), {})
        yield "too few labels", r"^regions have shape \(119,\)", ((PLACES,), {"regions": LABELS[1:]})
        yield "negative labels", "voxel 20 has the label -1:", ((PLACES,), {"regions": LABELS - 5})
        yield "missing labels", "label nan:", ((PLACES,), {"regions": np.where(LABELS == 4, np.nan, LABELS)})
        yield "fractions as labels", r"voxel 0 has the label 3\.5:", ((PLACES,), {"regions": LABELS / 2})
        yield "truth values as labels", "^regions are of type bool", ((PLACES,), {"regions": LABELS == 4})
        yield "labels of several types", r"the label 1\.5:", ((PLACES,), {"regions": ["a", 1.5, None] * 40})
        yield "more regions than components", "^n_components=30 for 120", ((PLACES,), {"regions": np.arange(120)})

    def bad_inputs(self):
        for method, rows, axis, width in (
            ("transform", "images", "voxels", 120),
            ("inverse_transform", "coefficients", "components", 30),
        ):
            narrow = rf"^an array of shape \(9, {width - 1}\): expected {width} {axis} along the last axis$"
            yield narrow, narrow, lambda fitted, m=method, w=width: getattr(fitted, m)(IMAGES[:, : w - 1])
            flat = rf"^{rows} have shape \({width},\): expected \(subjects, {axis}\)$"
            yield flat, flat, lambda fitted, m=method, w=width: getattr(fitted, m)(IMAGES[0, :w])
            yield f"{rows} of text", f"^{rows}: text, such as a", lambda fitted, m=method: getattr(fitted, m)([["a"]])
        yield "infinity", "voxel 0 of image 0 is not", lambda fitted: fitted.transform(np.full((2, 120), np.inf))


class TestHermiteDecomposition(TestBasisDecomposition):
    def make(self):
        return BasisDecomposition(kernel="modified_squared_exponential", degree=3, n_components=30)


def decompose(places=PLACES, regions=LABELS, **options):
    return BasisDecomposition(**options).fit(places, regions)


# What is found


@pytest.mark.parametrize("kernel", ["matern", "modified_squared_exponential"])
def test_every_region_has_the_functions_of_its_own_voxels(kernel):
    found = decompose(kernel=kernel, n_components=30, degree=3)
    assert [block.name for block in found.basis_.blocks] == ["4", "7", "30"]
    assert found.n_components_ == 30
    assert found.basis_.slices[-1].stop == 30
    for block, label in zip(found.basis_.blocks, [4, 7, 30], strict=True):
        mine = np.flatnonzero(label == LABELS)
        np.testing.assert_array_equal(block.voxels, mine)
        count = len(block.eigenvalues)
        if kernel == "matern":
            vectors, eigenvalues = matern_basis(standardise(PLACES[mine].astype(float)), count)
        else:
            vectors, eigenvalues = hermite_basis(PLACES[mine].astype(float), count, degree=3)
        np.testing.assert_array_equal(block.vectors, vectors)
        np.testing.assert_array_equal(block.eigenvalues, eigenvalues)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=1e-12)
    np.testing.assert_array_equal(
        found.basis_.region_of_voxel, np.select([LABELS == 4, LABELS == 7, LABELS == 30], [0, 1, 2])
    )


def test_by_default_there_are_three_functions_for_ten_voxels_and_at_least_one():
    assert [len(block.eigenvalues) for block in decompose().basis_.blocks] == [10, 12, 14]
    assert [len(block.eigenvalues) for block in decompose(regions=np.arange(120)).basis_.blocks] == [1] * 120
    assert decompose(kernel="modified_squared_exponential", degree=1).n_components_ == 3 * 4


def test_regions_of_one_voxel_have_the_constant_one():
    found = decompose(places=PLACES[:3], regions=["b", "", "b"], n_components=3)
    assert found.basis_.blocks[0].name == ""
    assert found.basis_.blocks[0].vectors.tolist() == [[1.0]]
    assert found.basis_.blocks[0].eigenvalues.tolist() == [1.0]
    np.testing.assert_allclose(found.inverse_transform(found.transform(IMAGES[:, :3])), IMAGES[:, :3], atol=1e-12)


@pytest.mark.parametrize(
    "regions", [LABELS.astype(float), LABELS.astype(np.uint8), LABELS.tolist()], ids=["float", "uint8", "list"]
)
def test_labels_of_any_type_mean_the_same(regions):
    found = decompose(regions=regions)
    assert [block.name for block in found.basis_.blocks] == ["4", "7", "30"]
    np.testing.assert_array_equal(found.transform(IMAGES), decompose().transform(IMAGES))


def test_text_labels_are_sorted_as_text():
    names = np.array(["b/../c", "<a>", "ä"])[np.searchsorted([4, 7, 30], LABELS)]
    for labels in (names, names.astype(object), names.tolist()):
        assert [block.name for block in decompose(regions=labels).basis_.blocks] == ["<a>", "b/../c", "ä"]


def test_regions_of_numbers_may_have_names_and_keep_the_order_of_their_numbers():
    numbers = np.searchsorted([4, 7, 30], LABELS)
    names = ["precuneus", "insula", "area 10", "no voxel"]
    found, plain = decompose(), BasisDecomposition().fit(PLACES, numbers, names=names)
    assert [block.name for block in plain.basis_.blocks] == names[:3]
    assert list(plain.explained_per_region_) == names[:3]
    np.testing.assert_array_equal(plain.transform(IMAGES), found.transform(IMAGES))
    for wrong, told in (
        (names[:2], "2 names of regions: expected labels from 0 to 1"),
        (["a", "b", "a"], "called 'a'"),
    ):
        with pytest.raises(InputError, match=told):
            BasisDecomposition().fit(PLACES, numbers, names=wrong)
    with pytest.raises(InputError, match="expected labels from 0 to 3"):
        BasisDecomposition().fit(PLACES, np.array(["a", "b", "c"])[numbers], names=names)


@pytest.mark.parametrize("kernel", ["matern", "modified_squared_exponential"])
def test_voxels_in_another_order_give_the_same(kernel):
    order = np.random.default_rng(3).permutation(120)
    found, permuted = decompose(kernel=kernel), decompose(PLACES[order], LABELS[order], kernel=kernel)
    np.testing.assert_array_equal(permuted.eigenvalues_, found.eigenvalues_)
    for one, other in zip(permuted.basis_.blocks, found.basis_.blocks, strict=True):
        image, same = np.zeros((120, len(one.eigenvalues))), np.zeros((120, len(one.eigenvalues)))
        image[order[one.voxels]], same[other.voxels] = one.vectors, other.vectors
        np.testing.assert_array_equal(image, same)
    np.testing.assert_allclose(permuted.transform(IMAGES[:, order]), found.transform(IMAGES), atol=1e-12)


def test_regions_under_other_labels_give_the_same():
    found, renamed = decompose(), decompose(regions=100 - LABELS)
    assert [block.name for block in renamed.basis_.blocks] == ["70", "93", "96"]
    for one, other in zip(renamed.basis_.blocks, reversed(found.basis_.blocks), strict=True):
        np.testing.assert_array_equal(one.vectors, other.vectors)
        np.testing.assert_array_equal(one.voxels, other.voxels)


@pytest.mark.parametrize("kernel", ["matern", "modified_squared_exponential"])
def test_unit_and_origin_of_coordinates_do_not_matter(kernel):
    found, moved = decompose(kernel=kernel), decompose(PLACES * 2.5 + [10, -90, 3], kernel=kernel)
    np.testing.assert_allclose(moved.eigenvalues_, found.eigenvalues_, rtol=1e-9)
    np.testing.assert_allclose(moved.transform(IMAGES), found.transform(IMAGES), atol=1e-7)


@pytest.mark.parametrize("kernel, share", [("matern", 0.7), ("modified_squared_exponential", 0.05)])
def test_explained_is_reached_in_each_region_with_the_fewest(kernel, share):
    found = decompose(BIG, (BIG[:, 0] > 5).astype(int), kernel=kernel, explained=share, cache=False)
    assert found.explained_per_region_.keys() == {"0", "1"}
    for block, reached in zip(found.basis_.blocks, found.explained_per_region_.values(), strict=True):
        assert reached >= share > reached * (1 - block.eigenvalues[-1] / block.eigenvalues.sum())
    assert found.explained_ >= share


def test_share_that_a_degree_cannot_reach_is_refused():
    with pytest.raises(
        InputError, match=r"explained=0.9: 66 functions explain 0.0\d\d of region 'all'; raise degree=10"
    ):
        decompose(BIG, None, kernel="modified_squared_exponential", explained=0.9, cache=False)


def test_explained_is_the_share_of_the_trace():
    found = decompose(n_components=120)
    assert found.explained_ == pytest.approx(1)
    assert list(found.explained_per_region_.values()) == pytest.approx([1, 1, 1])
    kernel = textbook.matern_kernel(standardise(PLACES[LABELS == 4].astype(float)), 0.2, 2.0)
    share = np.linalg.eigvalsh(kernel)[-10:].sum() / np.trace(kernel)
    assert decompose().explained_per_region_["4"] == pytest.approx(share)


@settings(max_examples=200)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.data())
def test_components_are_shared_out_by_largest_remainder(voxels, data):
    voxels = np.array(voxels)
    total = data.draw(st.integers(len(voxels), int(voxels.sum())))
    counts = share_out(total, voxels, voxels)
    due = total * voxels / voxels.sum()
    assert counts.sum() == total
    assert ((counts >= 1) & (counts <= voxels)).all()
    if (due >= 1).all():
        floors = np.floor(due + 1e-9).astype(int)
        assert set((counts - floors).tolist()) <= {0, 1}
        given_one, given_none = (due - floors)[counts > floors], (due - floors)[counts == floors]
        assert given_one.min(initial=1.0) >= given_none.max(initial=0.0) - 1e-9


def test_components_beyond_what_a_region_takes_go_to_others():
    assert share_out(70, np.array([400, 9]), np.array([66, 9])).tolist() == [66, 4]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"n_components": 2}, r"n_components=2 for 3 regions"),
        ({"n_components": 121}, r"n_components=121: at most 120 fit"),
        ({"n_components": 0}, "n_components=0"),
        ({"n_components": 2.5}, "n_components=2.5"),
        ({"explained": 1.0}, r"explained=1.0: expected a share"),
        ({"explained": 0}, "explained=0"),
        ({"n_components": 30, "explained": 0.5}, "n_components=30 and explained=0.5: give one of them"),
        ({"kernel": "rbf"}, "kernel='rbf': expected one of matern"),
        ({"smoothness": 0.0}, "smoothness=0.0"),
        ({"length_scale": float("nan")}, "length_scale=nan"),
        ({"degree": 1.5}, "degree=1.5"),
        ({"cache": 3}, "cache=3"),
        ({"cache": True}, "cache=True"),
    ],
)
def test_option_out_of_range_is_named(options, words):
    with pytest.raises(InputError, match=words):
        decompose(**options)


@pytest.mark.parametrize(
    "places, regions, words",
    [
        ([[0, 1], [2, 3], [0, 1]], None, r"voxels 0 and 2 are both at \(0.0, 1.0\)"),
        ([[0, 1], [2, np.inf]], None, r"voxel 1 is at \(2.0, inf\)"),
        ([[0, 1], [2, 3]], [1, -1], "voxel 1 has the label -1"),
        ([[0, 1], [2, 3]], [np.nan, 1], "voxel 0 has the label nan"),
        ([[0, 1], [2, 3]], [1], r"regions have shape \(1,\)"),
        ([[0, 1], [2, 3]], ["a", np.nan], "voxel 1 has the label nan"),
        ([[0, 1], [2, 3]], np.ma.masked_equal([4, 5], 5), "voxel 1 has the label None"),
    ],
)
def test_what_is_wrong_with_voxels_is_said(places, regions, words):
    with pytest.raises(InputError, match=words):
        BasisDecomposition().fit(places, regions)


def test_image_that_is_not_finite_is_named():
    images = IMAGES.copy()
    images[4, 17] = np.nan
    with pytest.raises(InputError, match="voxel 17 of image 4"):
        decompose().transform(images)
    images[4, 17] = 1.7e308
    images[4, 18:] = 1.7e308
    with pytest.raises(InputError, match="the sum over image 4"):
        decompose(n_components=3).transform(images)


# Coefficients and images


def test_images_in_the_span_come_back():
    found = decompose()
    coefficients = RNG.normal(size=(5, found.n_components_))
    np.testing.assert_allclose(found.transform(found.inverse_transform(coefficients)), coefficients, atol=1e-12)
    everything = decompose(n_components=120)
    np.testing.assert_allclose(everything.inverse_transform(everything.transform(IMAGES)), IMAGES, atol=1e-12)


def test_projection_and_expansion_are_products_with_the_whole_matrix():
    basis = decompose().basis_
    matrix = np.zeros((120, basis.n_components))
    for block, mine in zip(basis.blocks, basis.slices, strict=True):
        matrix[block.voxels, mine] = block.vectors
    for shape in ((), (4,), (2, 3), (0,), (2, 0, 3)):
        images, coefficients = RNG.normal(size=(*shape, 120)), RNG.normal(size=(*shape, basis.n_components))
        np.testing.assert_allclose(basis.project(images), images @ matrix, atol=1e-12)
        np.testing.assert_allclose(basis.expand(coefficients), coefficients @ matrix.T, atol=1e-12)


def test_images_of_other_voxels_and_other_numbers_of_coefficients_are_refused():
    basis = decompose().basis_
    with pytest.raises(InputError, match="expected 36 components"):
        basis.expand(np.zeros(3))
    with pytest.raises(InputError, match="expected 120 voxels"):
        basis.project(np.array(3.0))


def test_images_of_any_type_are_projected_in_double_precision_a_piece_at_a_time(tmp_path, monkeypatch):
    basis = decompose().basis_
    single = np.lib.format.open_memmap(tmp_path / "images.npy", mode="w+", dtype=np.float32, shape=(9, 120))
    single[:] = IMAGES
    expected = basis.project(IMAGES.astype(np.float32).astype(np.float64))
    monkeypatch.setattr(functions, "_CHUNK_BYTES", 2 * 8 * 120)
    found = basis.project(single)
    assert type(found) is np.ndarray
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-13)
    counts = (10 * IMAGES).astype(np.int16)
    np.testing.assert_allclose(basis.project(counts), basis.project(counts.astype(np.float64)), atol=1e-12)


@pytest.mark.parametrize(
    "voxels, vectors, eigenvalues, words",
    [
        ([0, 1], np.eye(2), [1.0, 1.0], "each of the 3 voxels once"),
        ([0, 1, 1], np.eye(3), np.ones(3), "each of the 3 voxels once"),
        ([0, 1, 3], np.eye(3), np.ones(3), "each of the 3 voxels once"),
        ([0, 1, 2], np.eye(3), np.ones(2), r"region 'a': vectors have shape \(3, 3\), but 3 voxels, 2"),
        ([0, 1, 2], np.eye(3), [1.0, 1.0, 0.0], "region 'a': an eigenvalue is not positive"),
        ([0, 1, 2], np.eye(3), [1.0, 1.0, np.nan], "region 'a': an eigenvalue is not positive"),
        ([0, 1, 2], np.eye(3), [1.0, 1.0, np.inf], "region 'a': an eigenvalue is not positive, or not finite"),
        ([0, 1, 2], np.diag([1.0, 1.0, np.nan]), np.ones(3), "region 'a': a vector is not finite"),
        ([0.0, 1.0, 2.0], np.eye(3), np.ones(3), "each of the 3 voxels once"),
    ],
)
def test_basis_whose_arrays_do_not_fit_is_refused(voxels, vectors, eigenvalues, words):
    with any_shapes():
        block = Block("a", np.array(voxels), vectors, np.array(eigenvalues))
    with pytest.raises(InputError, match=words):
        Basis((block,), 3)


def test_number_of_voxels_is_looked_at_before_so_many_are_counted():
    with pytest.raises(InputError, match="each of the 1,125,899,906,842,624 voxels once"):  # 8 PiB, if counted
        Basis((Block("a", np.arange(3), np.eye(3), np.ones(3)),), 2**50)


def test_basis_without_regions_is_refused():
    with pytest.raises(InputError, match="each of the 0 voxels"):
        Basis((), 0)


# The cache


@pytest.fixture
def decompositions(monkeypatch):
    """The regions that are decomposed."""
    done = []

    def counting(coordinates, *arguments, **options):
        done.append(len(coordinates))
        return matern_basis(coordinates, *arguments, **options)

    monkeypatch.setattr(basis_parts, "matern_basis", counting)
    return done


def same(one, other):
    assert len(one.basis_.blocks) == len(other.basis_.blocks)
    for mine, theirs in zip(one.basis_.blocks, other.basis_.blocks, strict=True):
        np.testing.assert_array_equal(mine.vectors, theirs.vectors)
        np.testing.assert_array_equal(mine.eigenvalues, theirs.eigenvalues)
    assert list(one.explained_per_region_.values()) == list(other.explained_per_region_.values())
    assert one.explained_ == other.explained_


@pytest.mark.parametrize("options", [{"n_components": 40}, {"explained": 0.6}])
def test_what_was_computed_is_not_computed_again(options, tmp_path, decompositions):
    regions = BIG[:, 0] > 10
    first = decompose(BIG, regions.astype(int), cache=tmp_path / "new" / "folder", **options)
    assert len(decompositions) == 2
    again = decompose(BIG, np.where(regions, "b", "a"), cache=str(tmp_path / "new" / "folder"), **options)
    assert len(decompositions) == 2
    assert [block.name for block in again.basis_.blocks] == ["a", "b"]
    same(again, first)


def test_anything_else_is_computed(tmp_path, decompositions):
    decompose(BIG, None, n_components=10, cache=tmp_path)
    for places, options in (
        (BIG, {"n_components": 11}),
        (BIG, {"n_components": 10, "smoothness": 0.3}),
        (BIG, {"n_components": 10, "length_scale": 1.0}),
        (BIG[::-1], {"n_components": 10}),
        (2 * BIG, {"n_components": 10}),
        (BIG, {"explained": 0.5}),
    ):
        before = len(decompositions)
        decompose(places, None, cache=tmp_path, **options)
        assert len(decompositions) == before + 1
    decompose(BIG, BIG[:, 0] // 9, n_components=10, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 8


def test_cache_is_latticeworks_unless_told_otherwise_and_holds_what_took_time(tmp_path, monkeypatch, decompositions):
    monkeypatch.setenv("LATTICEWORK_CACHE", str(tmp_path))
    decompose(BIG, None, n_components=10, cache=False)
    decompose(n_components=10)
    assert list(tmp_path.iterdir()) == []
    decompose(BIG, None, n_components=10)
    decompose(BIG, None, n_components=10)
    assert decompositions.count(340) == 2
    assert len(list(tmp_path.rglob("*.npz"))) == 1


def damages(good):
    yield "empty", b""
    yield "cut off", good[: len(good) // 2]
    yield "one bit", good[: len(good) // 2] + bytes([good[len(good) // 2] ^ 1]) + good[len(good) // 2 + 1 :]
    yield "no archive", b"\x93NUMPY" + good[6:-100]
    yield "too long", good + bytes(2**20)
    yield "text", b"hello"


def test_damaged_cache_is_computed_and_written_again(tmp_path, decompositions):
    first = decompose(BIG, None, n_components=10, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    for count, (name, bad) in enumerate(damages(good), start=2):
        path.write_bytes(bad)
        same(decompose(BIG, None, n_components=10, cache=tmp_path), first)
        assert len(decompositions) == count, name
        assert path.read_bytes() == good, name


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("vectors.0"),
        lambda arrays: arrays.update({"vectors.0": arrays["vectors.0"][:-1]}),
        lambda arrays: arrays.update({"vectors.0": arrays["vectors.0"].astype(np.float32)}),
        lambda arrays: arrays.update({"vectors.0": arrays["vectors.0"] * np.nan}),
        lambda arrays: arrays.update({"eigenvalues.0": -arrays["eigenvalues.0"]}),
        lambda arrays: arrays.update({"eigenvalues.0": np.array([{}], dtype=object)}),
        lambda arrays: arrays.update({"eigenvalues.0": np.array(1.0)}),
        lambda arrays: arrays.update({"vectors.0": np.empty((340, 0)), "eigenvalues.0": np.empty(0)}),
    ],
)
def test_cache_that_does_not_fit_is_computed_again(change, tmp_path, decompositions):
    first = decompose(BIG, None, n_components=10, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    with np.load(path) as stored:
        arrays = dict(stored)
    change(arrays)
    np.savez(path, **arrays)
    same(decompose(BIG, None, n_components=10, cache=tmp_path), first)
    assert len(decompositions) == 2


def test_compressed_cache_is_not_unpacked(tmp_path, decompositions):
    first = decompose(BIG, None, n_components=10, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vectors.0.npy", bytes(2**24))
    same(decompose(BIG, None, n_components=10, cache=tmp_path), first)
    assert len(decompositions) == 2


def test_cache_that_cannot_be_written_does_no_harm(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    found = decompose(BIG, None, n_components=10, cache=tmp_path / "file" / "cache")
    assert found.n_components_ == 10


def kept_in(folder):
    return {path.name for path in folder.glob("*.npz")}


def test_of_what_is_kept_the_least_recently_used_goes_first(tmp_path, monkeypatch, decompositions):
    (tmp_path / "notes.npz").write_bytes(bytes(10**6))
    names = []
    for age, count in enumerate((10, 11, 12)):
        before = kept_in(tmp_path)
        decompose(BIG, None, n_components=count, cache=tmp_path)
        (name,) = kept_in(tmp_path) - before
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
        names.append(name)
    sizes = [(tmp_path / name).stat().st_size for name in names]
    monkeypatch.setattr(basis_parts, "MAX_CACHE_BYTES", sizes[0] + 2 * sizes[2])
    decompose(BIG, None, n_components=10, cache=tmp_path)
    assert len(decompositions) == 3, "it was found, and is used most recently now"
    decompose(BIG, None, n_components=12, smoothness=0.3, cache=tmp_path)
    left = kept_in(tmp_path)
    assert {"notes.npz", names[0], names[2]} < left
    assert names[1] not in left
    assert len(left) == 4


def test_a_basis_larger_than_all_that_is_kept_drives_nothing_out(tmp_path, monkeypatch):
    decompose(BIG, None, n_components=10, cache=tmp_path)
    before = kept_in(tmp_path)
    monkeypatch.setattr(basis_parts, "MAX_CACHE_BYTES", 11 * 340 * 8)
    decompose(BIG, None, n_components=11, cache=tmp_path)
    assert kept_in(tmp_path) == before


def test_what_another_process_has_removed_is_not_missed(tmp_path, monkeypatch):
    for count in (10, 11, 12):
        decompose(BIG, None, n_components=count, cache=tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    for path in tmp_path.iterdir():
        os.utime(path, (1000, 1000))
    unlink = os.unlink

    def too_late(path):
        unlink(path)
        unlink(path)

    monkeypatch.setattr(basis_parts.os, "unlink", too_late)
    monkeypatch.setattr(basis_parts, "MAX_CACHE_BYTES", size)
    found = decompose(BIG, None, n_components=13, cache=tmp_path)
    assert found.n_components_ == 13
    assert len(kept_in(tmp_path)) == 2, "two make room for one that is larger than each"


def test_processes_that_share_a_small_cache_find_the_same_as_without_one(tmp_path, monkeypatch):
    monkeypatch.setattr(basis_parts, "MAX_CACHE_BYTES", 2 * 12 * 340 * 8)
    alone = {count: decompose(BIG, None, n_components=count, cache=False) for count in (10, 11, 12)}

    def again(number):
        count = 10 + number % 3
        return count, decompose(BIG, None, n_components=count, cache=tmp_path)

    with ThreadPoolExecutor(4) as pool:
        for count, found in pool.map(again, range(24)):
            same(found, alone[count])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= basis_parts.MAX_CACHE_BYTES


def test_what_killed_processes_left_in_the_cache_goes_and_what_is_being_written_stays(tmp_path):
    left, written = (tmp_path / f".latticework-{digit * 16}.tmp" for digit in "01")
    model = tmp_path / f".latticework-{'2' * 16}.tmp"  # a folder, which no cache writes
    model.mkdir()
    left.write_bytes(b"half")
    written.write_bytes(b"half")
    with locked(written):
        decompose(BIG, None, n_components=10, cache=tmp_path)
        assert not left.exists()
        assert written.exists()
        assert model.exists()


def test_refused_region_leaves_no_cache(tmp_path):
    with pytest.raises(InputError, match="raise degree=2"):
        decompose(BIG, None, kernel="modified_squared_exponential", degree=2, explained=0.9, cache=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [b"no array", b"\x93NUMPY\1\0\5\0{'a':"])
def test_a_kept_file_with_something_else_in_the_place_of_an_array_is_computed_anew(tmp_path, decompositions, content):
    decompose(BIG, None, n_components=10, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("vectors.0.npy", content)
        archive.writestr("eigenvalues.0.npy", content)
    before = len(decompositions)
    decompose(BIG, None, n_components=10, cache=tmp_path)
    assert len(decompositions) == before + 1
