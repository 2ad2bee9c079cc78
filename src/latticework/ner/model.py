"""A tagger of characters: embeddings, an encoder, one linear layer and a CRF (Zhang & Yang 2018, sections 3.1 to 3.4).

The encoder is what the models differ in. It reads vectors of the characters, and of the lexicon words that match if it
wants them, and gives a state for each character.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from latticework.ner.features import Batch
from latticework.ner.segmentation import PLACES_IN_WORD
from latticework.nn import Lattice, LatticeLSTM, LinearChainCRF

if TYPE_CHECKING:
    from latticework.ner.config import TaggerConfig
    from latticework.ner.features import Arranger, Inputs
    from latticework.ner.pretrained import Given
    from latticework.ner.vocabulary import Vocabulary


class Encoder(nn.Module):
    """What turns the vectors of characters into states, knowing the rest of the batch.

    Called with both it gives a state for each character; what stands beyond a sentence's end is of no account.

    Attributes
    ----------
    size
        Of a state.
    arrange
        How it wants the words of a batch; None if it reads none.
    """

    size: int
    arrange: Arranger | None = None


class Embedding(nn.Module):
    """Vectors of the entries of a vocabulary; in training rare ones are hidden at random, so that the unknown learns.

    An entry seen n times is hidden with rate / (rate + n), as in Kiperwasser & Goldberg 2016. Vectors of entries that
    training does not show stay as they are given.
    """

    hidden: Tensor
    given: Tensor

    def __init__(self, vocabulary: Vocabulary, size: int, *, unknown_rate: float) -> None:
        super().__init__()
        bound = math.sqrt(3 / size)
        self.learnt = 1 + len(vocabulary.counts)
        self.table = nn.Parameter(torch.empty(self.learnt, size).uniform_(-bound, bound))
        self.register_buffer("given", torch.zeros(len(vocabulary) - self.learnt, size), persistent=False)
        counts = torch.tensor([math.inf, *vocabulary.counts], device="cpu")
        self.register_buffer("hidden", unknown_rate / (unknown_rate + counts), persistent=False)

    def forward(self, numbers: Int[Tensor, "*places"]) -> Float[Tensor, "*places size"]:
        """The vector of each entry."""
        if self.training:
            numbers = numbers * (torch.rand(numbers.shape, device=numbers.device) >= self.hidden[numbers])
        if self.training or not len(self.given):
            return nn.functional.embedding(numbers, self.table)
        known = nn.functional.embedding(numbers.clamp(max=self.learnt - 1), self.table)
        given = nn.functional.embedding((numbers - self.learnt).clamp(min=0), self.given)
        return torch.where((numbers < self.learnt)[..., None], known, given)

    @torch.no_grad()
    def begin_with(self, numbers: np.ndarray, vectors: np.ndarray) -> int:
        """Set the vectors of entries but the unknown one, the first where one comes again; how many training shows."""
        numbers, first = np.unique(numbers, return_index=True)
        rows, values = torch.from_numpy(numbers.astype(np.int64)), torch.from_numpy(vectors[first]).to(self.table.dtype)
        learnt = (rows > 0) & (rows < self.learnt)
        self.table[rows[learnt]] = values[learnt]
        self.given[rows[rows >= self.learnt] - self.learnt] = values[rows >= self.learnt]
        return int(learnt.sum())


class Vectors(nn.Module):
    """What turns the numbers of a batch into the vectors that an encoder reads.

    Attributes
    ----------
    size
        Of all vectors of a character, side by side.
    """

    size: int

    def tables(self, inputs: Any) -> list[tuple[Embedding, Vocabulary]]:
        """The tables that may begin with given vectors of characters, and the vocabularies that number them."""
        raise NotImplementedError


class CharacterVectors(Vectors):
    """x_j, equation 1, with what the baselines add: vectors of the pair (equation 3) and of the place in the word."""

    def __init__(self, inputs: Inputs, config: TaggerConfig) -> None:
        super().__init__()
        self.characters = Embedding(inputs.characters, config.char_size, unknown_rate=config.char_unknown_rate)
        self.size = config.char_size
        self.pairs = self.places = None
        if inputs.pairs is not None:
            self.pairs = Embedding(inputs.pairs, config.char_size, unknown_rate=config.char_unknown_rate)
            self.size += config.char_size
        if inputs.places:
            self.places = nn.Embedding(PLACES_IN_WORD, config.char_size)
            self.size += config.char_size

    def tables(self, inputs: Inputs) -> list[tuple[Embedding, Vocabulary]]:
        """The tables with the vocabularies that number them."""
        pairs = (self.characters, inputs.characters), (self.pairs, inputs.pairs)
        return [(table, known) for table, known in pairs if table is not None and known is not None]

    def forward(self, batch: Batch) -> Float[Tensor, "batch time char"]:
        """The vectors, side by side."""
        vectors = [self.characters(batch.characters)]
        if self.pairs is not None:
            vectors.append(self.pairs(batch.pairs))
        if self.places is not None:
            vectors.append(self.places(batch.places))
        return torch.cat(vectors, -1)


class TaggerModel(nn.Module):
    """Embeddings, encoder, linear layer, CRF.

    Called with a batch that has gold tags it gives their negative log-likelihood, summed over the sentences.
    """

    vectors: Vectors
    encoder: Encoder

    def __init__(self, vectors: Vectors, encoder: Encoder, tags: int, config: TaggerConfig) -> None:
        super().__init__()
        self.vectors, self.encoder = vectors, encoder
        self.before = nn.Dropout(config.char_dropout)
        self.after = nn.Dropout(config.state_dropout)
        self.emit = nn.Linear(encoder.size, tags)
        self.crf = LinearChainCRF(tags)

    @property
    def arrange(self) -> Arranger | None:
        """How the encoder wants the words of a batch."""
        return self.encoder.arrange

    def everything(self) -> dict[str, Tensor]:
        """The state and the given vectors, which training never changes and need not store at each validation."""
        given = {name: tensor for name, tensor in self.named_buffers() if name.endswith(".given")}
        return self.state_dict() | given

    def begin_with(self, given: Given, inputs: Inputs) -> dict[str, int]:
        """Set the vectors that are given; of how many entries of the training text, by parameter of the tagger."""
        begun = {"char_vectors": 0, "word_vectors": 0}
        for embedding, vocabulary in self.vectors.tables(inputs):
            if len(given.characters):
                numbers = vocabulary.encode(given.characters)
                begun["char_vectors"] += embedding.begin_with(numbers, given.character_vectors)
        words: Any = getattr(self.encoder, "words", getattr(self.vectors, "words", None))
        if words is not None and len(given.words):
            begun["word_vectors"] = words.begin_with(inputs.encode_words(given.words), given.word_vectors)
        return begun

    def states(self, batch: Batch) -> Float[Tensor, "batch time state"]:
        """What the encoder makes of each character."""
        return self.encoder(self.before(self.vectors(batch)), batch)

    def emissions(self, batch: Batch) -> Float[Tensor, "batch time tags"]:
        """The score of every tag at each character, before the CRF."""
        return self.emit(self.after(self.states(batch)))

    def forward(self, batch: Batch) -> Float[Tensor, ""]:
        """-Σ log P(gold tags | sentence)."""
        return self.crf.negative_log_likelihood(self.emissions(batch), batch.gold(), batch.lengths).sum()


class LatticeEncoder(Encoder):
    """The lattice LSTM over characters and the words that match, section 3.4."""

    arrange = staticmethod(Lattice.of)

    def __init__(self, char_size: int, words: Vocabulary, hidden_size: int, config: TaggerConfig) -> None:
        super().__init__()
        self.size = hidden_size
        self.words = Embedding(words, config.word_size, unknown_rate=config.word_unknown_rate)
        self.dropout = nn.Dropout(config.word_dropout)
        self.lattice = LatticeLSTM(char_size, config.word_size, hidden_size // 2, forget=config.forget)

    def forward(self, characters: Float[Tensor, "batch time char"], batch: Batch) -> Float[Tensor, "batch time state"]:
        """h_j of both directions."""
        return self.lattice(characters, self.dropout(self.words(batch.words)), self._lattice(batch))

    def fusion_weights(
        self, characters: Float[Tensor, "batch time char"], batch: Batch
    ) -> tuple[Float[Tensor, "two batch time"], Float[Tensor, "two words"]]:
        """α of the characters themselves and of the words, equations 15 and 16, each by direction."""
        return self.lattice.fusion_weights(characters, self.words(batch.words), self._lattice(batch))

    def _lattice(self, batch: Batch) -> Lattice:
        return cast(Lattice, batch.arcs)  # from `arrange`


class BiLSTM(Encoder):
    """The plain LSTM in both directions, section 3.1: the character and word baselines."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.size = hidden_size
        self.lstm = nn.LSTM(input_size, hidden_size // 2, bidirectional=True, batch_first=True)

    def forward(self, characters: Float[Tensor, "batch time char"], batch: Batch) -> Float[Tensor, "batch time state"]:
        """h_j of both directions."""
        if not characters.shape[1]:  # no sentence has a character, which torch refuses
            return characters.new_zeros(*characters.shape[:2], self.size)
        packed = pack_padded_sequence(
            characters, batch.host_lengths.clamp(min=1), batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=characters.shape[1])
        return states


def check_sizes(weights: Mapping[str, Tensor], build: Callable[[], TaggerModel]) -> None:
    """Refuse weights of another model than the one that is built, before memory is asked for it.

    On the device "meta" some of torch's operations (`eye`, arithmetic) import its compiler, which takes seconds: what
    `build` makes does without them.
    """
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in build().everything().items()}
    if expected != {name: tensor.shape for name, tensor in weights.items()}:
        raise ValueError("its weights are not of the sizes that its configuration and vocabularies say")
