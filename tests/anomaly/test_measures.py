"""Measures of parts are scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from latticework.anomaly.findings.intervals import auroc_interval, score_interval
from latticework.anomaly.findings.measures import auroc, average_precision, by_label, f1_max, fpr_at_tpr, separation
from latticework.core.errors import InputError


def parts(seed, good=60, bad=25, steps=None):
    rng = np.random.default_rng(seed)
    which = np.array([False] * good + [True] * bad)[rng.permutation(good + bad)]
    scores = rng.normal(size=good + bad) + which
    return (scores if steps is None else np.round(scores * steps) / steps), which


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 30), st.sampled_from([None, 1, 3]))
@settings(max_examples=50)
def test_measures_are_those_of_scikit_learn_with_ties_too(seed, good, bad, steps):
    scores, which = parts(seed, good, bad, steps)
    assert auroc(scores, which) == pytest.approx(metrics.roc_auc_score(which, scores), abs=1e-12)
    expected = metrics.average_precision_score(which, scores)
    assert average_precision(scores, which) == pytest.approx(expected, abs=1e-12)
    precision, recall, _ = metrics.precision_recall_curve(which, scores)
    sums = precision + recall
    f1 = np.divide(2 * precision * recall, sums, out=np.zeros_like(sums), where=sums > 0)
    best, threshold = f1_max(scores, which)
    assert best == pytest.approx(f1.max(), abs=1e-12)
    assert metrics.f1_score(which, scores >= threshold) == pytest.approx(best, abs=1e-12)
    fpr, tpr, _ = metrics.roc_curve(which, scores, drop_intermediate=False)
    assert fpr_at_tpr(scores, which) == pytest.approx(fpr[tpr >= 0.95 - 1e-12].min(), abs=1e-12)


def test_all_measures_come_at_once():
    scores, which = parts(1)
    told = separation(scores[~which], scores[which])
    assert told.auroc == auroc(scores, which)
    assert told.average_precision == average_precision(scores, which)
    assert (told.f1_max, told.threshold) == f1_max(scores, which)
    assert told.fpr_at_95_tpr == fpr_at_tpr(scores, which)
    assert fpr_at_tpr(scores, which, 1e-12) == fpr_at_tpr(scores, which, 1 / which.sum())
    assert (told.good, told.defective) == (60, 25)


@pytest.mark.parametrize("steps, expected", [(None, 1.0), (0, 0.5)])
def test_perfect_scores_and_scores_that_say_nothing(steps, expected):
    which = np.array([0, 0, 0, 5, 5])
    scores = np.arange(5.0) if steps is None else np.ones(5)
    assert auroc(scores, which) == expected
    assert average_precision(scores, which) == (1.0 if steps is None else 0.4)


def test_intervals_hold_the_value_and_shrink_with_more_parts():
    widths = []
    for parts_of_each in (20, 500):
        scores, which = parts(3, parts_of_each, parts_of_each)
        low, high = auroc_interval(scores, which, random_state=0)
        assert 0 <= low < auroc(scores, which) < high <= 1
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def test_intervals_are_those_of_a_literal_bootstrap():
    scores, which = parts(5, steps=2)
    good, bad = scores[~which], scores[which]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(2000):
        some, others = rng.choice(good, len(good)), rng.choice(bad, len(bad))
        drawn.append(metrics.roc_auc_score([0] * len(some) + [1] * len(others), np.concatenate([some, others])))
    expected = np.quantile(drawn, [0.05, 0.95])
    assert np.allclose(auroc_interval(scores, which, level=0.9, draws=4000), expected, atol=0.01)


def test_intervals_are_the_same_for_the_same_seed():
    scores, which = parts(4)
    assert auroc_interval(scores, which, random_state=3) == auroc_interval(scores, which, random_state=3)
    assert auroc_interval(scores, which, random_state=3) != auroc_interval(scores, which, random_state=4)


def newcombe(good, defective, level=0.95):
    """Where (1 - t)² = z² V(t), multiplied out: a polynomial, of whose roots one is between 0 and 1."""
    t, z = np.polynomial.Polynomial([0.0, 1.0]), stats.norm.ppf(0.5 + level / 2)
    more = (good + defective) / 2 - 1
    alike = (2 - t) * (1 + t) + more * ((1 - t) * (1 + t) + t * (2 - t))
    roots = (good * defective * (1 - t) * (2 - t) * (1 + t) - z**2 * t * alike).roots()
    (low,) = roots[(roots > 0) & (roots < 1)]
    return low


@pytest.mark.parametrize("good, bad", [(1, 1), (6, 6), (6, 22), (22, 6), (3, 400), (2000, 2000)])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_where_all_pairs_are_in_order_or_none_the_interval_is_newcombes(good, bad, level):
    scores, which = np.arange(good + bad), np.arange(good + bad) >= good
    assert auroc_interval(scores, which, level=level) == (pytest.approx(newcombe(good, bad, level), abs=1e-9), 1.0)
    low, high = auroc_interval(-scores, which, level=level)
    assert (low, high) == (0.0, pytest.approx(1 - newcombe(good, bad, level), abs=1e-9))


def test_of_one_pair_in_order_the_interval_is_wilsons():
    low, _ = auroc_interval([0.0, 1.0], [0, 1])
    assert low == pytest.approx(1 / (1 + stats.norm.ppf(0.975) ** 2))


@pytest.mark.parametrize("area", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_score_intervals_end_where_the_deviation_is_as_said(area):
    for end in score_interval(area, 7, 11):
        first, second = end / (2 - end), 2 * end**2 / (1 + end)  # Hanley and McNeil's, with one N for both sizes
        spread = (end * (1 - end) + 8 * (first - end**2) + 8 * (second - end**2)) / 77
        assert abs(area - end) == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(spread), abs=1e-6)


def test_a_pair_out_of_order_never_makes_an_interval_surer():
    scores, which = np.arange(40.0), np.arange(40) >= 20
    lows = []
    for swapped in range(6):
        lows.append(auroc_interval(scores, which)[0])
        scores[[19 - swapped, 20 + swapped]] = scores[[20 + swapped, 19 - swapped]]
    assert lows == sorted(lows, reverse=True)
    assert lows[0] < 0.9


def test_score_intervals_shrink_with_more_parts_of_either_kind():
    lows = [[score_interval(1.0, good, bad)[0] for bad in (1, 2, 5, 20, 100)] for good in (1, 2, 5, 20, 100)]
    assert (np.diff(lows, axis=0) > 0).all()
    assert (np.diff(lows, axis=1) > 0).all()


def test_of_equal_scores_the_interval_is_around_a_half():
    low, high = auroc_interval(np.ones(12), np.arange(12) > 5)
    assert 0.1 < low < 0.4
    assert high == pytest.approx(1 - low)


def test_each_defect_is_told_from_all_good_parts():
    scores, which = parts(2)
    labels = np.where(which, np.where(np.arange(len(which)) % 2, "dent", "stain"), "good")
    told = by_label(scores, labels.tolist())
    assert list(told) == ["dent", "stain"]
    for name, found in told.items():
        some = (labels == name) | (labels == "good")
        assert found.auroc == pytest.approx(metrics.roc_auc_score(which[some], scores[some]), abs=1e-12)
        assert found.defective == (labels == name).sum()


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda: auroc([1.0, 2.0], [0, 0]), "no defective parts"),
        (lambda: auroc([1.0, 2.0], [1, 1]), "no good parts"),
        (lambda: separation([], [1.0]), "no good parts"),
        (lambda: auroc([1.0, 2.0], [0]), "2 scores"),
        (lambda: auroc([1.0, np.nan], [0, 1]), "finite"),
        (lambda: auroc([[1.0]], [[1]]), "finite"),
        (lambda: auroc(["a", "b"], [0, 1]), "scores are numbers"),
        (lambda: fpr_at_tpr([1.0, 2.0], [0, 1], 0.0), "tpr=0.0"),
        (lambda: auroc_interval([1.0, 2.0], [0, 1], level=1.0), "level=1.0"),
        (lambda: auroc_interval([1.0, 2.0], [0, 1], draws=0), "draws=0"),
        (lambda: by_label([1.0, 2.0], ["good", "good"]), "no defective parts"),
        (lambda: by_label([1.0, 2.0], ["dent", "dent"]), "no good parts"),
    ],
)
def test_bad_input_is_named(act, message):
    with pytest.raises(InputError, match=message):
        act()
