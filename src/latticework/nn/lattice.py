"""Which words span what in a batch of sentences: the lattice of Zhang & Yang 2018, section 3.2, as index arrays.

A recurrence reads sentences in both directions at once, one character of each a step. Step t of the forward direction
is at character t, step t of the backward direction at the t-th from the end, so that both have the same sentences at
work: the longest first, and fewer as they end. Characters are *packed* in the order in which they are read, and words
in that of the steps at which they begin. All sizes are known on the host: a recurrence never waits for a device to
tell them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from latticework.core.errors import InputError
from latticework.core.movable import moved


@dataclass(frozen=True)
class Lattice:
    """The words of a batch, laid out for both directions; make one with `Lattice.of`.

    "Row" is a row among the packed characters of both directions, the second after the first.

    Attributes
    ----------
    batch, words
        Sentences, and words of all of them.
    active
        Sentences that have a character at each step.
    slots
        Places for words that begin at each step, as many in both directions: one of them may have fillers.
    met
        Characters of each step, of either direction, at which words end.
    sentence, time
        Where each packed character stands in the padded batch.
    previous
        The packed character before each, from the second step on; it is the same in both directions.
    following
        The packed character after each; 0 after the last of a sentence.
    arc
        The word of each slot; 0 for a filler.
    begin, end
        The rows at which the word of a slot begins and ends; any for a filler.
    meeting
        Which of `meetings` its end is; one beyond the last for a filler.
    meetings
        The rows at which words end, step by step.
    met_places
        The same, counted from the first row of the step, the rows of the second direction after those of the first.
    begins, ends, meets
        `begin`, `end` and `meeting` again, step by step: the slots of a step lie side by side for both directions.

    Examples
    --------
    >>> lattice = Lattice.of(np.array([3, 5]), np.array([1, 1]), np.array([0, 2]), np.array([2, 5]))
    >>> lattice.active, lattice.slots, lattice.met
    ((2, 2, 2, 1, 1), (1, 0, 1, 1, 0), (0, 1, 1, 0, 2))
    >>> lattice.arc.tolist()
    [[0, 1, 0], [1, 0, 0]]
    """

    batch: int
    words: int
    active: tuple[int, ...]
    slots: tuple[int, ...]
    met: tuple[int, ...]
    sentence: Int[Tensor, "two characters"]
    time: Int[Tensor, "two characters"]
    previous: Int[Tensor, " later"]
    following: Int[Tensor, " characters"]
    arc: Int[Tensor, "two slots"]
    begin: Int[Tensor, "two slots"]
    end: Int[Tensor, "two slots"]
    meeting: Int[Tensor, "two slots"]
    meetings: Int[Tensor, " meetings"]
    met_places: Int[Tensor, " meetings"]
    begins: Int[Tensor, " twice_slots"]
    ends: Int[Tensor, " twice_slots"]
    meets: Int[Tensor, " twice_slots"]

    @classmethod
    def of(
        cls,
        lengths: Int64[np.ndarray, " batch"],
        sentence: Int[np.ndarray, " words"],
        begin: Int[np.ndarray, " words"],
        end: Int[np.ndarray, " words"],
    ) -> "Lattice":
        """Lay out words, given in any order.

        Parameters
        ----------
        lengths
            Characters of each sentence; 0 is allowed.
        sentence, begin, end
            For each word its sentence, its first character and the one after its last.

        Raises
        ------
        InputError
            If a word is not within its sentence, or is of fewer than two characters.
        """
        _check(lengths, sentence, begin, end)
        order = np.argsort(-lengths, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        steps = int(lengths.max(initial=0))
        # lengths fall along the order: those longer than t are the first so many
        active = np.searchsorted(-lengths[order], -np.arange(steps), side="left")
        offsets = _offsets(active)
        characters = int(offsets[-1])
        step = np.repeat(np.arange(steps), active)
        place = np.arange(characters) - offsets[step]
        rows = order[place]
        later = step > 0
        goes_on = place < np.append(active, 0)[step + 1]

        # from here on the first axis is the direction: a word begins where its direction meets it first
        first = np.stack([begin, lengths[sentence] - end])
        last = first + (end - begin - 1)
        half = characters * np.arange(2)[:, None]
        begin_row = offsets[first] + rank[sentence] + half
        end_row = offsets[last] + rank[sentence] + half
        # a step's rows of both directions side by side, so that those at which words end are in the order of steps
        keys, meeting = np.unique(
            last * 2 * len(order) + np.array([[0], [len(order)]]) + rank[sentence], return_inverse=True
        )
        meetings = np.empty_like(keys)
        meetings[meeting.ravel()] = end_row.ravel()
        met_step, met_place = np.divmod(keys, max(1, 2 * len(order)))
        met_place -= (met_place >= len(order)) * (len(order) - active[met_step])

        counts = np.stack([np.bincount(each, minlength=steps) for each in first])
        slots = counts.max(0)
        places = _offsets(slots)
        arc = np.zeros((2, int(places[-1])), dtype=np.int64)
        slot_begin, slot_end, slot_meeting = np.zeros_like(arc), np.zeros_like(arc), np.full_like(arc, len(keys))
        for direction, starts in enumerate(first):
            by_step = np.lexsort([rank[sentence], starts])
            begun = starts[by_step]
            slot = places[begun] + np.arange(len(begun)) - _offsets(counts[direction])[begun]
            arc[direction, slot] = by_step
            slot_begin[direction, slot] = begin_row[direction, by_step]
            slot_end[direction, slot] = end_row[direction, by_step]
            slot_meeting[direction, slot] = meeting.reshape(2, -1)[direction, by_step]
        by_step = np.argsort(np.tile(np.repeat(np.arange(steps), slots), 2), kind="stable")
        met = np.bincount(met_step, minlength=steps)
        return cls(
            batch=len(lengths),
            words=len(sentence),
            active=_sizes(active),
            slots=_sizes(slots),
            met=_sizes(met),
            sentence=_tensor(np.stack([rows, rows])),
            time=_tensor(np.stack([step, lengths[rows] - 1 - step])),
            previous=_tensor((offsets[step - 1] + place)[later]),
            following=_tensor(np.where(goes_on, offsets[step + 1] + place, 0)),
            arc=_tensor(arc),
            begin=_tensor(slot_begin),
            end=_tensor(slot_end),
            meeting=_tensor(slot_meeting),
            meetings=_tensor(meetings),
            met_places=_tensor(met_place),
            begins=_tensor(slot_begin.ravel()[by_step]),
            ends=_tensor(slot_end.ravel()[by_step]),
            meets=_tensor(slot_meeting.ravel()[by_step]),
        )

    def to(self, device: torch.device | str) -> "Lattice":
        """The same lattice with its index tensors on a device."""
        return moved(self, device)


def _sizes(counts: Int[np.ndarray, " steps"]) -> tuple[int, ...]:
    return tuple(counts.tolist())


def _tensor(array: Int[np.ndarray, "*shape"]) -> Int[Tensor, "*shape"]:
    return torch.from_numpy(array.astype(np.int64))


def _offsets(counts: Int[np.ndarray, " steps"]) -> Int[np.ndarray, " steps_plus_one"]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _check(
    lengths: Int64[np.ndarray, " batch"],
    sentence: Int[np.ndarray, " words"],
    begin: Int[np.ndarray, " words"],
    end: Int[np.ndarray, " words"],
) -> None:
    if (lengths < 0).any():
        raise InputError(f"lengths must not be negative, got {lengths.min()}")
    outside = (sentence < 0) | (sentence >= len(lengths))
    if outside.any():
        raise InputError(f"word {outside.argmax()} is of sentence {sentence[outside][0]}, but there are {len(lengths)}")
    wrong = (begin < 0) | (end > lengths[sentence]) | (end - begin < 2)
    if wrong.any():
        word = int(wrong.argmax())
        raise InputError(
            f"word {word} spans {begin[word]} to {end[word]} of sentence {sentence[word]}, which has "
            f"{lengths[sentence[word]]} characters: a word has two or more, all within its sentence"
        )
