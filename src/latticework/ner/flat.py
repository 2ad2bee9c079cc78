"""FLAT: characters attend to each other and to the words around them (Li et al. 2020, "Flat-Lattice Transformer").

The words that match become tokens behind the characters, each with a head and a tail, the places of its first and of
its last character (a character is its own head and tail). How two tokens lie to each other is in four distances, head
or tail of the one to head or tail of the other (section 3.2 of the paper).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from latticework.core.errors import InputError
from latticework.core.movable import moved
from latticework.ner.architecture import Architecture, OfCharacters
from latticework.ner.config import FlatConfig, TaggerConfig
from latticework.ner.estimator import Tagger
from latticework.ner.model import Embedding, Encoder
from latticework.nn import FeedForward, Residual, sinusoids

if TYPE_CHECKING:
    from latticework.ner.features import Batch, Inputs
    from latticework.ner.vocabulary import Vocabulary

LONGEST: Final = 64  # characters of a word; of a longer one the tail is taken to be there, which bounds the memory
MOST_NUMBERS: Final = 2**24  # of relative positions and scores that are held at once; 64 MiB in float32


@dataclass(frozen=True)
class WordTokens:
    """The words of a batch as tokens, filled up to the sentence with most of them.

    Examples
    --------
    >>> words = WordTokens.of(np.array([4, 2]), np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([2, 4, 2]))
    >>> words.head.tolist(), words.sizes[words.kind].tolist(), words.real.tolist()
    ([[0, 1], [0, 0]], [[2, 3], [2, 2]], [[True, True], [True, False]])
    """

    sentence: Int[Tensor, " arcs"]
    slot: Int[Tensor, " arcs"]  # which of its sentence's words
    head: Int[Tensor, "batch words"]  # the first character
    kind: Int[Tensor, "batch words"]  # which of the sizes it has
    real: Bool[Tensor, "batch words"]
    sizes: Int[Tensor, " kinds"]  # characters, from its head to its tail

    @classmethod
    def of(
        cls,
        lengths: Int64[np.ndarray, " batch"],
        sentence: Int64[np.ndarray, " arcs"],
        begin: Int64[np.ndarray, " arcs"],
        end: Int64[np.ndarray, " arcs"],
    ) -> WordTokens:
        """Lay out words that come sentence by sentence; `end` is exclusive."""
        counts = np.bincount(sentence, minlength=len(lengths))
        slot = np.arange(len(sentence)) - (counts.cumsum() - counts)[sentence]
        sizes, kinds = np.unique(np.minimum(end - begin, LONGEST), return_inverse=True)
        head, kind = np.zeros((2, len(lengths), counts.max(initial=0)), np.int64)
        head[sentence, slot], kind[sentence, slot] = begin, kinds
        real = np.arange(head.shape[1]) < counts[:, None]
        return cls(*map(torch.from_numpy, (sentence, slot, head, kind, real, sizes)))

    def to(self, device: torch.device) -> WordTokens:
        """Give them on a device."""
        return moved(self, device)


class RelativeAttention(nn.Module):
    """What characters take from all characters and words, by content and by how they lie to each other.

    A*_ij = E_i W_q (E_j W_kE)ᵀ + E_i W_q (R_ij W_kR)ᵀ + u (E_j W_kE)ᵀ + v (R_ij W_kR)ᵀ in each head, with R_ij =
    ReLU(W_r [p_hh; p_th; p_ht; p_tt]) of the sinusoids p of the four distances (section 3.2). As in the published code,
    A* is not scaled and what the heads take is not projected again.

    Only characters ask, since one layer is all there is and what words would take is never read. A character is its own
    head and tail, so that R is ReLU of a vector for the distance to the other's head plus one for that to its tail.
    Characters lie to each other in the same way in all sentences. Time and memory go with characters times tokens;
    blocks of characters bound the memory, and are computed again when the gradient is due.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        if size % heads:
            raise ValueError(f"{heads} heads do not divide a width of {size}")
        self.size, self.heads = size, heads
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))
        self.distances = nn.Linear(4 * size, size)  # W_r
        self.relative_key = nn.Parameter(torch.empty(size, size))  # W_kR, from R to the heads
        self.content_bias = nn.Parameter(torch.empty(heads, size // heads))  # u
        self.position_bias = nn.Parameter(torch.empty(heads, size // heads))  # v
        for parameter in (self.relative_key, self.content_bias, self.position_bias):
            nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        characters: Float[Tensor, "batch time state"],
        words: Float[Tensor, "batch words state"],
        tokens: WordTokens,
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch time state"]:
        """For each character the mix of all tokens' values."""
        batch, time, size = characters.shape
        if not time:
            return characters
        everything = torch.cat([characters, words], 1)
        real = torch.cat([torch.arange(time, device=lengths.device) < lengths[:, None], tokens.real], 1)
        query = self.query(characters).unflatten(-1, (self.heads, -1))
        key, value = (layer(everything).unflatten(-1, (self.heads, -1)) for layer in (self.key, self.value))
        per_character = (time + batch * words.shape[1]) * size + batch * self.heads * everything.shape[1]
        block = max(1, MOST_NUMBERS // max(1, per_character))
        shared = key, value, real, tokens.head, tokens.kind, *self._relations(time, tokens.sizes)
        mixed = []
        for start in range(0, time, block):
            arguments = query[:, start : start + block], start, *shared
            if block < time and torch.is_grad_enabled():
                mixed.append(checkpoint(self._block, *arguments, use_reentrant=False))
            else:
                mixed.append(self._block(*arguments))
        return torch.cat(mixed, 1)

    def _relations(
        self, time: int, sizes: Int[Tensor, " kinds"]
    ) -> tuple[Float[Tensor, "distances state"], Float[Tensor, "kinds distances state"]]:
        """R of a character to others and to words of each size, whose heads lie at most time - 1 after or before."""
        distance = torch.arange(2 * time - 1, device=sizes.device)  # from 1 - time on
        waves = sinusoids(len(distance), self.size, start=1 - time).to(self.relative_key)
        hh, th, ht, tt = self.distances.weight.chunk(4, 1)
        to_head, to_tail = waves @ (hh + th).T + self.distances.bias, waves @ (ht + tt).T
        tail = (distance - (sizes[:, None] - 1)).clamp(min=0)  # below 0 lie only words that the sentence cannot hold
        return (to_head + to_tail).relu(), (to_head + nn.functional.embedding(tail, to_tail)).relu()

    def _block(
        self,
        query: Float[Tensor, "batch block heads head"],
        start: int,
        key: Float[Tensor, "batch tokens heads head"],
        value: Float[Tensor, "batch tokens heads head"],
        real: Bool[Tensor, "batch tokens"],
        head: Int[Tensor, "batch words"],
        kind: Int[Tensor, "batch words"],
        to_characters: Float[Tensor, "distances state"],
        to_words: Float[Tensor, "kinds distances state"],
    ) -> Float[Tensor, "batch block state"]:
        """The characters from `start` on."""
        distances = len(to_characters)
        time = (distances + 1) // 2
        place = torch.arange(start, start + query.shape[1], device=head.device)[:, None] + time - 1
        content = torch.einsum("bihd,bjhd->bhij", query + self.content_bias, key)
        # (E_i W_q + v) W_kRᵀ: projecting the questions costs less than projecting every R
        keys = self.relative_key.view(self.heads, -1, self.size)
        asked = torch.einsum("bihd,hdc->bihc", query + self.position_bias, keys)
        among = nn.functional.embedding(place - torch.arange(time, device=head.device), to_characters)
        around = nn.functional.embedding((place - head[:, None]) + kind[:, None] * distances, to_words.flatten(0, 1))
        # products in this order give gradients of R as they lie in memory
        by_character = among @ asked.permute(1, 3, 0, 2).flatten(2)
        by_character = by_character.view(len(place), time, len(head), self.heads).permute(2, 3, 0, 1)
        by_word = (around @ asked.mT).permute(0, 3, 1, 2)
        scores = (content + torch.cat([by_character, by_word], -1)).masked_fill(
            ~real[:, None, None], torch.finfo(content.dtype).min
        )
        return torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), value).flatten(2)


class FlatEncoder(Encoder):
    """One layer of the Transformer over characters and words; the characters' states go on.

    Differs from the paper: what attention and feed-forward add is dropped out where Vaswani et al. 2017 do it; the
    published code drops out within the feed-forward layer too.
    """

    arrange = staticmethod(WordTokens.of)

    def __init__(self, char_size: int, words: Vocabulary, hidden_size: int, config: FlatConfig) -> None:
        super().__init__()
        self.size = hidden_size
        self.words = Embedding(words, config.word_size, unknown_rate=config.word_unknown_rate)
        self.dropout = nn.Dropout(config.word_dropout)
        self.from_characters = nn.Linear(char_size, hidden_size)
        self.from_words = nn.Linear(config.word_size, hidden_size)
        self.attention = RelativeAttention(hidden_size, config.heads)
        self.feed_forward = FeedForward(hidden_size, config.feed_forward)
        self.attention_residual = Residual(hidden_size, config.layer_dropout, norm_first=False)
        self.feed_forward_residual = Residual(hidden_size, config.layer_dropout, norm_first=False)

    def forward(self, characters: Float[Tensor, "batch time char"], batch: Batch) -> Float[Tensor, "batch time state"]:
        """Characters that have looked at all characters and words."""
        tokens = cast(WordTokens, batch.arcs)  # from `arrange`
        spelled = self.from_words(self.dropout(self.words(batch.words)))
        words = spelled.new_zeros(*tokens.head.shape, self.size).index_put((tokens.sentence, tokens.slot), spelled)
        states = self.attention_residual(
            self.from_characters(characters), lambda x: self.attention(x, words, tokens, batch.lengths)
        )
        return self.feed_forward_residual(states, self.feed_forward)


def flat(char_size: int, inputs: Inputs, config: FlatConfig, hidden_size: int) -> Encoder:
    """The encoder of these inputs."""
    assert inputs.words is not None  # it reads words
    return FlatEncoder(char_size, inputs.words, hidden_size, config)


class FlatTagger(Tagger):
    """FLAT (Li et al. 2020): a Transformer over characters and words, which reads a sentence in one step.

    Parameters and attributes are those of every tagger, `latticework.ner.estimator.Tagger`; `config` is a `FlatConfig`,
    and `hidden_size`, which its heads divide among them, is the width of the Transformer.

    Examples
    --------
    >>> from latticework.ner import FlatConfig, FlatTagger
    >>> sentences, tags = ["我爱长江", "他在长城"] * 20, [["O", "O", "B-LOC", "E-LOC"]] * 40
    >>> tagger = FlatTagger(
    ...     ["长江", "长城"],
    ...     hidden_size=16,
    ...     max_epochs=8,
    ...     config=FlatConfig(heads=2, feed_forward=32, batch_size=8, learning_rate=0.01),
    ...     random_state=0,
    ...     device="cpu",
    ... )
    >>> [(entity.text, entity.label) for entity in tagger.fit(sentences, tags).entities(["我在 长江"])[0]]
    [('长江', 'LOC')]
    """

    config_class: ClassVar[type[Any] | None] = FlatConfig
    architecture: ClassVar[Architecture] = OfCharacters(flat)
    default_epochs: ClassVar[int] = 10

    def _settings(self) -> tuple[TaggerConfig, int, int | None]:
        config, hidden_size, max_epochs = super()._settings()
        heads = cast(FlatConfig, config).heads
        if hidden_size % heads:
            raise InputError(f"hidden_size={hidden_size}: expected a multiple of heads={heads}")
        return config, hidden_size, max_epochs
