"""Fast point feature histograms, literally: Rusu, Blodow & Beetz (2009), "Fast Point Feature Histograms (FPFH) for 3D
registration", sections III and IV, a loop over points and their neighbours."""

from math import acos, atan2, floor, pi

import numpy as np

BINS = 11


def angles(p, normal_of_p, q, normal_of_q):
    """α, φ, θ of a pair (equations 1 and 2); the source s is the point whose normal is nearer to the line."""
    distance = np.linalg.norm(q - p)
    if acos(min(1, abs(normal_of_p @ (q - p)) / distance)) <= acos(min(1, abs(normal_of_q @ (p - q)) / distance)):
        s, t, normal_of_s, normal_of_t = p, q, normal_of_p, normal_of_q
    else:
        s, t, normal_of_s, normal_of_t = q, p, normal_of_q, normal_of_p
    u = normal_of_s
    v = np.cross((t - s) / distance, u)
    v = v / np.linalg.norm(v) if np.linalg.norm(v) > 0 else v
    w = np.cross(u, v)
    return v @ normal_of_t, u @ (t - s) / distance, atan2(w @ normal_of_t, u @ normal_of_t)


def bin_of(value, limit):
    return min(BINS - 1, max(0, floor(BINS * (value + limit) / (2 * limit))))


def spfh(points, normals, neighbours):
    """The simplified histogram of every point: shares of its pairs, three times eleven bins."""
    found = np.zeros((len(points), 3, BINS))
    for k, near in enumerate(neighbours):
        for i in near:
            alpha, phi, theta = angles(points[k], normals[k], points[i], normals[i])
            found[k, 0, bin_of(alpha, 1)] += 1 / len(near)
            found[k, 1, bin_of(phi, 1)] += 1 / len(near)
            found[k, 2, bin_of(theta, pi)] += 1 / len(near)
    return found


def fpfh(points, normals, neighbours, *, power=1):
    """Equation 4, with the weights of each point's neighbours made to add up to 1, and the sum halved.

    The paper's weights are 1 / distance; with `power` 2 they are those of the Point Cloud Library and Open3D.
    """
    simple = spfh(points, normals, neighbours)
    found = np.zeros_like(simple)
    for k, near in enumerate(neighbours):
        weights = {i: 1 / np.linalg.norm(points[k] - points[i]) ** power for i in near}
        for i in near:
            found[k] += simple[i] * weights[i] / sum(weights.values())
        found[k] += simple[k]
    return found.reshape(len(points), 3 * BINS) / 2
