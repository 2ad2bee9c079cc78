"""The word list of a tagger: which character sequences count as words (Zhang & Yang 2018, section 3.2).

A word is kept as the text is read: full-width forms are folded, white space and byte order marks inside it are removed.
What cannot be a word of the lattice is left out and counted: blank lines, single characters, words that came before,
and words longer than `MAX_WORD_LENGTH` characters.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from io import BytesIO
from itertools import chain, islice, repeat
from operator import index
from pathlib import Path
from typing import Any, Final, SupportsIndex, TypeAlias

import numpy as np
from jaxtyping import Int64

from latticework.core import checks
from latticework.core.errors import InputError, MissingExtraError
from latticework.core.files import decode_lines, read_lines
from latticework.core.streams import stream_name
from latticework.core.words import shortened
from latticework.ner.vectors import folded_word, looks_like_vectors, vector_rows

MAX_WORD_LENGTH: Final = 64  # a word this long names nothing, and matching costs its length for every character
MAX_FREQUENCY_DIGITS: Final = 18  # always fits 64 bits
_WITHOUT_FREQUENCY: Final = -1
_BATCH: Final = 2**16  # words whose characters are folded in one go
# As jieba's user dictionaries have it: a frequency, a part of speech or both may follow the word.
_COLUMNS: Final = re.compile(r"(.*\S) +([0-9]+)(?: +[A-Za-z]+)? *|(.*[^\x00-\x7f]) +[a-z]{1,3} *")
_EXPECTED: Final = "'jieba', a path, a list of words, words with their frequencies, a Lexicon or None"

LexiconSource: TypeAlias = "str | os.PathLike[str] | Iterable[str] | Lexicon | None"


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Words of two or more characters, each once, in the order in which they first came.

    Examples
    --------
    >>> lexicon = Lexicon.of(["长江", "大桥", "长江", "桥", " ", "长江 大桥"])
    >>> lexicon.words
    ('长江', '大桥', '长江大桥')
    >>> lexicon.left_out
    {'blank': 1, 'single': 1, 'duplicate': 1, 'long': 0}
    >>> "长江" in lexicon, "桥" in lexicon
    (True, False)
    """

    words: tuple[str, ...]
    frequencies: Int64[np.ndarray, " words"] | None = None  # how often each was counted, where the source says it
    characters: Mapping[str, int] = field(default_factory=dict)  # the same of single characters: for segmentation only
    left_out: Mapping[str, int] = field(default_factory=dict)  # reason -> lines of the source

    @classmethod
    def of(cls, source: LexiconSource) -> Lexicon:
        r"""The lexicon that a user's argument stands for.

        Parameters
        ----------
        source
            None for no words; ``"jieba"`` for the dictionary that the library of that name brings (its file is read,
            the library is not imported); a file; the words themselves, or a mapping from them to their frequencies.
            A file has a word on each line; after it may stand its frequency and then a part of speech, separated by
            tabs or else by spaces. What stands second and is not a whole number is not looked at. Word2vec text files,
            with or without header, give their words. Where a word comes again, the largest frequency stays; where only
            some have a frequency, that of the others is 1.

        Raises
        ------
        InputError
            With file and line, or index, if something is not a word, or a frequency has more than 18 digits.
        MissingExtraError
            If jieba is asked for and not installed.

        Examples
        --------
        >>> Lexicon.of({"长江": 20, "大桥": 7}).frequencies.tolist()
        [20, 7]
        """
        if isinstance(source, Lexicon):
            return source
        collected = _Collected()
        if source is None:
            pass
        elif isinstance(source, str | os.PathLike):
            path = jieba_dictionary() if source == "jieba" else Path(source)
            _collect_lines(collected, read_lines(path), stream_name(path))
        else:
            _collect_words(collected, source)
        return collected.lexicon()

    @classmethod
    def from_bytes(cls, data: bytes) -> Lexicon:
        """The lexicon that gave these bytes.

        Raises
        ------
        InputError
            If they are not UTF-8, or not words as `to_bytes` writes them.
        """
        collected = _Collected()
        _collect_columns(collected, decode_lines(BytesIO(data), "lexicon"), "lexicon")
        lexicon = collected.lexicon()
        if lexicon.to_bytes() != data:
            raise InputError("the lexicon is damaged: it is not what was written")
        return lexicon

    def to_bytes(self) -> bytes:
        r"""A word on each line, then a tab and its frequency where there are any; single characters come last.

        Examples
        --------
        >>> Lexicon.of({"长江": 20}).to_bytes().decode()
        '长江\t20\n'
        """
        if self.frequencies is None:
            return "".join(f"{word}\n" for word in self.words).encode()
        counted = chain(zip(self.words, self.frequencies.tolist(), strict=True), self.characters.items())
        return "".join(f"{word}\t{frequency}\n" for word, frequency in counted).encode()

    @cached_property
    def sha256(self) -> str:
        """The hash of `to_bytes`: lexica are equal if their hashes are."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and fold_words([word])[0] in self._known

    def __eq__(self, other: object) -> bool:
        return self.sha256 == other.sha256 if isinstance(other, Lexicon) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"<Lexicon of {len(self.words):,} words, sha256 {self.sha256[:12]}>"

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.words)


def jieba_dictionary() -> Path:
    """Where the dictionary of the installed jieba lies; jieba is not imported.

    Raises
    ------
    MissingExtraError
        If jieba is not installed.
    """
    found = find_spec("jieba")
    for folder in (found and found.submodule_search_locations) or ():
        if (path := Path(folder) / "dict.txt").is_file():
            return path
    raise MissingExtraError("lexicon='jieba' needs jieba: pip install 'latticework[jieba]'", name="jieba")


def plain_source(lexicon: object) -> Any:
    """What a user gave as lexicon, as a saved model keeps it beside the words that came of it; None of a `Lexicon`.

    Raises
    ------
    InputError
        If it can be read only once, or is of another kind, or a frequency is none.
    """
    if isinstance(lexicon, Lexicon):
        return None
    if isinstance(lexicon, os.PathLike):
        return os.fspath(lexicon)
    if lexicon is None or isinstance(lexicon, str | list | tuple):
        return lexicon
    if isinstance(lexicon, dict):
        return dict(zip(lexicon, map(_frequency, lexicon.items()), strict=True))
    if hasattr(lexicon, "tolist"):  # an array or a column
        return lexicon.tolist()
    raise InputError(f"lexicon: expected {_EXPECTED}, got a {type(lexicon).__name__}")


def fold_words(words: Sequence[str]) -> list[str]:
    """Words as the lexicon has them: folded, without white space and byte order marks. None may hold a NUL.

    Examples
    --------
    >>> fold_words(["Ｔ恤", "New York"])
    ['T恤', 'NewYork']
    """
    text = "\0".join(words)
    for character in set(text):
        if (folded := folded_word(character)) != character:
            text = text.replace(character, folded)
    return text.split("\0") if words else []


class _Collected:
    """Words and their frequencies as they come in."""

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self.characters: dict[str, int] = {}
        self.left_out = dict.fromkeys(("blank", "single", "duplicate", "long"), 0)

    def add(self, words: Sequence[str], frequencies: Iterable[int]) -> None:
        known, left_out = self.words, self.left_out
        for word, frequency in zip(fold_words(words), frequencies, strict=True):
            if 1 < len(word) <= MAX_WORD_LENGTH:
                before = known.get(word)
                if before is not None:
                    left_out["duplicate"] += 1
                if before is None or frequency > before:
                    known[word] = frequency
            elif len(word) == 1:
                left_out["single"] += 1
                self.characters[word] = max(frequency, self.characters.get(word, frequency))
            else:
                left_out["long" if word else "blank"] += 1

    def lexicon(self) -> Lexicon:
        words = tuple(self.words)
        frequencies = np.fromiter(self.words.values(), np.int64, len(words))
        if (frequencies == _WITHOUT_FREQUENCY).all():
            return Lexicon(words, left_out=self.left_out)
        counted = {word: count for word, count in self.characters.items() if count != _WITHOUT_FREQUENCY}
        frequencies[frequencies == _WITHOUT_FREQUENCY] = 1
        frequencies.setflags(write=False)
        return Lexicon(words, frequencies, counted, self.left_out)


def _collect_words(collected: _Collected, source: Iterable[str]) -> None:
    words = list(source if isinstance(source, Mapping) else checks.in_order("lexicon", source, _EXPECTED))
    for place, word in enumerate(words):
        checks.text(f"lexicon[{place}]", word)
    frequencies = repeat(_WITHOUT_FREQUENCY, len(words))
    collected.add(words, map(_frequency, source.items()) if isinstance(source, Mapping) else frequencies)


def _frequency(item: tuple[str, int]) -> int:
    word, frequency = item
    if not isinstance(frequency, SupportsIndex) or not 0 <= index(frequency) < 10**MAX_FREQUENCY_DIGITS:
        raise InputError(f"lexicon[{shortened(word)}] is {shortened(frequency)}: expected a whole number of at least 0")
    return index(frequency)


def _collect_lines(collected: _Collected, lines: Iterator[str], name: str) -> None:
    start = list(islice(lines, 2))
    lines = chain(start, lines)
    if looks_like_vectors(start):
        rows = vector_rows(lines, name)
        while words := [word for word, _, _ in islice(rows, _BATCH)]:
            collected.add(words, repeat(_WITHOUT_FREQUENCY, len(words)))
        return
    _collect_columns(collected, lines, name)


def _collect_columns(collected: _Collected, lines: Iterator[str], name: str) -> None:
    number = 1
    while batch := list(islice(lines, _BATCH)):
        columns = [_columns(line, name, place) for place, line in enumerate(batch, number)]
        collected.add([word for word, _ in columns], [frequency for _, frequency in columns])
        number += len(batch)


def _columns(line: str, name: str, number: int) -> tuple[str, int]:
    """The word of a line and its frequency."""
    word, tab, rest = line.partition("\t")
    if tab:
        digits = rest.partition("\t")[0].strip()
    elif " " in line and (found := _COLUMNS.fullmatch(line)):
        word, digits, tagged = found.groups("")
        word = word or tagged
    else:
        return line, _WITHOUT_FREQUENCY
    if not (digits.isascii() and digits.isdecimal()):
        return word, _WITHOUT_FREQUENCY
    if len(digits) > MAX_FREQUENCY_DIGITS:
        raise InputError(f"{name}:{number}: the frequency has {len(digits)} digits, expected at most 18")
    return word, int(digits)
