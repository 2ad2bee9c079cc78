"""Second derivatives."""

import numpy as np
from calculus.known.case import COOKBOOK, XW, Case
from calculus.known.functions import eye_like, sigmoid, softmax, softmax_slope
from numpy.linalg import inv

HESSIANS = (
    Case(
        "Hessian of a length",
        f"{COOKBOOK} 130",
        "norm2(x)",
        {"x": "n"},
        "x",
        lambda x: (eye_like(x) - np.outer(x, x) / (x @ x)) / np.linalg.norm(x),
        "eye/norm2(x) - x*x'/norm2(x)^3",
        order=2,
    ),
    Case(
        "Hessian of a log-sum-exp",
        "Boyd & Vandenberghe, Convex Optimization, 3.1.5",
        "logsumexp(A*x)",
        {"A": "m,n", "x": "n"},
        "x",
        lambda A, x: A.T @ softmax_slope(softmax(A @ x)) @ A,
        "A'*(diag(softmax(A*x)) - softmax(A*x)*softmax(A*x)')*A",
        order=2,
    ),
    Case(
        "Hessian of ridge regression",
        "by hand",
        "norm2(X*w - y)^2 + c*norm2(w)^2",
        {**XW, "c": ""},
        "w",
        lambda X, w, c: 2 * (X.T @ X + c * eye_like(w)),
        "2*(X'*X + c*eye)",
        order=2,
    ),
    Case(
        "Hessian of logistic regression",
        "Murphy, Machine Learning (2012), 8.7",
        "sum(softplus(X*w) - y .* (X*w))",
        XW,
        "w",
        lambda X, w: X.T @ np.diag(sigmoid(X @ w) * (1 - sigmoid(X @ w))) @ X,
        "X'*diag(sigmoid(X*w) .* (1 - sigmoid(X*w)))*X",
        order=2,
    ),
    Case(
        "Hessian of a Poisson likelihood",
        "McCullagh & Nelder, Generalized Linear Models, 6",
        "y'*X*w - sum(exp(X*w))",
        XW,
        "w",
        lambda X, w: -X.T @ np.diag(np.exp(X @ w)) @ X,
        "-X'*diag(exp(X*w))*X",
        order=2,
    ),
    Case(
        "Hessian of a trace by a matrix",
        f"{COOKBOOK} 108",
        "tr(X'*A*X)",
        {"X": "m,n", "A": "m,m"},
        "X",
        lambda X, A: np.einsum("ik,jl->ijkl", A + A.T, np.eye(X.shape[1])),
        "kron(eye, A + A')",
        order=2,
    ),
    Case(
        "Hessian of a log-determinant",
        f"{COOKBOOK} 57 and 60",
        "logdet(X)",
        {"X": "n,n"},
        "X",
        lambda X: -np.einsum("li,jk->ijkl", inv(X), inv(X)),
        '-einsum("li,jk->ijkl", inv(X), inv(X))',
        order=2,
    ),
)
