"""Wang et al. 2023 (M3DM), section 3.3, and the loss of its published code, as written: a number at a time.

Numbers are 0-dimensional float64 tensors, so that autograd gives the gradients of these very lines.
"""

import math


def layer_norm(x, scale, shift, epsilon=1e-5):
    mean = sum(x) / len(x)
    variance = sum((each - mean) ** 2 for each in x) / len(x)
    return [(each - mean) / (variance + epsilon).sqrt() * scale[i] + shift[i] for i, each in enumerate(x)]


def linear(x, weight, bias):
    return [sum(weight[o][i] * x[i] for i in range(len(x))) + bias[o] for o in range(len(bias))]


def gelu(x):
    """x Φ(x), with Φ the normal distribution."""
    return [each * 0.5 * (1 + (each / math.sqrt(2)).erf()) for each in x]


def tower(x, parameters):
    """f = MLP(LayerNorm(x)), with one hidden layer."""
    x = layer_norm(x, parameters["norm.weight"], parameters["norm.bias"])
    x = gelu(linear(x, parameters["expand.weight"], parameters["expand.bias"]))
    return linear(x, parameters["contract.weight"], parameters["contract.bias"])


def fused(xyz, rgb, of_xyz, of_rgb):
    """The fused feature of a patch: both, one after the other."""
    return tower(xyz, of_xyz) + tower(rgb, of_rgb)


def compared(x, parameters):
    z = linear(tower(x, parameters), parameters["head.weight"], parameters["head.bias"])
    length = sum(each**2 for each in z).sqrt()
    return [each / length for each in z]


def contrastive(queries, keys):
    """Cross-entropy (T = 1) of each query's similarities with all keys, its own being right; the mean over patches."""
    total = 0
    for i, query in enumerate(queries):
        logits = [sum(q * k for q, k in zip(query, key, strict=True)) for key in keys]
        total = total - (logits[i].exp() / sum(logit.exp() for logit in logits)).log()
    return total / len(queries)


def loss(xyz, rgb, of_xyz, of_rgb):
    """Of the patches of a batch: colours are queries, points are keys."""
    points = [compared(patch, of_xyz) for patch in xyz]
    colours = [compared(patch, of_rgb) for patch in rgb]
    return contrastive(colours, points)
