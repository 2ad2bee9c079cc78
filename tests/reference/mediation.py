"""The two-stage sampler of BASMU, literally: Xu et al. (2024), "Bayesian structured mediation analysis with unobserved
confounders", nothing collapsed, nothing kept from one iteration to the next.

    mediators  M_i(s) = α(s) X_i + ζ_M(s)ᵀC_i + η_i(s) + ε_i(s)                α = ST_λ(Q θ_α), ζ_M = Q θ_ζ, η = Q θ_η
    outcome    Y_i = Σ_s β(s) M_i(s) + γ X_i + ζ_YᵀC_i + Σ_s ν(s) δ(s) η_i(s) + ε_i                    β = ST_λ(Q θ_β)

The intercepts have flat priors and are gone with the means: images, exposure, covariates and outcome come centred, so
that noise has n - 1 dimensions. The confounder η is orthogonal to (1, X, C), which leaves n - q - 2. Subjects are rows
(n), voxels s (p), components of the basis l (L), covariates (q); Q is orthonormal, block by block if there are regions.
A mediator's likelihood is that of its coefficients M* = M Q. Kept cheap, so that timings are fair: M Q is found once an
iteration, gradients are products of a matrix and a vector, and η is made orthogonal without any n x n matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

EVERYTHING = ((slice(None), slice(None)),)
ADAPT_EVERY, TARGET, SHARPNESS, LARGEST_CHANGE, LARGEST_TAU = 10, 0.2, 1000, 0.1, 1.0


class InverseGamma(NamedTuple):
    """1 / σ² has the law Gamma(shape, rate). Where a law is asked for, a plain number means that it is known."""

    shape: float = 1.0
    rate: float = 1.0


class Beta(NamedTuple):
    """The law of the probability π that a voxel confounds; here too, a plain number means that it is known."""

    a: float = 1.0
    b: float = 1.0


UNIT = InverseGamma()


@dataclass(frozen=True)
class MediatorData:
    images: np.ndarray  # M, (n, p)
    exposure: np.ndarray  # X, (n,)
    covariates: np.ndarray  # C, (n, q)
    vectors: np.ndarray  # Q, (p, L)
    eigenvalues: np.ndarray  # D, (L,)
    regions: tuple[tuple[slice, slice], ...] = EVERYTHING  # the voxels and the components of each


@dataclass(frozen=True)
class MediatorPrior:
    sigma2_alpha: InverseGamma | float = UNIT
    sigma2_m: InverseGamma | float = UNIT
    sigma2_eta: InverseGamma | float = UNIT
    sigma2_zeta: InverseGamma | float = 0.01  # the paper's precision, 100 / D_l
    threshold: float = 0.0  # λ


@dataclass(frozen=True)
class MediatorState:
    theta_alpha: np.ndarray  # (L,)
    theta_zeta: np.ndarray  # (q, L)
    theta_eta: np.ndarray  # (n, L)
    sigma2_alpha: float
    sigma2_m: float
    sigma2_eta: float
    sigma2_zeta: float
    accepted: np.ndarray = field(default_factory=lambda: np.ones(1))  # by region, in the last iteration


@dataclass(frozen=True)
class OutcomeData:
    outcome: np.ndarray  # Y, (n,)
    eta: np.ndarray  # the first stage's posterior mean of η, (n, p)
    mediators: MediatorData


@dataclass(frozen=True)
class OutcomePrior:
    sigma2_beta: InverseGamma | float = UNIT
    sigma2_nu: InverseGamma | float = UNIT
    sigma2_y: InverseGamma | float = UNIT
    sigma2_zeta: InverseGamma | float = UNIT
    pi: Beta | float = 0.5
    variance_of_gamma: float = 1.0
    threshold: float = 0.0  # λ


@dataclass(frozen=True)
class OutcomeState:
    theta_beta: np.ndarray  # (L,)
    gamma: float
    zeta: np.ndarray  # ζ_Y, (q,)
    nu: np.ndarray  # (p,), of the voxels left out too
    delta: np.ndarray  # (p,), 0 or 1
    pi: float
    sigma2_beta: float
    sigma2_nu: float
    sigma2_y: float
    sigma2_zeta: float
    accepted: np.ndarray = field(default_factory=lambda: np.ones(1))


def soft_threshold(x, threshold):
    """ST_λ(x) = sign(x) (|x| - λ)₊."""
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0)


def gaussian(precision, linear, rng):
    """A draw of density ∝ exp(-½ xᵀ A x + bᵀ x): mean A⁻¹ b, covariance A⁻¹."""
    factor = np.linalg.cholesky(precision)
    return np.linalg.solve(precision, linear) + np.linalg.solve(factor.T, rng.standard_normal(len(linear)))


def variance(law, count, squares, rng):
    """σ² | x ~ IG(shape + count / 2, rate + Σ x² / 2); with no x it is the prior's."""
    if not isinstance(law, InverseGamma):
        return law
    return 1 / rng.gamma(law.shape + count / 2, 1 / (law.rate + squares / 2))


def probability(law, ones, zeros, rng):
    """π | δ ~ Beta(a + Σ δ, b + Σ (1 - δ))."""
    return rng.beta(law.a + ones, law.b + zeros) if isinstance(law, Beta) else law


def mala(theta, log_density, gradient, tau, rng):
    """One step of Metropolis-adjusted Langevin, and whether it was taken.

    θ' ~ q(· | θ) = N(θ + τ ∇(θ), 2 τ I), taken with probability min(1, p(θ') q(θ | θ') / (p(θ) q(θ' | θ))).
    """
    forth = theta + tau * gradient(theta)
    proposal = forth + np.sqrt(2 * tau) * rng.standard_normal(len(theta))
    back = proposal + tau * gradient(proposal)
    log_ratio = log_density(proposal) - log_density(theta)
    log_ratio += (np.sum((proposal - forth) ** 2) - np.sum((theta - back) ** 2)) / (4 * tau)
    accepted = np.log(rng.uniform()) < log_ratio
    return (proposal if accepted else theta), accepted


def orthogonal(eta, data):
    """N(μ, v I) given that it is orthogonal to A = (1, X, C), by kriging: η - A (AᵀA)⁻¹ Aᵀ η; v cancels."""
    constraint = np.column_stack([np.ones_like(data.exposure), data.exposure, data.covariates])
    return eta - constraint @ np.linalg.solve(constraint.T @ constraint, constraint.T @ eta)


# The first stage: what the exposure does to the images, and what of them it does not explain.


def coefficients(theta, data, threshold):
    """Qᵀ ST_λ(Q θ), which is θ where λ = 0."""
    return data.vectors.T @ soft_threshold(data.vectors @ theta, threshold)


def mediator_residual(state, scores, data, prior):
    """M* - X (Qᵀα)ᵀ - C θ_ζ - θ_η, shape (n, L)."""
    alpha = coefficients(state.theta_alpha, data, prior.threshold)
    return scores - np.outer(data.exposure, alpha) - data.covariates @ state.theta_zeta - state.theta_eta


def alpha_target(state, scores, data, prior, region):
    """The log density of a region's θ_α given all else, and its gradient."""
    voxels, components = region
    vectors, eigenvalues = data.vectors[voxels, components], data.eigenvalues[components]
    others = (scores - data.covariates @ state.theta_zeta - state.theta_eta)[:, components]

    def residual(theta):
        return others - np.outer(data.exposure, vectors.T @ soft_threshold(vectors @ theta, prior.threshold))

    def log_density(theta):
        likelihood = -np.sum(residual(theta) ** 2) / (2 * state.sigma2_m)
        return likelihood - np.sum(theta**2 / eigenvalues) / (2 * state.sigma2_alpha)

    def gradient(theta):
        open_voxels = np.abs(vectors @ theta) > prior.threshold
        likelihood = vectors.T @ (open_voxels * (vectors @ (residual(theta).T @ data.exposure))) / state.sigma2_m
        return likelihood - theta / (state.sigma2_alpha * eigenvalues)

    return log_density, gradient


def update_alpha_by_mala(state, scores, data, prior, rng, tau):
    accepted = np.zeros(len(data.regions))
    for r, region in enumerate(data.regions):
        theta = state.theta_alpha.copy()
        target = alpha_target(state, scores, data, prior, region)
        theta[region[1]], accepted[r] = mala(theta[region[1]], *target, tau[r], rng)
        state = replace(state, theta_alpha=theta)
    return replace(state, accepted=accepted)


def update_alpha(state, scores, data, prior, rng):
    """θ_α,l ~ N(v_l XᵀE_l / σ_M², v_l), 1 / v_l = XᵀX / σ_M² + 1 / (σ_α² D_l): exact where λ = 0."""
    others = scores - data.covariates @ state.theta_zeta - state.theta_eta
    v = 1 / (data.exposure @ data.exposure / state.sigma2_m + 1 / (state.sigma2_alpha * data.eigenvalues))
    mean = v * (data.exposure @ others) / state.sigma2_m
    return replace(state, theta_alpha=mean + np.sqrt(v) * rng.standard_normal(len(v)))


def update_zeta(state, scores, data, prior, rng):
    """θ_ζ,j ~ N(v_l C_jᵀE_l / σ_M², v_l), 1 / v_l = C_jᵀC_j / σ_M² + 1 / (σ_ζ² D_l), one covariate after another."""
    for j, covariate in enumerate(data.covariates.T):
        theta = state.theta_zeta.copy()
        others = mediator_residual(state, scores, data, prior) + np.outer(covariate, theta[j])
        v = 1 / (covariate @ covariate / state.sigma2_m + 1 / (state.sigma2_zeta * data.eigenvalues))
        theta[j] = v * (covariate @ others) / state.sigma2_m + np.sqrt(v) * rng.standard_normal(len(v))
        state = replace(state, theta_zeta=theta)
    return state


def update_eta(state, scores, data, prior, rng):
    """θ_η,l ~ N(v_l E_l / σ_M², v_l I) given orthogonality, 1 / v_l = 1 / σ_M² + 1 / (σ_η² D_l)."""
    others = mediator_residual(state, scores, data, prior) + state.theta_eta
    v = 1 / (1 / state.sigma2_m + 1 / (state.sigma2_eta * data.eigenvalues))
    free = v * others / state.sigma2_m + np.sqrt(v) * rng.standard_normal(others.shape)
    return replace(state, theta_eta=orthogonal(free, data))


def update_mediator_variances(state, scores, data, prior, rng):
    """σ_α² from L numbers, σ_ζ² from q L, σ_η² from (n - q - 2) L, σ_M² from (n - 1) L."""
    (n, components), q, eigenvalues = scores.shape, data.covariates.shape[1], data.eigenvalues
    residual = mediator_residual(state, scores, data, prior)
    return replace(
        state,
        sigma2_alpha=variance(prior.sigma2_alpha, components, np.sum(state.theta_alpha**2 / eigenvalues), rng),
        sigma2_zeta=variance(prior.sigma2_zeta, q * components, np.sum(state.theta_zeta**2 / eigenvalues), rng),
        sigma2_eta=variance(prior.sigma2_eta, (n - q - 2) * components, np.sum(state.theta_eta**2 / eigenvalues), rng),
        sigma2_m=variance(prior.sigma2_m, (n - 1) * components, np.sum(residual**2), rng),
    )


def mediator_step(state, data, prior, rng, tau=None):
    """One iteration of the first stage: θ_α by MALA with a step size τ for each region, or exactly without."""
    if tau is None and prior.threshold > 0:
        raise ValueError("θ_α has no Gaussian conditional where the threshold is not 0: give tau")
    scores = data.images @ data.vectors
    if tau is None:
        state = update_alpha(state, scores, data, prior, rng)
    else:
        state = update_alpha_by_mala(state, scores, data, prior, rng, tau)
    state = update_zeta(state, scores, data, prior, rng)
    state = update_eta(state, scores, data, prior, rng)
    return update_mediator_variances(state, scores, data, prior, rng)


def mediator_state_from_prior(data, prior, rng):
    (n, q), components = data.covariates.shape, len(data.eigenvalues)
    sigma2_alpha, sigma2_m, sigma2_eta, sigma2_zeta = (
        variance(law, 0, 0, rng) for law in (prior.sigma2_alpha, prior.sigma2_m, prior.sigma2_eta, prior.sigma2_zeta)
    )
    return MediatorState(
        theta_alpha=np.sqrt(sigma2_alpha * data.eigenvalues) * rng.standard_normal(components),
        theta_zeta=np.sqrt(sigma2_zeta * data.eigenvalues) * rng.standard_normal((q, components)),
        theta_eta=orthogonal(np.sqrt(sigma2_eta * data.eigenvalues) * rng.standard_normal((n, components)), data),
        sigma2_alpha=sigma2_alpha,
        sigma2_m=sigma2_m,
        sigma2_eta=sigma2_eta,
        sigma2_zeta=sigma2_zeta,
    )


def simulate_images(state, data, prior, rng):
    """The data with images drawn anew, voxel by voxel; centred."""
    alpha = soft_threshold(data.vectors @ state.theta_alpha, prior.threshold)
    smooth = data.covariates @ state.theta_zeta + state.theta_eta
    noise = np.sqrt(state.sigma2_m) * rng.standard_normal((len(data.exposure), len(alpha)))
    images = np.outer(data.exposure, alpha) + smooth @ data.vectors.T + noise - noise.mean(axis=0)
    return replace(data, images=images)


def first_mediator_state(data, prior):
    """Where the authors start."""
    (n, q), components = data.covariates.shape, len(data.eigenvalues)
    laws = {name: getattr(prior, name) for name in ("sigma2_alpha", "sigma2_m", "sigma2_eta", "sigma2_zeta")}
    return MediatorState(
        theta_alpha=np.full(components, 0.5),
        theta_zeta=np.full((q, components), 0.1),
        theta_eta=np.zeros((n, components)),
        **{name: 1.0 if isinstance(law, InverseGamma) else law for name, law in laws.items()},
    )


# The second stage: what the images do to the outcome, with the confounder that the first stage found.


def image_effect(state, data, prior):
    """Σ_s β(s) M_i(s)."""
    return data.mediators.images @ soft_threshold(data.mediators.vectors @ state.theta_beta, prior.threshold)


def outcome_residual(state, data, prior):
    """Y - M β - γ X - C ζ_Y - η (ν ∘ δ), shape (n,)."""
    observed = state.gamma * data.mediators.exposure + data.mediators.covariates @ state.zeta
    return data.outcome - image_effect(state, data, prior) - observed - data.eta @ (state.nu * state.delta)


def beta_target(state, data, prior, region):
    """The log density of a region's θ_β given all else, and its gradient."""
    voxels, components = region
    images, vectors = data.mediators.images[:, voxels], data.mediators.vectors[voxels, components]
    eigenvalues, theta_now = data.mediators.eigenvalues[components], state.theta_beta[components]

    def explained(theta):
        return images @ soft_threshold(vectors @ theta, prior.threshold)

    others = outcome_residual(state, data, prior) + explained(theta_now)

    def log_density(theta):
        likelihood = -np.sum((others - explained(theta)) ** 2) / (2 * state.sigma2_y)
        return likelihood - np.sum(theta**2 / eigenvalues) / (2 * state.sigma2_beta)

    def gradient(theta):
        open_voxels = np.abs(vectors @ theta) > prior.threshold
        likelihood = vectors.T @ (open_voxels * (images.T @ (others - explained(theta)))) / state.sigma2_y
        return likelihood - theta / (state.sigma2_beta * eigenvalues)

    return log_density, gradient


def update_beta_by_mala(state, data, prior, rng, tau):
    accepted = np.zeros(len(data.mediators.regions))
    for r, region in enumerate(data.mediators.regions):
        theta = state.theta_beta.copy()
        theta[region[1]], accepted[r] = mala(theta[region[1]], *beta_target(state, data, prior, region), tau[r], rng)
        state = replace(state, theta_beta=theta)
    return replace(state, accepted=accepted)


def update_beta(state, data, prior, rng):
    """θ_β has precision M*ᵀM* / σ_Y² + D⁻¹ / σ_β² and linear term M*ᵀr / σ_Y²: exact where λ = 0."""
    others = outcome_residual(state, data, prior) + image_effect(state, data, prior)
    scores = data.mediators.images @ data.mediators.vectors
    precision = scores.T @ scores / state.sigma2_y + np.diag(1 / (state.sigma2_beta * data.mediators.eigenvalues))
    return replace(state, theta_beta=gaussian(precision, scores.T @ others / state.sigma2_y, rng))


def update_nu(state, data, prior, rng):
    """ν where δ = 1 from its Gaussian given the residual, where δ = 0 from its prior.

    With the singular values η_δ = U S Vᵀ, the coordinate Vᵀν of a voxel's ν has variance 1 / (S² / σ_Y² + 1 / σ_ν²)
    and mean that times S Uᵀr / σ_Y²; what of ν is orthogonal to V is left as the prior drew it.
    """
    others = outcome_residual(state, data, prior) + data.eta @ (state.nu * state.delta)
    nu = np.sqrt(state.sigma2_nu) * rng.standard_normal(len(state.nu))
    chosen = state.delta == 1
    u, s, vt = np.linalg.svd(data.eta[:, chosen], full_matrices=False)
    v = 1 / (s**2 / state.sigma2_y + 1 / state.sigma2_nu)
    along = v * s * (u.T @ others) / state.sigma2_y + np.sqrt(v) * rng.standard_normal(len(s))
    nu[chosen] += vt.T @ (along - vt @ nu[chosen])
    return replace(state, nu=nu)


def update_delta(state, data, prior, rng):
    """P(δ(s) = 1) has log odds logit(π) - (|r₁|² - |r₀|²) / (2 σ_Y²), one voxel after another."""
    delta, residual = state.delta.copy(), outcome_residual(state, data, prior)
    logits = np.log(state.pi) - np.log1p(-state.pi) + rng.logistic(size=len(delta))
    for s in range(len(delta)):
        effect = state.nu[s] * data.eta[:, s]
        without = residual + delta[s] * effect
        within = without - effect
        delta[s] = logits[s] - (within @ within - without @ without) / (2 * state.sigma2_y) > 0
        residual = within if delta[s] else without
    return replace(state, delta=delta)


def update_gamma(state, data, prior, rng):
    """γ ~ N(v Xᵀr / σ_Y², v), 1 / v = XᵀX / σ_Y² + 1 / v_γ."""
    exposure = data.mediators.exposure
    others = outcome_residual(state, data, prior) + state.gamma * exposure
    v = 1 / (exposure @ exposure / state.sigma2_y + 1 / prior.variance_of_gamma)
    return replace(state, gamma=v * (exposure @ others) / state.sigma2_y + np.sqrt(v) * rng.standard_normal())


def update_outcome_zeta(state, data, prior, rng):
    """ζ_Y has precision CᵀC / σ_Y² + I / σ_ζ² and linear term Cᵀr / σ_Y²."""
    covariates = data.mediators.covariates
    others = outcome_residual(state, data, prior) + covariates @ state.zeta
    precision = covariates.T @ covariates / state.sigma2_y + np.eye(len(state.zeta)) / state.sigma2_zeta
    return replace(state, zeta=gaussian(precision, covariates.T @ others / state.sigma2_y, rng))


def update_outcome_variances(state, data, prior, rng):
    """π from p choices; σ_β² from L numbers, σ_ν² from p (excluded voxels too), σ_ζ² from q, σ_Y² from n - 1."""
    n, p, ones = len(data.outcome), len(state.nu), state.delta.sum()
    of_beta = np.sum(state.theta_beta**2 / data.mediators.eigenvalues)
    residual = outcome_residual(state, data, prior)
    return replace(
        state,
        pi=probability(prior.pi, ones, p - ones, rng),
        sigma2_beta=variance(prior.sigma2_beta, len(state.theta_beta), of_beta, rng),
        sigma2_nu=variance(prior.sigma2_nu, p, np.sum(state.nu**2), rng),
        sigma2_zeta=variance(prior.sigma2_zeta, len(state.zeta), np.sum(state.zeta**2), rng),
        sigma2_y=variance(prior.sigma2_y, n - 1, np.sum(residual**2), rng),
    )


def outcome_step(state, data, prior, rng, tau=None):
    """One iteration of the second stage: θ_β by MALA with a step size τ for each region, or exactly without."""
    if tau is None and prior.threshold > 0:
        raise ValueError("θ_β has no Gaussian conditional where the threshold is not 0: give tau")
    state = update_beta(state, data, prior, rng) if tau is None else update_beta_by_mala(state, data, prior, rng, tau)
    state = update_nu(state, data, prior, rng)
    state = update_delta(state, data, prior, rng)
    state = update_gamma(state, data, prior, rng)
    state = update_outcome_zeta(state, data, prior, rng)
    return update_outcome_variances(state, data, prior, rng)


def outcome_state_from_prior(data, prior, rng):
    p, q, eigenvalues = data.eta.shape[1], data.mediators.covariates.shape[1], data.mediators.eigenvalues
    sigma2_beta, sigma2_nu, sigma2_y, sigma2_zeta = (
        variance(law, 0, 0, rng) for law in (prior.sigma2_beta, prior.sigma2_nu, prior.sigma2_y, prior.sigma2_zeta)
    )
    pi = probability(prior.pi, 0, 0, rng)
    return OutcomeState(
        theta_beta=np.sqrt(sigma2_beta * eigenvalues) * rng.standard_normal(len(eigenvalues)),
        gamma=np.sqrt(prior.variance_of_gamma) * rng.standard_normal(),
        zeta=np.sqrt(sigma2_zeta) * rng.standard_normal(q),
        nu=np.sqrt(sigma2_nu) * rng.standard_normal(p),
        delta=(rng.uniform(size=p) < pi).astype(float),
        pi=pi,
        sigma2_beta=sigma2_beta,
        sigma2_nu=sigma2_nu,
        sigma2_y=sigma2_y,
        sigma2_zeta=sigma2_zeta,
    )


def simulate_outcome(state, data, prior, rng):
    """The data with an outcome drawn anew; centred."""
    noise = np.sqrt(state.sigma2_y) * rng.standard_normal(len(data.outcome))
    beta = soft_threshold(data.mediators.vectors @ state.theta_beta, prior.threshold)
    explained = data.mediators.images @ beta + data.eta @ (state.nu * state.delta)
    explained += state.gamma * data.mediators.exposure + data.mediators.covariates @ state.zeta
    return replace(data, outcome=explained + noise - noise.mean())


def first_outcome_state(data, prior):
    """Where the authors start."""
    p, q = data.eta.shape[1], data.mediators.covariates.shape[1]
    starts = {"sigma2_beta": 0.01, "sigma2_nu": 1.0, "sigma2_y": 0.01, "sigma2_zeta": 1.0}
    laws = {name: getattr(prior, name) for name in starts}
    return OutcomeState(
        theta_beta=np.ones(len(data.mediators.eigenvalues)),
        gamma=1.0,
        zeta=np.zeros(q),
        nu=np.ones(p),
        delta=np.ones(p),
        pi=0.5 if isinstance(prior.pi, Beta) else prior.pi,
        **{name: starts[name] if isinstance(law, InverseGamma) else law for name, law in laws.items()},
    )


# Chains.


def chain(step, state, tau, *, warmup, draws):
    """The states after the warm-up, in which τ is multiplied every tenth iteration by 1 + 1000 (accepted - 0.2)³.

    The factor is kept within 0.9 and 1.1 and τ below 1; what follows uses the geometric mean of the later half's.
    """
    accepted, logs = [], []
    for iteration in range(warmup + draws):
        if tau is not None and iteration == warmup and logs:
            tau = np.exp(np.mean(logs[len(logs) // 2 :], axis=0))
        state = step(state, tau)
        accepted.append(state.accepted)
        if tau is not None and iteration < warmup and len(accepted) == ADAPT_EVERY:
            change = SHARPNESS * (np.mean(accepted, axis=0) - TARGET) ** 3
            tau = np.minimum(tau * (1 + np.clip(change, -LARGEST_CHANGE, LARGEST_CHANGE)), LARGEST_TAU)
            logs.append(np.log(tau))
            accepted = []
        if iteration >= warmup:
            yield state


def stacked(states, names):
    return {name: np.array([getattr(state, name) for state in states]) for name in names}


def run_mediators(data, prior, rng, *, warmup, draws, tau=None):
    """Draws of the first stage by name, and the mean of θ_η, whose draws are too large to keep."""
    mean_eta, kept = np.zeros((len(data.exposure), len(data.eigenvalues))), []

    def step(state, tau):
        return mediator_step(state, data, prior, rng, tau)

    for state in chain(step, first_mediator_state(data, prior), tau, warmup=warmup, draws=draws):
        mean_eta += state.theta_eta / draws
        kept.append(replace(state, theta_eta=None))
    names = ("theta_alpha", "theta_zeta", "sigma2_alpha", "sigma2_m", "sigma2_eta", "sigma2_zeta", "accepted")
    return stacked(kept, names) | {"mean_theta_eta": mean_eta}


def run_outcome(data, prior, rng, *, warmup, draws, tau=None):
    """Draws of the second stage by name."""

    def step(state, tau):
        return outcome_step(state, data, prior, rng, tau)

    kept = list(chain(step, first_outcome_state(data, prior), tau, warmup=warmup, draws=draws))
    return stacked(kept, OutcomeState.__dataclass_fields__)


def run(data, outcome, priors, rng, *, warmup, draws, tau=(None, None)):
    """Both stages, the second with the first's mean of η, and the effects of one unit of exposure.

    NIE = Σ_s α(s) β(s), with α and β of the same number in the two chains; NDE = γ.
    """
    first = run_mediators(data, priors[0], rng, warmup=warmup, draws=draws, tau=tau[0])
    second_data = OutcomeData(outcome, first["mean_theta_eta"] @ data.vectors.T, data)
    second = run_outcome(second_data, priors[1], rng, warmup=warmup, draws=draws, tau=tau[1])
    alpha = soft_threshold(first["theta_alpha"] @ data.vectors.T, priors[0].threshold)
    beta = soft_threshold(second["theta_beta"] @ data.vectors.T, priors[1].threshold)
    effects = {"alpha": alpha, "beta": beta, "nie": np.sum(alpha * beta, axis=1), "nde": second["gamma"]}
    return first, second, second_data, effects
