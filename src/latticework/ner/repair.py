"""Tags as users have them, in whatever scheme and with whatever faults, become entities, and a warning says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from latticework.core.errors import InputError
from latticework.core.words import listed
from latticework.ner.choices import Repair, Scheme
from latticework.ner.tags import REPAIRS, Span, faults, guess_scheme, spans_of, tags_of

SHOWN_PLACES: Final = 3


class Normalised(NamedTuple):
    """What the tags of many sentences say.

    Attributes
    ----------
    scheme : str
        What they are in.
    spans : list of list of Span
        The entities of each sentence.
    illegal : list of str
        Place and reason of every tag that was illegal where it stood.
    """

    scheme: Scheme
    spans: list[list[Span]]
    illegal: list[str]

    def warning(self, name: str, repair: Repair) -> str:
        """The one warning about all that was illegal in what has that name."""
        places = listed(self.illegal, most=SHOWN_PLACES)
        return f"{name}: {len(self.illegal)} illegal {self.scheme} tags repaired ({REPAIRS[repair]}): {places}"


def normalise(
    tags: Sequence[Sequence[str]],
    place: Callable[[int, int], str],
    *,
    repair: Repair = "close",
    scheme: Scheme | None = None,
) -> Normalised:
    """Read the tags of many sentences in a scheme, or whatever their scheme.

    Parameters
    ----------
    tags : sequence of sequences of str
        A tag a token, sentence by sentence.
    place : callable
        What messages call a place, given the index of the sentence and of the token.
    repair : str
        What becomes of illegal tags, as for `spans_of`.
    scheme : str, optional
        What they are in; guessed of them if it is not given.

    Raises
    ------
    InputError
        With the place, if a tag is none; with ``repair="refuse"`` also if one is illegal where it stands.

    Examples
    --------
    >>> normalised = normalise([["B-LOC", "I-LOC"], ["O", "I-PER"]], "tags[{}][{}]".format)
    >>> normalised.scheme, normalised.spans[1], normalised.illegal
    ('BIO', [Span(start=1, end=2, label='PER')], ['tags[1][1]: I-PER continues no entity'])
    """
    scheme = scheme or guess_scheme(tags)
    illegal: list[str] = []
    for index, sentence in enumerate(tags):
        found = faults(sentence, scheme, place=partial(place, index))
        illegal.extend(f"{place(index, token)}: {reason}" for token, reason in found)
        if illegal and repair == "refuse":
            raise InputError(illegal[0])
    return Normalised(scheme, [spans_of(sentence, scheme, repair=repair) for sentence in tags], illegal)


def convert_tags(tags: Sequence[str], source: Scheme, target: Scheme) -> list[str]:
    """The tags of a sentence in another scheme; illegal ones are repaired as by `spans_of`.

    Raises
    ------
    InputError
        As `spans_of`.

    Examples
    --------
    >>> convert_tags(["B-LOC", "I-LOC", "O", "B-PER"], "BIO", "BMES")
    ['B-LOC', 'E-LOC', 'O', 'S-PER']
    """
    return tags_of(spans_of(tags, source), len(tags), target)
