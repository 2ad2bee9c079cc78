import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import expon
from sklearn.linear_model import SGDOneClassSVM

from latticework.anomaly.fusion.decision import METHODS, DecisionLayer, centre_and_spread, fit_decision
from latticework.core.errors import InputError
from latticework.core.persistence import State, read_folder, write_folder


def distances(rows=60, *, scales=(1.0, 20.0, 0.05), seed=0):
    """Scores as nearest neighbours give them: positive, and of another size in each bank."""
    generator = np.random.default_rng(seed)
    return generator.gamma((30, 50, 20), 1, (rows, 3)) * np.array(scales)


finite = st.floats(-1e4, 1e4).map(lambda each: 0.0 if abs(each) < 1e-6 else each)
tables = st.tuples(st.integers(1, 12), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=finite)
)


@settings(max_examples=60)
@given(tables, st.sampled_from(METHODS), st.data())
def test_a_higher_score_in_any_bank_never_lowers_the_fused_score(normal, method, data):
    layer = fit_decision(normal, method=method)
    banks = normal.shape[1]
    scores = data.draw(arrays(np.float64, (6, banks), elements=finite))
    rises = data.draw(arrays(np.float64, (6, banks), elements=st.floats(0, 1e4)))
    low, high = layer.fuse(scores), layer.fuse(scores + rises)
    assert np.isfinite(high).all()
    assert (high - low >= -1e-9 * np.maximum(np.abs(low), np.abs(high))).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_defect_in_one_bank_is_seen(method):
    normal = distances()
    layer = fit_decision(normal, method=method)
    for bank in range(3):
        defect = np.median(normal, axis=0)
        defect[bank] *= 4
        assert layer.fuse(defect) > layer.fuse(normal).max()


@pytest.mark.parametrize("method", METHODS)
def test_the_unit_of_a_bank_does_not_matter(method):
    normal, new, units = distances(), distances(seed=1), np.array([1000.0, 0.001, 7.0])
    plain = fit_decision(normal, method=method).fuse(new)
    other = fit_decision(normal * units, method=method).fuse(new * units)
    assert np.allclose(plain, other, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_held_out_parts_does_not_matter(method):
    normal, new = distances(), distances(seed=1)
    order = np.random.default_rng(3).permutation(len(normal))
    assert np.array_equal(
        fit_decision(normal, method=method).fuse(new), fit_decision(normal[order], method=method).fuse(new)
    )


@pytest.mark.parametrize("method", METHODS)
def test_contributions_make_up_the_fused_score(method):
    layer = fit_decision(distances(), method=method)
    new = distances(seed=1)
    parts = layer.contributions(new)
    assert parts.shape == new.shape
    assert np.allclose(parts.max(1) if method == "max" else parts.sum(1), layer.fuse(new))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "normal",
    [
        np.array([[2.0, 3.0]]),
        np.array([[2.0, 3.0], [4.0, 1.0]]),
        np.full((9, 2), 5.0),
        np.zeros((9, 2)),
        np.array([[0.0, 1.0]] * 8 + [[1.0, 3.0]]),
        np.full((9, 2), -3.0),
    ],
)
def test_few_or_constant_scores_give_a_fusion_all_the_same(method, normal):
    layer = fit_decision(normal, method=method)
    fused = layer.fuse(np.array([[-1.0, -1.0], [0.0, 0.0], [5.0, 5.0], [50.0, 50.0]]))
    assert np.isfinite(fused).all()
    assert (np.diff(fused) >= 0).all()


def test_weights_of_ocsvm_are_nearly_the_mean_over_the_squared_spread():
    normal = np.random.default_rng(0).normal((10, 20, 5), (1, 1, 1), (4000, 3))
    layer = fit_decision(normal, method="ocsvm")
    expected = np.array([10.0, 20.0, 5.0])
    cosine = layer.above @ expected / np.linalg.norm(layer.above) / np.linalg.norm(expected)
    assert cosine > 0.99


def test_ocsvm_of_negative_scores_has_no_negative_weight():
    normal = np.random.default_rng(0).normal((-10, 0.1, 5), 1.0, (50, 3))
    assert (fit_decision(normal, method="ocsvm").above >= 0).all()


def test_zsum_and_max_are_of_robustly_standardised_scores():
    normal, new = distances(), distances(seed=1)
    centre = np.median(normal, axis=0)
    z = (new - centre) / (1.4826 * np.median(np.abs(normal - centre), axis=0))
    assert np.allclose(fit_decision(normal, method="zsum").fuse(new), z.sum(1))
    assert np.allclose(fit_decision(normal, method="max").fuse(new), z.max(1))


def test_of_scores_that_are_mostly_alike_each_bank_has_a_mean_deviation_of_its_own():
    rows = np.array([[1.0, 5.0], [1.0, 5.0], [1.0, 5.0], [1.0, 5.0], [2.0, 5.0], [2.0, 25.0]])
    centres, spreads = centre_and_spread(rows)
    assert centres.tolist() == [1, 5]
    assert spreads == pytest.approx([1.2533 * 2 / 6, 1.2533 * 20 / 6])


def test_a_spread_is_at_least_a_fiftieth_of_the_median():
    assert centre_and_spread(np.array([[100.0], [100.5], [101.0]]))[1] == pytest.approx([2.01])


@pytest.mark.parametrize("n", [30, 100, 1_000])
def test_the_tail_begins_where_so_many_scores_are_beyond(n):
    """At the score with t beyond it p = (t + 1) / (n + 1), and from there on -log p rises by an excess of one mean."""
    scores = np.random.default_rng(n).exponential(2.0, n)
    layer = fit_decision(scores[:, None], method="quantile")
    last = layer.knots[0, -1]
    beyond = scores[scores > last]
    assert layer.fuse(np.array([last])) == pytest.approx(np.log((n + 1) / (len(beyond) + 1)))
    mean = (beyond - last).mean()
    assert layer.fuse(np.array([last + mean])) - layer.fuse(np.array([last])) == pytest.approx(1)


def test_the_tail_of_one_score_is_as_wide_as_its_spread():
    layer = fit_decision(np.array([[10.0]]), method="quantile")
    assert layer.above == pytest.approx([1 / 0.2])


def test_quantile_within_the_scores_is_their_rank():
    normal = np.arange(1.0, 101.0)[:, None]
    layer = fit_decision(normal, method="quantile")
    for score in (1.0, 50.0, 90.0):
        assert layer.fuse(np.array([score])) == pytest.approx(-np.log(1 - score / 101), abs=0.01)
    assert layer.fuse(np.array([-5.0])) == layer.fuse(np.array([1.0]))


def test_quantile_beyond_the_scores_is_an_exponential_tail():
    normal = expon.rvs(scale=3.0, size=(20_000, 1), random_state=0)
    layer = fit_decision(normal, method="quantile")
    for score in (6.0, 15.0, 60.0, 300.0):
        assert layer.fuse(np.array([score])) == pytest.approx(score / 3, rel=0.1)  # -log of exp(-score / 3)


def test_fisher_adds():
    normal, new = distances(), distances(seed=1)
    logs = np.stack(
        [fit_decision(normal[:, [bank]], method="quantile").fuse(new[:, [bank]]) for bank in range(3)], axis=1
    )
    assert np.allclose(fit_decision(normal, method="quantile").fuse(new), logs.sum(1))


def test_equal_scores_are_as_normal_as_the_most_normal_of_them():
    normal = np.array([0.0] * 50 + [1.0] * 30 + [2.0] * 20)[:, None]
    layer = fit_decision(normal, method="quantile")
    at = layer.fuse(np.array([[0.0], [1.0], [2.0], [2.5]]))
    assert at[0] == pytest.approx(np.log(101 / 100))
    assert at[1] == pytest.approx(-np.log(1 - 51 / 101), abs=0.05)
    assert (np.diff(at) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_fused_pixel_by_pixel(method):
    generator = np.random.default_rng(0)
    maps = generator.gamma(5, 1, (3, 8, 6)).astype(np.float32)
    maps[2, 3, 4] = np.nan
    layer = fit_decision(distances(), method=method)
    fused = layer.fuse_maps(maps)
    assert fused.dtype == np.float32
    assert np.allclose(fused, layer.fuse(np.moveaxis(maps, 0, -1)))


@pytest.mark.parametrize("method", METHODS)
def test_a_bank_that_does_not_judge_neither_hides_a_defect_nor_is_one(method):
    normal = np.random.default_rng(0).normal(10, 1, (400, 2))
    layer = fit_decision(normal, method=method)
    fused = layer.fuse(normal)
    assert layer.fuse(np.array([20, np.nan])) > np.quantile(fused, 0.95)
    np.testing.assert_allclose(layer.fuse(np.full(2, np.nan)), layer.fuse(normal.min(0)))
    assert layer.fuse(np.full(2, np.nan)) <= fused.min()
    assert layer.contributions(np.array([20, np.nan]))[0] == layer.contributions(np.array([20, 10]))[0]


@pytest.mark.parametrize("method", METHODS)
def test_what_a_bank_does_not_judge_is_no_score_of_it(method):
    normal, new = distances(), distances(seed=1)
    layer = fit_decision(np.concatenate([normal, np.full((40, 3), np.nan)]), method=method)
    if method != "ocsvm":  # whose weights are of rows
        assert np.allclose(layer.fuse(new), fit_decision(normal, method=method).fuse(new))
    silent = normal.copy()
    silent[:, 1] = np.nan
    fused = fit_decision(silent, method=method).fuse(np.where(np.arange(3) == 1, np.nan, new))
    assert np.isfinite(fused).all()
    if method in ("zsum", "quantile"):
        expected = fit_decision(silent[:, ::2], method=method).fuse(new[:, ::2])
        assert np.allclose(fused - expected, fused[0] - expected[0])


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_layer_is_the_same(tmp_path, method):
    layer = fit_decision(distances(), method=method)
    write_folder(tmp_path / "model", header={}, state=State({"fusion": method}, {"decision": layer.arrays()}))
    _, state = read_folder(tmp_path / "model")
    again = DecisionLayer.from_arrays(state.values["fusion"], state.tensors["decision"])
    new = distances(seed=1)
    assert np.array_equal(again.fuse(new), layer.fuse(new))


@pytest.mark.parametrize(
    "method, change, told",
    [
        ("vote", {}, "fusion='vote'"),
        ("max", {"knots": None}, "needs the arrays knots"),
        ("max", {"above": np.array([-1.0, 1.0, 1.0])}, "must not decrease"),
        ("max", {"above": np.array([np.nan, 1.0, 1.0])}, "must not decrease"),
        ("max", {"above": np.ones(2)}, "do not fit together"),
        ("max", {"knots": np.array([[2.0, 1.0]] * 3), "values": np.zeros((3, 2))}, "must not decrease"),
        ("max", {"knots": np.zeros((3, 0)), "values": np.zeros((3, 0))}, "do not fit together"),
    ],
)
def test_arrays_that_are_no_layer_are_refused(method, change, told):
    kept = fit_decision(distances(), method="max").arrays() | change
    with pytest.raises(InputError, match=told):
        DecisionLayer.from_arrays(method, {name: array for name, array in kept.items() if array is not None})


def test_ocsvm_is_what_scikit_learn_scores_up_to_a_scale():
    normal, new = distances(scales=(1.0, 1.0, 1.0)), distances(seed=1)
    _, spreads = centre_and_spread(normal)
    rows = normal / spreads
    unit = np.linalg.norm(rows, axis=1).mean()
    order = np.lexsort(normal.T[::-1])
    machine = SGDOneClassSVM(nu=0.5, max_iter=1000, random_state=42).fit((rows / unit)[order])
    layer = fit_decision(normal)
    expected = machine.score_samples(new / spreads)
    assert np.allclose(layer.fuse(new), expected)
    assert layer.fuse(2 * new).min() > layer.fuse(new).min()  # no sign is turned: larger is more anomalous


def test_scores_that_cannot_be_used_are_refused():
    normal = distances()
    with pytest.raises(InputError, match="fusion='sum'"):
        fit_decision(normal, method="sum")
    with pytest.raises(InputError, match=r"shape \(0, 3\)"):
        fit_decision(normal[:0])
    with pytest.raises(InputError, match=r"shape \(60,\)"):
        fit_decision(normal[:, 0])
    normal[4, 1] = np.inf
    with pytest.raises(InputError, match="row 4 of bank 1 is inf"):
        fit_decision(normal)
    layer = fit_decision(distances())
    with pytest.raises(InputError, match="expected 3 banks"):
        layer.fuse(np.zeros((5, 2)))
    with pytest.raises(InputError, match=r"expected \(3, height, width\)"):
        layer.fuse_maps(np.zeros((2, 4, 4), np.float32))
