"""The recurrence of the lattice LSTM of Zhang & Yang 2018, equations 11 to 16, and its gradient.

At step t, for all sentences and both directions at once: the gates of the characters, from one product with the states
before; where words end, the sums that these words have left there; the states; then all words that begin there, which
add to the sums at their ends what they have to say. A gate is between 0 and 1, so its exponential needs no shift by the
largest. The backward loop computes the gradients of what goes into the gates and of nothing else; all weights get
theirs in one product after it.

Cells are kept as C = -2c and candidates as C̃ = -2c̃, for tanh(c) = 1 - 2σ(-2c) and σ is the one function that torch
computes fast on a CPU, without MKL's threads. The factors go into the weights, see `LatticeLSTM`.
"""

from collections.abc import Sequence
from math import e, inf, log2
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from latticework.nn.lattice import Lattice
from latticework.nn.linear import without_autocast

LOG2_E = log2(e)  # exp(x) as exp2(x log2 e): exp is MKL's, whose threads cost more than they give for so few numbers


class Gates(NamedTuple):
    """What goes into the gates from outside, in the order σ.., c̃; `char` and `word` are overwritten by the gates."""

    char: Float[Tensor, "two characters gates"]  # (f,) o, i, c̃
    word: Float[Tensor, "two slots triple"]  # f, i, c̃
    extra: Float[Tensor, "two slots hidden"]


class Weights(NamedTuple):
    """From the states to the gates, and from the cells of words to the extra gate."""

    char: Float[Tensor, "two gates hidden"]
    word: Float[Tensor, "two triple hidden"]
    extra: Float[Tensor, "two hidden hidden"]


class Trace(NamedTuple):
    """What a run leaves behind, the gates in place of what went into them."""

    gates: Gates
    states: Float[Tensor, "two characters twice_hidden"]  # h, C
    cells: Float[Tensor, "two slots hidden"]  # C of words
    met: Float[Tensor, "meetings twice_hidden"]  # exp(i), C̃ of characters where words end
    sums: Float[Tensor, "meetings_plus_one twice_hidden"]  # there C, Σ exp(i); the last row is for fillers


def run(gates: Gates, weights: Weights, lattice: Lattice, *, keep: bool = True) -> Trace:
    """Read all sentences, in some 6 operations of torch a step, 8 more where words end and 11 more where they begin.

    Unless `keep`, states take the place of gates, and cells of words that of theirs: nothing else is right in the trace
    but the sums, and memory that is touched for the first time would cost as much as a tenth of the run.
    """
    size = weights.extra.shape[-1]
    active, slots, meets = lattice.active, lattice.slots, lattice.met
    char, word, extra = gates
    if keep:
        states, cells = char.new_empty(*char.shape[:2], 2 * size), torch.empty_like(extra)
    else:
        states, cells = char[..., -3 * size : -size], word[..., :size]
    met = char.new_empty(len(lattice.meetings), 2 * size)
    sums = char.new_zeros(len(lattice.meetings) + 1, 2 * size)
    to_char, to_word, to_extra = (weight.mT for weight in weights)
    minus_two = char.new_tensor(-2.0, device="cpu")

    rows = states.flatten(0, 1)
    cell_rows, gate_rows = rows[:, size:], char.flatten(0, 1)[:, -2 * size :]
    z, z_word, z_extra = _steps(char, active), _steps(word, slots), _steps(extra, slots)
    *f, o, i, candidate = (_steps(part, active) for part in _blocks(char, size))
    f_word, i_word, candidate_word = (_steps(part, slots) for part in _blocks(word, size))
    h, c = (_steps(part, active) for part in _blocks(states, size))
    h_kept, c_kept = (_kept(part, active) for part in _blocks(states, size))
    half = h if keep else candidate
    c_word = _steps(cells, slots)
    begins, targets = (
        each.split_with_sizes([2 * count for count in slots]) for each in (lattice.begins, lattice.meets)
    )
    places, own = lattice.meetings.split_with_sizes(meets), met.split_with_sizes(meets)
    own_weight, own_candidate = (part.split_with_sizes(meets) for part in _blocks(met, size))
    number, total = (part.split_with_sizes(meets) for part in _blocks(sums[:-1], size))
    pairs = _Pairs(states, max(slots, default=0))

    for t in range(len(active)):
        if t:
            z[t].baddbmm_(h_kept[t - 1], to_char)
        z[t].sigmoid_()
        torch.add(minus_two, candidate[t], alpha=4, out=candidate[t])
        if meets[t]:
            torch.index_select(gate_rows, 0, places[t], out=own[t])
            own_weight[t].mul_(LOG2_E).exp2_()
            number[t].addcmul_(own_weight[t], own_candidate[t]).div_(total[t].add_(own_weight[t]))
        if not t:
            torch.mul(i[t], candidate[t], out=c[t])
        elif f:
            torch.mul(i[t], candidate[t], out=c[t]).addcmul_(f[0][t], c_kept[t - 1])
        else:
            torch.lerp(c_kept[t - 1], candidate[t], i[t], out=c[t])
        if meets[t]:
            cell_rows.index_copy_(0, places[t], number[t])
        torch.sigmoid(c[t], out=half[t])
        torch.addcmul(o[t], o[t], half[t], value=-2, out=h[t])
        if slots[t]:
            pair, one, other = pairs[slots[t]]
            torch.index_select(rows, 0, begins[t], out=pair)
            z_word[t].baddbmm_(one, to_word).sigmoid_()
            torch.add(minus_two, candidate_word[t], alpha=4, out=candidate_word[t])
            torch.mul(f_word[t], other, out=c_word[t]).addcmul_(i_word[t], candidate_word[t])
            z_extra[t].baddbmm_(c_word[t], to_extra).sigmoid_()
            torch.mul(z_extra[t], LOG2_E, out=other).exp2_()
            torch.mul(c_word[t], other, out=one)
            sums.index_add_(0, targets[t], pair)
    sums[-1, size:] = inf  # so that fillers weigh nothing
    return Trace(gates, states, cells, met, sums)


def char_weights(trace: Trace) -> Float[Tensor, "meetings hidden"]:
    """The α of characters at which words end, equation 16."""
    size = trace.cells.shape[-1]
    return trace.met[:, :size] / trace.sums[:-1, size:]


def word_weights(trace: Trace, lattice: Lattice) -> Float[Tensor, "two slots hidden"]:
    """The α of words, equation 16; 0 for fillers."""
    size = trace.cells.shape[-1]
    totals = trace.sums[:, size:].index_select(0, lattice.meeting.flatten())
    return _exp(trace.gates.extra).div_(totals.view_as(trace.cells))


class LatticeRecurrence(torch.autograd.Function):
    """The states h of `run`, with their gradient; there is no gradient of a gradient."""

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any,
        char: Tensor,
        word: Tensor,
        extra: Tensor,
        to_char: Tensor,
        to_word: Tensor,
        to_extra: Tensor,
        lattice: Lattice,
    ) -> Tensor:
        weights = Weights(to_char, to_word, to_extra)
        with without_autocast(char.device.type):
            trace = run(Gates(char, word, extra), weights, lattice)
        ctx.save_for_backward(*trace.gates, *trace[1:], *weights)
        ctx.lattice = lattice
        return trace.states[..., : to_extra.shape[-1]]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        char, word, extra, states, cells, met, sums, *weights = ctx.saved_tensors
        with without_autocast(grad.device.type):
            trace = Trace(Gates(char, word, extra), states, cells, met, sums)
            gates, of_weights = gradients(grad, trace, Weights(*weights), ctx.lattice)
        return *gates, *of_weights, None


def gradients(
    grad: Float[Tensor, "two characters hidden"], trace: Trace, weights: Weights, lattice: Lattice
) -> tuple[Gates, Weights]:
    """Gradients of what went into the gates and of the weights, from those of the states.

    What a gradient is multiplied by does not depend on gradients: it is computed for all steps at once before the loop,
    and in the loop the gradients take its place.
    """
    size = weights.extra.shape[-1]
    active, slots = lattice.active, lattice.slots
    d_char, to_c, keep = _char_factors(trace, lattice)
    d_word, keep_word, d_extra, share = _word_factors(trace, lattice)
    d_states = grad.new_zeros(*grad.shape[:2], 2 * size)
    d_states[..., :size] = grad

    rows = d_states.flatten(0, 1)
    z, z_word = _steps(d_char, active), _steps(d_word, slots)
    *of_f, of_o, _, _ = (_steps(part, active) for part in _blocks(d_char, size))
    of_c = _steps(d_char.view(*d_char.shape[:2], d_char.shape[-1] // size, size)[:, :, -2:], active)
    of_cell = _steps(d_word.view(*d_word.shape[:2], 3, size), slots)
    of_extra, of_share, to_begin = (_steps(each, slots) for each in (d_extra, share, keep_word))
    d_h, d_c = (_steps(part, active) for part in _blocks(d_states, size))
    d_h_kept, d_c_kept = (_kept(part, active) for part in _blocks(d_states, size))
    d_c_wide = _steps(d_states[:, :, None, size:], active)
    share_wide = _steps(share[:, :, None], slots)
    to_c_step, keep_step = _steps(to_c, active), _steps(keep, active)
    both = [2 * count for count in slots]
    begins, ends = lattice.begins.split_with_sizes(both), lattice.ends.split_with_sizes(both)
    pairs = _Pairs(d_states, max(slots, default=0))

    for t in reversed(range(len(active))):
        if slots[t]:
            pair, one, other = pairs[slots[t]]
            torch.index_select(rows, 0, ends[t], out=pair)
            of_extra[t].mul_(other)
            of_share[t].mul_(other).baddbmm_(of_extra[t], weights.extra)  # now the gradient of the word's cell
            of_cell[t].mul_(share_wide[t])
            torch.bmm(z_word[t], weights.word, out=one)
            torch.mul(to_begin[t], of_share[t], out=other)
            rows.index_add_(0, begins[t], pair)
        d_c[t].addcmul_(d_h[t], to_c_step[t])
        of_o[t].mul_(d_h[t])
        of_c[t].mul_(d_c_wide[t])
        if of_f:
            of_f[0][t].mul_(d_c[t])
        if t:
            torch.mul(d_c[t], keep_step[t], out=d_c_kept[t - 1])
            d_h_kept[t - 1].baddbmm_(z[t], weights.char)

    h = trace.states[..., :size]
    later = d_char.shape[1] - len(lattice.previous)
    before = h.index_select(1, lattice.previous)
    begun = h.flatten(0, 1).index_select(0, lattice.begin.flatten()).view_as(trace.cells)
    return Gates(d_char, d_word, d_extra), Weights(
        d_char[:, later:].mT @ before, d_word.mT @ begun, d_extra.mT @ trace.cells
    )


def _char_factors(trace: Trace, lattice: Lattice) -> tuple[Tensor, Tensor, Tensor]:
    """∂ gates / ∂ z, ∂ h / ∂ C and ∂ C / ∂ C before, where gates are of h for o, and of C for the others."""
    size = trace.cells.shape[-1]
    rows = lattice.meetings
    *f, o, i, candidate = _blocks(trace.gates.char, size)
    h, c = _blocks(trace.states, size)
    factors = torch.empty_like(trace.gates.char)
    *of_f, of_o, of_i, of_candidate = _blocks(factors, size)
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
    of_i, of_candidate = _blocks(pair, size)
    torch.sub(ended, trace.sums[:-1, :size], out=of_i).mul_(own).mul_(torch.addcmul(gate, gate, gate, value=-1))
    torch.addcmul(own, own * ended, ended, value=-0.25, out=of_candidate)
    factors.flatten(0, 1)[:, -2 * size :].index_copy_(0, rows, pair)
    return factors, to_c, keep


def _word_factors(trace: Trace, lattice: Lattice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """∂ C / ∂ z and ∂ C / ∂ C at the beginning, of words; ∂ C at the end / ∂ z of the extra gate, and / ∂ C."""
    size = trace.cells.shape[-1]
    f, i, candidate = _blocks(trace.gates.word, size)
    extra = trace.gates.extra
    factors = torch.empty_like(trace.gates.word)
    of_f, of_i, of_candidate = _blocks(factors, size)
    c = trace.states[..., size:].flatten(0, 1)
    begun, ended = (c.index_select(0, each.flatten()).view_as(f) for each in (lattice.begin, lattice.end))
    torch.addcmul(f, f, f, value=-1, out=of_f).mul_(begun)
    torch.addcmul(i, i, i, value=-1, out=of_i).mul_(candidate)
    torch.addcmul(i, i * candidate, candidate, value=-0.25, out=of_candidate)
    share = word_weights(trace, lattice)
    of_extra = torch.addcmul(extra, extra, extra, value=-1).mul_(share).mul_(trace.cells - ended)
    return factors, f, of_extra, share


def _blocks(tensor: Tensor, size: int) -> tuple[Tensor, ...]:
    return tensor.chunk(tensor.shape[-1] // size, -1)


def _steps(tensor: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    return tensor.split_with_sizes(sizes, 1)


def _kept(part: Tensor, active: Sequence[int]) -> tuple[Tensor, ...]:
    """Of each step the sentences that go on."""
    sizes = []
    for now, then in zip(active, [*active[1:], 0], strict=False):
        sizes += [then, now - then]
    return part.split_with_sizes(sizes, 1)[::2]


class _Pairs(dict[int, tuple[Tensor, Tensor, Tensor]]):
    """Rows to write on, for a number of words in each direction: flat, and their halves by direction."""

    def __init__(self, like: Tensor, most: int) -> None:
        self.rows = like.new_empty(2 * most, like.shape[-1])

    def __missing__(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        flat = self.rows[: 2 * count]
        one, other = flat.view(2, count, -1).chunk(2, -1)
        self[count] = flat, one, other
        return flat, one, other


def _exp(x: Tensor) -> Tensor:
    return x.mul(LOG2_E).exp2_()
