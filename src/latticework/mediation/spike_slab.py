"""What confounds unseen: a spike-and-slab over voxels of the individual effects (Xu et al. 2024, the outcome model).

Y = F b + eta' Q'(delta nu) + epsilon, with nu(s) ~ N(0, sigma_nu^2), delta(s) ~ Bernoulli(pi), and eta the
individual effects of stage one. As eta is linear in the mediators, b = (beta*, gamma, zeta) could take
the place of nearly all of delta nu; a sampler that draws one given the other would hardly move. Here b is integrated
out while delta and nu are drawn, which leaves nu* = Q' delta nu a Gaussian likelihood of precision
A = H'(sigma_Y^2 I + F V F')^-1 H and linear term g in L dimensions, H = eta'.

Differs from the paper: pi may have a beta prior; nu is integrated out when delta is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import cho_solve, cholesky, solve_triangular

from latticework.mediation.basis import Basis
from latticework.mediation.conjugate import gaussian, inverse_gamma
from latticework.mediation.outcome_model import (
    Offset,
    OutcomeData,
    OutcomePrior,
    OutcomeState,
    draw_coefficients,
    draw_variances,
    posterior_factor,
)
from latticework.mediation.rows import Rows
from latticework.mediation.scan import compiled, visit

ROUNDS: Final = 3  # of visits by an iteration, between which the slab's variance is drawn: b is integrated out once
ROUNDS_LEARNING: Final = 6  # where the probability of inclusion is drawn too: it and the voxels hold one another
VISITED: Final = 0.05  # of the voxels, by a round: the others' turn comes, and all included ones are drawn again
ROUNDING: Final = 1e-12  # of a matrix's largest entry, which its factorisation may cost
CANCELLED: Final = 1e-15  # of what is subtracted from, which the difference may be wrong by


@dataclass(frozen=True)
class ConfounderData:
    """Products of the individual effects H (subjects x components) with everything else.

    Attributes
    ----------
    gram
        H'H.
    cross
        F'H, of `outcome_model.OutcomeData`'s design F.
    outcome
        H'Y.
    """

    gram: Float[np.ndarray, "components components"]
    cross: Float[np.ndarray, "columns components"]
    outcome: Float[np.ndarray, " components"]

    @classmethod
    def of_residuals(
        cls,
        data: OutcomeData,
        shrinkage: Float[np.ndarray, " components"],
        alpha: Float[np.ndarray, " components"] | None = None,
    ) -> ConfounderData:
        """Sum up individual effects that are w times what is left of the mediators, M* - Theta G.

        Theta is alpha for the exposure, and fits best for the confounders, and for the exposure too where alpha is
        None: then effects are orthogonal to both. F has M* and G, so products of effects follow from those of F.
        """
        components = len(data.eigenvalues)
        cross, gram = data.gram[:components, components:], data.gram[components:, components:]
        if alpha is None:
            theta = np.linalg.solve(gram, cross.T).T
        else:
            others = cross[:, 1:] - np.outer(alpha, gram[0, 1:])
            theta = np.column_stack([alpha, np.linalg.solve(gram[1:, 1:], others.T).T])
        design = (data.gram[:, :components] - data.gram[:, components:] @ theta.T) * shrinkage
        inner = (design[:components] - theta @ design[components:]) * shrinkage[:, None]
        outcome = (data.outcome[:components] - theta @ data.outcome[components:]) * shrinkage
        return cls((inner + inner.T) / 2, design, outcome)


@dataclass(frozen=True)
class ConfounderPrior:
    """Prior of inclusion, a probability or a beta's parameters, and of the slab's variance, an inverse gamma."""

    inclusion: float | tuple[float, float]
    shape: float
    rate: float


@dataclass(frozen=True)
class Included:
    """Which voxels carry the confounder, and the Gram matrix of their rows, the sum of qq', a block for each region."""

    which: Bool[np.ndarray, " voxels"]
    blocks: tuple[Float[np.ndarray, "_ _"], ...]

    @classmethod
    def of(cls, which: Bool[np.ndarray, " voxels"], basis: Basis, before: Included | None = None) -> Included:
        """Sum up rows, or only those that came and went since before, if they are fewer."""
        if before is not None:
            came, went = which & ~before.which, before.which & ~which
            if np.count_nonzero(came) + np.count_nonzero(went) < np.count_nonzero(which):
                changes = zip(before.blocks, gram_blocks(came, basis), gram_blocks(went, basis), strict=True)
                return cls(which, tuple(block + new - old for block, new, old in changes))
        return cls(which, gram_blocks(which, basis))

    def times(self, matrix: Float[np.ndarray, "components columns"]) -> Float[np.ndarray, "components columns"]:
        """The Gram matrix times another: of zeros between regions nothing is multiplied."""
        ends = np.cumsum([len(block) for block in self.blocks])[:-1]
        return np.vstack([block @ part for block, part in zip(self.blocks, np.split(matrix, ends), strict=True)])


def gram_blocks(which: Bool[np.ndarray, " voxels"], basis: Basis) -> tuple[Float[np.ndarray, "_ _"], ...]:
    """For each region the Gram matrix of the rows of some voxels."""
    rows = (block.vectors[which[block.voxels]] for block in basis.blocks)
    return tuple(some.T @ some for some in rows)


@dataclass(frozen=True)
class ConfounderState:
    """One draw: delta nu by voxel, nu* = Q' delta nu, the slab's variance and the probability of inclusion.

    Where many voxels are included, `included` is what was summed up of them last.
    """

    effects: Float[np.ndarray, " voxels"]
    projected: Float[np.ndarray, " components"]
    slab: float
    inclusion: float
    included: Included | None = None


@dataclass(frozen=True)
class Collapsed:
    """The likelihood of nu* with b integrated out: precision A and linear term g."""

    precision: Float[np.ndarray, "components components"]
    linear: Float[np.ndarray, " components"]

    @classmethod
    def of(
        cls,
        data: OutcomeData,
        confounder: ConfounderData,
        noise: float,
        factor: Float[np.ndarray, "columns columns"],
    ) -> Collapsed:
        """Integrate out b, whose posterior precision has the Cholesky factor given."""
        known = np.column_stack([confounder.cross, data.outcome])
        solved = solve_triangular(factor, known, lower=True, overwrite_b=True, check_finite=False) / noise
        cross, outcome = solved[:, :-1], solved[:, -1]
        precision = confounder.gram / noise - cross.T @ cross
        # where there are more components than subjects, A is singular, and must not become indefinite
        precision[np.diag_indices_from(precision)] += CANCELLED * np.max(np.diagonal(confounder.gram)) / noise
        return cls((precision + precision.T) / 2, confounder.outcome / noise - cross.T @ outcome)

    def root(self) -> Float[np.ndarray, "components components"]:
        """A's lower Cholesky factor; A may be singular to rounding, and is raised by as much."""
        raised = self.precision.copy()
        raised[np.diag_indices_from(raised)] += ROUNDING * np.max(np.diagonal(raised))
        factor: Float[np.ndarray, "components components"] = cholesky(raised, lower=True, overwrite_a=True)
        return factor


def step(
    data: OutcomeData,
    confounder: ConfounderData,
    rows: Rows,
    state: OutcomeState,
    hidden: ConfounderState,
    prior: OutcomePrior,
    hidden_prior: ConfounderPrior,
    rng: np.random.Generator,
) -> tuple[OutcomeState, ConfounderState]:
    """One iteration: (delta, nu, b) as one block, then variances and the probability of inclusion."""
    factor = posterior_factor(data, state, prior)
    likelihood = Collapsed.of(data, confounder, state.noise, factor)
    rounds = ROUNDS_LEARNING if isinstance(hidden_prior.inclusion, tuple) else ROUNDS
    for visits in Visits.drawn(likelihood, rows, rounds, rng):
        effects, projected = draw_inclusion(likelihood, rows, hidden, visits, rng)
        hidden = draw_hyperparameters(effects, projected, hidden, hidden_prior, rng)
    effects, included = draw_included(likelihood, rows, hidden, rng)
    hidden = replace(hidden, effects=effects, projected=rows.project(effects), included=included)
    offset = offset_of(confounder, hidden.projected)
    coefficients = draw_coefficients(data, state, factor, rng, offset)
    return draw_variances(data, coefficients, state, prior, rng, offset), hidden


class Visits(NamedTuple):
    """Voxels in the order in which they are visited, and `Rows.products` of them."""

    voxels: Int[np.ndarray, " visited"]
    own: Float[np.ndarray, " visited"]
    moved: Float[np.ndarray, "moved components"]

    @classmethod
    def drawn(cls, likelihood: Collapsed, rows: Rows, rounds: int, rng: np.random.Generator) -> list[Visits]:
        """Choose voxels at random, in a random order, for each round."""
        count = math.ceil(VISITED * rows.basis.n_voxels)
        chosen = [rng.choice(rows.basis.n_voxels, count, replace=False) for _ in range(rounds)]
        own, moved = rows.products(likelihood.precision, np.concatenate(chosen))
        places = [slice(count * number, count * (number + 1)) for number in range(rounds)]
        return [cls(voxels, own[place], moved[place]) for voxels, place in zip(chosen, places, strict=True)]


def draw_inclusion(
    likelihood: Collapsed, rows: Rows, hidden: ConfounderState, visits: Visits, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " voxels"], Float[np.ndarray, " components"]]:
    """Visit voxels one by one: draw delta without nu, then nu. Delta nu, and nu* of it."""
    effects, projected = hidden.effects.copy(), hidden.projected.copy()
    compiled(visit)(
        visits.voxels,
        rows.entries,
        rows.starts,
        rows.firsts,
        rows.counts,
        visits.own,
        visits.moved,
        likelihood.precision,
        likelihood.linear - likelihood.precision @ hidden.projected,
        effects,
        projected,
        math.log(hidden.inclusion) - math.log1p(-hidden.inclusion),
        hidden.slab,
        rng.random(len(visits.voxels)),
        rng.standard_normal(len(visits.voxels)),
    )
    return effects, projected


def draw_included(
    likelihood: Collapsed, rows: Rows, hidden: ConfounderState, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " voxels"], Included | None]:
    """Draw the coefficients of all included voxels jointly; with them, what was summed up of the voxels.

    In as many dimensions as there are included voxels, or in L where they are more: then a draw of the prior is
    corrected by what a draw of the likelihood lacks (Bhattacharya et al. 2016).
    """
    which, slab, basis = hidden.effects != 0, hidden.slab, rows.basis
    chosen = np.flatnonzero(which)
    drawn = np.zeros_like(hidden.effects)
    if not len(chosen):
        return drawn, None
    if len(chosen) <= basis.n_components:
        design = rows.dense(chosen)
        precision = design @ likelihood.precision @ design.T
        precision[np.diag_indices_from(precision)] += 1 / slab
        drawn[chosen] = gaussian(precision, design @ likelihood.linear, rng)
        return drawn, None
    included = Included.of(which, basis, hidden.included)
    root = likelihood.root()
    wanted = solve_triangular(root, likelihood.linear, lower=True, check_finite=False)
    drawn[chosen] = math.sqrt(slab) * rng.standard_normal(len(chosen))
    inner = slab * (root.T @ included.times(root))
    inner[np.diag_indices_from(inner)] += 1.0
    lacking = wanted - basis.project(drawn) @ root - rng.standard_normal(len(wanted))
    factor = cholesky(inner, lower=True, overwrite_a=True, check_finite=False)
    more = basis.expand(root @ cho_solve((factor, True), lacking, check_finite=False))
    drawn[chosen] += slab * more[chosen]
    return drawn, included


def offset_of(confounder: ConfounderData, projected: Float[np.ndarray, " components"]) -> Offset:
    """What the unobserved confounder takes from the outcome."""
    return Offset(
        confounder.cross @ projected,
        float(confounder.outcome @ projected),
        float(projected @ confounder.gram @ projected),
    )


def draw_hyperparameters(
    effects: Float[np.ndarray, " voxels"],
    projected: Float[np.ndarray, " components"],
    hidden: ConfounderState,
    prior: ConfounderPrior,
    rng: np.random.Generator,
) -> ConfounderState:
    """Draw the slab's variance and the probability of inclusion."""
    included = np.count_nonzero(effects)
    slab = inverse_gamma(prior.shape + included / 2, prior.rate + effects @ effects / 2, rng)
    inclusion = hidden.inclusion
    if isinstance(prior.inclusion, tuple):
        a, b = prior.inclusion
        drawn = rng.beta(a + included, b + len(effects) - included)
        inclusion = float(np.clip(drawn, 1e-300, 1 - 1e-16))
    return ConfounderState(effects, projected, slab, inclusion, hidden.included)
