"""What closed forms are written with."""

import math
from typing import Any

import numpy as np


def eye_like(x: Any) -> Any:
    return np.eye(len(x))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_slope(p: Any) -> Any:
    return np.diag(p) - np.outer(p, p)


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def normal_cdf(x: Any) -> Any:
    return (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))) / 2


def normal_pdf(x: Any) -> Any:
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
