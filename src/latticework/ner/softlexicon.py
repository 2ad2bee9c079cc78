"""SoftLexicon: words as four more vectors of each character (Ma et al. 2020, "Simplify the Usage of Lexicon").

Every word that matches belongs to a set of each of its characters: B where it begins, M in its middle, E where it
ends; S holds the character as a word of its own (section 3.2 of the paper). A set is the mean of its words, each
weighted with how often training saw it, and the four stand beside the character's vector before a BiLSTM. Words cost
two sums over their characters, and nothing that goes step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, cast

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from latticework.core.movable import moved
from latticework.ner.architecture import Architecture, OfCharacters
from latticework.ner.estimator import Tagger
from latticework.ner.model import BiLSTM, Embedding, Encoder
from latticework.ner.segmentation import BEGIN, END, MIDDLE, PLACES_IN_WORD, SINGLE
from latticework.ner.vocabulary import UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from latticework.ner.config import TaggerConfig
    from latticework.ner.features import Batch, Inputs

SETS: Final = PLACES_IN_WORD


@dataclass(frozen=True)
class Memberships:
    """Which words belong to which sets of a batch: one entry for each character of each word.

    Examples
    --------
    >>> found = Memberships.of(np.array([4]), np.array([0]), np.array([1]), np.array([4]))
    >>> found.place.tolist(), found.kind.tolist()
    ([1, 2, 3], [0, 1, 2])
    """

    sentence: Int[Tensor, " members"]
    place: Int[Tensor, " members"]  # the character
    kind: Int[Tensor, " members"]  # BEGIN, MIDDLE or END
    arc: Int[Tensor, " members"]  # the word, among those of the batch

    @classmethod
    def of(
        cls,
        lengths: Int64[np.ndarray, " batch"],
        sentence: Int64[np.ndarray, " arcs"],
        begin: Int64[np.ndarray, " arcs"],
        end: Int64[np.ndarray, " arcs"],
    ) -> Memberships:
        """Spread the words over their characters; `end` is exclusive."""
        sizes = end - begin
        arc = np.repeat(np.arange(len(sizes)), sizes)
        place = np.arange(len(arc)) - np.repeat(sizes.cumsum() - sizes - begin, sizes)
        kind = np.where(place == begin[arc], BEGIN, np.where(place == end[arc] - 1, END, MIDDLE))
        return cls(*map(torch.from_numpy, (sentence[arc], place, kind, arc)))

    def to(self, device: torch.device) -> Memberships:
        """Give them on a device."""
        return moved(self, device)


def soft_sets(
    members: Memberships,
    words: Float[Tensor, "arcs word"],
    counts: Float[Tensor, " arcs"],
    singles: Float[Tensor, "batch time word"],
    single_counts: Float[Tensor, "batch time"],
) -> Float[Tensor, "batch time four_words"]:
    """Each character's v(B), v(M), v(E) and v(S): of a set 4/Z Σ z(w) e(w), with Z = Σ z(w) over all four sets.

    Parameters
    ----------
    members
        Where the words belong.
    words, counts
        e(w) and z(w) of each word of the batch.
    singles, single_counts
        The same of each character as a word of its own.
    """
    batch, time, size = singles.shape
    row = members.sentence * time + members.place
    total = single_counts.flatten().index_add(0, row, counts[members.arc])
    share = SETS * counts[members.arc] / total[row]
    sums = words.new_zeros(batch * time * SETS, size)
    sums = sums.index_add(0, row * SETS + members.kind, share[:, None] * words[members.arc])
    alone = SETS * (single_counts / total.view(batch, time))[..., None] * singles
    return torch.cat([sums.view(batch, time, SETS * size)[..., : SINGLE * size], alone], -1)


class SoftLexicon(Encoder):
    """The four sets beside each character, then a BiLSTM.

    Differs from the paper: a word counts each time it matches, within a longer one too, in the training text alone.
    Differs from the paper: an empty set is 0, not the vector of a word "NONE".
    Differs from the paper: lexica hold no single characters here, so S is the character, with vectors of its own; of
    one that training did not show, that of the unknown character, whether or not `char_vectors` has it.
    """

    arrange = staticmethod(Memberships.of)
    counts: Tensor
    single_counts: Tensor

    def __init__(
        self, char_size: int, characters: Vocabulary, words: Vocabulary, hidden_size: int, config: TaggerConfig
    ) -> None:
        super().__init__()
        self.words = Embedding(words, config.word_size, unknown_rate=config.word_unknown_rate)
        shown = Vocabulary(characters.entries[: len(characters.counts)], characters.counts)
        self.singles = Embedding(shown, config.word_size, unknown_rate=config.char_unknown_rate)
        self.register_buffer("counts", _counts(words), persistent=False)
        self.register_buffer("single_counts", _counts(shown), persistent=False)
        self.dropout = nn.Dropout(config.word_dropout)
        self.lstm = BiLSTM(char_size + SETS * config.word_size, hidden_size)
        self.size = hidden_size

    def forward(self, characters: Float[Tensor, "batch time char"], batch: Batch) -> Float[Tensor, "batch time state"]:
        """h_j of both directions, of characters that know their words."""
        members = cast(Memberships, batch.arcs)  # from `arrange`
        singles = batch.characters.masked_fill(batch.characters >= self.singles.learnt, UNKNOWN)
        sets = soft_sets(
            members,
            self.words(batch.words),
            self.counts[batch.words],
            self.singles(singles),
            self.single_counts[singles],
        )
        return self.lstm(torch.cat([characters, self.dropout(sets)], -1), batch)


def _counts(vocabulary: Vocabulary) -> Float[Tensor, " entries"]:
    """How often training saw each entry; what it did not see, the unknown entry first of all, counts once."""
    counts = torch.ones(len(vocabulary))
    counts[1 : 1 + len(vocabulary.counts)] = torch.tensor(vocabulary.counts, dtype=counts.dtype)
    return counts


def soft_lexicon(char_size: int, inputs: Inputs, config: TaggerConfig, hidden_size: int) -> Encoder:
    """The encoder of these inputs."""
    assert inputs.words is not None  # it reads words
    return SoftLexicon(char_size, inputs.characters, inputs.words, hidden_size, config)


class SoftLexiconTagger(Tagger):
    """SoftLexicon (Ma et al. 2020): as quick as the character baseline, and it knows your words.

    Parameters and attributes are those of every tagger, `latticework.ner.estimator.Tagger`.

    Examples
    --------
    >>> from latticework.ner import SoftLexiconTagger, TaggerConfig
    >>> sentences, tags = ["我爱长江", "他在长城"] * 20, [["O", "O", "B-LOC", "E-LOC"]] * 40
    >>> tagger = SoftLexiconTagger(
    ...     ["长江", "长城"],
    ...     hidden_size=20,
    ...     max_epochs=8,
    ...     config=TaggerConfig(batch_size=8, learning_rate=0.01),
    ...     random_state=0,
    ...     device="cpu",
    ... )
    >>> [(entity.text, entity.label) for entity in tagger.fit(sentences, tags).entities(["我在 长江"])[0]]
    [('长江', 'LOC')]
    """

    architecture: ClassVar[Architecture] = OfCharacters(soft_lexicon)
    default_epochs: ClassVar[int] = 10
