"""Chains of both stages: started apart, warmed up, drawn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from jaxtyping import Float

from latticework.core.seeds import spawn
from latticework.mediation import mediator_model, outcome_model, spike_slab, thresholded
from latticework.mediation.iterations import Length
from latticework.mediation.kept import Kept, MediatorDraws, OutcomeDraws
from latticework.mediation.mediator_model import MediatorState
from latticework.mediation.outcome_model import OutcomeState
from latticework.mediation.preparation import Prepared
from latticework.mediation.prior import Prior
from latticework.mediation.rows import Rows
from latticework.mediation.spike_slab import ConfounderData, ConfounderState

S = TypeVar("S")  # the state of a chain

MOST_CHAINS: Final = 10_000
STARTS: Final = (0.0, 0.02, 0.1, 0.3)  # share of voxels that carry the confounder where a chain begins


@dataclass(frozen=True)
class Chain:
    """What chains of both stages have: data, priors, how long they are, and which of several chains they are."""

    prepared: Prepared
    prior: Prior
    length: Length
    seed: int
    number: int

    def generator(self, stage: str) -> np.random.Generator:
        """The randomness of this chain alone."""
        return np.random.default_rng(spawn(self.seed, f"{stage} {self.number}"))


@dataclass(frozen=True)
class MediatorChain(Chain):
    """A chain of stage one; with a threshold, of the soft-thresholded process."""

    threshold: float = 0.0

    def __call__(self) -> MediatorDraws:
        """Run it."""
        rng = self.generator("mediators")
        data, prior = self.prepared.mediator_data(), self.prepared.mediator_prior(self.prior)
        basis, components, regressors = self.prepared.basis, *data.products.shape
        state = MediatorState(
            np.zeros((components, regressors)),
            alpha=_apart(prior.alpha, rng),
            noise=_apart(1.0 if self.prior.standardise else float(data.residual.mean()) / data.dimensions, rng),
            eta=_apart(prior.eta, rng),
            zeta=_apart(prior.zeta, rng) if prior.fixed_zeta is None else prior.fixed_zeta,
        )
        kept, moves = Kept(self.length.draws), _Moves()

        def plain(state: MediatorState) -> tuple[MediatorState, np.ndarray]:
            state = mediator_model.step(data, state, prior, rng)
            return state, state.coefficients[:, 0]

        def moved(state: MediatorState, theta: np.ndarray, size: float) -> tuple[MediatorState, np.ndarray, float]:
            return thresholded.mediator_step(
                data, state, theta, prior, rng, basis=basis, threshold=self.threshold, step_size=size
            )

        for drawn, theta in _walk(self, moves, state, plain, moved):
            kept.add(
                alpha=theta,
                shrinkage=drawn.shrinkage(data.eigenvalues),
                sigma_alpha=drawn.alpha,
                sigma_mediators=drawn.noise,
                sigma_eta=drawn.eta,
                sigma_zeta=drawn.zeta,
            )
        alpha, shrinkage = kept.pop("alpha"), kept.pop("shrinkage")
        return MediatorDraws(alpha, shrinkage, kept.roots(), moves.rate)


@dataclass(frozen=True)
class OutcomeChain(Chain):
    """A chain of stage two without an unobserved confounder: BIMA."""

    threshold: float = 0.0

    def __call__(self) -> OutcomeDraws:
        """Run it."""
        rng = self.generator("outcome")
        data, prior = self.prepared.outcome_data(), self.prepared.outcome_prior(self.prior)
        basis, components = self.prepared.basis, len(data.eigenvalues)
        state = _outcome_start(data, prior, rng)
        kept, moves = Kept(self.length.draws), _Moves()
        by_voxel = self.prepared.image_data() if self.threshold else None

        def plain(state: OutcomeState) -> tuple[OutcomeState, np.ndarray]:
            state = outcome_model.step(data, state, prior, rng)
            return state, state.coefficients[:components]

        def moved(state: OutcomeState, theta: np.ndarray, size: float) -> tuple[OutcomeState, np.ndarray, float]:
            assert by_voxel is not None
            return thresholded.outcome_step(
                data, by_voxel, state, theta, prior, rng, basis=basis, threshold=self.threshold, step_size=size
            )

        for drawn, theta in _walk(self, moves, state, plain, moved):
            kept.add(beta=theta, **_outcome_kept(drawn, components))
        beta, direct, confounders = kept.pop("beta"), kept.pop("direct"), kept.pop("confounders")
        return OutcomeDraws(beta, direct, confounders, kept.roots(), accepted=moves.rate)


def _walk(
    chain: MediatorChain | OutcomeChain,
    moves: _Moves,
    state: S,
    plain: Callable[[S], tuple[S, np.ndarray]],
    moved: Callable[[S, np.ndarray, float], tuple[S, np.ndarray, float]],
) -> Iterator[tuple[S, Float[np.ndarray, " components"]]]:
    """The states of a chain that are kept, and the coefficients of its process.

    With a threshold, where effects are is found without it in the first half of the warm-up.
    """
    basis, threshold = chain.prepared.basis, chain.threshold
    theta = np.zeros(basis.n_components)
    for iteration in chain.length:
        if threshold and iteration >= -chain.length.warmup // 2:
            state, theta, accepted = moved(state, theta, moves.size)
            moves.made(accepted, iteration)
        else:
            state, theta = plain(state)
            theta = thresholded.started(theta, basis, threshold) if threshold else theta
        if iteration >= 0:
            yield state, theta


@dataclass(frozen=True)
class ConfoundedChain(Chain):
    """A chain of stage two with an unobserved confounder: BASMU.

    With draws of stage one, individual effects change from iteration to iteration, and a chain makes one step for each.
    Strictly, it would have to converge given each of them before one draw is taken (Plummer 2015, "Cuts in Bayesian
    graphical models"); for effects and intervals a test finds no difference.

    Attributes
    ----------
    shrinkage
        w, one for all iterations, or of draws of stage one, whose uncertainty is then propagated.
    alpha
        Draws of stage one: draw t of stage two takes individual effects for what draw t leaves of the mediators, so
        that what they may share with the exposure by chance is allowed for. None where they are orthogonal to it.
    """

    shrinkage: Float[np.ndarray, "#draws components"]
    alpha: Float[np.ndarray, "draws components"] | None = None

    def __call__(self) -> OutcomeDraws:
        """Run it."""
        rng = self.generator("confounded outcome")
        prepared = self.prepared
        data, prior = prepared.outcome_data(), prepared.outcome_prior(self.prior)
        hidden_prior, rows = prepared.confounder_prior(self.prior), Rows.of(prepared.basis)
        confounder = ConfounderData.of_residuals(data, self.shrinkage.mean(axis=0))
        state, hidden = _outcome_start(data, prior, rng), self._start(hidden_prior, rng)
        components, draws = len(data.eigenvalues), self.length.draws
        kept = Kept(draws)
        nu, nu_squared, included = (np.zeros(prepared.basis.n_voxels) for _ in range(3))
        for iteration in self.length:
            if self.alpha is not None or len(self.shrinkage) > 1:
                confounder = self._individual(data, iteration)
            state, hidden = spike_slab.step(data, confounder, rows, state, hidden, prior, hidden_prior, rng)
            if iteration >= 0:
                nu += hidden.effects / draws
                nu_squared += hidden.effects**2 / draws
                included += (hidden.effects != 0) / draws
                kept.add(
                    beta=state.coefficients[:components],
                    projected=hidden.projected,
                    sigma_nu=hidden.slab,
                    voxels_included=np.count_nonzero(hidden.effects),
                    **_outcome_kept(state, components),
                )
        beta, direct, confounders = kept.pop("beta"), kept.pop("direct"), kept.pop("confounders")
        projected, count = kept.pop("projected"), kept.pop("voxels_included")
        variances = {**kept.roots(), "voxels_included": count}
        return OutcomeDraws(beta, direct, confounders, variances, projected, nu, nu_squared, included)

    def _start(self, prior: spike_slab.ConfounderPrior, rng: np.random.Generator) -> ConfounderState:
        voxels, share = self.prepared.basis.n_voxels, STARTS[self.number % len(STARTS)]
        effects = np.where(rng.random(voxels) < share, np.sqrt(prior.rate) * rng.standard_normal(voxels), 0.0)
        inclusion = prior.inclusion
        if isinstance(inclusion, tuple):
            inclusion = max(share, inclusion[0] / sum(inclusion))
        return ConfounderState(effects, self.prepared.basis.project(effects), prior.rate, inclusion)

    def _individual(self, data: outcome_model.OutcomeData, iteration: int) -> ConfounderData:
        """Individual effects by the draw of stage one that this one of stage two is paired with."""
        alpha = None if self.alpha is None else self.alpha[iteration % len(self.alpha)]
        return ConfounderData.of_residuals(data, self.shrinkage[iteration % len(self.shrinkage)], alpha)


def _outcome_start(
    data: outcome_model.OutcomeData, prior: outcome_model.OutcomePrior, rng: np.random.Generator
) -> OutcomeState:
    noise = _apart(data.power / data.dimensions / 10, rng)
    return OutcomeState(np.zeros(len(data.outcome)), _apart(prior.beta, rng), noise, _apart(prior.zeta, rng))


def _outcome_kept(state: OutcomeState, components: int) -> dict[str, Any]:
    return {
        "direct": state.coefficients[components],
        "confounders": state.coefficients[components + 1 :],
        "sigma_beta": state.beta,
        "sigma_outcome": state.noise,
    }


def _apart(value: float, rng: np.random.Generator) -> float:
    """A start within a factor of five or so."""
    return float(value * np.exp(0.8 * rng.standard_normal()))


@dataclass
class _Moves:
    """The step size of Hamiltonian moves, and how many were accepted after it was set."""

    size: float = 0.3
    warm: int = 0
    total: float = 0.0
    count: int = 0

    def made(self, accepted: float, iteration: int) -> None:
        """Learn from one."""
        if iteration < 0:
            self.size = thresholded.tuned(self.size, accepted, self.warm)
            self.warm += 1
        else:
            self.total += accepted
            self.count += 1

    @property
    def rate(self) -> float | None:
        """Share that was accepted; None where there were none."""
        return self.total / self.count if self.count else None
