"""Point-MAE's encoder (Pang et al. 2022) as M3DM (Wang et al. 2023) uses it: NumPy in float64, a vector at a time.

Weights go by the names in Point-MAE's own checkpoints, without `module.MAE_encoder.`. A Conv1d of width 1 is a linear
layer whose weight has one axis more.
"""

import math

import numpy as np
from reference.transformer import attention, everything

EPSILON = 1e-5  # of torch's BatchNorm1d and LayerNorm


def shapes(*, d_model, layers, d_hidden, d_point, d_local, d_position):
    """The encoder's keys and their shapes."""
    found = {}

    def layer(name, outputs, *inputs, bias=True):
        found[f"{name}.weight"] = (outputs, *inputs)
        if bias:
            found[f"{name}.bias"] = (outputs,)

    def batch_norm(name, width):
        layer(name, width)
        found[f"{name}.running_mean"] = found[f"{name}.running_var"] = (width,)
        found[f"{name}.num_batches_tracked"] = ()

    layer("encoder.first_conv.0", d_point, 3, 1)
    batch_norm("encoder.first_conv.1", d_point)
    layer("encoder.first_conv.3", d_local, d_point, 1)
    layer("encoder.second_conv.0", 2 * d_local, 2 * d_local, 1)
    batch_norm("encoder.second_conv.1", 2 * d_local)
    layer("encoder.second_conv.3", d_model, 2 * d_local, 1)
    layer("pos_embed.0", d_position, 3)
    layer("pos_embed.2", d_model, d_position)
    for number in range(layers):
        block = f"blocks.blocks.{number}"
        layer(f"{block}.norm1", d_model)
        layer(f"{block}.norm2", d_model)
        layer(f"{block}.mlp.fc1", d_hidden, d_model)
        layer(f"{block}.mlp.fc2", d_model, d_hidden)
        layer(f"{block}.attn.qkv", 3 * d_model, d_model, bias=False)
        layer(f"{block}.attn.proj", d_model, d_model)
    layer("norm", d_model)
    return found


def weights(seed=0, **sizes):
    """Weights by name, in float32; no bias, norm or statistic is left at what it starts with."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, shape in shapes(**sizes).items():
        fan = np.prod(shape[1:]) if len(shape) > 1 else 4
        drawn[name] = (rng.standard_normal(shape) * 1.5 / np.sqrt(fan)).astype(np.float32)
        if name.endswith("running_var"):
            drawn[name] = np.exp(drawn[name])
        elif name.endswith("num_batches_tracked"):
            drawn[name] = np.array(1000)
        elif name.endswith("weight") and len(shape) == 1:
            drawn[name] += 1
    return drawn


def linear(x, weights, name):
    """Wx + b, or Wx where there is no b."""
    weight = weights[f"{name}.weight"].astype(np.float64)
    y = weight.reshape(weight.shape[:2]) @ x
    return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y


def batch_norm(x, weights, name):
    """With the statistics of training: (x - mean) / √(variance + ε) · weight + bias."""
    deviation = np.sqrt(weights[f"{name}.running_var"].astype(np.float64) + EPSILON)
    x = (x - weights[f"{name}.running_mean"]) / deviation
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def layer_norm(x, weights, name):
    mean = sum(x) / len(x)
    variance = sum((x - mean) ** 2) / len(x)
    return (x - mean) / math.sqrt(variance + EPSILON) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x):
    """x·Φ(x)."""
    return np.array([value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x])


def relu(x):
    return np.maximum(x, 0)


def embed(group, weights):
    """The mini-PointNet: one vector from a group of points, less its centre."""
    points = [linear(point, weights, "encoder.first_conv.0") for point in group]
    points = [relu(batch_norm(point, weights, "encoder.first_conv.1")) for point in points]
    points = [linear(point, weights, "encoder.first_conv.3") for point in points]
    whole = np.max(points, axis=0)
    points = [np.concatenate([whole, point]) for point in points]
    points = [linear(point, weights, "encoder.second_conv.0") for point in points]
    points = [relu(batch_norm(point, weights, "encoder.second_conv.1")) for point in points]
    points = [linear(point, weights, "encoder.second_conv.3") for point in points]
    return np.max(points, axis=0)


def position(centre, weights):
    return linear(gelu(linear(centre, weights, "pos_embed.0")), weights, "pos_embed.2")


def self_attention(states, weights, name, heads):
    """Rows of qkv: the queries of head 1, 2, ..., then the keys, then the values."""
    d_model = len(states[0])
    d_k = d_model // heads
    projected = [linear(x, weights, f"{name}.qkv") for x in states]
    outputs = []
    for head in range(heads):
        starts = [part * d_model + head * d_k for part in range(3)]
        queries, keys, values = ([x[start : start + d_k] for x in projected] for start in starts)
        outputs.append(attention(queries, keys, values, everything(queries, keys)))
    together = [np.concatenate([outputs[head][t] for head in range(heads)]) for t in range(len(states))]
    return [linear(x, weights, f"{name}.proj") for x in together]


def block(states, weights, name, heads):
    normed = [layer_norm(x, weights, f"{name}.norm1") for x in states]
    states = [x + y for x, y in zip(states, self_attention(normed, weights, f"{name}.attn", heads), strict=True)]
    normed = [layer_norm(x, weights, f"{name}.norm2") for x in states]
    hidden = [gelu(linear(x, weights, f"{name}.mlp.fc1")) for x in normed]
    return [x + linear(y, weights, f"{name}.mlp.fc2") for x, y in zip(states, hidden, strict=True)]


def encode(groups, centres, weights, *, heads, layers, taken):
    """Features of the groups of one cloud, one row a group."""
    states = [embed(group, weights) for group in groups]
    positions = [position(centre, weights) for centre in centres]
    features = []
    for number in range(layers):
        states = block(
            [x + p for x, p in zip(states, positions, strict=True)], weights, f"blocks.blocks.{number}", heads
        )
        if number in taken:
            features.append([layer_norm(x, weights, "norm") for x in states])
    return np.array([np.concatenate(of_group) for of_group in zip(*features, strict=True)])
