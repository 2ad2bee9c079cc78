"""Derivatives with known answers: each a closed form in NumPy and, as a person would write it, one in our language.

The closed forms are written from the sources named in `source`, without the engine. Arrays are laid out
`[axes of the function..., axes of the variable...]`; the texts are in either layout.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from calculus.expressions import eval_size
from numpy.linalg import det, inv

SIZES = {
    "rectangular": {"n": 4, "m": 3, "p": 2, "q": 5, "N": 6, "h": 5, "k": 3, "r": 2},
    "of one": {"n": 1, "m": 2, "p": 3, "q": 1, "N": 2, "h": 3, "k": 1, "r": 1},
    "larger": {"n": 7, "m": 6, "p": 5, "q": 4, "N": 12, "h": 8, "k": 6, "r": 3},
}


@dataclass(frozen=True)
class Case:
    """A derivative and its answer.

    Attributes
    ----------
    name
        Of the test.
    source
        Where the answer is from.
    expression, shapes, wrt, order
        What is derived.
    closed
        The answer as a function of arrays.
    text
        The answer in our language, in one of the two layouts.
    domain
        Variables that are not any numbers: "positive", or "unit" for between 0 and 1.
    """

    name: str
    source: str
    expression: str
    shapes: dict[str, str]
    wrt: str
    closed: Callable[..., Any]
    text: str
    order: int = 1
    domain: dict[str, str] | None = None

    def arrays(self, sizes: dict[str, int], seed: int) -> dict[str, Any]:
        """Values for the variables."""
        generator = np.random.default_rng([seed, *self.name.encode()])
        found: dict[str, Any] = {}
        for name, shape in self.shapes.items():
            lengths = [eval_size(size, sizes) for size in shape.split(",")] if shape else []
            kind = (self.domain or {}).get(name)
            if kind == "positive":
                found[name] = 0.5 + generator.random(lengths)
            elif kind == "unit":
                found[name] = 0.1 + 0.8 * generator.random(lengths)
            else:
                found[name] = generator.normal(size=lengths)
        return found

    def answer(self, arrays: dict[str, Any]) -> Any:
        """The closed form for values."""
        return np.asarray(self.closed(**{name: arrays[name] for name in inspect.signature(self.closed).parameters}))


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


def attention_slope(Q: Any, K: Any, V: Any, d: Any, G: Any) -> Any:
    """∂ tr(G' softmax(QK'/√d) V) / ∂(QK'/√d)."""
    p, g = softmax(Q @ K.T / np.sqrt(d)), G @ V.T
    return p * (g - (p * g).sum(1, keepdims=True))


XW = {"X": "N,n", "w": "n", "y": "N"}
LAYER = {"W": "m,n", "x": "n", "b": "m", "v": "m"}
MLP = {"V": "p,m", "W": "m,n", "x": "n", "b": "m", "y": "p"}
BATCH = {"X": "N,n", "W": "n,h", "V": "h,k", "Y": "N,k"}
ATTENTION = {"Q": "N,h", "K": "n,h", "V": "n,k", "d": "", "G": "N,k"}
MIXTURE = {"c": "k", "x": "n", "M": "k,n"}
COOKBOOK = "Petersen & Pedersen, The Matrix Cookbook (2012)"

PUBLIC = (
    # Traces.
    Case("trace", f"{COOKBOOK} 99", "tr(X)", {"X": "n,n"}, "X", lambda X: np.eye(len(X)), "eye"),
    Case(
        "trace of a quadratic form in columns",
        f"{COOKBOOK} 108",
        "tr(X'*A*X)",
        {"X": "m,n", "A": "m,m"},
        "X",
        lambda X, A: A @ X + A.T @ X,
        "(A + A')*X",
    ),
    Case(
        "trace of a quadratic form in rows",
        f"{COOKBOOK} 111",
        "tr(X*A*X')",
        {"X": "m,n", "A": "n,n"},
        "X",
        lambda X, A: X @ A.T + X @ A,
        "X*(A + A')",
    ),
    Case(
        "trace with two factors",
        f"{COOKBOOK} 107",
        "tr(A*X*B*X)",
        {"A": "n,m", "X": "m,n", "B": "n,m"},
        "X",
        lambda A, X, B: A.T @ X.T @ B.T + B.T @ X.T @ A.T,
        "A'*X'*B' + B'*X'*A'",
    ),
    Case(
        "trace of a product with a transpose",
        f"{COOKBOOK} 118",
        "tr(A*X*B*X'*C)",
        {"A": "p,m", "X": "m,n", "B": "n,n", "C": "m,p"},
        "X",
        lambda A, X, B, C: A.T @ C.T @ X @ B.T + C @ A @ X @ B,
        "A'*C'*X*B' + C*A*X*B",
    ),
    Case(
        "trace of a transpose between factors",
        f"{COOKBOOK} 102",
        "tr(A*X'*B)",
        {"A": "p,n", "X": "m,n", "B": "m,p"},
        "X",
        lambda A, B: B @ A,
        "B*A",
    ),
    Case("trace of a cube", f"{COOKBOOK} 121", "tr(X^3)", {"X": "n,n"}, "X", lambda X: 3 * (X @ X).T, "3*X'*X'"),
    Case(
        "trace of an inverse in a product",
        f"{COOKBOOK} 63",
        "tr(A*inv(X)*B)",
        {"A": "p,n", "X": "n,n", "B": "n,p"},
        "X",
        lambda A, X, B: -(inv(X) @ B @ A @ inv(X)).T,
        "-inv(X)'*A'*B'*inv(X)'",
    ),
    Case(
        "trace of the inverse of a sum",
        f"{COOKBOOK} 64",
        "tr(inv(X + A))",
        {"X": "n,n", "A": "n,n"},
        "X",
        lambda X, A: -(inv(X + A) @ inv(X + A)).T,
        "-(inv(X + A)*inv(X + A))'",
    ),
    Case(
        "trace of a Kronecker square",
        f"{COOKBOOK} 106",
        "tr(kron(X, X))",
        {"X": "n,n"},
        "X",
        lambda X: 2 * np.trace(X) * np.eye(len(X)),
        "2*tr(X)*eye",
    ),
    # Determinants.
    Case("determinant", f"{COOKBOOK} 49", "det(X)", {"X": "n,n"}, "X", lambda X: det(X) * inv(X).T, "det(X)*inv(X)'"),
    Case(
        "determinant of a product of rectangular matrices",
        f"{COOKBOOK} 51",
        "det(A*X*B)",
        {"A": "r,m", "X": "m,m", "B": "m,r"},
        "X",
        lambda A, X, B: det(A @ X @ B) * A.T @ inv(A @ X @ B).T @ B.T,
        "det(A*X*B)*A'*inv(A*X*B)'*B'",
    ),
    Case(
        "determinant of a Gram matrix",
        f"{COOKBOOK} 54",
        "det(X'*X)",
        {"X": "m,r"},
        "X",
        lambda X: 2 * det(X.T @ X) * X @ inv(X.T @ X),
        "2*det(X'*X)*X*inv(X'*X)",
    ),
    Case(
        "log-determinant of a Gram matrix",
        f"{COOKBOOK} 55",
        "log(det(X'*X))",
        {"X": "m,r"},
        "X",
        lambda X: 2 * np.linalg.pinv(X).T,
        "2*X*inv(X'*X)",
    ),
    Case(
        "determinant of a quadratic form",
        f"{COOKBOOK} 53",
        "det(X'*A*X)",
        {"X": "m,r", "A": "m,m"},
        "X",
        lambda X, A: det(X.T @ A @ X) * (A @ X @ inv(X.T @ A @ X) + A.T @ X @ inv(X.T @ A.T @ X)),
        "det(X'*A*X)*(A*X*inv(X'*A*X) + A'*X*inv(X'*A'*X))",
    ),
    # Quadratic forms and norms.
    Case(
        "bilinear form of a product",
        f"{COOKBOOK} 82",
        "b'*X'*A*X*c",
        {"b": "n", "X": "m,n", "A": "m,m", "c": "n"},
        "X",
        lambda b, X, A, c: A.T @ X @ np.outer(b, c) + A @ X @ np.outer(c, b),
        "A'*X*b*c' + A*X*c*b'",
    ),
    Case(
        "quadratic form of an affine map",
        f"{COOKBOOK} 83",
        "(X*b + c)'*A*(X*b + c)",
        {"X": "m,n", "b": "n", "c": "m", "A": "m,m"},
        "X",
        lambda X, b, c, A: np.outer((A + A.T) @ (X @ b + c), b),
        "(A + A')*(X*b + c)*b'",
    ),
    Case(
        "weighted residual by the matrix",
        f"{COOKBOOK} 88",
        "(x - A*s)'*W*(x - A*s)",
        {"x": "m", "A": "m,n", "s": "n", "W": "m,m"},
        "A",
        lambda x, A, s, W: -np.outer((W + W.T) @ (x - A @ s), s),
        "-(W + W')*(x - A*s)*s'",
    ),
    Case(
        "weighted residual by the vector",
        f"{COOKBOOK} 84",
        "(x - A*s)'*W*(x - A*s)",
        {"x": "m", "A": "m,n", "s": "n", "W": "m,m"},
        "s",
        lambda x, A, s, W: -A.T @ (W + W.T) @ (x - A @ s),
        "-A'*(W + W')*(x - A*s)",
    ),
    Case(
        "rows' Gram matrix in a bilinear form",
        f"{COOKBOOK} 77",
        "a'*X*X'*b",
        {"a": "m", "X": "m,n", "b": "m"},
        "X",
        lambda a, X, b: (np.outer(a, b) + np.outer(b, a)) @ X,
        "(a*b' + b*a')*X",
    ),
    Case(
        "element-wise product in a bilinear form",
        "by hand",
        "a'*(A .* X)*b",
        {"a": "m", "A": "m,n", "X": "m,n", "b": "n"},
        "X",
        lambda a, A, b: A * np.outer(a, b),
        "A .* (a*b')",
    ),
    Case("Frobenius norm", f"{COOKBOOK} 131", "norm2(X)^2", {"X": "m,n"}, "X", lambda X: 2 * X, "2*X"),
    Case(
        "Frobenius norm of a residual",
        f"{COOKBOOK} 132",
        "norm2(A*X - B)^2",
        {"A": "p,m", "X": "m,n", "B": "p,n"},
        "X",
        lambda A, X, B: 2 * A.T @ (A @ X - B),
        "2*A'*(A*X - B)",
    ),
    Case(
        "distance from orthonormal columns",
        "by hand",
        "norm2(X'*X - eye)^2",
        {"X": "m,n"},
        "X",
        lambda X: 4 * X @ (X.T @ X - np.eye(X.shape[1])),
        "4*X*(X'*X - eye)",
    ),
    Case(
        "length of a difference",
        f"{COOKBOOK} 129",
        "norm2(x - a)",
        {"x": "n", "a": "n"},
        "x",
        lambda x, a: (x - a) / np.linalg.norm(x - a),
        "(x - a)/norm2(x - a)",
    ),
    Case(
        "direction of a difference",
        f"{COOKBOOK} 130",
        "(x - a)/norm2(x - a)",
        {"x": "n", "a": "n"},
        "x",
        lambda x, a: eye_like(x) / np.linalg.norm(x - a) - np.outer(x - a, x - a) / np.linalg.norm(x - a) ** 3,
        "eye/norm2(x - a) - (x - a)*(x - a)'/norm2(x - a)^3",
    ),
    # Hessians.
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
    # Derivatives of matrices.
    Case(
        "a matrix between two others",
        f"{COOKBOOK} 62 and 520",
        "A*X*B",
        {"A": "p,m", "X": "m,n", "B": "n,q"},
        "X",
        lambda A, B: np.einsum("im,nj->ijmn", A, B),
        "kron(B', A)",
    ),
    Case(
        "an inverse",
        f"{COOKBOOK} 60",
        "inv(X)",
        {"X": "n,n"},
        "X",
        lambda X: -np.einsum("ik,lj->ijkl", inv(X), inv(X)),
        "-kron(inv(X)', inv(X))",
    ),
    Case(
        "a Gram matrix",
        f"{COOKBOOK} 79",
        "X'*X",
        {"X": "m,n"},
        "X",
        lambda X: np.einsum("il,kj->ijkl", np.eye(X.shape[1]), X) + np.einsum("jl,ki->ijkl", np.eye(X.shape[1]), X),
        'einsum("il,kj->ijkl", eye, X) + einsum("jl,ki->ijkl", eye, X)',
    ),
    Case(
        "an outer square",
        "by hand",
        "x*x'",
        {"x": "n"},
        "x",
        lambda x: np.einsum("ik,j->ijk", eye_like(x), x) + np.einsum("jk,i->ijk", eye_like(x), x),
        "kron(x, eye) + kron(eye, x)",
    ),
    Case(
        "a linear map by its matrix",
        f"{COOKBOOK} 520",
        "X*w",
        {"X": "N,n", "w": "n"},
        "X",
        lambda X, w: np.einsum("ik,l->ikl", np.eye(len(X)), w),
        "kron(w', eye)",
    ),
    Case(
        "a diagonal between two matrices",
        "by hand",
        "A*diag(x)*B",
        {"A": "m,n", "x": "n", "B": "n,p"},
        "x",
        lambda A, B: np.einsum("ik,kj->ijk", A, B),
        'einsum("ik,kj->ijk", A, B)',
    ),
    # Neural layers.
    Case(
        "linear layer by weights",
        "backpropagation by hand",
        "norm2(W*x + b - y)^2",
        {"W": "m,n", "x": "n", "b": "m", "y": "m"},
        "W",
        lambda W, x, b, y: 2 * np.outer(W @ x + b - y, x),
        "2*(W*x + b - y)*x'",
    ),
    Case(
        "relu layer by the first weights",
        "backpropagation by hand",
        "norm2(V*relu(W*x + b) - y)^2",
        MLP,
        "W",
        lambda V, W, x, b, y: np.outer(2 * (V.T @ (V @ relu(W @ x + b) - y)) * (W @ x + b > 0), x),
        "2*((V'*(V*relu(W*x + b) - y)) .* (W*x + b > 0))*x'",
    ),
    Case(
        "relu layer by the bias",
        "backpropagation by hand",
        "norm2(V*relu(W*x + b) - y)^2",
        MLP,
        "b",
        lambda V, W, x, b, y: 2 * (V.T @ (V @ relu(W @ x + b) - y)) * (W @ x + b > 0),
        "2*(V'*(V*relu(W*x + b) - y)) .* (W*x + b > 0)",
    ),
    Case(
        "relu layer by the second weights",
        "backpropagation by hand",
        "norm2(V*relu(W*x + b) - y)^2",
        MLP,
        "V",
        lambda V, W, x, b, y: 2 * np.outer(V @ relu(W @ x + b) - y, relu(W @ x + b)),
        "2*(V*relu(W*x + b) - y)*relu(W*x + b)'",
    ),
    Case(
        "relu layer by its input",
        "backpropagation by hand",
        "norm2(V*relu(W*x + b) - y)^2",
        MLP,
        "x",
        lambda V, W, x, b, y: W.T @ (2 * (V.T @ (V @ relu(W @ x + b) - y)) * (W @ x + b > 0)),
        "2*W'*((V'*(V*relu(W*x + b) - y)) .* (W*x + b > 0))",
    ),
    Case(
        "tanh layer by weights",
        "backpropagation by hand",
        "v'*tanh(W*x + b)",
        LAYER,
        "W",
        lambda W, x, b, v: np.outer(v * (1 - np.tanh(W @ x + b) ** 2), x),
        "(v .* (1 - tanh(W*x + b).^2))*x'",
    ),
    Case(
        "sigmoid layer by its input",
        "backpropagation by hand",
        "v'*sigmoid(W*x + b)",
        LAYER,
        "x",
        lambda W, x, b, v: W.T @ (v * sigmoid(W @ x + b) * (1 - sigmoid(W @ x + b))),
        "W'*(v .* sigmoid(W*x + b) .* (1 - sigmoid(W*x + b)))",
    ),
    Case(
        "softplus layer by weights",
        "backpropagation by hand",
        "v'*softplus(W*x + b)",
        LAYER,
        "W",
        lambda W, x, b, v: np.outer(v * sigmoid(W @ x + b), x),
        "(v .* sigmoid(W*x + b))*x'",
    ),
    Case(
        "gelu layer by weights",
        "Hendrycks & Gimpel, Gaussian Error Linear Units (2016)",
        "sum(gelu(W*x))",
        {"W": "m,n", "x": "n"},
        "W",
        lambda W, x: np.outer(normal_cdf(W @ x) + W @ x * normal_pdf(W @ x), x),
        "((1 + erf(W*x/sqrt(2)))/2 + W*x .* exp(-(W*x).^2/2)/sqrt(2*pi))*x'",
    ),
    Case(
        "tanh layer's Jacobian",
        "backpropagation by hand",
        "tanh(W*x + b)",
        {"W": "m,n", "x": "n", "b": "m"},
        "x",
        lambda W, x, b: np.diag(1 - np.tanh(W @ x + b) ** 2) @ W,
        "diag(1 - tanh(W*x + b).^2)*W",
    ),
    Case(
        "two layers on a batch by the first weights",
        "backpropagation by hand",
        "norm2(relu(X*W)*V - Y)^2",
        BATCH,
        "W",
        lambda X, W, V, Y: 2 * X.T @ ((X @ W > 0) * ((relu(X @ W) @ V - Y) @ V.T)),
        "2*X'*((X*W > 0) .* ((relu(X*W)*V - Y)*V'))",
    ),
    Case(
        "two layers on a batch by the second weights",
        "backpropagation by hand",
        "norm2(relu(X*W)*V - Y)^2",
        BATCH,
        "V",
        lambda X, W, V, Y: 2 * relu(X @ W).T @ (relu(X @ W) @ V - Y),
        "2*relu(X*W)'*(relu(X*W)*V - Y)",
    ),
    Case(
        "two layers on a batch by the inputs",
        "backpropagation by hand",
        "norm2(relu(X*W)*V - Y)^2",
        BATCH,
        "X",
        lambda X, W, V, Y: 2 * ((X @ W > 0) * ((relu(X @ W) @ V - Y) @ V.T)) @ W.T,
        "2*((X*W > 0) .* ((relu(X*W)*V - Y)*V'))*W'",
    ),
    Case(
        "linear regression with an intercept",
        "by hand",
        "mean((X*w + b - y).^2)",
        {**XW, "b": ""},
        "w",
        lambda X, w, b, y: 2 * X.T @ (X @ w + b - y) / len(y),
        "2*X'*(X*w + b - y)/N",
    ),
    Case(
        "bias of a batch",
        "backpropagation by hand",
        "norm2(X*W + vector(1)*b' - Y)^2",
        {"X": "N,n", "W": "n,k", "b": "k", "Y": "N,k"},
        "b",
        lambda X, W, b, Y: 2 * (X @ W + b - Y).sum(0),
        "2*colsum(X*W + vector(1)*b' - Y)'",
    ),
    Case(
        "softmax regression on a batch",
        "Murphy, Machine Learning (2012), 8.3.7",
        "-sum(Y .* log_softmax(X*W))/N",
        {"X": "N,n", "W": "n,k", "Y": "N,k"},
        "W",
        lambda X, W, Y: X.T @ (softmax(X @ W) * Y.sum(1, keepdims=True) - Y) / len(X),
        "X'*(diag(rowsum(Y))*softmax(X*W) - Y)/N",
    ),
    Case(
        "softmax regression of one sample",
        "Murphy, Machine Learning (2012), 8.3.7",
        "logsumexp(W*x) - y'*W*x",
        {"W": "m,n", "x": "n", "y": "m"},
        "W",
        lambda W, x, y: np.outer(softmax(W @ x) - y, x),
        "(softmax(W*x) - y)*x'",
    ),
    Case(
        "swish",
        "Ramachandran et al., Searching for Activation Functions (2017)",
        "sum(z .* sigmoid(z))",
        {"z": "n"},
        "z",
        lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z))),
        "sigmoid(z) .* (1 + z .* (1 - sigmoid(z)))",
    ),
    Case(
        "ridge regression",
        "by hand",
        "norm2(X*w - y)^2 + c*norm2(w)^2",
        {**XW, "c": ""},
        "w",
        lambda X, w, y, c: 2 * (X.T @ (X @ w - y) + c * w),
        "2*(X'*(X*w - y) + c*w)",
    ),
    Case(
        "lasso",
        "by hand",
        "norm2(X*w - y)^2/2 + c*norm1(w)",
        {**XW, "c": ""},
        "w",
        lambda X, w, y, c: X.T @ (X @ w - y) + c * np.sign(w),
        "X'*(X*w - y) + c*sign(w)",
    ),
    Case(
        "residual block by its input",
        "He et al., Deep Residual Learning (2016), by hand",
        "norm2(x + V*tanh(W*x) - y)^2",
        {"x": "n", "V": "n,m", "W": "m,n", "y": "n"},
        "x",
        lambda x, V, W, y: (
            2 * (eye_like(x) + V @ np.diag(1 - np.tanh(W @ x) ** 2) @ W).T @ (x + V @ np.tanh(W @ x) - y)
        ),
        "2*(x + V*tanh(W*x) - y + W'*((1 - tanh(W*x).^2) .* (V'*(x + V*tanh(W*x) - y))))",
    ),
    Case(
        "gated unit by its input",
        "Dauphin et al., Gated Convolutional Networks (2017), by hand",
        "v'*(sigmoid(W*x) .* (U*x))",
        {"v": "m", "W": "m,n", "U": "m,n", "x": "n"},
        "x",
        lambda v, W, U, x: U.T @ (v * sigmoid(W @ x)) + W.T @ (v * (U @ x) * sigmoid(W @ x) * (1 - sigmoid(W @ x))),
        "U'*(v .* sigmoid(W*x)) + W'*(v .* (U*x) .* sigmoid(W*x) .* (1 - sigmoid(W*x)))",
    ),
    # Likelihoods.
    Case(
        "logistic regression with labels 0 and 1",
        "Murphy, Machine Learning (2012), 8.5",
        "sum(softplus(X*w) - y .* (X*w))",
        XW,
        "w",
        lambda X, w, y: X.T @ (sigmoid(X @ w) - y),
        "X'*(sigmoid(X*w) - y)",
    ),
    Case(
        "Gaussian likelihood by its mean",
        f"{COOKBOOK} 86",
        "-(x - u)'*inv(S)*(x - u)/2",
        {"x": "n", "u": "n", "S": "n,n"},
        "u",
        lambda x, u, S: (inv(S) + inv(S).T) @ (x - u) / 2,
        "(inv(S) + inv(S)')*(x - u)/2",
    ),
    Case(
        "Gaussian likelihood by its covariance",
        f"{COOKBOOK} 57 and 61",
        "-logdet(S)/2 - (x - u)'*inv(S)*(x - u)/2",
        {"x": "n", "u": "n", "S": "n,n"},
        "S",
        lambda x, u, S: (inv(S).T @ np.outer(x - u, x - u) @ inv(S).T - inv(S).T) / 2,
        "(inv(S)'*(x - u)*(x - u)'*inv(S)' - inv(S)')/2",
    ),
    Case(
        "Gaussian likelihood by its precision",
        f"{COOKBOOK} 57 and 72",
        "logdet(P)/2 - (x - u)'*P*(x - u)/2",
        {"x": "n", "u": "n", "P": "n,n"},
        "P",
        lambda x, u, P: (inv(P).T - np.outer(x - u, x - u)) / 2,
        "(inv(P)' - (x - u)*(x - u)')/2",
    ),
    Case(
        "Gaussian likelihood by its deviation",
        "by hand",
        "-n*log(b) - norm2(x - a)^2/(2*b^2)",
        {"x": "n", "a": "", "b": ""},
        "b",
        lambda x, a, b: -len(x) / b + np.sum((x - a) ** 2) / b**3,
        "norm2(x - a)^2/b^3 - n/b",
        domain={"b": "positive"},
    ),
    Case(
        "Poisson likelihood",
        "McCullagh & Nelder, Generalized Linear Models, 6",
        "y'*X*w - sum(exp(X*w))",
        XW,
        "w",
        lambda X, w, y: X.T @ (y - np.exp(X @ w)),
        "X'*(y - exp(X*w))",
    ),
    Case(
        "Bernoulli likelihood by its means",
        "by hand",
        "y'*log(p) + (1 - y)'*log(1 - p)",
        {"y": "n", "p": "n"},
        "p",
        lambda y, p: y / p - (1 - y) / (1 - p),
        "y ./ p - (1 - y) ./ (1 - p)",
        domain={"p": "unit"},
    ),
    Case(
        "multinomial likelihood",
        "Murphy, Machine Learning (2012), 8.3.7",
        "y'*log(softmax(W*x))",
        {"y": "m", "W": "m,n", "x": "n"},
        "W",
        lambda y, W, x: np.outer(y - y.sum() * softmax(W @ x), x),
        "(y - sum(y)*softmax(W*x))*x'",
    ),
    Case(
        "Student's t by its location",
        "by hand",
        "-(c + 1)/2*log(1 + (x - a)^2/(c*b^2))",
        {"x": "", "a": "", "b": "", "c": ""},
        "a",
        lambda x, a, b, c: (c + 1) * (x - a) / (c * b**2 + (x - a) ** 2),
        "(c + 1)*(x - a)/(c*b^2 + (x - a)^2)",
        domain={"b": "positive", "c": "positive"},
    ),
    Case(
        "regression with Student's t",
        "by hand",
        "sum(log(1 + (y - X*w).^2/c))",
        {**XW, "c": ""},
        "w",
        lambda X, w, y, c: -2 * X.T @ ((y - X @ w) / (c + (y - X @ w) ** 2)),
        "-2*X'*((y - X*w) ./ (c + (y - X*w).^2))",
        domain={"c": "positive"},
    ),
    Case(
        "several variables' Student's t by its location",
        "by hand",
        "log(1 + (x - u)'*P*(x - u)/c)",
        {"x": "n", "u": "n", "P": "n,n", "c": ""},
        "u",
        lambda x, u, P, c: -(P + P.T) @ (x - u) / (c + (x - u) @ P @ (x - u)),
        "-(P + P')*(x - u)/(c + (x - u)'*P*(x - u))",
        domain={"c": "positive", "P": "positive"},
    ),
    Case(
        "exponential likelihood by its rates",
        "by hand",
        "sum(log(s) - s .* y)",
        {"s": "n", "y": "n"},
        "s",
        lambda s, y: 1 / s - y,
        "1 ./ s - y",
        domain={"s": "positive"},
    ),
    Case(
        "Laplace likelihood by its location",
        "by hand",
        "-n*log(2*b) - norm1(x - a)/b",
        {"x": "n", "a": "", "b": ""},
        "a",
        lambda x, a, b: np.sign(x - a).sum() / b,
        "sum(sign(x - a))/b",
        domain={"b": "positive"},
    ),
    Case(
        "probit regression",
        "Murphy, Machine Learning (2012), 9.4",
        "sum(log((1 + erf(X*w/sqrt(2)))/2))",
        {"X": "N,n", "w": "n"},
        "w",
        lambda X, w: X.T @ (normal_pdf(X @ w) / normal_cdf(X @ w)),
        "2*X'*(exp(-(X*w/sqrt(2)).^2) ./ (1 + erf(X*w/sqrt(2))))/sqrt(2*pi)",
    ),
    Case(
        "hinge loss",
        "by hand",
        "sum(relu(1 - y .* (X*w)))",
        XW,
        "w",
        lambda X, w, y: -X.T @ (y * (1 - y * (X @ w) > 0)),
        "-X'*(y .* (1 - y .* (X*w) > 0))",
    ),
    Case(
        "pseudo-Huber loss",
        "by hand",
        "sum(sqrt(1 + (X*w - y).^2))",
        XW,
        "w",
        lambda X, w, y: X.T @ ((X @ w - y) / np.sqrt(1 + (X @ w - y) ** 2)),
        "X'*((X*w - y) ./ sqrt(1 + (X*w - y).^2))",
    ),
    # Attention.
    Case(
        "attention by its values",
        "Vaswani et al., Attention Is All You Need (2017), by hand",
        "tr(G'*softmax(Q*K'/sqrt(d))*V)",
        ATTENTION,
        "V",
        lambda Q, K, d, G: softmax(Q @ K.T / np.sqrt(d)).T @ G,
        "softmax(Q*K'/sqrt(d))'*G",
        domain={"d": "positive"},
    ),
    Case(
        "attention by its queries",
        "Vaswani et al., Attention Is All You Need (2017), by hand",
        "tr(G'*softmax(Q*K'/sqrt(d))*V)",
        ATTENTION,
        "Q",
        lambda Q, K, V, d, G: attention_slope(Q, K, V, d, G) @ K / np.sqrt(d),
        "(softmax(Q*K'/sqrt(d)) .* (G*V' - rowsum(softmax(Q*K'/sqrt(d)) .* (G*V'))*vector(1)'))*K/sqrt(d)",
        domain={"d": "positive"},
    ),
    Case(
        "attention by its keys",
        "Vaswani et al., Attention Is All You Need (2017), by hand",
        "tr(G'*softmax(Q*K'/sqrt(d))*V)",
        ATTENTION,
        "K",
        lambda Q, K, V, d, G: attention_slope(Q, K, V, d, G).T @ Q / np.sqrt(d),
        "(softmax(Q*K'/sqrt(d)) .* (G*V' - rowsum(softmax(Q*K'/sqrt(d)) .* (G*V'))*vector(1)'))'*Q/sqrt(d)",
        domain={"d": "positive"},
    ),
    Case(
        "attention of one query",
        "Bahdanau et al. (2015), by hand",
        "g'*V'*softmax(K*q)",
        {"g": "k", "V": "n,k", "K": "n,h", "q": "h"},
        "q",
        lambda g, V, K, q: K.T @ softmax_slope(softmax(K @ q)) @ V @ g,
        "K'*(softmax(K*q) .* (V*g - softmax(K*q)'*V*g))",
    ),
    Case(
        "attention of one query by its keys",
        "Bahdanau et al. (2015), by hand",
        "g'*V'*softmax(K*q)",
        {"g": "k", "V": "n,k", "K": "n,h", "q": "h"},
        "K",
        lambda g, V, K, q: np.outer(softmax_slope(softmax(K @ q)) @ V @ g, q),
        "(softmax(K*q) .* (V*g - softmax(K*q)'*V*g))*q'",
    ),
    # Normalisation.
    Case(
        "unit length",
        f"{COOKBOOK} 130",
        "x/norm2(x)",
        {"x": "n"},
        "x",
        lambda x: (eye_like(x) - np.outer(x, x) / (x @ x)) / np.linalg.norm(x),
        "eye/norm2(x) - x*x'/norm2(x)^3",
    ),
    Case(
        "centring",
        "by hand",
        "x - mean(x)",
        {"x": "n"},
        "x",
        lambda x: eye_like(x) - 1 / len(x),
        "eye - matrix(1)/n",
    ),
    Case(
        "layer normalisation",
        "Ba, Kiros & Hinton (2016), by hand",
        "g'*(x - mean(x))/sqrt(mean((x - mean(x)).^2) + e)",
        {"g": "n", "x": "n", "e": ""},
        "x",
        lambda g, x, e: (
            (g - g.mean() - (x - x.mean()) * (g @ (x - x.mean())) / len(x) / (np.mean((x - x.mean()) ** 2) + e))
            / np.sqrt(np.mean((x - x.mean()) ** 2) + e)
        ),
        "(g - mean(g) - g'*(x - mean(x))*(x - mean(x))/(n*(mean((x - mean(x)).^2) + e)))"
        "/sqrt(mean((x - mean(x)).^2) + e)",
        domain={"e": "positive"},
    ),
    Case(
        "root-mean-square normalisation",
        "Zhang & Sennrich (2019), by hand",
        "g'*x/sqrt(norm2(x)^2/n + e)",
        {"g": "n", "x": "n", "e": ""},
        "x",
        lambda g, x, e: g / np.sqrt(x @ x / len(x) + e) - g @ x * x / (len(x) * np.sqrt(x @ x / len(x) + e) ** 3),
        "g/sqrt(norm2(x)^2/n + e) - g'*x*x/(n*sqrt(norm2(x)^2/n + e)^3)",
        domain={"e": "positive"},
    ),
    Case(
        "variance within columns",
        "Ioffe & Szegedy (2015), by hand",
        "norm2(X - vector(1)*colsum(X)/N)^2",
        {"X": "N,n"},
        "X",
        lambda X: 2 * (X - X.mean(0)),
        "2*(X - vector(1)*colsum(X)/N)",
    ),
    Case(
        "cosine similarity",
        "by hand",
        "x'*y/(norm2(x)*norm2(y))",
        {"x": "n", "y": "n"},
        "x",
        lambda x, y: (
            y / (np.linalg.norm(x) * np.linalg.norm(y)) - x * (x @ y) / (np.linalg.norm(x) ** 3 * np.linalg.norm(y))
        ),
        "(y - x'*y*x/norm2(x)^2)/(norm2(x)*norm2(y))",
    ),
    Case(
        "rows that add up to one",
        "by hand",
        "a'*diag(1 ./ rowsum(X))*X*b",
        {"a": "m", "X": "m,n", "b": "n"},
        "X",
        lambda a, X, b: (a / X.sum(1))[:, None] * (b - (X @ b / X.sum(1))[:, None]),
        "diag(a ./ rowsum(X))*(vector(1)*b' - (X*b ./ rowsum(X))*vector(1)')",
        domain={"X": "positive"},
    ),
    Case(
        "softmax",
        "Bishop, Pattern Recognition and Machine Learning (2006), 4.106",
        "softmax(z)",
        {"z": "n"},
        "z",
        lambda z: softmax_slope(softmax(z)),
        "diag(softmax(z)) - softmax(z)*softmax(z)'",
    ),
    Case(
        "log-softmax",
        "by hand",
        "log_softmax(z)",
        {"z": "n"},
        "z",
        lambda z: eye_like(z) - softmax(z),
        "eye - vector(1)*softmax(z)'",
    ),
    # Mixtures.
    Case(
        "score of a mixture of normal distributions by its means",
        "Bishop, Pattern Recognition and Machine Learning (2006), 9.2",
        "logsumexp(c - (x - u).^2/2)",
        {"c": "k", "x": "", "u": "k"},
        "u",
        lambda c, x, u: softmax(c - (x - u) ** 2 / 2) * (x - u),
        "softmax(c - (x - u).^2/2) .* (x - u)",
    ),
    Case(
        "score of a mixture of normal distributions by the point",
        "Bishop, Pattern Recognition and Machine Learning (2006), 9.2",
        "logsumexp(c - (x - u).^2/2)",
        {"c": "k", "x": "", "u": "k"},
        "x",
        lambda c, x, u: softmax(c - (x - u) ** 2 / 2) @ (u - x),
        "softmax(c - (x - u).^2/2)'*(u - x)",
    ),
    Case(
        "score of a mixture of Gaussians by the point",
        "Bishop, Pattern Recognition and Machine Learning (2006), 9.2",
        "logsumexp(c - rowsum((vector(1)*x' - M).^2)/2)",
        MIXTURE,
        "x",
        lambda c, x, M: (M - x).T @ softmax(c - ((x - M) ** 2).sum(1) / 2),
        "(M - vector(1)*x')'*softmax(c - rowsum((vector(1)*x' - M).^2)/2)",
    ),
    Case(
        "score of a mixture of Gaussians by its means",
        "Bishop, Pattern Recognition and Machine Learning (2006), 9.2",
        "logsumexp(c - rowsum((vector(1)*x' - M).^2)/2)",
        MIXTURE,
        "M",
        lambda c, x, M: softmax(c - ((x - M) ** 2).sum(1) / 2)[:, None] * (x - M),
        "diag(softmax(c - rowsum((vector(1)*x' - M).^2)/2))*(vector(1)*x' - M)",
    ),
    Case(
        "score of a mixture of Gaussians by its weights",
        "Bishop, Pattern Recognition and Machine Learning (2006), 9.2",
        "logsumexp(c - rowsum((vector(1)*x' - M).^2)/2)",
        MIXTURE,
        "c",
        lambda c, x, M: softmax(c - ((x - M) ** 2).sum(1) / 2),
        "softmax(c - rowsum((vector(1)*x' - M).^2)/2)",
    ),
    Case(
        "mixture of linear experts",
        "Jacobs et al. (1991), by hand",
        "softmax(W*x)'*V*x",
        {"W": "m,n", "x": "n", "V": "m,n"},
        "x",
        lambda W, x, V: V.T @ softmax(W @ x) + W.T @ softmax_slope(softmax(W @ x)) @ V @ x,
        "V'*softmax(W*x) + W'*(softmax(W*x) .* (V*x - softmax(W*x)'*V*x))",
    ),
    # Blocks, Kronecker products, vec.
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


def gold(name: str, expression: str, shapes: dict[str, str], wrt: str, closed: Any, text: str, **more: Any) -> Case:
    return Case(name, f"GOLD.md {name}", expression, shapes, wrt, closed, text, **more)


NEURON = {"X": "N,n", "w": "n", "b": "", "y": "N"}
LOSS = "mean((y - relu(X*w + b)).^2)"

# The public cases of GOLD.md; a test compares them with gold.json, where that is.
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
CASES = (*GOLD, *GOLD_HESSIANS, *PUBLIC)


def name_of(case: Case) -> str:
    return f"{case.name} order {case.order}" if case.order > 1 else case.name
