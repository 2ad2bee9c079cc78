"""Joint byte-pair vocabulary (Sennrich et al. 2016; Vaswani et al. 2017, section 5.1), learnt by SentencePiece.

Text goes in and comes out unchanged, but for ▁, which becomes a space: spaces are part of the pieces.

Differs from the paper: the vocabulary is learnt by SentencePiece's BPE from the raw training text, without
normalisation or tokenisation. It includes every character of the text (of a sample of it beyond four million lines),
or, where they would fill more than a quarter of a vocabulary of 1,024 pieces or more, all but the rarest, which are
spelled in bytes.
"""

import io
import re
import warnings
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from jaxtyping import Int32

from latticework.core.errors import InputError, callers_level, require
from latticework.nn.sequences import EncodedText

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
SPECIAL = 4  # how many indices are not text
BYTES = 256  # pieces that spell the characters without a piece of their own
LEAST_WITH_BYTES = 1024  # of fewer pieces in all too few would be left for the text

MAX_TRAINING_LINES = 4_000_000  # merges of common pairs are settled long before; memory is what more would cost
MAX_LINE_CHARACTERS = 1 << 14  # longer lines are learnt from in parts: the trainer passes over what is too long for it
MAX_MODEL_BYTES = 1 << 28
MAX_PIECES = (1 << 31) - 1  # what the trainer can count
ENCODE_TEXTS = 1 << 14  # texts whose pieces are Python numbers at a time, at some forty bytes a token
FEW_TEXTS = 16  # which one thread reads before others have begun

SPECIAL_NAMES = re.compile("<(?:pad|unk|s|/s)>")
# The trainer passes over lines with ▅, its unknown character, and makes no piece of U+001F, its sign of a border.
TRAINERS_OWN = "▅\x1f"


class Vocabulary:
    """Pieces of words and their indices.

    Examples
    --------
    >>> vocabulary = Vocabulary.train(["the cat sat", "the mat sat"], size=19)
    >>> encoded = vocabulary.encode(["the cat"])
    >>> vocabulary.decode([encoded[0].tolist()])
    ['the cat']
    """

    def __init__(self, model: bytes) -> None:
        sentencepiece = require("sentencepiece", extra="seq2seq", purpose="learning and using subword vocabularies")
        if len(model) > MAX_MODEL_BYTES:
            raise InputError(f"a vocabulary of {len(model)} bytes is larger than {MAX_MODEL_BYTES}")
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            loaded = self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise InputError("the vocabulary is not a SentencePiece model") from error
        special = [
            self._processor.pad_id(),
            self._processor.unk_id(),
            self._processor.bos_id(),
            self._processor.eos_id(),
        ]
        if not loaded or special != [PAD, UNKNOWN, BEGIN, END]:
            raise InputError("the vocabulary is not one that Latticework made: its special pieces are elsewhere")
        try:
            self.pieces(range(len(self)))
        except UnicodeDecodeError as error:
            raise InputError("the vocabulary is damaged: one of its pieces is not text") from error

    @classmethod
    def train(cls, texts: Iterable[str], *, size: int) -> "Vocabulary":
        """Learn at most `size` pieces from `texts`; a small corpus gives fewer, with a warning.

        Every character of the texts becomes a piece, unless they would fill more than a quarter of a vocabulary of
        1,024 pieces or more: then the rarest (up to 0.05 % of the text) are spelled in bytes, and so is any character
        never seen.

        Raises
        ------
        InputError
            If the texts are empty or hold NUL, or `size` is too small for their characters.
        """
        sentencepiece = require("sentencepiece", extra="seq2seq", purpose="learning subword vocabularies")
        lines = texts if isinstance(texts, Sequence) else list(texts)
        if len(lines) > MAX_TRAINING_LINES:
            step = -(-len(lines) // MAX_TRAINING_LINES)
            lines = lines[::step]
        characters = set(chain.from_iterable(lines)) - set(" ▁")  # to the trainer both are ▁
        if not characters:
            raise InputError("there is no text to learn a vocabulary from")
        if "\0" in characters:
            raise InputError("the texts hold NUL (U+0000), which no vocabulary can have: take it out")
        own = [character for character in TRAINERS_OWN if character in characters]
        spell_rare = len(characters) > size // 4 and size >= LEAST_WITH_BYTES
        # The trainer leaves out what it comes to once the share of the others rounds to 1 in float32. What is not
        # required comes last: ▁ alone, whose own share is too large for that.
        required = "" if spell_rare else "".join(sorted(characters.difference(own)))
        output = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=_teachable(lines),
                model_writer=output,
                model_type="bpe",
                vocab_size=min(size, MAX_PIECES),
                hard_vocab_limit=False,
                character_coverage=0.9995 if spell_rare else 1.0,
                required_chars=required,
                byte_fallback=spell_rare,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                max_sentence_length=4 * MAX_LINE_CHARACTERS,  # bytes
                user_defined_symbols=own,
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=BEGIN,
                eos_id=END,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            if "ocabulary size" not in str(error) and size > SPECIAL:
                raise InputError(f"no vocabulary can be learnt from this text: {error}") from error
            least = len(characters) + SPECIAL + 1
            least += BYTES if max(size, least) >= LEAST_WITH_BYTES else 0
            raise InputError(
                f"vocab_size={size} is too small for text of {len(characters)} different characters: "
                f"give at least {least}"
            ) from error
        vocabulary = cls(output.getvalue())
        if len(vocabulary) < size:
            told = f"the text is small: {len(vocabulary)} pieces instead of vocab_size={size}"
            warnings.warn(told, UserWarning, stacklevel=callers_level())
        return vocabulary

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    def encode(self, texts: Sequence[str]) -> EncodedText:
        """Indices of every text, each ending in END; characters never seen become UNKNOWN or, see `train`, bytes."""
        tokens = array("i")  # grows in place, so that a corpus is never in memory twice
        lengths = [np.zeros(1, dtype=np.int64)]
        for start in range(0, len(texts), ENCODE_TEXTS):
            chunk = list(texts[start : start + ENCODE_TEXTS])
            encoded = self._processor.encode(chunk, out_type=int, add_eos=True, num_threads=_workers(chunk))
            lengths.append(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))
            tokens.frombytes(np.fromiter(chain.from_iterable(encoded), dtype=np.int32).tobytes())
        return EncodedText(np.frombuffer(tokens, dtype=np.int32), np.concatenate(lengths).cumsum())

    def decode(self, sequences: Sequence[Sequence[int]]) -> list[str]:
        """Texts of index sequences; special pieces leave no trace, except UNKNOWN, which reads ⁇."""
        kept = [[index for index in sequence if index not in (PAD, BEGIN, END)] for sequence in sequences]
        if not kept:
            return []  # of no sequences SentencePiece makes ""
        texts: list[str] = self._processor.decode(kept, num_threads=_workers(kept))
        return texts

    def pieces(self, sequence: Int32[np.ndarray, " tokens"] | Sequence[int]) -> list[str]:
        """The pieces of one sequence as text, for looking at; a leading ▁ stands for a space."""
        pieces: list[str] = self._processor.id_to_piece([int(index) for index in sequence])
        return pieces


def _workers(texts: Sequence[object]) -> int:
    """Threads for SentencePiece: -1 for all; for few texts waiting for others would take longer than the work."""
    return 1 if len(texts) <= FEW_TEXTS else -1


def _teachable(texts: Iterable[str]) -> Iterator[str]:
    """Texts so that the trainer learns from all of them: it passes over names of special pieces and over some lines."""
    for text in texts:
        text = SPECIAL_NAMES.sub(lambda name: " ".join(name[0]), text)
        for character in TRAINERS_OWN:
            text = text.replace(character, " ")
        for start in range(0, len(text), MAX_LINE_CHARACTERS):
            yield text[start : start + MAX_LINE_CHARACTERS]
