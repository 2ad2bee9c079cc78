"""Bases, and rows of mean zero, that the samplers of both stages are tested on."""

import numpy as np

from latticework.mediation.basis import Basis, Block

EIGENVALUES = np.array([1.5, 0.7, 0.3])


def basis_of(voxels, seed=0):
    """Two regions of two components each, the voxels of which alternate."""
    rng = np.random.default_rng(seed)
    eigenvalues = np.array([1.4, 0.6]), np.array([1.0, 0.5])
    members = [np.arange(voxels)[first::2] for first in range(2)]
    blocks = [
        Block(str(values[0]), mine, np.linalg.qr(rng.standard_normal((len(mine), 2)))[0], values)
        for mine, values in zip(members, eigenvalues, strict=True)
    ]
    return Basis(tuple(blocks), voxels)


def basis_of_regions(*regions):
    """Of regions of so many voxels, with so many components each; their voxels lie among each other."""
    rng, sizes = np.random.default_rng(0), [voxels for voxels, _ in regions]
    places = np.split(rng.permutation(sum(sizes)), np.cumsum(sizes)[:-1])
    vectors = [np.linalg.qr(rng.standard_normal(shape))[0] for shape in regions]
    blocks = [
        Block(str(number), np.sort(mine), own, np.ones(own.shape[1]))
        for number, (mine, own) in enumerate(zip(places, vectors, strict=True))
    ]
    return Basis(tuple(blocks), sum(sizes))


def centred(rows):
    return rows - rows.mean(axis=-1, keepdims=True)


def regressors(n, q, seed=0):
    """Exposure and correlated confounders, of mean zero."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((q + 1, n))
    rows[1:] += 0.7 * rows[0]
    return centred(rows)
