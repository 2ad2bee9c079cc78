"""The public cases of GOLD.md; a test compares them with gold.json, where that is."""

from typing import Any

import numpy as np
from calculus.known.case import XW, Case
from calculus.known.functions import sigmoid, softmax, softmax_slope
from numpy.linalg import inv


def gold(name: str, expression: str, shapes: dict[str, str], wrt: str, closed: Any, text: str, **more: Any) -> Case:
    return Case(name, f"GOLD.md {name}", expression, shapes, wrt, closed, text, **more)


NEURON = {"X": "N,n", "w": "n", "b": "", "y": "N"}
LOSS = "mean((y - relu(X*w + b)).^2)"
GOLD = (
    gold("P01", "w .* x", {"w": "n", "x": "n"}, "w", lambda x: np.diag(x), "diag(x)"),
    gold(
        "P02",
        "w ./ x",
        {"w": "n", "x": "n"},
        "x",
        lambda w, x: np.diag(-w / x**2),
        "diag(-w ./ x.^2)",
        domain={"x": "positive"},
    ),
    gold("P03", "x + z", {"x": "n", "z": ""}, "z", lambda x: np.ones_like(x), "vector(1)"),
    gold("P04", "x * z", {"x": "n", "z": ""}, "x", lambda x, z: z * np.eye(x.size), "z*eye"),
    gold("P05", "sum(x * z)", {"x": "n", "z": ""}, "z", lambda x: np.sum(x), "sum(x)"),
    gold(
        "P06",
        "log(sin(x^3)^2)",
        {"x": ""},
        "x",
        lambda x: 6 * x**2 * np.cos(x**3) / np.sin(x**3),
        "6*x^2*cos(x^3)/sin(x^3)",
        domain={"x": "unit"},
    ),
    gold("P07", "sin(x + x^2)", {"x": ""}, "x", lambda x: np.cos(x + x**2) * (1 + 2 * x), "cos(x + x^2)*(1 + 2*x)"),
    gold(
        "P08",
        "[log(x^2); sin(3*x)]",
        {"x": ""},
        "x",
        lambda x: np.array([2 / x, 3 * np.cos(3 * x)]),
        "[2/x; 3*cos(3*x)]",
        domain={"x": "positive"},
    ),
    gold(
        "P09",
        "relu(w'*x + b)",
        {"w": "n", "x": "n", "b": ""},
        "w",
        lambda w, x, b: (w @ x + b > 0) * x,
        "(w'*x + b > 0)*x",
    ),
    gold(
        "P10",
        LOSS,
        NEURON,
        "w",
        lambda X, w, b, y: 2 / len(y) * X.T @ ((X @ w + b > 0) * (X @ w + b - y)),
        "2/N*X'*((X*w + b > 0) .* (X*w + b - y))",
    ),
    gold(
        "P11",
        LOSS,
        NEURON,
        "b",
        lambda X, w, b, y: 2 / len(y) * np.sum((X @ w + b > 0) * (X @ w + b - y)),
        "2/N*sum((X*w + b > 0) .* (X*w + b - y))",
    ),
    gold("P12", "norm2(X*w - y)^2", XW, "w", lambda X, w, y: 2 * X.T @ (X @ w - y), "2*X'*(X*w - y)"),
    gold("P13", "x'*A*x", {"A": "n,n", "x": "n"}, "x", lambda A, x: (A + A.T) @ x, "(A + A')*x"),
    gold("P14", "a'*X*b", {"a": "m", "X": "m,n", "b": "n"}, "X", lambda a, b: np.outer(a, b), "a*b'"),
    gold(
        "P15",
        "b'*X'*X*c",
        {"b": "n", "X": "m,n", "c": "n"},
        "X",
        lambda b, X, c: X @ (np.outer(b, c) + np.outer(c, b)),
        "X*(b*c' + c*b')",
    ),
    gold("P16", "tr(A*X*B)", {"A": "p,m", "X": "m,n", "B": "n,p"}, "X", lambda A, B: A.T @ B.T, "A'*B'"),
    gold("P17", "log(abs(det(X)))", {"X": "n,n"}, "X", lambda X: inv(X).T, "inv(X)'"),
    gold(
        "P18",
        "a'*inv(X)*b",
        {"a": "n", "X": "n,n", "b": "n"},
        "X",
        lambda a, X, b: -inv(X).T @ np.outer(a, b) @ inv(X).T,
        "-inv(X)'*a*b'*inv(X)'",
    ),
    gold(
        "P19",
        "sum(log(1 + exp(-y .* (X*w))))",
        XW,
        "w",
        lambda X, w, y: -X.T @ (y / (1 + np.exp(y * (X @ w)))),
        "-X'*(y .* sigmoid(-y .* (X*w)))",
    ),
    gold(
        "P20",
        "-y'*log(softmax(z))",
        {"y": "n", "z": "n"},
        "z",
        lambda y, z: np.sum(y) * np.exp(z) / np.sum(np.exp(z)) - y,
        "sum(y)*softmax(z) - y",
    ),
)
GOLD_HESSIANS = (
    gold("P12", "norm2(X*w - y)^2", XW, "w", lambda X: 2 * X.T @ X, "2*X'*X", order=2),
    gold("P13", "x'*A*x", {"A": "n,n", "x": "n"}, "x", lambda A: A + A.T, "A + A'", order=2),
    gold(
        "P19",
        "sum(log(1 + exp(-y .* (X*w))))",
        XW,
        "w",
        lambda X, w, y: X.T @ np.diag(y**2 * sigmoid(y * (X @ w)) * (1 - sigmoid(y * (X @ w)))) @ X,
        "X'*diag(y.^2 .* sigmoid(-y .* (X*w)) .* (1 - sigmoid(-y .* (X*w))))*X",
        order=2,
    ),
    gold(
        "P20",
        "-y'*log(softmax(z))",
        {"y": "n", "z": "n"},
        "z",
        lambda y, z: np.sum(y) * softmax_slope(softmax(z)),
        "sum(y)*(diag(softmax(z)) - softmax(z)*softmax(z)')",
        order=2,
    ),
)
