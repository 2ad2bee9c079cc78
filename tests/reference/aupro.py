"""AUPRO as the published evaluations go about it, one threshold after the other. Written from their description.

`every_threshold` is that of MVTec AD, which takes all scores; where the published code rounds rates to single
precision, this does not. `some_thresholds` is that of MVTec 3D-AD. `sorted_changes` is the first again, as published
code computes it: by what each pixel adds to both rates, in falling order of scores.
"""

import numpy as np
from scipy import ndimage

STRUCTURE = np.ones((3, 3), dtype=int)


def regions_and_good(maps, truths):
    """Scores of each connected region, and of all good pixels."""
    regions, good = [], []
    for scores, truth in zip(maps, truths, strict=True):
        numbers, count = ndimage.label(truth, STRUCTURE)
        good.extend(scores[numbers == 0].tolist())
        for k in range(1, count + 1):
            regions.append(scores[numbers == k].tolist())
    return regions, good


def every_threshold(maps, truths, limit):
    regions, good = regions_and_good(maps, truths)
    rates, overlaps = [0.0], [0.0]
    for threshold in sorted({score for part in [*regions, good] for score in part}, reverse=True):
        rates.append(sum(score >= threshold for score in good) / len(good))
        overlap = [sum(score >= threshold for score in region) / len(region) for region in regions]
        overlaps.append(sum(overlap) / len(regions))
    return area(rates, overlaps, limit) / limit


def some_thresholds(maps, truths, limit, thresholds=100):
    regions, good = regions_and_good(maps, truths)
    good.sort()
    rates, overlaps = [1.0], [1.0]
    for place in np.linspace(0, len(good) - 1, num=thresholds, dtype=int):
        threshold = good[place]
        rates.append(1 - (place + 1) / len(good))
        overlap = [sum(score > threshold for score in region) / len(region) for region in regions]
        overlaps.append(sum(overlap) / len(regions))
    return area(rates[::-1], overlaps[::-1], limit) / limit


def sorted_changes(maps, truths, limit):
    scores = np.concatenate([scores.ravel() for scores in maps])
    false, overlap, regions = [], [], 0
    for truth in truths:
        numbers, count = ndimage.label(truth, STRUCTURE)
        change = np.zeros(truth.shape)
        for k in range(1, count + 1):
            change[numbers == k] = 1 / np.sum(numbers == k)
        false.append((numbers == 0).ravel())
        overlap.append(change.ravel())
        regions += count
    falling = np.argsort(scores)[::-1]
    scores, false = scores[falling], np.concatenate(false)[falling]
    rates = np.cumsum(false) / np.sum(false)
    overlaps = np.cumsum(np.concatenate(overlap)[falling]) / regions
    last_of_equals = np.append(np.diff(scores) != 0, True)
    rates, overlaps = np.minimum(rates[last_of_equals], 1), np.minimum(overlaps[last_of_equals], 1)
    return area(np.concatenate([[0], rates, [1]]), np.concatenate([[0], overlaps, [1]]), limit) / limit


def area(x, y, limit):
    """Trapezoids up to the limit, where y is read off the straight line between its neighbours."""
    x, y = np.asarray(x), np.asarray(y)
    inside = x <= limit
    total = np.sum((x[inside][1:] - x[inside][:-1]) * (y[inside][1:] + y[inside][:-1]) / 2)
    if limit not in x:
        after = np.searchsorted(x, limit, side="right")
        before = after - 1
        at_limit = y[before] + (y[after] - y[before]) * (limit - x[before]) / (x[after] - x[before])
        total += (limit - x[before]) * (y[before] + at_limit) / 2
    return total
