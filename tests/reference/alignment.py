"""Features of points from those of groups, M3DM's equation 2: what a point takes is the sum of α_i f_i."""


def at_points(features, taken):
    return (taken.weights[..., None] * features[taken.places]).sum(1)
