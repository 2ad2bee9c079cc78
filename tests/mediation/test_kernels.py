"""Kernels are those of the textbook, and bases those of the authors' files, however they are computed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import mediation_basis as textbook

from latticework.core.errors import InputError
from latticework.mediation import eigen, kernels
from latticework.mediation.kernels import (
    _hermite_functions,
    hermite_basis,
    hermite_count,
    hermite_trace,
    matern,
    matern_basis,
    standardise,
)

FILES = {"basis_1region_p1600_L120.rds": 40, "basis_1region_p400.rds": 20}


def grid(*sizes):
    """A grid from -1 to 1 along each axis, the first coordinate changing fastest."""
    axes = np.meshgrid(*[np.linspace(-1, 1, size) for size in reversed(sizes)], indexing="ij")
    return np.column_stack([axis.ravel() for axis in reversed(axes)])


def ball(size):
    places = grid(size, size, size)
    return places[(places**2).sum(axis=1) < 0.8]


def scattered(count, axes=3, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, axes))


def dense(places, smoothness=0.2, length_scale=2.0):
    distances = np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=-1))
    return matern(distances, smoothness, length_scale)


def soft_threshold(values):
    return np.sign(values) * np.maximum(np.abs(values) - 0.5, 0)


def same_span(one, other):
    cosines = np.linalg.svd(one.T @ other, compute_uv=False)
    return len(cosines) == one.shape[1] == other.shape[1] and cosines.min() > 1 - 1e-8


@pytest.fixture
def iterate(monkeypatch):
    """Let Lanczos iterations decompose regions of any size."""
    monkeypatch.setattr(eigen, "DENSE_VOXELS", 0)
    monkeypatch.setattr(eigen, "FEW", 1.0)


# The kernel


@pytest.mark.parametrize(
    "smoothness, closed",
    [
        (0.5, lambda x: np.exp(-x)),
        (1.5, lambda x: (1 + np.sqrt(3) * x) * np.exp(-np.sqrt(3) * x)),
        (2.5, lambda x: (1 + np.sqrt(5) * x + 5 / 3 * x**2) * np.exp(-np.sqrt(5) * x)),
    ],
)
def test_half_integer_smoothness_has_the_closed_form(smoothness, closed):
    distances = np.linspace(0, 20, 500)
    np.testing.assert_allclose(matern(distances, smoothness, 1.7), closed(distances / 1.7), rtol=1e-11, atol=1e-300)


@given(
    st.lists(st.just(0.0) | st.floats(1e-6, 1e3), min_size=1, max_size=5),
    st.floats(0.05, 8),
    st.floats(0.1, 10),
)
def test_kernel_is_the_textbooks(distances, smoothness, length_scale):
    expected = [textbook.matern(distance, smoothness, length_scale) for distance in distances]
    found = matern(np.array(distances), smoothness, length_scale)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("smoothness", [1e-3, 0.2, 1.0, 7.0, 50.0])
def test_kernel_falls_from_one_to_zero_without_overflow(smoothness):
    distances = np.concatenate([[0.0], np.logspace(-320, 308, 2000), [np.inf]])
    values = matern(distances, smoothness, 2.0)
    assert values[0] == 1
    assert values[-1] == 0
    assert np.isfinite(values).all()
    assert (np.diff(values) <= 1e-10).all()


@pytest.mark.parametrize(
    "options", [{"smoothness": 0.0}, {"smoothness": 51.0}, {"length_scale": 0.0}, {"length_scale": -1.0}]
)
def test_kernel_out_of_range_is_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        matern(np.ones(2), **options)


# Its eigenvectors


@settings(max_examples=25)
@given(st.integers(2, 12), st.integers(1, 3), st.integers(0, 99), st.floats(0.1, 2.5), st.floats(0.3, 4))
def test_basis_decomposes_the_textbooks_kernel(voxels, axes, seed, smoothness, length_scale):
    places = scattered(voxels, axes, seed)
    vectors, eigenvalues = matern_basis(places, smoothness=smoothness, length_scale=length_scale)
    kernel = textbook.matern_kernel(places, smoothness, length_scale)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(eigenvalues)), atol=1e-12)
    np.testing.assert_allclose(vectors * eigenvalues @ vectors.T, kernel, atol=1e-8 * voxels)
    assert (np.diff(eigenvalues) <= 0).all()
    assert (eigenvalues > 0).all()


@pytest.mark.parametrize(
    "places", [grid(9, 7), grid(5, 6, 4), grid(40), ball(7), scattered(90)], ids=["2-D", "3-D", "1-D", "ball", "any"]
)
def test_vectors_are_those_of_the_kernel(places):
    vectors, eigenvalues = matern_basis(places, 20)
    np.testing.assert_allclose(dense(places) @ vectors, vectors * eigenvalues, atol=1e-12 * len(places))
    np.testing.assert_allclose(eigenvalues, np.linalg.eigvalsh(dense(places))[::-1][:20], rtol=1e-11)


@pytest.mark.parametrize(
    "places",
    [grid(20, 20), grid(7, 7, 7), ball(9), grid(60, 1), scattered(300)],
    ids=["square", "cube", "ball", "line", "any"],
)
def test_iterations_find_what_a_dense_decomposition_finds(places, monkeypatch):
    expected, eigenvalues = matern_basis(places, 25)
    monkeypatch.setattr(eigen, "DENSE_VOXELS", 0)
    monkeypatch.setattr(eigen, "FEW", 1.0)
    found, values = matern_basis(places, 25)
    np.testing.assert_allclose(values, eigenvalues, rtol=1e-11)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_allclose(found.T @ found, np.eye(25), atol=1e-12)


def test_more_components_than_are_iterated_for_are_found_as_long_as_the_kernel_fits(monkeypatch):
    places = grid(20, 20)
    expected = matern_basis(places, 25)
    monkeypatch.setattr(eigen, "DENSE_VOXELS", 0)
    monkeypatch.setattr(eigen, "MOST_ITERATED", 24)
    for found, wanted in zip(matern_basis(places, 25), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-7)
    monkeypatch.setattr(eigen, "STORED_VOXELS", 399)
    with pytest.raises(InputError, match="25 components of a region of 400 voxels: at most 24 are found in a region"):
        matern_basis(places, 25)


def test_iterations_find_every_copy_of_an_eigenvalue_that_repeats():
    eigenvalues = np.repeat([9.0, 7.0, 5.0, 3.0, 1.0], [1, 5, 4, 20, 70])
    found, vectors = eigen.lanczos(lambda vector: eigenvalues * vector, 100, 10)
    np.testing.assert_allclose(found, eigenvalues[:10])
    np.testing.assert_allclose(np.linalg.norm(vectors[:10], axis=0), 1)


def test_products_by_fourier_transforms_are_exact():
    places = ball(9)
    lattice = eigen.Grid.of(places)
    multiply = eigen.by_fourier(lattice, lambda distances: matern(distances, 0.2, 2.0))
    vector = np.random.default_rng(0).normal(size=len(places))
    np.testing.assert_allclose(multiply(vector), dense(places) @ vector, rtol=1e-11)


@pytest.mark.parametrize("moved", [1e-3, np.pi])
def test_voxels_off_a_grid_are_not_taken_for_one(moved):
    places = grid(6, 6)
    assert eigen.Grid.of(places).shape == (6, 6)
    places[7] += moved
    assert eigen.Grid.of(places) is None
    vectors, eigenvalues = matern_basis(places, 5)
    np.testing.assert_allclose(dense(places) @ vectors, vectors * eigenvalues, atol=1e-12)


def test_grid_may_have_holes_steps_of_its_own_and_single_precision():
    places = grid(8, 5, 6)[::3] * [70.0, 90.0, 3.0] + [0.5, 1000.0, -7.0]
    rounded = places.astype(np.float32).astype(np.float64)
    assert eigen.Grid.of(rounded) is not None
    np.testing.assert_allclose(
        matern_basis(rounded, 9, length_scale=80.0)[1], matern_basis(places, 9, length_scale=80.0)[1], rtol=1e-5
    )


def test_few_bessel_functions_are_evaluated_for_a_grid(monkeypatch):
    evaluated = []

    def counting(order, x):
        evaluated.append(np.size(x))
        return kv(order, x)

    kv = kernels.kv
    monkeypatch.setattr(kernels, "kv", counting)
    matern_basis(grid(12, 12), 5)
    assert sum(evaluated) <= 12 * 13 / 2


@pytest.mark.parametrize("places", [grid(6, 6), grid(4, 4, 4), scattered(40)], ids=["square", "cube", "any"])
@pytest.mark.parametrize("basis", [matern_basis, hermite_basis])
def test_order_of_voxels_does_not_matter(places, basis):
    order = np.random.default_rng(1).permutation(len(places))
    vectors, eigenvalues = basis(places)
    permuted, same = basis(places[order])
    np.testing.assert_array_equal(permuted, vectors[order])
    np.testing.assert_array_equal(same, eigenvalues)


def test_order_of_voxels_does_not_matter_to_iterations(iterate):
    places = grid(9, 9)
    order = np.random.default_rng(1).permutation(81)
    np.testing.assert_array_equal(matern_basis(places[order], 8)[0], matern_basis(places, 8)[0][order])


def test_vectors_do_not_depend_on_the_ones_that_a_library_happens_to_find():
    places = grid(5, 5, 5)
    eigenvalues, vectors = (found[..., ::-1] for found in np.linalg.eigh(dense(places)))
    first = eigen.settled(eigenvalues, vectors, standardise(places))
    rng, turned = np.random.default_rng(0), vectors.copy()
    starts = np.flatnonzero(np.diff(eigenvalues, prepend=np.inf) < -1e-9)
    for start, end in zip(starts, [*starts[1:], 125], strict=True):
        turned[:, start:end] = vectors[:, start:end] @ np.linalg.qr(rng.normal(size=(end - start, end - start)))[0]
    assert len(starts) < 80
    np.testing.assert_allclose(eigen.settled(eigenvalues, turned, standardise(places)), first, atol=1e-9)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_explained_takes_the_fewest_that_reach_the_share(share):
    places = grid(8, 8)
    _, eigenvalues = matern_basis(places, explained=share)
    assert eigenvalues.sum() >= share * 64 > eigenvalues[:-1].sum()


def test_explained_takes_the_fewest_from_iterations_too(monkeypatch):
    places = grid(40, 40)
    expected = matern_basis(places, explained=0.6)
    monkeypatch.setattr(eigen, "DENSE_VOXELS", 0)
    vectors, eigenvalues = matern_basis(places, explained=0.6)
    np.testing.assert_allclose(eigenvalues, expected[1], rtol=1e-11)
    np.testing.assert_allclose(vectors, expected[0], atol=1e-7)
    monkeypatch.setattr(eigen, "STORED_VOXELS", 0)
    with pytest.raises(InputError, match=r"explained=0.99: 136 of 1,600 .* give n_components"):
        matern_basis(places, explained=0.99)


def test_negligible_eigenvalues_are_left_out():
    vectors, eigenvalues = matern_basis(grid(8, 8), smoothness=20.0)
    assert vectors.shape[1] == len(eigenvalues) < 64
    assert eigenvalues[-1] > 1e-10 * eigenvalues[0]


def test_one_voxel_has_the_constant_one():
    vectors, eigenvalues = matern_basis(np.array([[3.0, 4.0, 5.0]]), 1)
    assert (vectors.item(), eigenvalues.item()) == (1.0, 1.0)


def test_regions_that_do_not_fit_are_refused(monkeypatch, iterate):
    monkeypatch.setattr(eigen, "STORED_VOXELS", 50)
    assert matern_basis(grid(8, 8), 3)[0].shape == (64, 3)
    with pytest.raises(InputError, match=r"60 voxels that do not lie on a grid .* at most 50"):
        matern_basis(scattered(60), 3)
    with pytest.raises(InputError, match=r"n_components=65, but there are only 64"):
        matern_basis(grid(8, 8), 65)


# Hermite functions


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(0, 4), st.integers(0, 99), st.floats(0.005, 0.01), st.floats(0.5, 10))
def test_hermite_basis_is_the_textbooks(axes, degree, seed, a, b):
    places = scattered(120, axes, seed)
    functions, expected = textbook.hermite_values(standardise(places, 6.0), degree, a, b)
    vectors, eigenvalues = hermite_basis(places, degree=degree, a=a, b=b)
    assert vectors.shape == (120, hermite_count(axes, degree))
    np.testing.assert_allclose(eigenvalues, expected, rtol=1e-12)
    assert same_span(vectors, np.linalg.qr(functions)[0])
    triangle = vectors.T @ functions
    assert np.abs(np.tril(triangle, -1)).max() <= 1e-10 * np.abs(functions).max() * len(places)


def test_eigenfunctions_are_those_of_the_modified_squared_exponential_kernel():
    places = np.linspace(-1, 1, 41)[:, None]
    functions, eigenvalues = textbook.hermite_values(6 * places, 80, 0.2, 0.5)
    c = np.sqrt(0.2**2 + 2 * 0.2 * 0.5)
    mehler = eigenvalues / (0.5 / (0.7 + c))  # the textbook's, whose power of B is one less
    x = 6 * places
    kernel = np.exp(-0.2 * x**2 - 0.2 * x.T**2 - 0.5 * (x - x.T) ** 2)
    np.testing.assert_allclose(functions * mehler @ functions.T, kernel, atol=1e-9)


def test_trace_is_the_sum_over_all_degrees():
    for axes in (1, 2, 3):
        _, eigenvalues = textbook.hermite_values(np.zeros((1, axes)), 40, 0.3, 0.4)
        assert hermite_trace(axes, 0.3, 0.4) == pytest.approx(eigenvalues.sum(), rel=1e-6)


def test_functions_that_voxels_cannot_tell_apart_are_left_out():
    flat = np.column_stack([grid(9, 9), np.zeros(81)])
    vectors, _ = hermite_basis(flat, degree=3)
    plane, _ = hermite_basis(grid(9, 9), degree=3)
    assert vectors.shape == (81, 10)
    assert same_span(vectors, plane)
    few, eigenvalues = hermite_basis(scattered(7), degree=10)
    assert few.shape == (7, 7)
    assert len(eigenvalues) == 7
    np.testing.assert_allclose(few.T @ few, np.eye(7), atol=1e-12)
    assert hermite_basis(np.array([[2.0, 3.0]]))[0].shape == (1, 1)
    assert hermite_basis(flat, 4, degree=3)[0].shape == (81, 4)


@pytest.mark.parametrize(
    "options", [{"degree": -1}, {"degree": 10**6}, {"degree": 2**31 - 1}, {"a": 0.0}, {"b": -1.0}, {"n_components": 0}]
)
def test_hermite_options_out_of_range_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        hermite_basis(grid(4, 4), **options)


# The authors' files


@pytest.mark.realdata
@pytest.mark.parametrize("file", FILES)
def test_eigenvalues_and_eigenspaces_are_those_of_the_authors(file, data_folder):
    rdata = pytest.importorskip("rdata")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the time that it took them, which is of no account
        stored = rdata.read_rds(data_folder / "mediation" / file)
    theirs, eigenvalues = stored["Phi_Q"][0], stored["Phi_D"][0]
    ours, values = matern_basis(grid(FILES[file], FILES[file]), 121)
    np.testing.assert_allclose(values[:120], eigenvalues, rtol=1e-10)
    # The 120th and the 121st eigenvalue are equal, so which vector of theirs is the 120th is up to the library.
    assert values[119] == pytest.approx(values[120], rel=1e-12)
    assert same_span(ours[:, :119], theirs[:, :119])
    assert np.linalg.svd(ours.T @ theirs, compute_uv=False).min() > 1 - 1e-8


@pytest.mark.realdata
@pytest.mark.parametrize("effect", ["alpha", "beta"])
def test_hermite_basis_reproduces_the_authors_effects(effect, data_folder):
    rdata = pytest.importorskip("rdata")
    stored = rdata.read_rda(data_folder / "mediation" / "one_region.rda")["one_region"]
    vectors, _ = hermite_basis(grid(20, 20))
    found = soft_threshold(vectors @ stored[f"theta_{effect}"])
    np.testing.assert_allclose(found, stored[f"{effect}_test_ST"], atol=1e-12)
    assert np.count_nonzero(found) > 50


@pytest.mark.parametrize("share", [0, 1, 1.5, float("nan")])
def test_a_share_to_explain_is_above_zero_and_below_one(share):
    with pytest.raises(InputError, match=f"explained={share}: expected a share above 0 and below 1"):
        matern_basis(grid(4, 4), explained=share)


@pytest.mark.parametrize("reach", [1.0, 6.0])
def test_standard_coordinates_lie_about_their_mean_within_reach(reach):
    places = scattered(30) * 7 + 100
    found = standardise(places, reach)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    assert np.abs(found).max() == pytest.approx(reach)
    stretched = (places - places.mean(axis=0)) / found
    np.testing.assert_allclose(stretched, stretched[0, 0])
    np.testing.assert_array_equal(standardise(places[:1], reach), np.zeros((1, places.shape[1])))


def test_hermite_functions_of_one_variable_are_orthonormal():
    """Over the line, as the textbook has them; over voxels they are made so whatever their lengths are."""
    line = np.linspace(-9, 9, 4001)
    functions = _hermite_functions(line, 12, 0.7)
    np.testing.assert_allclose(functions.T @ functions * (line[1] - line[0]), np.eye(13), atol=1e-9)
