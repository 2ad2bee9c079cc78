"""What a joint embedding heeds: the attention over the context of an object, and its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from latticework.knowledge.results import Heeded, Share

if TYPE_CHECKING:
    from latticework.knowledge.graph import Kind
    from latticework.knowledge.learned import Learned


def heeded(learned: Learned, kind: Kind, number: int) -> Heeded:
    """The shares of an object's context in what it makes of it, the largest first, and what it keeps of itself.

    Pads of ``compat="reference"`` are left out; the shares then do not add up to 1. With the gate open all is itself.
    """
    if learned.open_gate:
        return Heeded(getattr(learned.graph, kind)[number], 1.0, (Share((), 1.0),))
    graph, contexts = learned.graph, getattr(learned.index, kind)
    names = getattr(graph, kind)
    encoder = getattr(learned.model, kind)
    attention = learned.model.attention(kind, contexts, int(number)).tolist()
    elements = contexts.elements[contexts.indptr[number] : contexts.indptr[number + 1]]
    shares = [Share((), attention[0])]
    for element, share in zip(elements.tolist(), attention[1:], strict=False):
        shares.append(Share(tuple(names[part] for part in element if part >= 0), share))
    gate = float(torch.sigmoid(encoder.gate.detach()).mean())
    return Heeded(names[number], gate, tuple(sorted(shares, key=lambda share: -share.attention)))
