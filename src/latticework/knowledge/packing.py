"""Contexts of a batch of objects as one block-diagonal sparse matrix: what the encoder computes with.

The nodes of an object are itself, then its context elements. With A of the attentive GCN (a node reads itself, the
centre reads and is read by all, plus the edges of the context subgraph) and D its row sums, D^-½ A D^-½ is stored by
rows, and by columns for the gradient. A column is a *source*: one for each distinct context element of the batch,
however many objects share it, then one for each object.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int32, Int64
from numpy.typing import NDArray
from torch import Tensor

from latticework.core.errors import InputError
from latticework.core.movable import moved
from latticework.knowledge.contexts import Contexts
from latticework.knowledge.ragged import offsets, ranges


@dataclass(frozen=True)
class Packed:
    """A batch of objects with their contexts; made by `pack`.

    Attributes
    ----------
    objects
        The numbers of the objects, in the order of the batch.
    first, second
        The distinct context elements: rows of the table of context embeddings, to be added up. `second` is None where
        no element is a pair, and -1 where one is not.
    begin
        Nodes of object b are ``begin[b]:begin[b + 1]``: itself, its context elements, and one for its pads, if any.
    owner
        The place in the batch of the object that each node belongs to.
    place
        Where each node stands in a table of objects by `width` nodes.
    width
        Nodes of the largest object.
    pads
        What to add to the logit of each node: the logarithm of how many pads it stands for, else 0. None without pads.
    row_begin, row_source, row_value
        The matrix by rows: node i is the sum over ``row_begin[i]:row_begin[i + 1]`` of values times sources.
    column_begin, column_node, column_value
        The same matrix by columns.
    """

    objects: Int64[Tensor, " batch"]
    first: Int64[Tensor, " distinct"]
    second: Int64[Tensor, " distinct"] | None
    begin: Int32[Tensor, " batch_plus_one"]
    owner: Int32[Tensor, " nodes"]
    place: Int64[Tensor, " nodes"]
    width: int
    pads: Float[Tensor, " nodes"] | None
    row_begin: Int32[Tensor, " nodes_plus_one"]
    row_source: Int32[Tensor, " nonzero"]
    row_value: Float[Tensor, " nonzero"]
    column_begin: Int32[Tensor, " sources_plus_one"]
    column_node: Int32[Tensor, " nonzero"]
    column_value: Float[Tensor, " nonzero"]

    def __len__(self) -> int:
        return len(self.objects)

    def to(self, device: torch.device | str) -> Packed:
        """The same batch on another device."""
        return moved(self, device)


def pack(
    contexts: Contexts,
    objects: Int64[np.ndarray, " batch"],
    *,
    padded_to: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Packed:
    """Pack the contexts of some objects, in time linear in their edges, on the host.

    Parameters
    ----------
    contexts
        Of all objects.
    objects
        Which of them make the batch.
    padded_to
        ``compat="reference"``: the published code pads every context to this many elements and lets the pads take
        part; they are alike, so one row with its logit raised by the logarithm of their number stands for all.
    dtype
        Of the matrix; that of the model.

    Raises
    ------
    InputError
        If an object has no context (not even an empty one), or has more elements than `padded_to`.

    Examples
    --------
    >>> star = Contexts(
    ...     indptr=np.array([0, 2, 3]), elements=np.array([[5, -1], [7, -1], [5, -1]]),
    ...     edge_indptr=np.array([0, 0, 0]), edges=np.zeros((0, 2), np.int64),
    ... )
    >>> packed = pack(star, np.array([1, 0]))
    >>> packed.begin.tolist(), packed.first.tolist()
    ([0, 2, 5], [5, 7])
    """
    known = len(contexts.indptr) - 1
    if len(objects) and not objects.min() >= 0 <= known - 1 - objects.max():
        raise InputError(f"objects are numbered 0 to {known - 1}, got {objects.min()} to {objects.max()}")
    begins, sizes = _slices(contexts.indptr, objects)
    if padded_to is not None and len(sizes) and sizes.max() > padded_to:
        raise InputError(f"a context of {sizes.max()} elements is more than the {padded_to} that it is padded to")
    first, second, element = _distinct(contexts.elements, ranges(begins, sizes))

    missing = np.zeros_like(sizes) if padded_to is None else padded_to - sizes
    counts = 1 + sizes + (missing > 0)
    begin = offsets(counts)
    centre, total = begin[:-1], int(begin[-1])
    nodes = ranges(centre + 1, sizes)
    owner = np.repeat(np.arange(len(objects)), counts)
    pads = begin[1:][missing > 0] - 1

    source = np.empty(total, np.int32)
    source[centre] = len(first) + np.arange(len(objects))
    source[nodes] = element
    reader, read = _edges(contexts, objects, centre)
    degree = np.full(total, 2)
    degree[centre] = 1 + sizes + missing
    further = np.bincount(reader, minlength=total)
    lengths = 2 + further
    lengths[centre] = 1 + sizes
    lengths[pads] = 1  # the embedding of a pad is zero
    row_begin = offsets(lengths)
    start = row_begin[:-1]

    column = np.empty(int(row_begin[-1]), np.int64)  # the node that is read
    column[start] = centre[owner]
    column[ranges(start[centre] + 1, sizes)] = nodes
    column[start[nodes] + 1] = nodes
    readers = np.flatnonzero(further)
    column[ranges(start[readers] + 2, further[readers])] = read
    root = 1 / np.sqrt(degree + further)
    values = torch.from_numpy(np.repeat(root, lengths) * root.take(column)).to(dtype)
    entries = source.take(column)
    sources = len(first) + len(objects)
    # numpy sorts 16-bit numbers in linear time
    by_columns = np.argsort(entries.astype(np.uint16) if sources <= 1 << 16 else entries, kind="stable")
    row = np.repeat(np.arange(total, dtype=np.int32), lengths)
    width = int(counts.max(initial=1))
    logits = None
    if padded_to is not None:
        logits = np.zeros(total)
        logits[pads] = np.log(missing[missing > 0])
    return Packed(
        objects=torch.from_numpy(objects),
        first=torch.from_numpy(first),
        second=None if second is None else torch.from_numpy(second),
        begin=torch.from_numpy(begin.astype(np.int32)),
        owner=torch.from_numpy(owner.astype(np.int32)),
        place=torch.from_numpy(owner * width + np.arange(total) - centre[owner]),
        width=width,
        pads=None if logits is None else torch.from_numpy(logits).to(dtype),
        row_begin=torch.from_numpy(row_begin.astype(np.int32)),
        row_source=torch.from_numpy(entries),
        row_value=values,
        column_begin=torch.from_numpy(offsets(np.bincount(entries, minlength=sources)).astype(np.int32)),
        column_node=torch.from_numpy(row.take(by_columns)),
        column_value=values.index_select(0, torch.from_numpy(by_columns)),
    )


def _slices(indptr: NDArray[np.int64], objects: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the rows of each object begin, and how many they are."""
    begins = indptr[objects]
    return begins, indptr[objects + 1] - begins


def _edges(
    contexts: Contexts, objects: NDArray[np.int64], centre: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The edges among context elements: the nodes that read, in rising order, and those that they read."""
    begins, counts = _slices(contexts.edge_indptr, objects)
    pairs = contexts.edges[ranges(begins, counts)] + np.repeat(centre + 1, counts)[:, None]
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return pairs[:, 0], pairs[:, 1]


def distinct_numbers(
    numbers: Int64[np.ndarray, "*shape"],
) -> tuple[Int64[np.ndarray, " distinct"], Int64[np.ndarray, "*shape"]]:
    """The distinct numbers in rising order, and which of them each one is; numbers are not negative.

    Examples
    --------
    >>> distinct_numbers(np.array([7, 2, 7]))
    (array([2, 7]), array([1, 0, 1]))
    """
    span = int(numbers.max(initial=0)) + 1
    if span > 64 * numbers.size:
        distinct, which = np.unique(numbers, return_inverse=True)
        return distinct, which.reshape(numbers.shape)
    marked = np.zeros(span, bool)  # beats sorting, unless nearly all of it stays empty
    marked[numbers] = True
    distinct = np.flatnonzero(marked)
    place = np.empty(span, np.int64)
    place[distinct] = np.arange(len(distinct))
    return distinct, place[numbers]


def _distinct(
    elements: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.int64]]:
    """The distinct elements among some rows, as their two columns (None: nothing but -1), and which each row is."""
    first, second = elements.take(rows, axis=0).T
    if not (second >= 0).any():
        distinct, which = distinct_numbers(first)
        return distinct, None, which
    base = int(second.max()) + 2
    keys, which = distinct_numbers(first * base + second + 1)
    return keys // base, keys % base - 1, which
