"""The posterior by voxel and the voxels that rules choose, literally: one voxel at a time, with Python's numbers."""

import statistics

import numpy as np
from reference.mediation import soft_threshold


def images(posterior):
    """Draws of alpha(s) and of beta(s), a list for each voxel."""
    rows = posterior.basis.expand(np.eye(posterior.basis.n_components)).T
    return [
        [soft_threshold(draws.reshape(-1, draws.shape[-1]) @ row, threshold).tolist() for row in rows]
        for draws, threshold in zip((posterior.alpha, posterior.beta), posterior.thresholds, strict=True)
    ]


def effects(posterior):
    """Draws of alpha(s) beta(s), a list for each voxel."""
    return [[a * b for a, b in zip(*draws, strict=True)] for draws in zip(*images(posterior), strict=True)]


def quantile(values, share):
    """Linear between the two draws beside it."""
    ordered, place = sorted(values), share * (len(values) - 1)
    before = int(place)
    after = min(before + 1, len(ordered) - 1)
    return ordered[before] + (place - before) * (ordered[after] - ordered[before])


def share(truths):
    """How many of some are true."""
    truths = list(truths)
    return sum(truths) / len(truths)


def maps(posterior, level):
    """Every map by name, a number for each voxel."""
    alpha, beta = images(posterior)
    through = effects(posterior)
    found = {}
    for name, draws in (("alpha", alpha), ("beta", beta), ("effect", through)):
        found[name] = [statistics.fmean(values) for values in draws]
        found[f"{name}_sd"] = [statistics.pstdev(values) for values in draws]
    found["effect_lower"], found["effect_upper"] = bounds(through, level)
    found["positive"], found["negative"] = signs(through)
    return found


def bounds(through, level):
    """Of the interval of each voxel, from the draws of its effect."""
    return [[quantile(values, at) for values in through] for at in ((1 - level) / 2, 1 - (1 - level) / 2)]


def signs(through, rope=0.0):
    """By voxel, how many draws are above `rope`, and how many below -`rope`."""
    return [[share(side * value > rope for value in values) for values in through] for side in (1, -1)]


def selected(through, rule, *, level=0.95, rope=None, threshold=0.5, rate=0.1):
    """Whether each voxel is chosen, from the draws of its effect."""
    if rule == "pip":
        return [share(value != 0 for value in values) > threshold for values in through]
    if rule == "interval":
        return [not low <= 0 <= high for low, high in zip(*bounds(through, level), strict=True)]
    if rule == "rope":
        wide = max(abs(statistics.fmean(values)) for values in through) / 20 if rope is None else rope
        return [max(both) >= level for both in zip(*signs(through, wide), strict=True)]
    wrong = [1 - max(both) for both in zip(*signs(through), strict=True)]
    order = sorted(range(len(wrong)), key=wrong.__getitem__)
    many = max(count for count in range(len(order) + 1) if sum(wrong[s] for s in order[:count]) <= rate * count)
    return [voxel in order[:many] for voxel in range(len(order))]
