"""Functions that `benchmarks.calculus` differentiates: in our language, as one writes them in torch, and by hand.

The torch functions are what a user would write who wants them differentiated, in torch's own stable and fused
operations. The gradients in NumPy are what an expert would write by hand, with arrays that are no longer needed
overwritten in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

Array = np.ndarray[Any, Any]

# Rows and columns of what is differentiated; the tests have smaller ones.
SIZES = {
    "logistic": ((1000, 100), (2000, 200)),
    "logistic, once": ((1000, 100), (20_000, 100)),
    "softmax": (500,),
    "quadratic": (500,),
    "factorisation": (60, 5),
    "normalisation": (512,),
    "inverse": (40,),
    "squares": (20_000, 100),
    "neuron": (20_000, 100),
    "regression": (2000, 100, 10),
    "determinant": (200,),
}


@dataclass(frozen=True)
class Problem:
    """A function and what to differentiate it by.

    `natural` takes tensors by name; `by_hand` takes arrays by name and gives the derivative. Tensors and arrays share
    their memory, so that no system finds more of it in the caches than another.
    """

    name: str
    expression: str
    wrt: str
    shapes: dict[str, str]
    arrays: dict[str, Array]
    natural: Callable[..., torch.Tensor]
    by_hand: Callable[..., Array] | None = None
    target: bool = True
    order: int = 1
    tensors: dict[str, torch.Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        tensors = {name: torch.from_numpy(array) for name, array in self.arrays.items()}
        object.__setattr__(self, "tensors", tensors)

    def of_variable(self, value: torch.Tensor) -> torch.Tensor:
        """The natural function, of the variable alone."""
        return self.natural(**{**self.tensors, self.wrt: value})

    @property
    def variable(self) -> torch.Tensor:
        """The value that the function is differentiated at."""
        return self.tensors[self.wrt]


def hessians() -> list[Problem]:
    """Scalars to be differentiated twice."""
    (n,) = SIZES["softmax"]
    (m,) = SIZES["quadratic"]
    rows, rank = SIZES["factorisation"]
    draw = np.random.default_rng(0).normal
    return [
        *(
            Problem(
                f"logistic regression {samples}x{features}",
                "sum(log(1 + exp(-y .* (X*w))))",
                "w",
                {"X": "N,n", "w": "n", "y": "N"},
                logistic_data(samples, features),
                logistic,
                order=2,
            )
            for samples, features in SIZES["logistic"]
        ),
        Problem(
            f"softmax cross-entropy, n={n}",
            "-y'*log(softmax(z))",
            "z",
            {"y": "n", "z": "n"},
            {"y": np.random.default_rng(1).dirichlet(np.ones(n)), "z": draw(size=n)},
            softmax_cross_entropy,
            order=2,
        ),
        Problem(
            f"quadratic form, n={m}",
            "x'*A*x",
            "x",
            {"A": "n,n", "x": "n"},
            {"A": draw(size=(m, m)), "x": draw(size=m)},
            quadratic,
            order=2,
        ),
        Problem(
            f"matrix factorisation by U, {rows}x{rank}",
            "norm2(U*V' - Y)^2",
            "U",
            {"U": "n,k", "V": "m,k", "Y": "n,m"},
            {"U": draw(size=(rows, rank)), "V": draw(size=(rows, rank)), "Y": draw(size=(rows, rows))},
            factorisation,
            order=2,
        ),
    ]


def jacobians() -> list[Problem]:
    """Vectors and matrices to be differentiated once; no target was set for them."""
    (n,) = SIZES["normalisation"]
    (m,) = SIZES["inverse"]
    draw = np.random.default_rng(2).normal
    return [
        Problem(
            f"layer normalisation, n={n}",
            "(x - mean(x)) ./ sqrt(mean((x - mean(x)).^2) + c)",
            "x",
            {"x": "n", "c": ""},
            {"x": draw(size=n), "c": np.array(1e-6)},
            normalisation,
            target=False,
        ),
        Problem(
            f"inverse of a matrix, n={m}",
            "inv(X)",
            "X",
            {"X": "n,n"},
            {"X": draw(size=(m, m)) / m**0.5 + 2 * np.eye(m)},
            inverse,
            target=False,
        ),
    ]


def gradients() -> list[Problem]:
    """Scalars to be differentiated once, with the gradient by hand."""
    samples, features = SIZES["squares"]
    many, inputs = SIZES["neuron"]
    rows, columns, classes = SIZES["regression"]
    (n,) = SIZES["quadratic"]
    (m,) = SIZES["determinant"]
    rng = np.random.default_rng(3)
    draw = rng.normal
    return [
        Problem(
            f"linear least squares {samples}x{features}",
            "norm2(X*w - y)^2",
            "w",
            {"X": "N,n", "w": "n", "y": "N"},
            {"X": draw(size=(samples, features)), "w": draw(size=features), "y": draw(size=samples)},
            squares,
            squares_by_hand,
        ),
        *(
            Problem(
                f"logistic regression {number}x{width}",
                "sum(log(1 + exp(-y .* (X*w))))",
                "w",
                {"X": "N,n", "w": "n", "y": "N"},
                logistic_data(number, width),
                logistic,
                logistic_by_hand,
            )
            for number, width in SIZES["logistic, once"]
        ),
        Problem(
            f"mean squared error of a neuron {many}x{inputs}",
            "mean((y - relu(X*w + b)).^2)",
            "w",
            {"X": "N,n", "w": "n", "b": "", "y": "N"},
            {
                "X": draw(size=(many, inputs)),
                "w": draw(size=inputs),
                "b": np.array(0.1),
                "y": draw(size=many),
            },
            neuron,
            neuron_by_hand,
        ),
        Problem(
            f"softmax regression {rows}x{columns}, {classes} classes",
            "-sum(Y .* log_softmax(X*W))",
            "W",
            {"X": "N,n", "W": "n,k", "Y": "N,k"},
            {
                "X": draw(size=(rows, columns)),
                "W": draw(size=(columns, classes)) / columns**0.5,
                "Y": rng.dirichlet(np.ones(classes), size=rows),
            },
            softmax_regression,
            softmax_regression_by_hand,
        ),
        Problem(
            f"quadratic form, n={n}",
            "x'*A*x",
            "x",
            {"A": "n,n", "x": "n"},
            {"A": draw(size=(n, n)), "x": draw(size=n)},
            quadratic,
            quadratic_by_hand,
        ),
        Problem(
            f"log-determinant, n={m}",
            "logdet(X)",
            "X",
            {"X": "n,n"},
            {"X": draw(size=(m, m)) / m**0.5 + 2 * np.eye(m)},
            log_determinant,
            log_determinant_by_hand,
        ),
    ]


def logistic_data(samples: int, features: int) -> dict[str, Array]:
    """Labels 1 and -1, and margins of about 1."""
    rng = np.random.default_rng(samples)
    return {
        "X": rng.normal(size=(samples, features)),
        "w": rng.normal(size=features) / features**0.5,
        "y": rng.choice([-1.0, 1.0], size=samples),
    }


def logistic(X: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The loss of logistic regression."""
    return F.softplus(-y * (X @ w)).sum()


def softmax_cross_entropy(y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the softmax of z."""
    return -(y @ F.log_softmax(z, -1))


def quadratic(A: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A quadratic form."""
    return x @ A @ x


def factorisation(U: torch.Tensor, V: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """Squared error of a product of two matrices."""
    return (U @ V.T - Y).square().sum()


def normalisation(x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """Layer normalisation without weights."""
    return F.layer_norm(x, x.shape, eps=1e-6)  # c, which is a number here


def inverse(X: torch.Tensor) -> torch.Tensor:
    """The inverse of a matrix."""
    return torch.linalg.inv(X)


def squares(X: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Squared error of a linear function."""
    return (X @ w - y).square().sum()


def neuron(X: torch.Tensor, w: torch.Tensor, b: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean squared error of a rectified linear function."""
    return F.mse_loss(torch.relu(X @ w + b), y)


def softmax_regression(X: torch.Tensor, W: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of softmax regression."""
    return F.cross_entropy(X @ W, Y, reduction="sum")


def log_determinant(X: torch.Tensor) -> torch.Tensor:
    """The logarithm of |det X|."""
    return torch.linalg.slogdet(X)[1]


def squares_by_hand(X: Array, w: Array, y: Array) -> Array:
    """2X'(Xw - y)."""
    residual = X @ w
    residual -= y
    return 2 * (residual @ X)


def logistic_by_hand(X: Array, w: Array, y: Array) -> Array:
    """-X'(y / (1 + exp(y ∘ Xw)))."""
    margins = X @ w
    margins *= y
    np.exp(margins, out=margins)
    margins += 1
    return -((y / margins) @ X)


def neuron_by_hand(X: Array, w: Array, b: Array, y: Array) -> Array:
    """2/N X'((Xw + b - y) ∘ (Xw + b > 0))."""
    activation = X @ w
    activation += b
    active = activation > 0
    activation -= y
    activation *= active
    return (2 / len(y)) * (activation @ X)


def softmax_regression_by_hand(X: Array, W: Array, Y: Array) -> Array:
    """X'(softmax(XW) - Y), for rows of Y that add up to anything."""
    logits = X @ W
    logits -= logits.max(1, keepdims=True)
    probabilities = np.exp(logits, out=logits)
    probabilities /= probabilities.sum(1, keepdims=True)
    probabilities *= Y.sum(1, keepdims=True)  # the function is one of any Y
    probabilities -= Y
    return X.T @ probabilities


def quadratic_by_hand(A: Array, x: Array) -> Array:
    """(A + A')x."""
    return A @ x + x @ A


def log_determinant_by_hand(X: Array) -> Array:
    """The transposed inverse."""
    return np.linalg.inv(X).T
