"""Blocks, Kronecker products, vec."""

import numpy as np
from calculus.known.case import COOKBOOK, Case
from calculus.known.functions import softmax

BLOCKS = (
    Case(
        "stacked least squares",
        "by hand",
        "norm2([A; B]*x - [y; z])^2",
        {"A": "m,n", "B": "p,n", "x": "n", "y": "m", "z": "p"},
        "x",
        lambda A, B, x, y, z: 2 * (A.T @ (A @ x - y) + B.T @ (B @ x - z)),
        "2*[A; B]'*([A; B]*x - [y; z])",
    ),
    Case(
        "quadratic form with a constant",
        "by hand",
        "[x; 1]'*W*[x; 1]",
        {"x": "n", "W": "n + 1, n + 1"},
        "x",
        lambda x, W: ((W + W.T) @ np.append(x, 1))[:-1],
        "((W + W')*[x; 1])[1:n]",
    ),
    Case(
        "a row of a matrix",
        "by hand",
        "X[1, :]*w",
        {"X": "m,n", "w": "n"},
        "X",
        lambda X, w: np.outer(np.eye(len(X))[0], w),
        "eye(m)[:, 1]*w'",
    ),
    Case(
        "one class's log-probability",
        "by hand",
        "log_softmax(z)[1]",
        {"z": "n"},
        "z",
        lambda z: np.eye(len(z))[0] - softmax(z),
        "eye(n)[:, 1] - softmax(z)",
    ),
    Case(
        "two functions below each other",
        "Parr & Howard (2018), 4.1",
        "[sin(x); cos(x)]",
        {"x": "n"},
        "x",
        lambda x: np.concatenate([np.diag(np.cos(x)), -np.diag(np.sin(x))]),
        "[diag(cos(x)); -diag(sin(x))]",
    ),
    Case(
        "quadratic form of a vec",
        f"{COOKBOOK} 81 and 518",
        "vec(X)'*A*vec(X)",
        {"X": "m,n", "A": "m*n, m*n"},
        "X",
        lambda X, A: ((A + A.T) @ X.reshape(-1, order="F")).reshape(X.shape, order="F"),
        "reshape((A + A')*vec(X), m, n)",
    ),
    Case(
        "Kronecker product times a vec",
        f"{COOKBOOK} 520",
        "kron(A, B)*vec(X)",
        {"A": "m,n", "B": "p,q", "X": "q,n"},
        "X",
        lambda A, B: np.kron(A, B).reshape(len(A) * len(B), A.shape[1], B.shape[1]).transpose(0, 2, 1),
        "kron(A, B)",
    ),
    Case(
        "length of a Kronecker product",
        "by hand",
        "norm2(kron(a, x))^2",
        {"a": "m", "x": "n"},
        "x",
        lambda a, x: 2 * (a @ a) * x,
        "2*norm2(a)^2*x",
    ),
    Case(
        "bilinear form of a Kronecker product",
        f"{COOKBOOK} 520",
        "vec(Y)'*kron(A, X)*vec(Z)",
        {"Y": "m,p", "A": "p,q", "X": "m,n", "Z": "n,q"},
        "X",
        lambda Y, A, Z: Y @ A @ Z.T,
        "Y*A*Z'",
    ),
)
