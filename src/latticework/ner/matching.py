"""Every word of a lexicon in a text: the arcs of the lattice (Zhang & Yang 2018, section 3.2).

An Aho-Corasick automaton finds the words of all sentences in one pass; the rest is array arithmetic. Where more than
`MAX_ENDING` words end at one character only the longest of them stay, so that the arcs of a text, and with them time
and memory, grow with its length alone, whatever the lexicon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Int64

from latticework.core.errors import require
from latticework.ner.lexicon import Lexicon
from latticework.ner.text import fold

MAX_ENDING: Final = 8  # in the Resume corpus with jieba's dictionary there are never more than 4
_PIECE: Final = 2**18  # tokens that are joined to one string
_BLOCK: Final = 2**20  # matches that are looked at in one go
_SEPARATOR: Final = "\n"  # white space, which no word holds


@dataclass(frozen=True, eq=False)
class Arcs:
    """Where words stand in sentences, in the order of sentence, begin and end.

    Examples
    --------
    >>> arcs = Matcher(Lexicon.of(["长江", "长江大桥", "大桥"])).match(["南京市", "长江大桥"])
    >>> arcs.sentence.tolist(), arcs.begin.tolist(), arcs.end.tolist(), arcs.word.tolist()
    ([1, 1, 1], [0, 0, 2], [2, 4, 4], [0, 1, 2])
    >>> arcs.offsets.tolist()
    [0, 0, 3]
    """

    sentence: Int64[np.ndarray, " arcs"]
    begin: Int64[np.ndarray, " arcs"]  # the first token
    end: Int64[np.ndarray, " arcs"]  # behind the last token
    word: Int64[np.ndarray, " arcs"]  # index into the lexicon's words
    offsets: Int64[
        np.ndarray, " sentences_plus_one"
    ]  # the arcs of sentence i are those from offsets[i] to offsets[i + 1]

    def __len__(self) -> int:
        return len(self.word)

    def select(self, sentences: Int64[np.ndarray, " batch"] | Sequence[int]) -> Arcs:
        """The arcs of these sentences, which are counted anew from 0.

        Examples
        --------
        >>> arcs = Matcher(Lexicon.of(["长江"])).match(["长江", "市", "市长江"])
        >>> arcs.select([2, 1]).begin.tolist(), arcs.select([2, 1]).offsets.tolist()
        ([1], [0, 1, 1])
        """
        chosen = np.asarray(sentences, dtype=np.int64)
        counts = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], counts.cumsum()])
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], counts)
        sentence = np.repeat(np.arange(len(chosen)), counts)
        return Arcs(sentence, self.begin[places], self.end[places], self.word[places], offsets)


class Matcher:
    """Finds the words of a lexicon. The automaton is built when first used and never saved.

    Parameters
    ----------
    lexicon
        The words. Without any, nothing is found and no library is needed.

    Examples
    --------
    >>> matcher = Matcher(Lexicon.of(["南京", "南京市", "市长", "长江", "江大桥"]))
    >>> arcs = matcher.match(["南京市长江大桥"])
    >>> [matcher.lexicon.words[word] for word in arcs.word]
    ['南京', '南京市', '市长', '长江', '江大桥']
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon

    def __eq__(self, other: object) -> bool:
        return self.lexicon == other.lexicon if isinstance(other, Matcher) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.lexicon)

    def __getstate__(self) -> dict[str, Any]:
        return {"lexicon": self.lexicon}  # an automaton cannot be unpickled safely

    @cached_property
    def _automaton(self) -> Any:
        ahocorasick = require("ahocorasick", extra="ner", purpose="finding the words of a lexicon")
        automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        words = self.lexicon.words
        # The library looks through the characters that may come next one by one, in the order in which they were added.
        beginning = Counter(word[0] for word in words)
        for index in sorted(range(len(words)), key=lambda index: -beginning[words[index][0]]):
            automaton.add_word(words[index], index)
        automaton.make_automaton()
        return automaton

    @cached_property
    def _lengths(self) -> Int64[np.ndarray, " words"]:
        return np.fromiter(map(len, self.lexicon.words), np.int64, len(self.lexicon.words))

    def match(self, sentences: Sequence[Sequence[str]]) -> Arcs:
        """All words of two or more tokens that begin and end with a token, overlapping and nested ones too.

        Parameters
        ----------
        sentences
            Tokens, usually one character each; they are folded as the lexicon is. A word never crosses sentences.

        Raises
        ------
        MissingExtraError
            If pyahocorasick is not installed.
        """
        pieces = [self._match(piece, start) for start, piece in _pieces(sentences)] if self.lexicon.words else []
        empty = np.empty(0, np.int64)
        sentence, begin, end, word = (np.concatenate(part) for part in zip((empty,) * 4, *pieces, strict=True))
        counts = np.bincount(sentence, minlength=len(sentences))
        return Arcs(sentence, begin, end, word, np.concatenate([[0], counts.cumsum()]))

    def _match(self, sentences: Sequence[Sequence[str]], start: int) -> tuple[Int64[np.ndarray, " arcs"], ...]:
        """Sentence, begin, end and word of each arc."""
        text = _SEPARATOR.join("".join(sentence) for sentence in sentences)
        token_at, sentence_at = _places(sentences, text)
        found: list[tuple[Int64[np.ndarray, " matches"], ...]] = []
        # Where a word ends the automaton gives the longest first.
        matches = chain.from_iterable(self._automaton.iter(_folded(text)))
        while len(block := np.fromiter(islice(matches, 2 * _BLOCK), np.int64)):
            end, word = block[::2] + 1, block[1::2]
            begin = end - self._lengths[word]
            length = token_at[end] - token_at[begin]
            whole = (token_at[begin] >= 0) & (token_at[end] >= 0) & (length > 1)
            found.append(_longest(begin[whole], end[whole], word[whole]))
        if not found:
            return (np.empty(0, np.int64),) * 4
        # Again, for a block may have ended among the words of one place.
        begin, end, word = _longest(*(np.concatenate(part) for part in zip(*found, strict=True)))
        order = begin.argsort(kind="stable")
        begin, end = begin[order], end[order]
        return sentence_at[begin] + start, token_at[begin], token_at[end], word[order]


def _pieces(sentences: Sequence[Sequence[str]]) -> Iterator[tuple[int, Sequence[Sequence[str]]]]:
    """Sentences in groups of bounded length, each with the index of its first."""
    start = size = 0
    for index, sentence in enumerate(sentences):
        if size and size + len(sentence) > _PIECE:
            yield start, sentences[start:index]
            start, size = index, 0
        size += len(sentence)
    if start < len(sentences):
        yield start, sentences[start:]


def _places(
    sentences: Sequence[Sequence[str]], text: str
) -> tuple[Int64[np.ndarray, " places"], Int64[np.ndarray, " places"]]:
    """For each place in the joined text the token that begins there, -1 inside of one, and the sentence.

    The place of a separator counts as that of the token behind the last.
    """
    tokens = np.fromiter(map(len, sentences), np.int64, len(sentences))
    sentence_at = np.repeat(np.arange(len(sentences)), tokens + 1)
    firsts = np.concatenate([[0], (tokens + 1).cumsum()[:-1]])
    token_in_sentence = np.arange(len(sentence_at)) - firsts[sentence_at]
    if len(sentence_at) == len(text) + 1:
        return token_in_sentence, sentence_at
    spelled = chain.from_iterable(chain(sentence, (_SEPARATOR,)) for sentence in sentences)
    lengths = np.fromiter(map(len, spelled), np.int64, len(sentence_at))
    token_at = np.full(len(text) + 1, -1)
    token_at[lengths.cumsum() - lengths] = token_in_sentence
    return token_at, np.repeat(sentence_at, lengths)


def _folded(text: str) -> str:
    """The text, folded character by character, as the lexicon is: places stay what they are."""
    for character in set(text):
        if (folded := fold(character)) != character:
            text = text.replace(character, folded)
    return text


def _longest(
    begin: Int64[np.ndarray, " matches"], end: Int64[np.ndarray, " matches"], word: Int64[np.ndarray, " matches"]
) -> tuple[Int64[np.ndarray, " kept"], ...]:
    """The first `MAX_ENDING` of the matches of each end, which come together."""
    places = np.arange(len(end))
    new: Bool[np.ndarray, " matches"] = np.diff(end, prepend=-1) > 0
    rank = places - np.maximum.accumulate(np.where(new, places, 0))
    kept = rank < MAX_ENDING
    return begin[kept], end[kept], word[kept]
