"""The gradient of the lattice LSTM's recurrence.

The backward loop computes the gradients of what goes into the gates and of nothing else; embeddings and weights get
theirs in one product each after it. What a gradient is multiplied by does not depend on gradients: it is computed for
all steps at once before the loop, and in the loop the gradients take its place.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from latticework.nn.lattice import Lattice
from latticework.nn.lattice_cell import (
    Inputs,
    Trace,
    Weights,
    blocks,
    char_weights,
    kept,
    room,
    run,
    steps,
    word_weights,
)
from latticework.nn.linear import without_autocast


class LatticeRecurrence(torch.autograd.Function):
    """The states h of `run`, with their gradient; there is no gradient of a gradient."""

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any,
        characters: Tensor,
        words: Tensor,
        places: Tensor,
        to_char: Tensor,
        to_word: Tensor,
        to_extra: Tensor,
        lattice: Lattice,
    ) -> Tensor:
        weights = Weights(to_char, to_word, to_extra)
        with without_autocast(characters.device.type):
            trace = run(Inputs(characters, words, places), weights, lattice)
        ctx.save_for_backward(places, *trace, *weights)
        ctx.lattice, ctx.shapes = lattice, (characters.shape, words.shape)
        size = to_extra.shape[1]
        return trace.chars[..., -2 * size : -size]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        places, *saved = ctx.saved_tensors
        trace, weights = Trace(*saved[:-3]), Weights(*saved[-3:])
        with without_autocast(grad.device.type):
            of_gates = gate_gradients(grad, trace, weights, ctx.lattice)
            of_weights: tuple[Tensor | None, ...] = (None,) * 3
            if any(ctx.needs_input_grad[3:]):
                of_weights = weight_gradients(of_gates, trace, ctx.lattice)
            of_embeddings: tuple[Tensor | None, ...] = (None,) * 2
            if any(ctx.needs_input_grad[:2]):
                of_embeddings = embedding_gradients(of_gates, weights, places, ctx.shapes, ctx.lattice)
        return *of_embeddings, None, *of_weights, None


class Gradients(NamedTuple):
    """Of what went into the gates."""

    char: Float[Tensor, "two characters gates"]
    word: Float[Tensor, "two slots triple"]
    extra: Float[Tensor, "two slots hidden"]


def gate_gradients(
    grad: Float[Tensor, "two characters hidden"], trace: Trace, weights: Weights, lattice: Lattice
) -> Gradients:
    """Gradients of what went into the gates, from those of the states."""
    size = weights.extra.shape[1]
    active, slots = lattice.active, lattice.slots
    d_char, to_c, keep = _char_factors(trace, lattice)
    d_word, keep_word, d_extra, share = _word_factors(trace, lattice)
    d_states = grad.new_zeros(*grad.shape[:2], 2 * size)
    d_states[..., :size] = grad

    rows = d_states.flatten(0, 1)
    z, z_word = steps(d_char, active), steps(d_word, slots)
    from_char, from_word, from_extra = (each[..., -size:] for each in weights)
    *of_f, of_o, _, _ = (steps(part, active) for part in blocks(d_char, size))
    of_c = steps(d_char.view(*d_char.shape[:2], d_char.shape[-1] // size, size)[:, :, -2:], active)
    of_cell = steps(d_word.view(*d_word.shape[:2], 3, size), slots)
    of_extra, of_share, to_begin = (steps(each, slots) for each in (d_extra, share, keep_word))
    d_h, d_c = (steps(part, active) for part in blocks(d_states, size))
    d_h_kept, d_c_kept = (kept(part, active) for part in blocks(d_states, size))
    d_c_wide = steps(d_states[:, :, None, size:], active)
    share_wide = steps(share[:, :, None], slots)
    to_c_step, keep_step = steps(to_c, active), steps(keep, active)
    both = [2 * count for count in slots]
    begins, ends = lattice.begins.split_with_sizes(both), lattice.ends.split_with_sizes(both)
    _, (pair, one, other) = room(d_states, 2, size, slots, keep=False)

    for t in reversed(range(len(active))):
        if slots[t]:
            both_rows = pair[t].view(-1, 2 * size)
            torch.index_select(rows, 0, ends[t], out=both_rows)
            of_extra[t].mul_(other[t])
            of_share[t].mul_(other[t]).baddbmm_(of_extra[t], from_extra)  # now the gradient of the word's cell
            of_cell[t].mul_(share_wide[t])
            torch.bmm(z_word[t], from_word, out=one[t])
            torch.mul(to_begin[t], of_share[t], out=other[t])
            rows.index_add_(0, begins[t], both_rows)
        d_c[t].addcmul_(d_h[t], to_c_step[t])
        of_o[t].mul_(d_h[t])
        of_c[t].mul_(d_c_wide[t])
        if of_f:
            of_f[0][t].mul_(d_c[t])
        if t:
            torch.mul(d_c[t], keep_step[t], out=d_c_kept[t - 1])
            d_h_kept[t - 1].baddbmm_(z[t], from_char)
    return Gradients(d_char, d_word, d_extra)


def weight_gradients(of_gates: Gradients, trace: Trace, lattice: Lattice) -> Weights:
    """Gradients of the weights from those of what went into the gates: products in the order that MKL is quicker at."""
    char, word, extra = of_gates
    size, first = extra.shape[-1], trace.first.shape[1]
    before = torch.stack([rows[:, :-size].index_select(0, lattice.previous) for rows in trace.chars])
    return Weights(
        torch.baddbmm(trace.first.mT @ char[:, :first], before.mT, char[:, first:]).mT,
        (trace.words[..., :-size].mT @ word).mT,
        (trace.ends.mT @ extra).mT,
    )


def embedding_gradients(
    of_gates: Gradients, weights: Weights, places: Tensor, shapes: tuple[torch.Size, torch.Size], lattice: Lattice
) -> tuple[Float[Tensor, "places char"], Float[Tensor, "words word"]]:
    """Gradients of the embeddings of characters and words from those of what went into the gates."""
    characters, words = shapes
    char, word, extra = (
        (gradient @ weight[..., : width[1]]).flatten(0, 1)
        for gradient, weight, width in zip(of_gates, weights, (characters, words, characters), strict=True)
    )
    d_characters = char.new_zeros(characters).index_add_(0, places.flatten(), char)
    d_characters.index_add_(0, places.flatten()[lattice.end.flatten()], extra)
    return d_characters, word.new_zeros(words).index_add_(0, lattice.arc.flatten(), word)


def _char_factors(trace: Trace, lattice: Lattice) -> tuple[Tensor, Tensor, Tensor]:
    """∂ gates / ∂ z, ∂ h / ∂ C and ∂ C / ∂ C before, where gates are of h for o, and of C for the others."""
    size = trace.extra_gates.shape[-1]
    rows = lattice.meetings
    *f, o, i, candidate = blocks(trace.char_gates, size)
    h, c = blocks(trace.chars[..., -2 * size :], size)
    factors = torch.empty_like(trace.char_gates)
    *of_f, of_o, of_i, of_candidate = blocks(factors, size)
    torch.addcmul(h, h, o, value=-1, out=of_o)
    to_c = torch.sub(h, o)  # -2 o σ(C)
    half = torch.sigmoid(c)
    to_c.addcmul_(to_c, half, value=-1)
    torch.addcmul(i.new_ones(()), candidate, candidate, value=-0.25, out=of_candidate).mul_(i)
    if f:
        torch.addcmul(i, i, i, value=-1, out=of_i).mul_(candidate)
        keep = half.copy_(f[0])
        first = c.shape[1] - len(lattice.previous)
        of_f[0][:, :first] = 0
        before = c.index_select(1, lattice.previous).mul_(keep[:, first:])
        torch.addcmul(before, before, keep[:, first:], value=-1, out=of_f[0][:, first:])
        of_f[0].flatten(0, 1).index_fill_(0, rows, 0)
    else:
        torch.sub(candidate, c, out=of_i).mul_(i)  # c̃ - c = (1 - i)(c̃ - c before)
        keep = torch.sub(i.new_ones(()), i, out=half)
    keep.flatten(0, 1).index_fill_(0, rows, 0)
    # where words end
    gate = i.flatten(0, 1).index_select(0, rows)
    ended = trace.met[:, size:]
    own = char_weights(trace)
    pair = torch.empty_like(trace.met)
    of_i, of_candidate = blocks(pair, size)
    torch.sub(ended, trace.sums[:-1, :size], out=of_i).mul_(own).mul_(torch.addcmul(gate, gate, gate, value=-1))
    torch.addcmul(own, own * ended, ended, value=-0.25, out=of_candidate)
    factors.flatten(0, 1)[:, -2 * size :].index_copy_(0, rows, pair)
    return factors, to_c, keep


def _word_factors(trace: Trace, lattice: Lattice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """∂ C / ∂ z and ∂ C / ∂ C at the beginning, of words; ∂ C at the end / ∂ z of the extra gate, and / ∂ C."""
    size = trace.extra_gates.shape[-1]
    f, i, candidate = blocks(trace.word_gates, size)
    extra = trace.extra_gates
    factors = torch.empty_like(trace.word_gates)
    of_f, of_i, of_candidate = blocks(factors, size)
    torch.addcmul(f, f, f, value=-1, out=of_f).mul_(trace.words[..., -size:])
    torch.addcmul(i, i, i, value=-1, out=of_i).mul_(candidate)
    torch.addcmul(i, i * candidate, candidate, value=-0.25, out=of_candidate)
    share = word_weights(trace, lattice)
    ended = trace.chars.flatten(0, 1)[:, -size:].index_select(0, lattice.end.flatten()).view_as(extra)
    of_extra = torch.addcmul(extra, extra, extra, value=-1).mul_(share).mul_(trace.ends[..., -size:] - ended)
    return factors, f, of_extra, share
