"""The posterior by voxel and the rules that choose voxels, against a literal computation and cases worked by hand."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from mediation.posteriors import posterior_of
from reference import mediation_maps as reference

from latticework.mediation import posterior as posterior_module
from latticework.mediation.basis import Basis, Block
from latticework.mediation.maps import Maps, beyond, maps_of, rule_of, selected

DRAWS = posterior_of()
DRAWS = replace(DRAWS, beta=DRAWS.beta * np.array([1, 1, -1, -1]))  # the second region's effects are below nought
THRESHOLDED = replace(DRAWS, thresholds=(0.05, 5.0))
BOTH = pytest.mark.parametrize("posterior", [DRAWS, THRESHOLDED], ids=["smooth", "thresholded"])


def posterior_through(*effects):
    """A posterior in which alpha beta of a voxel has these draws."""
    alpha = np.array(effects, np.float64).T[None]
    voxels = alpha.shape[-1]
    basis = Basis((Block("all", np.arange(voxels), np.eye(voxels), np.ones(voxels)),), voxels)
    draws = posterior_of(np.zeros(alpha.shape[:2]), basis)
    return replace(draws, alpha=alpha, beta=np.ones_like(alpha))


@BOTH
@pytest.mark.parametrize("level", [0.95, 0.6])
def test_maps_are_those_of_every_draw_by_itself(posterior, level, monkeypatch):
    monkeypatch.setattr(posterior_module, "NUMBERS", 4 * posterior.direct.size)  # four voxels at a time
    expected, found = reference.maps(posterior, level), maps_of(posterior, level=level)
    assert asdict(found).keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-9, atol=1e-12, err_msg=name)
    wrong = 1 - np.maximum(expected["positive"], expected["negative"])
    np.testing.assert_allclose(found.sign_error, wrong, atol=1e-12)
    np.testing.assert_allclose(found.pip, np.add(expected["positive"], expected["negative"]), atol=1e-12)
    assert len(set(wrong)) > 4, "voxels differ in how sure their sign is"


def test_intervals_are_of_95_percent_where_nothing_is_said():
    for name, values in asdict(maps_of(DRAWS, level=0.95)).items():
        np.testing.assert_array_equal(getattr(maps_of(DRAWS), name), values)


@BOTH
@pytest.mark.parametrize(
    "rule, options",
    [
        *(("pip", {"threshold": threshold}) for threshold in (0.3, 0.5, 0.9)),
        *(("interval", {"level": level}) for level in (0.5, 0.95)),
        *(("fdr", {"rate": rate}) for rate in (0.01, 0.1, 0.3)),
    ],
)
def test_rules_choose_the_voxels_that_they_say(posterior, rule, options):
    expected = reference.selected(reference.effects(posterior), rule, **options)
    told = {name: value for name, value in options.items() if name != "level"}
    maps = maps_of(posterior, level=options.get("level", 0.95))
    assert selected(maps, rule, **told).tolist() == expected


@BOTH
@pytest.mark.parametrize("rope", [0.0, 2.0, 10.0])
def test_an_effect_is_beyond_the_rope_on_the_likelier_side(posterior, rope):
    sides = reference.signs(reference.effects(posterior), rope)
    np.testing.assert_allclose(beyond(posterior, rope), np.max(sides, axis=0), atol=1e-12)


def test_what_lies_beyond_a_rope_of_1_by_hand():
    """Of four draws: all above, all below, half on each side, one below, and none, as 1 is not above 1."""
    posterior = posterior_through([2, 3, 2, 3], [-2, -3, -2, -3], [5, 5, -5, -5], [0, 0, -2, 0], [1, -1, 1, -1])
    assert beyond(posterior, 1.0).tolist() == [1.0, 1.0, 0.5, 0.25, 0.0]


def test_maps_of_four_draws_by_hand():
    found = maps_of(posterior_through([1, 3, 5, 7], [-1, -1, -1, -1], [0, 0, 0, 2]), level=0.5)
    assert found.effect.tolist() == found.alpha.tolist() == [4, -1, 0.5]
    np.testing.assert_allclose(found.effect_sd**2, [5, 0, 0.75])
    assert found.beta.tolist() == [1, 1, 1]
    assert found.beta_sd.tolist() == [0, 0, 0]
    assert found.effect_lower.tolist() == [2.5, -1, 0]
    assert found.effect_upper.tolist() == [5.5, -1, 0.5]
    assert found.positive.tolist() == [1, 0, 0.25]
    assert found.negative.tolist() == [0, 1, 0]


def maps_by_signs(positive, negative):
    """Maps of which the probabilities of both signs are known, and nothing else."""
    others = dict.fromkeys(Maps.__dataclass_fields__, np.zeros(len(positive)))
    return Maps(**others | {"positive": np.array(positive), "negative": np.array(negative)})


@pytest.mark.parametrize(
    "rate, chosen",
    [
        (0.01, [False, True, False, False, True]),
        (0.1, [True, True, False, False, True]),  # though the sign of the first alone is wrong by 0.25
        (0.125, [True, True, False, True, True]),  # a mean of exactly the rate
        (0.19, [True, True, False, True, True]),
        (0.2, [True, True, True, True, True]),
    ],
)
def test_the_mean_of_sign_errors_is_kept_at_the_rate_by_hand(rate, chosen):
    """Errors of 0, 0, 0.25, 0.25 and 0.5, whose means so far are 0, 0, 0.0833, 0.125 and 0.2; the earlier first."""
    maps = maps_by_signs([0.75, 0.0, 0.5, 0.25, 1.0], [0.25, 1.0, 0.5, 0.75, 0.0])
    assert selected(maps, "fdr", rate=rate).tolist() == chosen


def test_a_share_or_a_bound_of_exactly_the_limit_does_not_choose_by_hand():
    maps = maps_by_signs([0.5, 0.25, 0.0, 0.0], [0.0, 0.3125, 0.75, 0.5])
    by_default, by_half = selected(maps, "pip"), selected(maps, "pip", threshold=0.5)
    assert by_default.tolist() == by_half.tolist() == [False, True, True, False]
    bounds = replace(maps, effect_lower=np.array([0.0, -2.0, 1.0, -2.0]), effect_upper=np.array([1.0, 0.0, 2.0, -1.0]))
    assert selected(bounds, "interval").tolist() == [False, False, True, True]


def test_where_nobody_names_a_rule_it_is_that_of_the_threshold():
    assert (rule_of(DRAWS), rule_of(THRESHOLDED)) == ("rope", "pip")
