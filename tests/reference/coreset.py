"""Greedy k-centre as its definition says, one pick after the other, over all patches, in double precision."""

import numpy as np


def greedy(features, count, start=0):
    """Indices and radii; of equals the first, and none twice."""
    features = np.asarray(features, dtype=np.float64)
    chosen, radii = [start], []
    least = np.full(len(features), np.inf)
    while True:
        last = features[chosen[-1]]
        least = np.minimum(least, ((features - last) ** 2).sum(axis=1))
        radii.append(np.sqrt(least.max()))
        if len(chosen) == count:
            return chosen, radii
        open_ = least.copy()
        open_[chosen] = -1
        chosen.append(int(open_.argmax()))


def cover(features, chosen):
    """How far the patch that is worst off is from the nearest that was chosen."""
    return max(min(np.sqrt(((x - features[c]) ** 2).sum()) for c in chosen) for x in features)
