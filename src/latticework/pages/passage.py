"""Texts with marked spans: each has a colour, a line below it and its label beside it, so that no colour is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from latticework.core.errors import InputError
from latticework.pages.picture import Picture
from latticework.pages.theme import SERIES, colour

LINES = 4  # solid, dashed, dotted and double: from the seventh label on, colours come again with another line


@dataclass(frozen=True)
class Mark:
    """A span of a text.

    Parameters
    ----------
    start, end : int
        `text[start:end]` is marked.
    label : str
        What it is; stands beside it.
    note : str
        More about it; shows when it is pointed at.
    aside : str
        Stands small behind the label.
    """

    start: int
    end: int
    label: str
    note: str = ""
    aside: str = ""


@dataclass(frozen=True)
class Passage:
    """A text with marks that do not overlap, in order.

    Parameters
    ----------
    text : str
        As it is: white space is kept.
    marks : Sequence[Mark]
        From left to right.
    note : str
        A line below it.
    picture : Picture, optional
        Stands below the text.

    Raises
    ------
    InputError
        If a mark is empty, not within the text, or begins before the one before it ends.

    Examples
    --------
    >>> [piece for piece, _ in Passage("在长江边", [Mark(1, 3, "LOC")]).pieces()]
    ['在', '长江', '边']
    """

    text: str
    marks: Sequence[Mark] = ()
    note: str = ""
    picture: Picture | None = None

    def __post_init__(self) -> None:
        reached = 0
        for mark in self.marks:
            if not reached <= mark.start < mark.end <= len(self.text):
                raise InputError(
                    f"The mark {mark.start}-{mark.end} ({mark.label}) of a passage of {len(self.text)} characters: "
                    f"expected one that is not empty, within {reached}-{len(self.text)}."
                )
            reached = mark.end

    def pieces(self) -> Iterator[tuple[str, Mark | None]]:
        """The text cut where marks begin and end, each piece with its mark."""
        reached = 0
        for mark in self.marks:
            if reached < mark.start:
                yield self.text[reached : mark.start], None
            yield self.text[mark.start : mark.end], mark
            reached = mark.end
        if reached < len(self.text):
            yield self.text[reached:], None


@dataclass(frozen=True)
class Passages:
    """Texts below each other, with a legend of their labels.

    Parameters
    ----------
    items : Sequence[Passage]
        The texts.
    caption : str
        What they are; stands above them.
    labels : Sequence[str]
        The places of labels, which decide how they are drawn: pages with the same `labels` agree. Those that are not
        among them come after them, the most frequent first.
    """

    items: Sequence[Passage]
    caption: str
    labels: Sequence[str] = ()

    @property
    def legend(self) -> list[tuple[str, int, str]]:
        """Every label, how often it is there, and how it is drawn: the most frequent first."""
        places = self.places
        return [(label, count, style(places[label])) for label, count in self._counted()]

    @property
    def places(self) -> dict[str, int]:
        """The place of each label, of those in `labels` even if no text has it."""
        ordered = dict.fromkeys([*self.labels, *(label for label, _ in self._counted())])
        return {label: place for place, label in enumerate(ordered)}

    @property
    def styles(self) -> dict[str, str]:
        """How each label is drawn."""
        return {label: drawn for label, _, drawn in self.legend}

    def _counted(self) -> list[tuple[str, int]]:
        """Every label and how often it is there, the most frequent first."""
        counted = Counter(mark.label for passage in self.items for mark in passage.marks)
        return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def style(place: int) -> str:
    """The classes that draw the label at that place.

    Examples
    --------
    >>> style(7)
    'series-2 line-2'
    """
    return f"{colour(place)} line-{place // SERIES % LINES + 1}"
