"""Chains: the same wherever they run, whatever the units, whatever the order of subjects and voxels."""

import tracemalloc
import warnings
from dataclasses import fields, replace

import joblib
import numpy as np
import pytest
from mediation.confounded import confounder_data
from mediation.designs import basis_of
from mediation.montecarlo import assert_same_mean

from latticework.mediation.basis import Basis, Block
from latticework.mediation.chains import ConfoundedChain, MediatorChain, OutcomeChain
from latticework.mediation.iterations import Length, run
from latticework.mediation.mediator_model import residual_of
from latticework.mediation.preparation import prepare
from latticework.mediation.prior import Prior

VOXELS, SUBJECTS = 10, 30
BASIS = basis_of(VOXELS)
PRIOR = Prior(inclusion=0.3)


def study(seed=0):
    """Exposure, mediators, outcome and confounders."""
    rng = np.random.default_rng(seed)
    exposure, confounders = rng.standard_normal(SUBJECTS), rng.standard_normal((SUBJECTS, 2)) * [1.0, 5.0]
    effect, beta = BASIS.expand(rng.standard_normal((2, 4)))
    individual = BASIS.expand(rng.standard_normal((SUBJECTS, 4)))
    mediators = 3 + np.outer(exposure, effect) + individual + rng.standard_normal((SUBJECTS, VOXELS))
    outcome = 7 + mediators @ beta + exposure + 2 * individual[:, 3] + rng.standard_normal(SUBJECTS)
    return exposure, mediators, outcome, confounders


def prepared(data=None, basis=BASIS):
    return prepare(*(study() if data is None else data), basis, keep_images=True)


def chains(of, prior=PRIOR, length=None, *, seed=0, number=0, propagate=False):
    """A chain of stage one, and both of stage two; the last is given stage one's draws."""
    length = Length(20, 60) if length is None else length
    first = MediatorChain(of, prior, length, seed, number)
    draws = first()
    second = OutcomeChain(of, prior, length, seed, number)
    shrinkage = draws.shrinkage if propagate else draws.shrinkage.mean(axis=0, keepdims=True)
    alpha = None if prior.orthogonal else draws.alpha
    return first, second, ConfoundedChain(of, prior, length, seed, number, shrinkage, alpha)


def arrays(draws):
    """Everything that a chain leaves, by name."""
    found = {field.name: getattr(draws, field.name) for field in fields(draws)}
    found |= found.pop("variances")
    return {name: np.asarray(value) for name, value in found.items() if value is not None}


def natural(draws, units):
    """In units of the data."""
    scales = {
        "alpha": units.alpha,
        "sigma_mediators": units.mediators,
        "beta": units.beta,
        "projected": units.beta,
        "nu": units.beta,
        "nu_squared": units.beta**2,
        "direct": units.effect,
        "confounders": units.outcome / units.confounders,
        "sigma_outcome": units.outcome,
    }
    return {name: value * scales[name] for name, value in arrays(draws).items() if name in scales}


def assert_close(left, right, factors=None, tolerance=1e-8):
    """The same, each a known factor apart, to rounding."""
    assert left.keys() == right.keys()
    for name, value in left.items():
        factor = 1.0 if factors is None else factors.get(name, 1.0)
        np.testing.assert_allclose(right[name], factor * value, rtol=tolerance, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_chains_are_the_same_in_one_process_and_in_two(backend):
    of = prepared()
    tasks = [*chains(of), *chains(of, number=1, propagate=True)]
    tasks += [replace(task, threshold=0.2) for task in tasks[:2]]
    with joblib.parallel_config(backend=backend):
        alone, together = (run(tasks, "Sampling", n_jobs) for n_jobs in (1, 2))
    for left, right in zip(alone, together, strict=True):
        left, right = arrays(left), arrays(right)
        assert left.keys() == right.keys()
        for name, value in left.items():
            np.testing.assert_array_equal(right[name], value)


def test_chains_are_the_same_on_a_dask_cluster():
    distributed = pytest.importorskip("distributed")
    tasks = [*chains(prepared())]
    alone = run(tasks, "Sampling", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the cluster's own: ports in use, and the like
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, worker_dashboard_address=None
        )
        with cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
            together = run(tasks, "Sampling", -1)
    for left, right in zip(alone, together, strict=True):
        left, right = arrays(left), arrays(right)
        for name, value in left.items():
            np.testing.assert_array_equal(right[name], value)


@pytest.mark.parametrize("change", [{"number": 1}, {"seed": 1}], ids=["chain", "seed"])
def test_another_chain_and_another_seed_have_other_draws(change):
    for one, other in zip(chains(prepared()), chains(prepared(), **change), strict=True):
        one, other = arrays(one()), arrays(other())
        for name in one.keys() - {"sigma_zeta", "included", "voxels_included"}:
            assert not np.isin(one[name], other[name][other[name] != 0]).any(), name


@pytest.mark.parametrize(
    "exposure, mediators, outcome, confounders",
    [(1, 1, 300.0, 1), (0.01, 1, 1, 1), (1, 50.0, 1, 1), (1, 1, 1, 7.0), (3.0, 0.2, 11.0, 0.5)],
)
def test_units_scale_all_draws(exposure, mediators, outcome, confounders):
    """The prior of the direct effect is the only one that is stated in units of the data."""
    x, m, y, c = study()
    before = prepared()
    after = prepared((exposure * x, mediators * m, outcome * y, confounders * c))
    prior = replace(PRIOR, direct_effect_sd=0.7)
    scaled = replace(prior, direct_effect_sd=0.7 * outcome / exposure)
    beta = outcome / mediators
    factors = {
        "alpha": mediators / exposure,
        "sigma_mediators": mediators,
        "beta": beta,
        "projected": beta,
        "nu": beta,
        "nu_squared": beta**2,
        "direct": outcome / exposure,
        "confounders": outcome / confounders,
        "sigma_outcome": outcome,
    }
    for one, other in zip(chains(before, prior), chains(after, scaled), strict=True):
        left, right = natural(one(), before.units), natural(other(), after.units)
        assert len(left) >= 2
        assert_close(left, right, factors)


def test_images_are_held_once_in_double_precision():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((1000, 2000)).astype(np.float32)
    basis = Basis((Block("all", np.arange(2000), np.full((2000, 1), 2000**-0.5), np.ones(1)),), 2000)
    exposure, outcome = rng.standard_normal((2, 1000))
    tracemalloc.start()
    prepared = prepare(exposure, images, outcome, np.empty((1000, 0)), basis, keep_images=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(prepared.images * prepared.units.mediators, images - images.mean(axis=0), atol=1e-6)
    assert peak < 1.2 * prepared.images.nbytes


def test_the_order_of_subjects_does_not_matter():
    order = np.random.default_rng(1).permutation(SUBJECTS)
    after = prepared([some[order] for some in study()])
    for one, other in zip(chains(prepared()), chains(after), strict=True):
        assert_close(arrays(one()), arrays(other()))


def shuffled(basis, orders):
    """The same functions, the voxels of each region in another order; and which voxel has moved to where."""
    moved = np.arange(basis.n_voxels)
    blocks = []
    for block, order in zip(basis.blocks, orders, strict=True):
        moved[block.voxels] = block.voxels[order]
        blocks.append(replace(block, vectors=block.vectors[order]))
    return Basis(tuple(blocks), basis.n_voxels), moved


def test_the_order_of_voxels_within_a_region_does_not_matter():
    rng, (x, m, y, c) = np.random.default_rng(2), study()
    basis, moved = shuffled(BASIS, [rng.permutation(len(block.voxels)) for block in BASIS.blocks])
    before, after = prepared(), prepared((x, m[:, moved], y, c), basis)
    np.testing.assert_allclose(after.mediators, before.mediators, atol=1e-12)
    length = Length(100, 2000)
    (*plain, one), (*others, other) = chains(before, length=length), chains(after, length=length)
    for left, right in zip(plain, others, strict=True):
        assert_close(arrays(left()), arrays(right()))
    left, right = one(), other()  # voxels are visited in another order
    for name in ("beta", "direct", "projected"):
        assert_same_mean(getattr(left, name), getattr(right, name))
    assert_same_mean(left.variances["voxels_included"], right.variances["voxels_included"])
    error_of_nu = np.sqrt(2 * 2 * right.nu_squared / length.draws)  # as if one in two draws were independent
    assert (np.abs(left.nu[moved] - right.nu) < 3.5 * error_of_nu).all()
    assert (np.abs(left.nu - right.nu) > 4 * error_of_nu).any()  # else it could not tell voxels apart


@pytest.mark.parametrize("orthogonal", [True, False])
def test_individual_effects_are_a_share_of_what_a_draw_of_stage_one_leaves_of_the_mediators(orthogonal):
    of = prepared()
    *_, chain = chains(of, replace(PRIOR, orthogonal=orthogonal), propagate=True)
    data = of.outcome_data()
    for iteration in (0, 7, -1):
        found = chain._individual(data, iteration)
        left = residual_of(of.mediators, of.regressors)
        if not orthogonal:
            left = of.mediators - np.outer(chain.alpha[iteration], of.regressors[0])
            fitted = np.linalg.lstsq(of.regressors[1:].T, left.T, rcond=None)[0]
            left = left - fitted.T @ of.regressors[1:]
        effects = chain.shrinkage[iteration][:, None] * left
        expected = confounder_data(effects, of.mediators, of.regressors, of.outcome)
        for name in ("gram", "cross", "outcome"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-8, atol=1e-8)


def test_intervals_of_the_total_effect_are_as_wide_as_those_of_least_squares():
    """Individual effects that matter to the outcome meet the exposure by chance: that has to count."""
    ratios, apart = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        exposure, individual = rng.standard_normal(60), BASIS.expand(1.5 * rng.standard_normal((60, 4)))
        mediators = np.outer(exposure, np.full(VOXELS, 0.3)) + individual + 0.5 * rng.standard_normal((60, VOXELS))
        outcome = mediators.sum(axis=1) + exposure + individual[:, :4].sum(axis=1) + rng.standard_normal(60)
        of = prepared((exposure, mediators, outcome, np.empty((60, 0))))
        prior = Prior(inclusion=0.3, direct_effect_sd=20.0)
        first, _, confounded = chains(of, prior, Length(200, 800), seed=seed)
        stage_two = confounded()
        total = ((first().alpha * stage_two.beta).sum(axis=1) + stage_two.direct) * of.units.effect
        slope, inverse = exposure - exposure.mean(), 1 / ((exposure - exposure.mean()) ** 2).sum()
        found = slope @ outcome * inverse
        error_of = np.sqrt(((outcome - outcome.mean() - found * slope) ** 2).sum() / 58 * inverse)
        ratios.append(total.std() / error_of)
        apart.append((total.mean() - found) / error_of)
    assert 0.9 < np.mean(ratios) < 1.2, ratios  # 0.81 if effects were taken to be orthogonal
    assert np.abs(apart).max() < 0.7, apart


def test_a_step_for_each_draw_of_stage_one_finds_what_a_chain_for_each_would():
    *_, steps = chains(prepared(), replace(PRIOR, direct_effect_sd=20.0), Length(200, 1500))
    found, alpha = steps(), steps.alpha
    places = np.linspace(0, len(alpha) - 1, 60).astype(int)
    inner = [replace(steps, alpha=alpha[[place]], length=Length(40, 40), number=place)() for place in places]

    def effects(draws, alpha):
        indirect = (alpha * draws.beta).sum(axis=1)
        return {"NIE": indirect, "NDE": draws.direct, "TE": indirect + draws.direct, **draws.variances}

    stepwise = effects(found, alpha)
    each = [effects(draws, alpha[[place]]) for draws, place in zip(inner, places, strict=True)]
    for name in ("NIE", "NDE", "TE", "voxels_included", "sigma_outcome"):
        nested = np.concatenate([one[name] for one in each])
        assert stepwise[name].mean() == pytest.approx(nested.mean(), abs=0.25 * nested.std()), name
        assert stepwise[name].std() == pytest.approx(nested.std(), rel=0.15), name
