"""DKGE as its equations and published code say: one object, one node, one entry of the adjacency matrix at a time.

A context is a list of elements, each a tuple of rows of the table of contextual embeddings to add up, and a set of
edges (i, j): element i reads element j. With `padded_to` it is filled with zero rows that are linked to the centre, as
in the published code, whose degrees count them. Tensors are torch's, for the sake of its gradients.
"""

import torch


def joint_embedding(k, c, W, g, v, elements, edges, padded_to=None):
    """o* = σ(g) ⊙ k + (1 - σ(g)) ⊙ sg."""
    H0 = [k]
    for element in elements:
        row = torch.zeros_like(k)
        for number in element:
            row = row + c[number]
        H0.append(row)
    if padded_to is not None:
        while len(H0) < padded_to + 1:
            H0.append(torch.zeros_like(k))

    n = len(H0)
    A = torch.zeros(n, n, dtype=k.dtype)
    for i in range(n):
        A[i, i] = 1
        A[0, i] = 1
        A[i, 0] = 1
    for i, j in edges:
        A[i + 1, j + 1] = 1
    D = [sum(A[i, j] for j in range(n)) for i in range(n)]

    H = []
    for i in range(n):
        row = torch.zeros_like(k)
        for j in range(n):
            if A[i, j]:
                row = row + A[i, j] / torch.sqrt(D[i] * D[j]) * H0[j]
        H.append(torch.relu(row @ W))

    s = torch.stack([v @ torch.relu(H[i] * k) for i in range(n)])
    alpha = torch.softmax(s, 0)
    sg = sum(alpha[i] * H[i] for i in range(n))
    gate = 1 / (1 + torch.exp(-g))
    return gate * k + (1 - gate) * sg, alpha


def score(h, r, t, p=2):
    """‖h* + r* - t*‖_p."""
    difference = h + r - t
    if p == 1:
        return torch.abs(difference).sum()
    return torch.sqrt((difference**2).sum())


def loss(positives, negatives, gamma=10.0):
    """Σ max(0, γ + f(positive) - f(negative)); `negatives[i]` are the scores of those of positive i."""
    total = 0.0
    for positive, of_positive in zip(positives, negatives, strict=True):
        for negative in of_positive:
            total = total + torch.clamp(gamma + positive - negative, min=0)
    return total


def padded_encoder(k, c, W, g, v, A, context):
    """A batch as the published code computes it: dense and padded. `A` is (batch, n, n), `context` (batch, n - 1)."""
    c = torch.cat([c, torch.zeros_like(c[:1])])  # row -1: the pad
    H0 = torch.cat([k[:, None], c[context]], 1)
    D = A.sum(-1) ** -0.5
    H = torch.relu((D[:, :, None] * A * D[:, None, :]) @ H0 @ W)
    alpha = torch.softmax(torch.relu(H * k[:, None]) @ v, -1)
    gate = torch.sigmoid(g)
    return gate * k + (1 - gate) * (alpha[:, :, None] * H).sum(1)
