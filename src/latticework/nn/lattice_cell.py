"""The recurrence of the lattice LSTM of Zhang & Yang 2018, equations 11 to 16.

At step t, for all sentences and both directions at once: the gates of the characters, from one product with [x; 1; h],
h the states before; where words end, the sums that these words have left there; the states; then all words that begin
there, which add to the sums at their ends what they have to say. A gate is between 0 and 1, so its exponential needs no
shift by the largest. Rows of [x; 1] are laid out beforehand, with room for the states that the loop writes beside them.

Cells are kept as C = -2c and candidates as C̃ = -2c̃, for tanh(c) = 1 - 2σ(-2c) and σ is the one function that torch
computes fast on a CPU, without MKL's threads. The factors go into the weights, see `LatticeLSTM`.
"""

from collections.abc import Sequence
from math import e, inf, log2
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latticework.nn.lattice import Lattice

LOG2_E = log2(e)  # exp(x) as exp2(x log2 e): exp is MKL's, whose threads cost more than they give for so few numbers


class Inputs(NamedTuple):
    """Embeddings, and where each packed character of a lattice has its own."""

    characters: Float[Tensor, "places char"]
    words: Float[Tensor, "words word"]
    places: Int[Tensor, "two characters"]


class Weights(NamedTuple):
    """From [x; 1; h] to the gates, and from [x; 1; C] of words to the extra gate."""

    char: Float[Tensor, "two gates char_one_hidden"]  # (f,) o, i, c̃
    word: Float[Tensor, "two triple word_one_hidden"]  # f, i, c̃
    extra: Float[Tensor, "two hidden char_one_hidden"]


class Trace(NamedTuple):
    """What a run leaves behind."""

    first: Float[Tensor, "two first char_one_hidden"]  # x, 1, h = 0 of first characters
    chars: Float[Tensor, "two characters char_one_twice_hidden"]  # x of the next character, 1, h, C
    words: Float[Tensor, "two slots word_one_twice_hidden"]  # x, 1, h and C where the word begins
    ends: Float[Tensor, "two slots char_one_hidden"]  # x where the word ends, 1, C of the word
    char_gates: Float[Tensor, "... gates"]  # [2, characters, gates]; of one step alone unless all are kept, as below
    word_gates: Float[Tensor, "... triple"]  # [2, slots, 3 hidden]
    extra_gates: Float[Tensor, "... hidden"]  # [2, slots, hidden]
    met: Float[Tensor, "meetings twice_hidden"]  # exp(i), C̃ of characters where words end
    sums: Float[Tensor, "meetings_plus_one twice_hidden"]  # there C, Σ exp(i); the last row is for fillers


def run(inputs: Inputs, weights: Weights, lattice: Lattice, *, keep: bool = True) -> Trace:
    """Read all sentences, in 6 operations of torch a step, 7 more where words end and 13 more where they begin.

    Unless `keep`, the gates of all steps share the same memory: to touch more for the first time would cost as much as
    a tenth of the run.
    """
    size = weights.extra.shape[1]
    active, slots, meets = lattice.active, lattice.slots, lattice.met
    first, chars, words, ends = _beside(inputs, size, lattice)
    char_gates, (z, *f, o, i, candidate) = room(chars, weights.char.shape[1] // size, size, active, keep=keep)
    word_gates, (z_word, f_word, i_word, candidate_word) = room(chars, 3, size, slots, keep=keep)
    extra_gates, (z_extra, _) = room(chars, 1, size, slots, keep=keep)
    _, (pair, push, weight) = room(chars, 2, size, slots, keep=False)
    met = chars.new_empty(len(lattice.meetings), 2 * size)
    sums = chars.new_zeros(len(lattice.meetings) + 1, 2 * size)
    to_char, to_word, to_extra = (each.mT for each in weights)
    minus_two = chars.new_tensor(-2.0, device="cpu")

    rows = chars.flatten(0, 1)[:, -2 * size :]
    cell_rows, gate_rows = rows[:, size:], char_gates.view(-1, char_gates.shape[-1])[:, -2 * size :]
    h, c = (steps(part, active) for part in blocks(chars[..., -2 * size :], size))
    before, c_kept = [first, *kept(chars[..., :-size], active)], kept(chars[..., -size:], active)
    half = h if keep else candidate
    places, own = lattice.meetings.split_with_sizes(meets), met.split_with_sizes(meets)
    gate_places = places if keep else lattice.met_places.split_with_sizes(meets)
    own_weight, own_candidate = (part.split_with_sizes(meets) for part in blocks(met, size))
    number, total = (part.split_with_sizes(meets) for part in blocks(sums[:-1], size))
    begins = [each.split_with_sizes(slots) for each in lattice.begin]
    begun = [each[:, -2 * size :].split_with_sizes(slots) for each in words]
    before_word, c_begun = steps(words[..., :-size], slots), steps(words[..., -size:], slots)
    before_extra, c_word = steps(ends, slots), steps(ends[..., -size:], slots)
    targets = lattice.meets.split_with_sizes([2 * count for count in slots])

    for t in range(len(active)):
        torch.bmm(before[t], to_char, out=z[t]).sigmoid_()
        torch.add(minus_two, candidate[t], alpha=4, out=candidate[t])
        if meets[t]:
            torch.index_select(gate_rows, 0, gate_places[t], out=own[t])
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
            torch.index_select(rows, 0, begins[0][t], out=begun[0][t])
            torch.index_select(rows, 0, begins[1][t], out=begun[1][t])
            torch.bmm(before_word[t], to_word, out=z_word[t]).sigmoid_()
            torch.add(minus_two, candidate_word[t], alpha=4, out=candidate_word[t])
            torch.mul(f_word[t], c_begun[t], out=c_word[t]).addcmul_(i_word[t], candidate_word[t])
            torch.bmm(before_extra[t], to_extra, out=z_extra[t]).sigmoid_()
            torch.mul(z_extra[t], LOG2_E, out=weight[t]).exp2_()
            torch.mul(c_word[t], weight[t], out=push[t])
            sums.index_add_(0, targets[t], pair[t].view(-1, 2 * size))
    sums[-1, size:] = inf  # so that fillers weigh nothing
    return Trace(first, chars, words, ends, char_gates, word_gates, extra_gates, met, sums)


def char_weights(trace: Trace) -> Float[Tensor, "meetings hidden"]:
    """The α of characters at which words end, equation 16."""
    own, _ = trace.met.chunk(2, -1)
    _, total = trace.sums[:-1].chunk(2, -1)
    return own / total


def word_weights(trace: Trace, lattice: Lattice) -> Float[Tensor, "two slots hidden"]:
    """The α of words, equation 16; 0 for fillers."""
    _, total = trace.sums.chunk(2, -1)
    totals = total.index_select(0, lattice.meeting.flatten()).view_as(trace.extra_gates)
    return trace.extra_gates.mul(LOG2_E).exp2_().div_(totals)


def blocks(tensor: Tensor, size: int) -> tuple[Tensor, ...]:
    """The gates side by side in rows, or h and C."""
    return tensor.chunk(tensor.shape[-1] // size, -1)


def steps(tensor: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """The rows of each step, in both directions."""
    return tensor.split_with_sizes(sizes, 1)


def kept(tensor: Tensor, active: Sequence[int]) -> tuple[Tensor, ...]:
    """Of each step the rows of sentences that go on."""
    sizes = []
    for now, then in zip(active, [*active[1:], 0], strict=False):
        sizes += [then, now - then]
    return tensor.split_with_sizes(sizes, 1)[::2]


def _beside(inputs: Inputs, size: int, lattice: Lattice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows [x; 1] of the products, with room for states: see `Trace`."""
    characters, words, places = inputs
    sources = (
        (characters, places[:, : max(lattice.active, default=0)], size),
        (characters, places[:, lattice.following], 2 * size),
        (words, lattice.arc, 2 * size),
        (characters, places.flatten()[lattice.end], size),
    )
    all_rows = []
    for embeddings, index, room in sources:
        width = embeddings.shape[1]
        rows = embeddings.new_empty(*index.shape, width + 1 + room)
        rows[..., width] = 1
        for own_index, own_rows in zip(index, rows, strict=True):
            torch.index_select(embeddings, 0, own_index, out=own_rows[:, :width])
        all_rows.append(rows)
    first, chars, of_words, ends = all_rows
    first[..., -size:] = 0
    return first, chars, of_words, ends


def room(
    like: Tensor, count: int, size: int, rows: Sequence[int], *, keep: bool
) -> tuple[Tensor, list[Sequence[Tensor]]]:
    """Memory for so many blocks of so many rows a step: all of it, and by step all blocks of it and each of them."""
    if keep:
        whole = like.new_empty(2, sum(rows), count * size)
        return whole, [steps(part, rows) for part in (whole, *blocks(whole, size))]
    whole = like.new_empty(2 * max(rows, default=0), count * size)
    views = {each: whole[: 2 * each].view(2, each, count * size) for each in set(rows)}
    split = {each: (view, *blocks(view, size)) for each, view in views.items()}
    return whole, [[split[each][k] for each in rows] for k in range(count + 1)]
