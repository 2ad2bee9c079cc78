"""Beam search over many texts: batches of like length, results in the order of the texts."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool

from latticework.core.checks import number, whole_number
from latticework.core.errors import InputError
from latticework.core.progress import progress
from latticework.nn.sequences import EVALUATION_TOKENS, EncodedText, token_batches
from latticework.seq2seq.model import EncoderDecoder
from latticework.seq2seq.search import Hypothesis, beam_search
from latticework.seq2seq.vocabulary import PAD

MAX_PENALTY: Final = 10  # ((5 + length) / 6)^α must stay a number in single precision; the paper's α is 0.6
SEARCH_TOKENS: Final = EVALUATION_TOKENS  # padded source tokens, times the beam, that are decoded together
SEARCH_LOGITS: Final = 2**25  # of a step: 128 MiB in single precision, of which the search holds about two
SEARCH_CACHE: Final = 2**28  # keys and values of a batch with the longest outputs: 1 GiB (set aside at most twice)


@dataclass(frozen=True)
class SearchOptions:
    """How to search; `check_search` makes them."""

    beam_size: int
    length_penalty: float
    n_best: int


def check_search(beam_size: object, length_penalty: object, n_best: object, vocabulary_size: int) -> SearchOptions:
    """Check the options of a search.

    Raises
    ------
    InputError
        If one is out of its range.

    Examples
    --------
    >>> check_search(4, 0.6, 1, vocabulary_size=90)
    SearchOptions(beam_size=4, length_penalty=0.6, n_best=1)
    """
    beam, best = whole_number("beam_size", beam_size), whole_number("n_best", n_best)
    if beam > vocabulary_size:
        raise InputError(f"beam_size={beam} is more than the {vocabulary_size} pieces of the vocabulary")
    if best > beam:
        raise InputError(f"n_best={best} needs a beam_size of at least {best}, got {beam}")
    penalty = number(
        "length_penalty",
        length_penalty,
        lambda alpha: 0 <= alpha <= MAX_PENALTY,
        f"a number of at least 0 and at most {MAX_PENALTY}",
    )
    return SearchOptions(beam, penalty, best)


def search_texts(
    model: EncoderDecoder,
    texts: EncodedText,
    wanted: Bool[np.ndarray, " texts"],
    options: SearchOptions,
    *,
    extra_length: int,
    device: torch.device,
    doing: str,
) -> list[list[Hypothesis]]:
    """Find the best outputs of every text.

    Parameters
    ----------
    model
        On `device`, in evaluation mode.
    texts
        Inputs, each ending in END.
    wanted
        Which to search for: the others are empty, and so are their outputs.
    options
        How to search.
    extra_length
        How many tokens an output may be longer than its input.
    doing
        What the progress bar says.

    Returns
    -------
    list of list of Hypothesis
        For each text at most `n_best`, best first. Memory is bounded by the padded tokens of a batch, by its logits,
        and by its keys and values.
    """
    found = [[Hypothesis([], 0.0, 0.0)] * options.n_best for _ in range(len(texts))]
    todo = np.flatnonzero(wanted)
    budget = max(1, SEARCH_TOKENS // options.beam_size)
    logits = options.beam_size * len(model.embedding)  # of a text at a step
    keys_values = 2 * options.beam_size * model.config.layers * model.config.d_model  # of a text at a position
    steps = model.kept_steps()
    with progress(doing, total=len(todo), unit="sentences") as bar:
        for batch in token_batches([texts.lengths[todo]], budget):
            longest = int(texts.lengths[todo[batch]].max()) + extra_length
            # by their padded tokens alone, short texts would be too many at once
            rows = max(1, min(SEARCH_LOGITS // logits, SEARCH_CACHE // (keys_values * longest)))
            for start in range(0, len(batch), rows):
                indices = todo[batch[start : start + rows]]
                hypotheses = beam_search(
                    model,
                    model.remember(texts.padded(indices, padding=PAD).to(device)),
                    beam_size=options.beam_size,
                    max_lengths=torch.from_numpy(texts.lengths[indices] + extra_length),
                    alpha=options.length_penalty,
                    n_best=options.n_best,
                    steps=steps,
                )
                for index, best in zip(indices, hypotheses, strict=True):
                    found[index] = best
                bar.advance(len(indices))
    return found
