import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.anomaly.findings.calibration import p_values, parts_needed, threshold
from latticework.core.errors import InputError

RATES = [0.01, 0.05, 0.1, 0.2, 0.3, 0.5]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("parts", [1, 2, 9, 19, 20, 99])
def test_the_threshold_is_the_conformal_quantile(parts, rate):
    scores = np.random.default_rng(0).permutation(parts) + 1.0
    found = threshold(scores, rate=rate)
    rank = math.ceil(round((parts + 1) * (1 - rate), 9))
    assert found.value == min(rank, parts)
    assert found.holds == (rate >= 1 / (parts + 1))
    assert found.certified == pytest.approx((parts + 1 - min(rank, parts)) / (parts + 1))
    assert found.parts == parts


@given(st.lists(st.integers(0, 6), min_size=2, max_size=12), st.sampled_from(RATES))
def test_whichever_of_them_is_the_new_one_no_more_are_alarms_than_certified(values, rate):
    """Exchangeable scores are as likely in any order: all of it, ties included, is in this one sum."""
    alarms = 0
    for place, value in enumerate(values):
        found = threshold(values[:place] + values[place + 1 :], rate=rate)
        alarms += value > found.value
    assert alarms <= round(found.certified * len(values))
    if len(set(values)) == len(values):
        assert alarms == round(found.certified * len(values))


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.25])
def test_false_alarms_come_as_often_as_certified(rate):
    generator = np.random.default_rng(1)
    draws = generator.gamma(2.0, 1.0, (8000, 20))
    found = [threshold(row[1:], rate=rate) for row in draws]
    alarms = np.mean([row[0] > each.value for row, each in zip(draws, found, strict=True)])
    certified = found[0].certified
    assert certified == max(1, math.floor(20 * rate)) / 20
    assert abs(alarms - certified) < 4 * math.sqrt(certified * (1 - certified) / 8000)


def test_a_threshold_is_exceeded_in_the_long_run_as_rarely_as_it_says():
    """Of uniform scores the rate that a threshold gives is one minus it."""
    generator = np.random.default_rng(2)
    rates, bounds = [], []
    for _ in range(3000):
        found = threshold(generator.uniform(size=39), rate=0.1)
        rates.append(1 - found.value)
        bounds.append(found.rate_at_most(confidence=0.9))
    assert np.mean(np.array(rates) <= bounds) == pytest.approx(0.9, abs=0.02)
    assert np.mean(rates) == pytest.approx(found.certified, abs=0.005)


def test_too_few_parts_take_the_largest_score_and_say_so():
    found = threshold([0.4], rate=0.05)
    assert (found.value, found.certified, found.holds) == (0.4, 0.5, False)
    assert (
        found.about() == "1 held-out part certifies at most 50 % of false alarms, not the 5 % asked for: that takes 19"
    )
    assert threshold(range(19), rate=0.05).about() == "19 held-out parts certify at most 5 % of false alarms"


def test_a_rate_of_nearly_all_takes_the_least_score():
    found = threshold([3.0, 1.0, 2.0], rate=1 - 1e-10)
    assert (found.value, found.certified) == (1.0, 0.75)


@pytest.mark.parametrize("rate", [*RATES, 1 / 3, 0.07])
def test_so_many_parts_are_needed_and_one_less_does_not_do(rate):
    needed = parts_needed(rate)
    assert threshold(range(needed), rate=rate).holds
    if needed > 1:
        assert not threshold(range(needed - 1), rate=rate).holds


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=15),
    st.lists(st.integers(-1, 9), min_size=1, max_size=5),
    st.sampled_from(RATES),
)
def test_a_p_value_is_at_most_a_certified_rate_where_there_is_an_alarm(held_out, new, rate):
    values = p_values(held_out, np.array(new))
    expected = [(1 + sum(each >= score for each in held_out)) / (len(held_out) + 1) for score in new]
    assert np.allclose(values, expected)
    found = threshold(held_out, rate=rate)
    if found.holds:
        assert ((values <= rate + 1e-12) == (np.array(new) > found.value)).all()


def test_p_values_of_a_map_keep_its_shape():
    values = p_values([1.0, 2.0, 3.0], np.array([[0.0, np.inf], [2.0, -np.inf]]))
    assert values.tolist() == [[1.0, 0.25], [0.75, 1.0]]


@pytest.mark.parametrize(
    "scores, told",
    [
        ([], "there is no score of a held-out part: fit with more good parts, or validation="),
        ([[1.0]], r"one axis with at least 1 score, got \(1, 1\)"),
        ([1.0, float("nan")], "held-out part 1 is nan"),
        ([float("inf")], "held-out part 0 is inf"),
        (["good"], "expected numbers"),
    ],
)
def test_scores_that_cannot_calibrate_are_refused(scores, told):
    with pytest.raises(InputError, match=told):
        threshold(scores, rate=0.1)
    with pytest.raises(InputError, match=told):
        p_values(scores, np.array([1.0]))


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan"), "0.1", True])
def test_rates_out_of_range_are_refused(rate):
    with pytest.raises(InputError, match="rate="):
        threshold([1.0], rate=rate)
    with pytest.raises(InputError, match="rate="):
        parts_needed(rate)


def test_what_cannot_be_judged_has_no_p_value():
    with pytest.raises(InputError, match="NaN"):
        p_values([1.0], np.array([np.nan]))
    with pytest.raises(InputError, match="confidence="):
        threshold([1.0], rate=0.5).rate_at_most(confidence=1.0)


@pytest.mark.parametrize("parts", [1, 4, 19, 99])
def test_of_the_largest_score_the_rate_has_a_closed_form(parts):
    """It is above the rate of the largest of m uniform ones, 1 - max, with the probability (1 - x)^m."""
    found = threshold(range(parts), rate=1 / (parts + 1))
    assert found.rate_at_most() == pytest.approx(1 - 0.05 ** (1 / parts))
    assert found.rate_at_most(confidence=0.5) == pytest.approx(1 - 0.5 ** (1 / parts))


def test_of_the_least_score_too():
    """It is below the rate of the least of m uniform ones, 1 - min, unless all are above x."""
    found = threshold(range(9), rate=0.9)
    assert found.value == 0
    assert found.rate_at_most(confidence=0.8) == pytest.approx(0.8 ** (1 / 9))
