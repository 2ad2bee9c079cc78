"""Kernels over voxels as textbooks write them down, one pair of voxels and one polynomial at a time."""

import math

import numpy as np
from numpy.polynomial.hermite import hermval
from scipy.special import gamma, kv


def matern(distance, smoothness, length_scale):
    if distance == 0:
        return 1.0
    x = math.sqrt(2 * smoothness) * distance / length_scale
    return 2 ** (1 - smoothness) / gamma(smoothness) * x**smoothness * kv(smoothness, x)


def matern_kernel(coordinates, smoothness, length_scale):
    kernel = np.empty((len(coordinates), len(coordinates)))
    for i, one in enumerate(coordinates):
        for j, other in enumerate(coordinates):
            distance = math.sqrt(sum((x - y) ** 2 for x, y in zip(one, other, strict=True)))
            kernel[i, j] = matern(distance, smoothness, length_scale)
    return kernel


def degrees(axes, largest):
    """All powers, sorted by their total, and then by falling powers of the first axis, the second, and so on."""
    found = [()]
    for _ in range(axes):
        found = [(*powers, power) for powers in found for power in range(largest + 1)]
    found = [powers for powers in found if sum(powers) <= largest]
    return sorted(found, key=lambda powers: (sum(powers), [-power for power in powers]))


def hermite_function(power, x, a, b):
    c = math.sqrt(a * a + 2 * a * b)
    polynomial = hermval(math.sqrt(2 * c) * x, [0] * power + [1])
    length = math.sqrt(2**power * math.factorial(power) * math.sqrt(math.pi))
    return (2 * c) ** 0.25 * math.exp(-c * x * x) * polynomial / length


def hermite_values(coordinates, degree, a, b):
    """Functions, a column each, and eigenvalues, where coordinates are standardised already."""
    axes = coordinates.shape[1]
    c = math.sqrt(a * a + 2 * a * b)
    total = a + b + c
    columns, eigenvalues = [], []
    for powers in degrees(axes, degree):
        column = [
            math.prod(hermite_function(power, x, a, b) for power, x in zip(powers, place, strict=True))
            for place in coordinates
        ]
        columns.append(column)
        eigenvalues.append((math.pi / total) ** (axes / 2) * (b / total) ** (sum(powers) + 1))
    return np.array(columns).T, np.array(eigenvalues)
