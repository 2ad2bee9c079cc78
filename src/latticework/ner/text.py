"""What a tagger sees of a text: its characters without white space, each with its place in the original."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from latticework.core.checks import in_order
from latticework.core.errors import InputError
from latticework.core.words import shortened

CACHED_CHARACTERS: Final = 2**16


def characters(text: str) -> tuple[list[str], list[int]]:
    """The characters of a text (code points) that are not white space, and where each stands.

    Examples
    --------
    >>> characters("中 国")
    (['中', '国'], [0, 2])
    """
    kept = [(character, place) for place, character in enumerate(text) if not character.isspace()]
    return [character for character, _ in kept], [place for _, place in kept]


@lru_cache(CACHED_CHARACTERS)
def fold(token: str) -> str:
    """A token as the lexicon and the vocabulary know it: full-width forms become the usual ones (NFKC).

    A form that would become longer stays as it is, so that places in the text keep their meaning.

    Examples
    --------
    >>> fold("Ａ"), fold("㈱")
    ('A', '㈱')
    """
    folded = unicodedata.normalize("NFKC", token)
    return folded if len(folded) == len(token) else token


def check_sentences(sentences: Iterable[str | Sequence[str]], what: str) -> list[list[str]]:
    """The tokens of each sentence: a string is split into its characters, white space left out; a list is taken as is.

    Raises
    ------
    InputError
        If `sentences` is one string, a set, a mapping or a table, or a sentence is neither a string nor a sequence of
        strings, or one of its tokens is empty or white space.
    """
    given = in_order(what, sentences, "a list of sentences, such as [text]", dimensions=2)
    return [_tokens(sentence, f"{what}[{index}]") for index, sentence in enumerate(given)]


def check_texts(texts: Iterable[str]) -> list[str]:
    """The texts, each a string.

    Raises
    ------
    InputError
        If `texts` is one string, a set, a mapping or a table, or one of them is none.
    """
    given: list[Any] = list(in_order("texts", texts, "a list of texts, such as [text]"))
    for index, text in enumerate(given):
        if not isinstance(text, str):
            hint = " (''.join makes one of a list of characters)" if isinstance(text, list | tuple) else ""
            raise InputError(f"texts[{index}] is a {type(text).__name__}: expected a string{hint}")
    return given


def _tokens(sentence: str | Sequence[str], place: str) -> list[str]:
    if isinstance(sentence, str):
        return characters(sentence)[0]
    tokens = list(in_order(place, sentence, "a string or a list of characters"))
    for index, token in enumerate(tokens):
        if not isinstance(token, str) or not token.strip():
            raise InputError(f"{place}[{index}] is {shortened(token)}: expected a character")
    return tokens
