"""The chains that `benchmarks.mediation_speed` times, ours and literal ones: seconds, and what draws are worth."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

FIRST, SECOND = "stage 1", "stage 2"


def prepared(seed: int, *, standardise: bool) -> tuple[Any, Any]:
    """A study, and what the samplers see of it."""
    from latticework.mediation import simulate
    from latticework.mediation.preparation import prepare

    study = simulate(random_state=seed)
    given = (study.exposure, study.mediators, study.outcome, study.confounders, study.basis)
    return study, prepare(*given, standardise=standardise)


def told(elapsed: float, iterations: int, draws: np.ndarray) -> dict[str, float]:
    """Seconds an iteration, and how many draws of NIE were kept and what they are worth, of one chain."""
    from latticework.mediation.effects import convergence

    effective = convergence(draws[None])[1]
    none = math.isnan(effective)  # all are the same
    return {"seconds": elapsed / iterations, "draws": len(draws), "effective": 0.0 if none else effective}


def ours(first: int, second: int, seed: int, prior: Any = None) -> dict[str, Any]:
    """One chain of each stage, with the paper's priors or others."""
    from latticework.mediation.chains import ConfoundedChain, MediatorChain
    from latticework.mediation.iterations import Length
    from latticework.mediation.prior import Prior

    prior = Prior.paper() if prior is None else prior
    _, data = prepared(seed, standardise=prior.standardise)
    MediatorChain(data, prior, Length(10, 10), seed, 0)()
    warm = first // 10
    began = time.perf_counter()
    mediators = MediatorChain(data, prior, Length(warm, first), seed, 0)()
    earlier = time.perf_counter() - began
    handed_on = (mediators.shrinkage.mean(axis=0, keepdims=True), None if prior.orthogonal else mediators.alpha)
    ConfoundedChain(data, prior, Length(10, 10), seed, 0, *handed_on)()  # the scan is compiled
    began = time.perf_counter()
    chain = ConfoundedChain(data, prior, Length(second // 4, second), seed, 0, *handed_on)()
    later = time.perf_counter() - began
    return {
        FIRST: told(earlier, warm + first, mediators.alpha @ chain.beta.mean(axis=0)),
        SECOND: told(later, second // 4 + second, chain.beta @ mediators.alpha.mean(axis=0)),
    }


def by_default(first: int, second: int, seed: int) -> dict[str, Any]:
    """The same with our own priors."""
    from latticework.mediation.prior import Prior

    return ours(first, second, seed, Prior())


def literal(first: int, second: int, seed: int, tau: float | None) -> dict[str, Any]:
    """The literal sampler, with Langevin steps of that first size or, without one, Gibbs steps."""
    reference = importlib.import_module("tests.reference.mediation")
    study, _ = prepared(seed, standardise=False)
    basis = study.basis.blocks[0]
    centred = [values - values.mean(axis=0) for values in (study.mediators, study.exposure, study.confounders)]
    data = reference.MediatorData(*centred, basis.vectors, basis.eigenvalues)
    rng = np.random.default_rng(seed)
    sizes = None if tau is None else np.full(1, tau)
    began = time.perf_counter()
    mediators = reference.run_mediators(data, reference.MediatorPrior(), rng, warmup=4 * first, draws=first, tau=sizes)
    earlier = time.perf_counter() - began
    eta = mediators["mean_theta_eta"] @ basis.vectors.T
    outcome = reference.OutcomeData(study.outcome - study.outcome.mean(), eta, data)
    began = time.perf_counter()
    draws = reference.run_outcome(outcome, reference.OutcomePrior(), rng, warmup=4 * second, draws=second, tau=sizes)
    later = time.perf_counter() - began
    alpha, beta = mediators["theta_alpha"], draws["theta_beta"]
    return {
        FIRST: told(earlier, 5 * first, alpha @ beta.mean(axis=0)),
        SECOND: told(later, 5 * second, beta @ alpha.mean(axis=0)),
    }


TASKS: dict[str, Callable[[int, int, int], dict[str, Any]]] = {
    "ours": ours,
    "default": by_default,
    "gibbs": lambda first, second, seed: literal(first, second, seed, None),
    "langevin": lambda first, second, seed: literal(first, second, seed, 1e-2 / 300),
}
