"""Word segmentation with a lexicon: of all ways to cut a sentence into words the most probable one.

Words count as drawn one by one, each as often as its frequency in the lexicon says (a unigram model, as jieba's). What
has no frequency there counts as seen once, a single character too. Latin letters and digits that follow each other are
never separated. It serves the "softword" feature and the word baseline of Zhang & Yang 2018, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from math import inf, log
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from latticework.ner.lexicon import Lexicon
from latticework.ner.matching import Arcs, Matcher
from latticework.ner.text import fold

PLACES_IN_WORD: Final = 4
BEGIN, MIDDLE, END, SINGLE = range(PLACES_IN_WORD)


def segment(sentences: Sequence[Sequence[str]], matcher: Matcher, *, arcs: Arcs | None = None) -> list[list[int]]:
    """The lengths of the words of each sentence, in tokens.

    Where two ways are equally probable the earlier words are the longer ones. Cost: one match of the text, unless it is
    given, and one step of Python for each token and each arc.

    Parameters
    ----------
    sentences
        Tokens, usually one character each.
    matcher
        Holds the lexicon.
    arcs
        What `matcher.match(sentences)` gave, if it is there already.

    Returns
    -------
    list of lists
        For each sentence whole numbers that add up to its length.

    Examples
    --------
    >>> lexicon = Lexicon.of({"南京": 90, "南京市": 40, "市长": 30, "长江": 50, "大桥": 20, "长江大桥": 10})
    >>> segment(["南京市长江大桥", "在iPhone上"], Matcher(lexicon))
    [[3, 4], [1, 6, 1]]
    """
    arcs = matcher.match(sentences) if arcs is None else arcs
    tokens = list(chain.from_iterable(sentences))
    starts = np.concatenate([[0], np.cumsum([len(sentence) for sentence in sentences], dtype=np.int64)])
    inside = _inside_runs(tokens, starts)
    first = starts[arcs.sentence]
    allowed = ~(inside[arcs.begin + first] | inside[arcs.end + first])
    offsets = np.concatenate([[0], allowed.cumsum()])[arcs.offsets].tolist()
    begin, end = arcs.begin[allowed].tolist(), arcs.end[allowed].tolist()
    scores, token_scores = _log_probabilities(matcher.lexicon, arcs.word[allowed], tokens, inside)
    score, token_score, is_inside = scores.tolist(), token_scores.tolist(), inside.tolist()
    lengths = []
    for index, (start, stop) in enumerate(pairwise(starts.tolist())):
        own = slice(offsets[index], offsets[index + 1])
        lengths.append(_best_path(token_score[start:stop], is_inside[start:stop], begin[own], end[own], score[own]))
    return lengths


def _best_path(
    token_score: list[float], inside: list[bool], begin: list[int], end: list[int], score: list[float]
) -> list[int]:
    """The lengths of the words on the path of highest score; arcs come in the order of begin and end."""
    count = len(token_score)
    best = [0.0] * (count + 1)
    ends = [count] * (count + 1)
    arc = len(begin) - 1
    cut = count  # where the next word may begin
    for place in range(count - 1, -1, -1):
        if inside[place]:
            continue
        top, top_end = -inf, cut
        while arc >= 0 and begin[arc] == place:  # the longest first
            value = score[arc] + best[end[arc]]
            if value > top:
                top, top_end = value, end[arc]
            arc -= 1
        value = token_score[place] + best[cut]
        if value > top:
            top, top_end = value, cut
        best[place], ends[place] = top, top_end
        cut = place
    lengths, place = [], 0
    while place < count:
        lengths.append(ends[place] - place)
        place = ends[place]
    return lengths


def _inside_runs(tokens: Sequence[str], starts: Int64[np.ndarray, " offsets"]) -> Bool[np.ndarray, " places"]:
    """Whether a cut before a token would separate letters and digits that follow each other."""
    latin = {token: _is_latin(fold(token)) for token in set(tokens)}
    is_latin = np.fromiter((latin[token] for token in tokens), bool, len(tokens))
    inside = np.zeros(len(tokens) + 1, bool)
    inside[1:-1] = is_latin[1:] & is_latin[:-1]
    inside[starts] = False
    return inside


def _is_latin(token: str) -> bool:
    return token.isascii() and token.isalnum()


def _log_probabilities(
    lexicon: Lexicon, words: Int64[np.ndarray, " arcs"], tokens: Sequence[str], inside: Bool[np.ndarray, " places"]
) -> tuple[Float64[np.ndarray, " arcs"], Float64[np.ndarray, " tokens"]]:
    """Of the words of the arcs, and of each token, or the run of letters and digits that begins there, as a word."""
    frequencies, characters = lexicon.frequencies, lexicon.characters
    total = len(lexicon) if frequencies is None else frequencies.sum(dtype=np.float64) + sum(characters.values())
    counts = np.ones(len(words)) if frequencies is None else np.maximum(frequencies[words], 1)
    count_of = {token: max(characters.get(fold(token), 1), 1) for token in set(tokens)}
    token_counts = np.fromiter((count_of[token] for token in tokens), np.float64, len(tokens))
    token_counts[inside[1:]] = 1  # a run, which is not its first letter
    return np.log(counts) - log(max(total, 1)), np.log(token_counts) - log(max(total, 1))


def segmentation_tags(lengths: Sequence[int]) -> Int8[np.ndarray, " tokens"]:
    """Where in its word each token stands: `BEGIN`, `MIDDLE`, `END` or `SINGLE`.

    Examples
    --------
    >>> segmentation_tags([2, 1, 4]).tolist()
    [0, 2, 3, 0, 1, 1, 2]
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    ends = sizes.cumsum()
    tags = np.full(ends[-1] if len(ends) else 0, MIDDLE, np.int8)
    tags[ends - sizes] = BEGIN
    tags[ends - 1] = np.where(sizes == 1, SINGLE, END)
    return tags


def words_of(tokens: Sequence[str], lengths: Sequence[int]) -> list[str]:
    """The words of a sentence as the lexicon has them, for training vectors of words.

    Examples
    --------
    >>> words_of("Ｔ恤大", [2, 1])
    ['T恤', '大']
    """
    words, start = [], 0
    for length in lengths:
        words.append("".join(map(fold, tokens[start : start + length])))
        start += length
    return words
