"""Whether draws are of the law that they should be of, within Monte-Carlo error."""

import numpy as np
from scipy.stats import chisquare, ks_1samp, ks_2samp

BATCHES = 40
FARTHEST = 4.5  # standard errors; a t with 39 degrees of freedom is beyond them once in 17 000
RAREST = 1e-4  # of p-values


def steps(step, state, count):
    for _ in range(count):
        state = step(state)
        yield state


def repeated(draw, count):
    return list(steps(lambda _: draw(), None, count))


def error(draws):
    """The standard error of the mean of correlated draws, by the means of batches."""
    means = draws[: len(draws) // BATCHES * BATCHES].reshape(BATCHES, -1, *draws.shape[1:]).mean(axis=1)
    return means.std(axis=0, ddof=1) / np.sqrt(BATCHES)


def assert_mean(draws, expected):
    z = (draws.mean(axis=0) - expected) / error(draws)
    assert np.abs(z).max() < FARTHEST, z


def assert_same_mean(left, right):
    z = (left.mean(axis=0) - right.mean(axis=0)) / np.hypot(error(left), error(right))
    assert np.abs(z).max() < FARTHEST, z


def squares(draws):
    """x xᵀ of each draw, its upper triangle."""
    return (draws[:, :, None] * draws[:, None, :])[:, *np.triu_indices(draws.shape[1])]


def thinned(draws):
    """So few of the draws of one number that they are as good as independent."""
    time = (error(draws) / draws.std()) ** 2 * len(draws)  # 1 + 2 (sum of autocorrelations)
    return draws[:: max(1, int(np.ceil(2 * time)))]


def assert_same_law(left, right):
    """Kolmogorov and Smirnov's test of two samples, for every column."""
    for column, (one, other) in enumerate(zip(left.T, right.T, strict=True)):
        one, other = thinned(one), thinned(other)
        assert min(len(one), len(other)) > 50, (column, len(one), len(other))
        assert ks_2samp(one, other).pvalue > RAREST, column


def assert_law(draws, distribution):
    """The same, where the distribution is known."""
    draws = thinned(draws)
    assert len(draws) > 50, len(draws)
    assert ks_1samp(draws, distribution).pvalue > RAREST


def joint_draws(from_prior, simulate, step, summary, count):
    """Geweke (2004): summaries of (state, data) drawn forwards, and by the sampler with its data drawn anew.

    The sampler starts anew for every batch, so that these are independent, as `error` takes them to be.
    """

    def forwards(_=None):
        state = from_prior()
        return state, simulate(state)

    def by_sampler(both):
        state = step(*both)
        return state, simulate(state)

    independent = steps(forwards, None, count)
    chains = (both for _ in range(BATCHES) for both in steps(by_sampler, forwards(), count // BATCHES))
    return tuple(np.array([summary(*both) for both in some]) for some in (independent, chains))


def assert_calibrated(from_prior, simulate, step, summary, *, studies, warmup=16, kept=9, every=5):
    """Talts et al. (2018): among draws given its data, the truth has every rank as often; chains start elsewhere."""

    def rank(_):
        truth = from_prior()
        data, state, draws = simulate(truth), from_prior(), []
        for number in range(1, warmup + kept * every + 1):
            state = step(state, data)
            if number > warmup and (number - warmup) % every == 0:
                draws.append(summary(state))
        return (np.array(draws) < summary(truth)).sum(axis=0)

    for name, of_one in enumerate(np.array(list(steps(rank, None, studies))).T):
        counts = np.bincount(of_one, minlength=kept + 1)
        assert chisquare(counts).pvalue > RAREST, (name, counts)


def log_inverse_gamma(log_value, shape, rate):
    """Up to a constant, the log density of the logarithm of what has the inverse-gamma law."""
    return -shape * log_value - rate * np.exp(-log_value)


def log_gaussian(x, covariances):
    """Up to a constant, the log density of x under N(0, covariance) for each of many covariances."""
    solved = np.linalg.solve(covariances, np.broadcast_to(x, covariances.shape[:-1])[..., None])[..., 0]
    return -(solved @ x + np.linalg.slogdet(covariances)[1]) / 2
