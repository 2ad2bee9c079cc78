"""What confounds unseen, variances known: dense arithmetic and the sum over every inclusion."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from mediation.confounded import FIXED, PRIOR, Study, confounder_data, dense, example
from mediation.designs import basis_of_regions, centred
from mediation.montecarlo import assert_mean, log_gaussian, repeated, squares, steps
from scipy.linalg import block_diag

from latticework.mediation import rows, spike_slab
from latticework.mediation.mediator_model import residual_of
from latticework.mediation.outcome_model import OutcomeData, OutcomeState, posterior_factor
from latticework.mediation.rows import Rows
from latticework.mediation.scan import compiled, visit
from latticework.mediation.spike_slab import Collapsed, ConfounderPrior, ConfounderState, Included, Visits


def conditional(images, y, covariance, slab, delta):
    """Mean and mean of x x' of delta nu given delta, where Y ~ N(images delta nu, covariance)."""
    images = images * delta
    spread = np.linalg.inv(images.T @ np.linalg.solve(covariance, images) + np.eye(len(delta)) / slab)
    mean = spread @ images.T @ np.linalg.solve(covariance, y) * delta
    return mean, (spread * np.outer(delta, delta)) + np.outer(mean, mean)


@pytest.mark.parametrize("plugged_in", [True, False])
@pytest.mark.parametrize("q", [0, 2])
def test_the_collapsed_likelihood_is_that_of_every_subject_with_coefficients_integrated_out(plugged_in, q):
    study = Study(15, q, 8, plugged_in=plugged_in)
    (state, _), outcome = example(study)
    y, effects, covariance = dense(study, state, outcome)
    found = study.collapsed(state, outcome)
    np.testing.assert_allclose(found.precision, effects.T @ np.linalg.solve(covariance, effects), atol=1e-10)
    np.testing.assert_allclose(found.linear, effects.T @ np.linalg.solve(covariance, y), atol=1e-10)
    root = found.root()
    np.testing.assert_allclose(root @ root.T, found.precision, atol=1e-10)


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-6, 1e-8])
def test_the_precision_has_a_root_where_subjects_are_fewer_than_components(noise):
    rng, n, components = np.random.default_rng(0), 60, 120
    given, eigenvalues = centred(rng.standard_normal((3, n))), np.geomspace(1, 1e-3, components)
    mediators = centred(np.sqrt(eigenvalues + 0.5)[:, None] * rng.standard_normal((components, n)))
    effects = (eigenvalues / (eigenvalues + 0.5))[:, None] * residual_of(mediators, given)
    outcome = centred(rng.standard_normal(n))
    data = OutcomeData.of(mediators, given, outcome, eigenvalues)
    factor = posterior_factor(data, OutcomeState(np.empty(0), 1.0, noise, 1.0), PRIOR)
    confounder = confounder_data(effects, mediators, given, outcome)
    found = Collapsed.of(data, confounder, noise, factor)
    assert np.isfinite(found.root()).all()
    assert np.linalg.eigvalsh(found.precision)[0] >= 0


def visited_once(likelihood, rows, hidden, rng):
    (visits,) = Visits.drawn(likelihood, rows, 1, rng)
    return spike_slab.draw_inclusion(likelihood, rows, hidden, visits, rng)


@pytest.mark.parametrize("inclusion, few", [(0.5, 32), (0.15, 0)])  # components moved one by one, and by products
@pytest.mark.parametrize("jointly", [False, True], ids=["scan", "scan and joint draw"])
def test_every_inclusion_has_its_probability_and_its_moments(jointly, inclusion, few, monkeypatch):
    monkeypatch.setattr(rows, "FEW", few)
    monkeypatch.setattr(spike_slab, "VISITED", 0.5)
    study = Study(12, 1, 8, plugged_in=False, seed=3)
    (state, hidden), outcome = example(study, seed=3)
    state, rng = replace(state, noise=4.0), np.random.default_rng(4)
    likelihood = study.collapsed(state, outcome)
    hidden = replace(hidden, slab=5.0, inclusion=inclusion)

    def again(hidden):
        drawn, projected = visited_once(likelihood, study.rows, hidden, rng)
        if jointly:
            visited = replace(hidden, effects=drawn)
            drawn, included = spike_slab.draw_included(likelihood, study.rows, visited, rng)
            hidden, projected = replace(hidden, included=included), study.rows.project(drawn)
        return replace(hidden, effects=drawn, projected=projected)

    effects = np.array([hidden.effects for hidden in steps(again, hidden, 6000)])

    y, individual, covariance = dense(study, state, outcome)
    images = individual @ study.q_matrix.T
    every = np.array(list(product((0, 1), repeat=8)))
    marginals = covariance + hidden.slab * np.einsum("ns,ds,ms->dnm", images, every, images)
    log_weights = log_gaussian(y, marginals) + every.sum(axis=1) * math.log(inclusion / (1 - inclusion))
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    moments = [conditional(images, y, covariance, hidden.slab, delta) for delta in every]
    means, seconds = (np.array(some) for some in zip(*moments, strict=True))

    codes = (effects != 0) @ 2 ** np.arange(7, -1, -1)
    likely = np.flatnonzero(weights > 0.004)
    assert len(likely) > 15
    assert np.abs(weights @ every - inclusion).max() > 0.1  # the data have a say
    visits = (codes[:, None] == likely).astype(float)
    assert_mean(visits, weights[likely])
    assert_mean((effects != 0).astype(float), weights @ every)
    assert_mean(effects, weights @ means)
    assert_mean(squares(effects), (weights @ seconds.reshape(256, 64)).reshape(8, 8)[np.triu_indices(8)])
    often = [code for code in likely if code and np.sum(codes == code) > 200]
    for code in often[:6]:
        chosen = every[code] == 1
        assert_mean(effects[codes == code][:, chosen], means[code][chosen])


@pytest.mark.parametrize("included", [0, 1, 3, 4, 5, 8], ids=lambda k: f"{k} of 8 voxels, 4 components")
def test_coefficients_of_included_voxels_have_their_gaussian_conditional(included):
    study, rng = Study(12, 1, 8, plugged_in=False, seed=5), np.random.default_rng(6)
    (state, _), outcome = example(study, seed=5)
    likelihood, slab = study.collapsed(state, outcome), 1.7
    chosen = rng.permutation(8)[:included]
    effects = np.zeros(8)
    effects[chosen] = 1.0
    hidden = ConfounderState(effects, np.zeros(4), slab, 0.5)
    draws = np.array(repeated(lambda: spike_slab.draw_included(likelihood, study.rows, hidden, rng)[0], 5000))
    assert (draws[:, effects == 0] == 0).all()
    if not included:
        return
    y, individual, covariance = dense(study, state, outcome)
    mean, second = conditional(individual @ study.q_matrix.T, y, covariance, slab, effects)
    spread = second - np.outer(mean, mean)
    draws = draws[:, chosen]
    assert_mean(draws, mean[chosen])
    assert_mean(squares(draws - mean[chosen]), spread[np.ix_(chosen, chosen)][np.triu_indices(included)])


def test_what_is_summed_up_of_included_voxels_follows_those_that_come_and_go():
    study, rng = Study(12, 1, 40), np.random.default_rng(0)
    which = rng.random(40) < 0.5
    included = Included.of(which, study.basis)
    for share in (0.1, 0.1, 0.9, 0.05, 0.0):
        which = which ^ (rng.random(40) < share)
        included = Included.of(which, study.basis, included)
        rows = study.q_matrix[which]
        np.testing.assert_allclose(block_diag(*included.blocks), rows.T @ rows, atol=1e-12)
        assert np.array_equal(included.which, which)


@pytest.mark.parametrize("regions", [[(30, 5)], [(9, 3), (14, 5), (7, 2)]], ids=["one region", "three regions"])
def test_many_included_voxels_are_drawn_as_by_the_whole_gram_matrix(regions):
    basis, rng = basis_of_regions(*regions), np.random.default_rng(0)
    dense, root = basis.expand(np.eye(basis.n_components)).T, np.tril(rng.standard_normal((basis.n_components,) * 2))
    likelihood = Collapsed(root @ root.T + np.eye(len(root)), rng.standard_normal(len(root)))
    hidden = ConfounderState(1.0 * (rng.random(basis.n_voxels) < 0.7), np.zeros(len(root)), 1.7, 0.5)
    drawn, included = spike_slab.draw_included(likelihood, Rows.of(basis), hidden, np.random.default_rng(1))

    chosen, root, rng = np.flatnonzero(hidden.effects), likelihood.root(), np.random.default_rng(1)
    rows = dense[chosen]
    prior = math.sqrt(1.7) * rng.standard_normal(len(chosen))
    lacking = np.linalg.solve(root, likelihood.linear) - root.T @ rows.T @ prior - rng.standard_normal(len(root))
    inner = 1.7 * root.T @ rows.T @ rows @ root + np.eye(len(root))
    np.testing.assert_allclose(drawn[chosen], prior + 1.7 * rows @ root @ np.linalg.solve(inner, lacking), rtol=1e-9)
    np.testing.assert_allclose(included.times(root), rows.T @ rows @ root, atol=1e-12)
    assert [block.shape for block in included.blocks] == [(components, components) for _, components in regions]


def scanned(scan, study, likelihood, hidden, seed, few):
    """Effects, what is left of the linear term, and nu*, after every voxel was visited."""
    rng = np.random.default_rng(seed)
    effects, projected = hidden.effects.copy(), hidden.projected.copy()
    left = likelihood.linear - likelihood.precision @ projected
    rows, order = study.rows, rng.permutation(8)
    layout = (order, rows.entries, rows.starts, rows.firsts, rows.counts)
    own, moved = np.einsum("sl,lk,sk->s", rows.dense(order), likelihood.precision, rows.dense(order)), np.empty((0, 4))
    if not few:
        moved = rows.dense(order) @ likelihood.precision
    chance = (-0.3, hidden.slab, rng.random(8), rng.standard_normal(8))
    scan(*layout, own, moved, likelihood.precision, left, effects, projected, *chance)
    return effects, left, projected


@pytest.mark.parametrize("few", [True, False])
def test_the_scan_is_the_same_compiled_and_not(few):
    study = Study(12, 1, 8, seed=7)
    (state, hidden), outcome = example(study, seed=7)
    likelihood = study.collapsed(state, outcome)
    included = set()
    for seed in range(20):
        plain = effects, left, projected = scanned(visit, study, likelihood, hidden, seed, few)
        for found, expected in zip(scanned(compiled(visit), study, likelihood, hidden, seed, few), plain, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
        now = likelihood.linear - likelihood.precision @ study.basis.project(effects)
        np.testing.assert_allclose(left, now, atol=1e-12)  # kept up to date
        np.testing.assert_allclose(projected, study.basis.project(effects), atol=1e-12)
        included.add(int(np.count_nonzero(effects)))
    assert len(included) > 3


@pytest.mark.parametrize("evidence", [0.0, 1e6, -1e6])
@pytest.mark.parametrize("inclusion", [1e-300, 0.5, 1 - 1e-16])
@pytest.mark.parametrize("slab", [1e-200, 1e-12, 1.0, 1e200])
def test_log_odds_do_not_overflow(monkeypatch, evidence, inclusion, slab):
    monkeypatch.setattr(spike_slab, "VISITED", 1.0)
    study, rng = Study(12, 1, 8), np.random.default_rng(8)
    likelihood = Collapsed(1e6 * np.eye(4), np.full(4, 1e6 * evidence))
    hidden = ConfounderState(np.zeros(8), np.zeros(4), slab, inclusion)
    effects, _ = visited_once(likelihood, study.rows, hidden, rng)
    drawn, _ = spike_slab.draw_included(likelihood, study.rows, replace(hidden, effects=effects), rng)
    assert np.isfinite(effects).all()
    assert np.isfinite(drawn).all()
    if inclusion == 0.5 and slab == 1.0:
        assert np.all(effects != 0) == (evidence != 0)


def test_inclusion_and_the_variance_of_the_slab_have_their_conditionals():
    effects, rng = np.array([0.0, 1.5, 0, 0, -0.5]), np.random.default_rng(9)
    hidden = ConfounderState(np.zeros(5), np.zeros(4), 1.0, 0.5)
    prior = ConfounderPrior((2.0, 3.0), 4.0, 6.0)
    drawn = repeated(lambda: spike_slab.draw_hyperparameters(effects, np.zeros(4), hidden, prior, rng), 4000)
    assert_mean(np.array([state.inclusion for state in drawn]), (2 + 2) / (2 + 3 + 5))
    assert_mean(np.array([state.slab for state in drawn]), (6 + 2.5 / 2) / (4 + 2 / 2 - 1))
    known = spike_slab.draw_hyperparameters(effects, np.zeros(4), hidden, FIXED, rng)
    assert known.inclusion == 0.5
