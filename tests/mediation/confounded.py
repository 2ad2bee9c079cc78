"""A small study whose outcome an unobserved confounder has a part in, for tests of what draws it."""

from dataclasses import replace

import numpy as np
from mediation.designs import basis_of, centred

from latticework.mediation import spike_slab
from latticework.mediation.mediator_model import residual_of
from latticework.mediation.outcome_model import OutcomeData, OutcomePrior, OutcomeState, posterior_factor
from latticework.mediation.rows import Rows
from latticework.mediation.spike_slab import Collapsed, ConfounderData, ConfounderPrior, ConfounderState

PRIOR = OutcomePrior(shape=4.0, beta=2.0, noise=1.5, zeta=5.0, direct_effect_sd=0.8)
FIXED = ConfounderPrior(inclusion=0.5, shape=4.0, rate=6.0)  # the paper's inclusion
LEARNED = replace(FIXED, inclusion=(2.0, 3.0))
SHRINKAGE = np.array([0.8, 0.5, 0.6, 0.3])


def confounder_data(effects, mediators, given, outcome):
    """Products of individual effects as they are defined, of data with mean zero."""
    return ConfounderData(effects @ effects.T, np.vstack([mediators, given]) @ effects.T, effects @ outcome)


class Study:
    """Mediators, exposure, confounders and individual effects; those that are plugged in are linear in mediators."""

    def __init__(self, n, q, voxels, *, plugged_in=True, seed=0):
        rng = np.random.default_rng(seed + 100)
        self.basis, self.q = basis_of(voxels), q
        self.rows, self.q_matrix = Rows.of(self.basis), self.basis.expand(np.eye(4)).T
        self.given = centred(rng.standard_normal((q + 1, n)))
        self.mediators = centred(1.5 * rng.standard_normal((4, n)) + 0.5 * self.given[0])
        self.effects = SHRINKAGE[:, None] * residual_of(self.mediators, self.given)
        if not plugged_in:
            self.effects = self.effects + centred(rng.standard_normal((4, n)))
        self.design = np.vstack([self.mediators, self.given])

    def data(self, outcome):
        return (
            OutcomeData.of(self.mediators, self.given, outcome, self.basis.eigenvalues),
            confounder_data(self.effects, self.mediators, self.given, outcome),
        )

    def variances(self, state):
        direct = [PRIOR.direct_effect_sd**2]
        return np.concatenate([state.beta * self.basis.eigenvalues, direct, np.full(self.q, state.zeta)])

    def from_prior(self, hidden_prior, rng):
        beta, noise, zeta = (rate / rng.gamma(PRIOR.shape) for rate in (PRIOR.beta, PRIOR.noise, PRIOR.zeta))
        state = OutcomeState(np.empty(0), beta, noise, zeta)
        coefficients = np.sqrt(self.variances(state)) * rng.standard_normal(len(self.design))
        inclusion, slab = hidden_prior.inclusion, hidden_prior.rate / rng.gamma(hidden_prior.shape)
        inclusion = rng.beta(*inclusion) if isinstance(inclusion, tuple) else inclusion
        voxels = self.basis.n_voxels
        effects = np.where(rng.random(voxels) < inclusion, np.sqrt(slab) * rng.standard_normal(voxels), 0.0)
        hidden = ConfounderState(effects, self.q_matrix.T @ effects, slab, inclusion)
        return replace(state, coefficients=coefficients), hidden

    def simulate(self, both, rng):
        state, hidden = both
        noise = np.sqrt(state.noise) * centred(rng.standard_normal(self.design.shape[1]))
        return state.coefficients @ self.design + hidden.effects @ self.q_matrix @ self.effects + noise

    def step(self, both, data, hidden_prior, rng):
        return spike_slab.step(*data, self.rows, *both, PRIOR, hidden_prior, rng)

    def collapsed(self, state, outcome):
        data, confounder = self.data(outcome)
        return Collapsed.of(data, confounder, state.noise, posterior_factor(data, state, PRIOR))


def numbers(both):
    """What a learned inclusion and confounders' coefficients are to be added to."""
    state, hidden = both
    included = np.count_nonzero(hidden.effects)
    logs = np.log([state.beta, state.noise, hidden.slab])
    return np.concatenate([state.coefficients, hidden.projected, logs, [included]])


def example(study, seed=0, hidden_prior=FIXED):
    rng = np.random.default_rng(seed + 200)
    both = study.from_prior(hidden_prior, rng)
    return both, study.simulate(both, rng)


def dense(study, state, outcome):
    """Without intercept: Y, H and the covariance sigma_Y^2 I + F V F' of Y where nu is nought."""
    rows = np.linalg.svd(np.ones((1, len(outcome))))[2][1:]
    design = rows @ study.design.T
    covariance = design * study.variances(state) @ design.T + state.noise * np.eye(len(rows))
    return rows @ outcome, rows @ study.effects.T, covariance
