"""Chains of both stages: started apart, warmed up, drawn from, each in a process of its own if asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from latticework.core.progress import progress
from latticework.core.seeds import spawn
from latticework.mediation import mediator_model, outcome_model, spike_slab, thresholded
from latticework.mediation.mediator_model import MediatorState
from latticework.mediation.outcome_model import OutcomeState
from latticework.mediation.preparation import Prepared
from latticework.mediation.prior import Prior
from latticework.mediation.spike_slab import ConfounderData, ConfounderState, Rows

STARTS: Final = (0.0, 0.02, 0.1, 0.3)  # share of voxels that carry the confounder where a chain begins


@dataclass(frozen=True)
class MediatorDraws:
    """What a chain of stage one leaves, in the samplers' units.

    Attributes
    ----------
    alpha
        Coefficients of alpha, or of the process that is thresholded.
    shrinkage
        w, the share of residuals that belongs to individual effects.
    variances
        Draws by name.
    accepted
        Share of Hamiltonian moves that were accepted, if there were any.
    """

    alpha: Float[np.ndarray, "draws components"]
    shrinkage: Float[np.ndarray, "draws components"]
    variances: dict[str, Float[np.ndarray, " draws"]]
    accepted: float | None = None


@dataclass(frozen=True)
class OutcomeDraws:
    """What a chain of stage two leaves, in the samplers' units.

    Attributes
    ----------
    beta
        Coefficients of beta, or of the process that is thresholded.
    direct
        gamma.
    confounders
        zeta.
    variances
        Draws by name; with the number of voxels that carry the confounder, if there is one.
    projected
        nu* = Q' delta nu.
    nu, nu_squared, included
        Means over draws, by voxel: of delta nu, of its square, and of delta.
    accepted
        As in `MediatorDraws`.
    """

    beta: Float[np.ndarray, "draws components"]
    direct: Float[np.ndarray, " draws"]
    confounders: Float[np.ndarray, "draws confounders"]
    variances: dict[str, Float[np.ndarray, " draws"]]
    projected: Float[np.ndarray, "draws components"] | None = None
    nu: Float[np.ndarray, " voxels"] | None = None
    nu_squared: Float[np.ndarray, " voxels"] | None = None
    included: Float[np.ndarray, " voxels"] | None = None
    accepted: float | None = None


@dataclass(frozen=True)
class Length:
    """Iterations of a chain that are thrown away, and that are kept."""

    warmup: int
    draws: int

    def __iter__(self) -> Iterator[int]:
        """Iterations, below nought while warming up."""
        return iter(range(-self.warmup, self.draws))


def run(tasks: Sequence[Any], doing: str, n_jobs: int | None) -> list[Any]:
    """Run chains, each a callable without arguments, one BLAS thread each; results in order.

    In processes, as joblib or its context (``parallel_config``) says; the same whatever their number.
    """
    from joblib import Parallel, delayed

    done = []
    with progress(doing, total=len(tasks), unit="chains") as bar:
        results = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_alone)(task) for task in tasks)
        for result in results:
            done.append(result)
            bar.advance()
    return done


def _alone(task: Any) -> Any:
    with one_thread():
        return task()


@contextmanager
def one_thread() -> Iterator[None]:
    """One BLAS thread: sums do not depend on how many there are, and chains do not fight over processors."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


@dataclass(frozen=True)
class MediatorChain:
    """A chain of stage one; with a threshold, of the soft-thresholded process."""

    prepared: Prepared
    prior: Prior
    length: Length
    seed: int
    number: int
    threshold: float = 0.0

    def __call__(self) -> MediatorDraws:
        """Run it."""
        rng = np.random.default_rng(spawn(self.seed, f"mediators {self.number}"))
        data, prior = self.prepared.mediator_data(), self.prepared.mediator_prior(self.prior)
        basis, components, regressors = self.prepared.basis, *data.products.shape
        state = MediatorState(
            np.zeros((components, regressors)),
            alpha=_apart(prior.alpha, rng),
            noise=_apart(1.0 if self.prior.standardise else float(data.residual.mean()) / data.dimensions, rng),
            eta=_apart(prior.eta, rng),
            zeta=_apart(prior.zeta, rng) if prior.fixed_zeta is None else prior.fixed_zeta,
        )
        kept = _Kept(self.length.draws)
        theta, moves = np.zeros(components), _Moves()
        for iteration in self.length:
            if not self.threshold:
                state = mediator_model.step(data, state, prior, rng)
                theta = state.coefficients[:, 0]
            elif iteration < -self.length.warmup // 2:  # where effects are, is found without a threshold
                state = mediator_model.step(data, state, prior, rng)
                theta = thresholded.started(state.coefficients[:, 0], basis, self.threshold)
            else:
                state, theta, accepted = thresholded.mediator_step(
                    data, state, theta, prior, basis, self.threshold, moves.size, rng
                )
                moves.made(accepted, iteration)
            if iteration >= 0:
                kept.add(
                    alpha=theta,
                    shrinkage=state.shrinkage(data.eigenvalues),
                    sigma_alpha=state.alpha,
                    sigma_mediators=state.noise,
                    sigma_eta=state.eta,
                    sigma_zeta=state.zeta,
                )
        alpha, shrinkage = kept.pop("alpha"), kept.pop("shrinkage")
        return MediatorDraws(alpha, shrinkage, kept.roots(), moves.rate if self.threshold else None)


@dataclass(frozen=True)
class OutcomeChain:
    """A chain of stage two without an unobserved confounder: BIMA."""

    prepared: Prepared
    prior: Prior
    length: Length
    seed: int
    number: int
    threshold: float = 0.0

    def __call__(self) -> OutcomeDraws:
        """Run it."""
        rng = np.random.default_rng(spawn(self.seed, f"outcome {self.number}"))
        data, prior = self.prepared.outcome_data(), self.prepared.outcome_prior(self.prior)
        basis, components = self.prepared.basis, len(data.eigenvalues)
        state = _outcome_start(data, prior, rng)
        kept = _Kept(self.length.draws)
        by_voxel = self.prepared.image_data() if self.threshold else None
        theta, moves = np.zeros(components), _Moves()
        for iteration in self.length:
            if by_voxel is None:
                state = outcome_model.step(data, state, prior, rng)
                theta = state.coefficients[:components]
            elif iteration < -self.length.warmup // 2:
                state = outcome_model.step(data, state, prior, rng)
                theta = thresholded.started(state.coefficients[:components], basis, self.threshold)
            else:
                state, theta, accepted = thresholded.outcome_step(
                    data, by_voxel, state, theta, prior, basis, self.threshold, moves.size, rng
                )
                moves.made(accepted, iteration)
            if iteration >= 0:
                kept.add(beta=theta, **_outcome_kept(state, components))
        beta, direct, confounders = kept.pop("beta"), kept.pop("direct"), kept.pop("confounders")
        rate = moves.rate if self.threshold else None
        return OutcomeDraws(beta, direct, confounders, kept.roots(), accepted=rate)


@dataclass(frozen=True)
class ConfoundedChain:
    """A chain of stage two with an unobserved confounder: BASMU.

    Attributes
    ----------
    shrinkage
        w, one for all iterations, or of draws of stage one, whose uncertainty is then propagated.
    alpha
        Draws of stage one: draw t of stage two takes individual effects for what draw t leaves of the mediators, so
        that what they may share with the exposure by chance is allowed for. None where they are orthogonal to it.
    """

    prepared: Prepared
    prior: Prior
    length: Length
    seed: int
    number: int
    shrinkage: Float[np.ndarray, "draws components"]
    alpha: Float[np.ndarray, "draws components"] | None = None

    def __call__(self) -> OutcomeDraws:
        """Run it."""
        rng = np.random.default_rng(spawn(self.seed, f"confounded outcome {self.number}"))
        prepared = self.prepared
        data, prior = prepared.outcome_data(), prepared.outcome_prior(self.prior)
        hidden_prior, rows = prepared.confounder_prior(self.prior), Rows.of(prepared.basis)
        confounder = ConfounderData.of_residuals(data, self.shrinkage.mean(axis=0))
        state, hidden = _outcome_start(data, prior, rng), self._start(hidden_prior, rng)
        components, draws = len(data.eigenvalues), self.length.draws
        kept = _Kept(draws)
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
class _Kept:
    """Draws, by name."""

    draws: int
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    place: int = 0

    def add(self, **values: Any) -> None:
        """Keep one draw."""
        if not self.arrays:
            self.arrays = {name: np.empty((self.draws, *np.shape(value))) for name, value in values.items()}
        for name, value in values.items():
            self.arrays[name][self.place] = value
        self.place += 1

    def pop(self, name: str) -> np.ndarray:
        """Take out the draws of one name."""
        return self.arrays.pop(name)

    def roots(self) -> dict[str, np.ndarray]:
        """Square roots of what is left, which are variances."""
        return {name: np.sqrt(values) for name, values in self.arrays.items()}


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
    def rate(self) -> float:
        """Share that was accepted."""
        return self.total / max(self.count, 1)
