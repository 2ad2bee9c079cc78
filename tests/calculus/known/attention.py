"""Attention, and what normalises around it."""

from typing import Any

import numpy as np
from calculus.known.case import COOKBOOK, Case
from calculus.known.functions import eye_like, softmax, softmax_slope

QKV = {"Q": "N,h", "K": "n,h", "V": "n,k", "d": "", "G": "N,k"}


def attention_slope(Q: Any, K: Any, V: Any, d: Any, G: Any) -> Any:
    """∂ tr(G' softmax(QK'/√d) V) / ∂(QK'/√d)."""
    p, g = softmax(Q @ K.T / np.sqrt(d)), G @ V.T
    return p * (g - (p * g).sum(1, keepdims=True))


ATTENTION = (
    # Attention.
    Case(
        "attention by its values",
        "Vaswani et al., Attention Is All You Need (2017), by hand",
        "tr(G'*softmax(Q*K'/sqrt(d))*V)",
        QKV,
        "V",
        lambda Q, K, d, G: softmax(Q @ K.T / np.sqrt(d)).T @ G,
        "softmax(Q*K'/sqrt(d))'*G",
        domain={"d": "positive"},
    ),
    Case(
        "attention by its queries",
        "Vaswani et al., Attention Is All You Need (2017), by hand",
        "tr(G'*softmax(Q*K'/sqrt(d))*V)",
        QKV,
        "Q",
        lambda Q, K, V, d, G: attention_slope(Q, K, V, d, G) @ K / np.sqrt(d),
        "(softmax(Q*K'/sqrt(d)) .* (G*V' - rowsum(softmax(Q*K'/sqrt(d)) .* (G*V'))*vector(1)'))*K/sqrt(d)",
        domain={"d": "positive"},
    ),
    Case(
        "attention by its keys",
        "Vaswani et al., Attention Is All You Need (2017), by hand",
        "tr(G'*softmax(Q*K'/sqrt(d))*V)",
        QKV,
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
)
