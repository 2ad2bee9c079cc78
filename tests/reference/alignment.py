"""Features of points from those of groups, M3DM's equation 2: what a point takes is the sum of α_i f_i."""

import torch


def at_points(features, taken):
    clouds = zip(features, taken.places, taken.weights, strict=True)
    return torch.stack([(weights[..., None] * own[places]).sum(1) for own, places, weights in clouds])
