"""The recurrences on a GPU: the numbers of a CPU, and no waiting for the device at every step."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from lattices import draw_arcs, lattice_of

from latticework.nn import Lattice, LatticeLSTM, LinearChainCRF

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of NVIDIA's")

LENGTHS = [7, 0, 4, 9, 9, 1]


@contextmanager
def never_waiting() -> Iterator[None]:
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def draw_lattice() -> tuple[Lattice, int]:
    arcs = draw_arcs(np.random.default_rng(0), LENGTHS, share=1.0)
    return lattice_of(LENGTHS, arcs), len(arcs)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("forget", ["coupled", "independent"])
def test_the_lattice_never_waits_and_gives_what_a_cpu_gives(forget: str) -> None:
    torch.manual_seed(0)
    lattice, count = draw_lattice()
    layer = LatticeLSTM(5, 6, 8, forget=forget).double()
    characters = torch.randn(len(LENGTHS), max(LENGTHS), 5, dtype=torch.float64)
    words = torch.randn(count, 6, dtype=torch.float64)
    weights = torch.randn(len(LENGTHS), max(LENGTHS), 16, dtype=torch.float64)
    found = {}
    for device in ("cpu", "cuda"):
        layer.to(device).zero_grad()
        inputs = [each.detach().to(device).requires_grad_() for each in (characters, words)]
        there, weighted = lattice.to(device), weights.to(device)
        if device == "cuda":
            with never_waiting():
                states = layer(*inputs, there)
                (states * weighted).sum().backward()
                with torch.inference_mode():
                    alone = layer(*inputs, there)
        else:
            alone = states = layer(*inputs, there)
            (states * weighted).sum().backward()
        leaves = [*inputs, *layer.parameters()]
        found[device] = [each.detach().cpu().clone() for each in (alone, states, *(leaf.grad for leaf in leaves))]
    for ours, theirs in zip(found["cuda"], found["cpu"], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_the_field_gives_what_a_cpu_gives() -> None:
    torch.manual_seed(0)
    crf = LinearChainCRF(5).double()
    for parameter in crf.parameters():
        parameter.data.normal_()
    emissions = torch.randn(len(LENGTHS), max(LENGTHS), 5, dtype=torch.float64)
    tags, lengths = torch.randint(5, emissions.shape[:2]), torch.tensor(LENGTHS)
    found = {}
    for device in ("cpu", "cuda"):
        crf.to(device).zero_grad()
        there = emissions.detach().to(device).requires_grad_()
        loss = crf.negative_log_likelihood(there, tags.to(device), lengths.to(device))
        loss.sum().backward()
        paths = crf.viterbi(there, lengths.to(device))
        marginals = crf.marginals(there, lengths.to(device))
        gradients = [there.grad, *(each.grad for each in crf.parameters())]
        found[device] = [each.detach().cpu().clone() for each in (loss, *paths, marginals, *gradients)]
    for ours, theirs in zip(found["cuda"], found["cpu"], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
