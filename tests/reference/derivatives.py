"""Derivatives of a reference, which has no gradients of its own, to hold gradients of fast code against."""

import numpy as np

STEP = 1e-5  # of central differences in float64: truncation and rounding both stay near 1e-10


def slope(function, values, direction):
    """How fast `function` grows when `values` move along `direction`."""
    return (function(values + STEP * direction) - function(values - STEP * direction)) / (2 * STEP)


def assert_gradients(function, values, gradients, *, rtol=1e-6, atol=1e-7):
    """Compare the gradient of every named array with the slope of `function(dict of arrays)` in a random direction."""
    random = np.random.default_rng(0)
    for name, gradient in gradients.items():
        direction = random.standard_normal(values[name].shape)
        expected = slope(lambda value, name=name: function({**values, name: value}), values[name], direction)
        np.testing.assert_allclose((gradient * direction).sum(), expected, rtol=rtol, atol=atol, err_msg=name)
