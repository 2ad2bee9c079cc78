"""Everything about a tagger and its training that is not the data: one dataclass.

Sizes are those of Zhang & Yang 2018, table 3; what of their training is not is marked.
"""

import math
from dataclasses import dataclass
from typing import Final, get_args

from latticework.core.checks import flag, number, one_of, positive, set_frozen, share, whole_number
from latticework.ner.choices import Forget, Repair

WHOLE: Final = ("char_size", "word_size", "batch_size", "warmup_steps", "average_checkpoints")
SHARES: Final = ("char_dropout", "word_dropout", "state_dropout")


@dataclass(frozen=True, kw_only=True)
class TaggerConfig:
    """Shape and training of a tagger.

    Examples
    --------
    >>> TaggerConfig(bigrams=True).char_size
    50
    """

    char_size: int = 50  # of a character's vector
    word_size: int = 50  # of a lexicon word's vector
    bigrams: bool = False  # a vector for each pair of neighbouring characters too ("+bichar")
    softword: bool = False  # a vector for the place of a character in its word, by segmentation ("+softword")
    forget: Forget = "coupled"  # where no word ends: 1 - input gate, or a gate of its own
    char_dropout: float = 0.5
    word_dropout: float = 0.2  # the paper's is 0.5
    state_dropout: float = 0.5
    char_unknown_rate: float = 0.25  # a character seen n times in training is hidden there with rate / (rate + n)
    word_unknown_rate: float = 1.0  # and a word
    batch_size: int = 16  # sentences; the paper's is 1
    learning_rate: float = 2e-3  # of Adam, at its highest; the paper has SGD with 0.015
    weight_decay: float = 0.0  # decoupled; the paper has λ = 1e-8 in the loss, its code none
    warmup_steps: int = 100  # but no more than a tenth of training
    clip_norm: float | None = 5.0
    average_checkpoints: int = 5  # the model is the mean of this many last validations
    patience: int | None = None  # stop after this many validations without a better F1
    repair: Repair = "close"  # what to do about illegal gold tags

    def __post_init__(self) -> None:
        for name in WHOLE:
            set_frozen(self, name, whole_number(name, getattr(self, name), least=1))
        if self.patience is not None:
            set_frozen(self, "patience", whole_number("patience", self.patience))
        for name in SHARES:
            set_frozen(self, name, share(name, getattr(self, name)))
        for name in ("char_unknown_rate", "word_unknown_rate", "weight_decay"):
            amount = "a finite number of at least 0"
            set_frozen(self, name, number(name, getattr(self, name), lambda found: 0 <= found < math.inf, amount))
        for name in ("learning_rate",) if self.clip_norm is None else ("learning_rate", "clip_norm"):
            set_frozen(self, name, positive(name, getattr(self, name)))
        for name in ("bigrams", "softword"):
            set_frozen(self, name, flag(name, getattr(self, name)))
        one_of("forget", self.forget, get_args(Forget))
        one_of("repair", self.repair, get_args(Repair))


@dataclass(frozen=True, kw_only=True)
class WordConfig(TaggerConfig):
    """Shape and training of a `WordTagger`.

    Examples
    --------
    >>> WordConfig(char_lstm=True).char_size
    50
    """

    word_unknown_rate: float = 0.25  # here words are all there is
    char_lstm: bool = False  # an LSTM over the characters of each word too, char_size to each direction ("+char LSTM")

    def __post_init__(self) -> None:
        super().__post_init__()
        set_frozen(self, "char_lstm", flag("char_lstm", self.char_lstm))


@dataclass(frozen=True, kw_only=True)
class FlatConfig(TaggerConfig):
    """Shape and training of a `FlatTagger`; what it changes of `TaggerConfig` is for the Transformer's sake.

    Examples
    --------
    >>> FlatConfig(feed_forward=100).heads
    8
    """

    heads: int = 8  # the published code's, of 16 to 20 numbers each
    feed_forward: int = 600  # inner width, three times the default hidden_size as in the published code
    layer_dropout: float = 0.15  # of what attention and feed-forward add
    bigrams: bool = True
    state_dropout: float = 0.3
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("heads", "feed_forward"):
            set_frozen(self, name, whole_number(name, getattr(self, name)))
        set_frozen(self, "layer_dropout", share("layer_dropout", self.layer_dropout))
