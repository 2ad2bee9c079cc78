"""Vectors of characters and words: word2vec text files, and vectors learnt from own text (Mikolov et al. 2013).

A file has a word and its numbers on each line, separated by spaces or tabs. A first line with the number of words and
their size may be there; the size must be true, the number is only compared with what came, since files are often cut.
"""

from __future__ import annotations

import os
import warnings
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

import numpy as np
from jaxtyping import Float32

from latticework.core.decimals import decimals, is_decimal
from latticework.core.errors import InputError, callers_level, require
from latticework.core.files import read_lines, write_output
from latticework.core.streams import stream_name
from latticework.core.word2vec import word2vec_bytes
from latticework.core.words import cut, shortened
from latticework.ner.text import fold

MAX_SIZE: Final = 2**12  # numbers of a vector
WINDOW: Final = 5  # tokens on each side that are the context of one
_LONGEST_SENTENCE: Final = 10_000  # gensim silently cuts off what comes after as many tokens
_FEWEST_TO_RECOGNISE: Final = 4  # numbers behind a word by which a file without header is taken for vectors


def read_vectors(
    path: str | os.PathLike[str], wanted: Collection[str] | Callable[[str], bool] | None = None
) -> tuple[list[str], Float32[np.ndarray, "words size"]]:
    r"""Words and their vectors from a word2vec text file, plain or compressed, in the order of the file.

    Words are folded as those of a lexicon; where one comes again the first vector stays. The file is read line by line,
    and only the vectors of wanted words are kept, or looked at.

    Parameters
    ----------
    path
        The file.
    wanted
        The words to keep, best a set or a dictionary, or what says of a word whether to keep it; None keeps all.

    Raises
    ------
    InputError
        With file and line, if a line has too few or too many columns, or a wanted vector holds what is not a finite
        number.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "vectors.txt"
    ...     _ = file.write_text("2 3\n长江 0.5 1 2\n大桥 0 0 1\n", "utf-8")
    ...     read_vectors(file, {"大桥"})
    (['大桥'], array([[0., 0., 1.]], dtype=float32))
    """
    keeps = wanted if wanted is None or callable(wanted) else wanted.__contains__
    found: dict[str, None] = {}
    numbers = array("f")
    size = 0
    for raw, columns, place in vector_rows(read_lines(path), stream_name(path)):
        word = folded_word(raw)
        size = columns.count(" ") + 1
        if word and word not in found and (keeps is None or keeps(word)):
            numbers.frombytes(_vector(columns, place).tobytes())
            found[word] = None
    return list(found), np.asarray(numbers, np.float32).reshape(len(found), size)  # not copied: they may be gigabytes


def folded_word(word: str) -> str:
    """A word as the lexicon has it: folded, without white space and byte order marks.

    Examples
    --------
    >>> folded_word("Ｔ 恤")
    'T恤'
    """
    return "".join(fold(character) for character in word if not character.isspace() and character != "\ufeff")


def _vector(columns: str, place: str) -> Float32[np.ndarray, " size"]:
    try:
        with np.errstate(over="ignore"):
            vector = decimals(columns.split(" ")).astype(np.float32)
    except ValueError as error:
        raise InputError(f"{place}: {error}") from error
    if not np.isfinite(vector).all():
        wrong = columns.split(" ")[int(np.isfinite(vector).argmin())]
        raise InputError(f"{place}: {cut(wrong, 60)} is not a finite number")
    return vector


def write_vectors(
    path: str | os.PathLike[str], words: Sequence[str], vectors: Float32[np.ndarray, "words size"]
) -> None:
    """Write a word2vec text file from which `read_vectors` reads the very same numbers.

    Raises
    ------
    InputError
        If there are not as many vectors as words, or a word is empty or holds white space.
    """
    if len(words) != len(vectors):
        raise InputError(f"there are {len(words)} words and {len(vectors)} vectors: expected as many")
    for index, word in enumerate(words):
        if not word or any(character.isspace() for character in word):
            raise InputError(f"words[{index}] is {shortened(word)}: expected a word without white space")
    write_output(path, word2vec_bytes(words, vectors))


@dataclass(frozen=True)
class Anew:
    """Sentences that are made anew whenever they are gone through: a list of strings of one character each is large.

    Examples
    --------
    >>> sentences = Anew(lambda: map(list, ["长江", "水"]))
    >>> list(sentences), list(sentences)
    ([['长', '江'], ['水']], [['长', '江'], ['水']])
    """

    make: Callable[[], Iterator[Sequence[str]]]

    def __iter__(self) -> Iterator[Sequence[str]]:
        return self.make()


def train_vectors(
    sentences: Iterable[Sequence[str]], *, size: int = 50, epochs: int = 5, seed: int = 0
) -> tuple[list[str], Float32[np.ndarray, "words size"]]:
    """Vectors of all tokens of a text (characters, bigrams or words), the frequent first, by skip-gram.

    It runs in one thread, so that on one machine the same seed gives the same numbers.

    Parameters
    ----------
    sentences
        Tokens, gone through once more than there are epochs; of an iterator a list is made. Whole sentences are used,
        however long.
    size
        Numbers of a vector.
    epochs
        Passes over the text.
    seed
        Repeats the run.

    Raises
    ------
    MissingExtraError
        If gensim is not installed.
    InputError
        If there is no token.

    Examples
    --------
    >>> words, vectors = train_vectors([["长江", "大桥"], ["长江", "水"]], size=4)
    >>> words[0], vectors.shape
    ('长江', (3, 4))
    """
    models = require("gensim.models", extra="vectors", purpose="training vectors")
    pieces = Anew(partial(_pieces, list(sentences) if isinstance(sentences, Iterator) else sentences))
    model = models.Word2Vec(
        vector_size=size,
        window=WINDOW,
        epochs=epochs,
        min_count=1,
        sg=1,  # the context from the token: slower than the token from its context, and better for rare tokens
        seed=seed % 2**32,
        workers=1,
    )
    model.build_vocab(pieces)
    if not model.wv.index_to_key:
        raise InputError("the text has no token: there is nothing to learn vectors of")
    model.train(pieces, total_examples=model.corpus_count, epochs=epochs)
    return list(model.wv.index_to_key), np.array(model.wv.vectors, np.float32)


def _pieces(sentences: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    for sentence in sentences:
        for start in range(0, len(sentence), _LONGEST_SENTENCE):
            yield list(sentence[start : start + _LONGEST_SENTENCE])


def vector_rows(lines: Iterable[str], name: str) -> Iterator[tuple[str, str, str]]:
    """Each word of a word2vec text file, its numbers as they are written, and the place: "file:line".

    Blank lines are passed over. A word may hold spaces. If the header gives another number of words, a warning says so.

    Raises
    ------
    InputError
        If there is no line, or a line has not as many columns as the header, or else the first line, says.

    Examples
    --------
    >>> list(vector_rows(["1 2", "长江 0.5 -1"], "vectors"))
    [('长江', '0.5 -1', 'vectors:2')]
    """
    lines = iter(lines)
    first = next(lines, None)
    if first is None:
        raise InputError(f"{name} is empty: expected vectors, a word and its numbers on each line")
    fields = _fields(first)
    header = _header(fields)
    size = header[1] if header else len(fields) - 1
    if not 1 <= size <= MAX_SIZE:
        raise InputError(f"{name}:1: vectors of {size} numbers: expected a word and 1 to {MAX_SIZE} numbers")
    count = 0
    for number, line in enumerate(lines if header else chain([first], lines), start=2 if header else 1):
        if not line.strip():
            continue
        fields = line.replace("\t", " ").rstrip(" ").split(" ", 1)
        if len(fields) < 2 or fields[1].count(" ") != size - 1:
            fields = _unusual_fields(line, size, f"{name}:{number}")
        yield fields[0], fields[1], f"{name}:{number}"
        count += 1
    if header and header[0] != count:
        told = f"{name}:1 says {header[0]:,} vectors, found {count:,}: is it cut off?"
        warnings.warn(told, stacklevel=callers_level())


def looks_like_vectors(lines: Sequence[str]) -> bool:
    """Whether the first two lines of a file are those of a word2vec text file and not those of a list of words.

    Examples
    --------
    >>> looks_like_vectors(["1 4", "长江 0.5 -1 0 1"]), looks_like_vectors(["2020 4", "长江 3 ns"])
    (True, False)
    """
    rows = [_fields(line) for line in lines[:2]]
    if rows and _header(rows[0]):
        rows = rows[1:]
    return bool(rows) and len(rows[0]) > _FEWEST_TO_RECOGNISE and all(map(is_decimal, rows[0][1:]))


def _fields(line: str) -> list[str]:
    return [field for field in line.replace("\t", " ").split(" ") if field]


def _header(fields: Sequence[str]) -> tuple[int, int] | None:
    if len(fields) == 2 and all(field.isascii() and field.isdecimal() and len(field) < 16 for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _unusual_fields(line: str, size: int, place: str) -> list[str]:
    """The word and the numbers of a line whose word holds spaces, is one, or whose gaps are of more than one space."""
    fields = _fields(line)
    word = " ".join(fields[:-size])
    blank = line.startswith((" ", "\t"))  # the vector of a space has no other word
    numbers_too_many = len(fields) > size + (not blank) and is_decimal(fields[-size - 1])
    if len(fields) < size + (not blank) or numbers_too_many:
        raise InputError(f"{place}: expected a word and {size} numbers, got {len(fields) - (not blank)}")
    return [word, " ".join(fields[-size:])]
