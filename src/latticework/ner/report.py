"""A page of tagged texts: entities marked and, of a lattice, the words that match and the weight of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from latticework.core.streams import stream_name
from latticework.ner.drawing import MOST_CROSSING, drawn_arcs
from latticework.pages import Mark, Page, Passage, Passages, Picture, Section
from latticework.pages.text import printable

if TYPE_CHECKING:
    from latticework.ner.estimator import Tagger
    from latticework.ner.explanation import Explanation
    from latticework.ner.results import Entity

MOST_TEXTS: Final = 200  # of a page
MOST_CHARACTERS: Final = 20_000  # of all its texts: a page of a few megabytes
LONGEST: Final = 600  # characters that are shown of a text
MOST_TOLD: Final = 20  # words that are read to those who do not see the drawing
LEGEND: Final = (
    "Below the characters are the words that match, each with its weight, the mean of both directions. Compare it only "
    "among words that end (backward: begin) at the same character: they and the character share 1, so that, trusted "
    "alike, a word alone there has 0.50 and each of two 0.33, and a longer word does not have less because it is "
    "trusted less. The line does so: it is of middle strength where a word has just that, stronger where it has more."
)


@dataclass(frozen=True)
class Chosen:
    """The texts that a page has room for.

    Attributes
    ----------
    texts : list of str
        Each at most `LONGEST` characters of a text.
    total : int
        How many texts there are, blank lines aside.
    cut : int
        Of how many of `texts` the end is missing.
    left_out : list of str
        What is not among them, in sentences.
    """

    texts: list[str]
    total: int
    cut: int
    left_out: list[str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Chosen:
        r"""Take the first texts, as many as there is room for, and count the others.

        Examples
        --------
        >>> chosen = Chosen.of(["长江", " ", *["长城"] * 210])
        >>> len(chosen.texts), chosen.total
        (200, 211)
        >>> print(*chosen.left_out, sep="\n")
        The first 200 of 211 texts are shown: a page takes 200 texts and 20,000 characters.
        1 blank line is left out.
        """
        kept: list[str] = []
        room, total, blank, cut = MOST_CHARACTERS, 0, 0, 0
        for text in texts:
            start = text[:LONGEST]
            if not text.strip():
                blank += 1
                continue
            total += 1
            if len(kept) == total - 1 and len(kept) < MOST_TEXTS and len(start) <= room:
                kept.append(start)
                room -= len(start)
                cut += len(text) > LONGEST
        left_out = []
        if total > len(kept):
            limits = f"a page takes {MOST_TEXTS} texts and {MOST_CHARACTERS:,} characters"
            left_out.append(f"The first {len(kept):,} of {total:,} texts are shown: {limits}.")
        if cut:
            longer = "text that is" if cut == 1 else "texts that are"
            shown = f"the first {LONGEST} characters are shown, and were tagged without the rest"
            left_out.append(f"Of {cut:,} {longer} longer only {shown}.")
        if blank:
            left_out.append(f"{blank:,} blank {'line is' if blank == 1 else 'lines are'} left out.")
        return cls(kept, total, cut, left_out)


def page(tagger: Tagger, texts: Iterable[str], name: str) -> Page:
    """The page of the texts of a file of that name, as `stream_name` gives it; of many, the first ones."""
    chosen = Chosen.of(texts)
    found = passages(tagger, chosen.texts)
    file = "standard input" if name == stream_name("-") else PurePath(name).name
    count, entities = len(chosen.texts), sum(count for _, count, _ in found.legend)
    whole = count == chosen.total and not chosen.cut
    section = Section(
        "Entities",
        f"What a {type(tagger).__name__} found. Beside each entity are its type and its probability."
        + (" Point at the line of a word for its weight in either direction." if _explains(tagger) else ""),
        facts=[
            ("texts", count) if count == chosen.total else ("texts shown", f"{count:,} of {chosen.total:,}"),
            ("entities" if whole else "entities shown", entities),
            *([("words of the lexicon", len(tagger.lexicon_))] if len(tagger.lexicon_) else []),
        ],
        paragraphs=chosen.left_out,
        passages=[found],
    )
    return Page(f"Entities in {file}", f"Types: {', '.join(tagger.labels_)}.", [section])


def passages(tagger: Tagger, texts: Sequence[str]) -> Passages:
    """Texts, none of them blank, with their entities marked; of a lattice with the drawing of it, too."""
    caption = "Texts with their entities."
    if not _explains(tagger):
        return Passages(_marked(texts, tagger.entities(texts)), caption, tagger.labels_)
    explained = [tagger.explain(text) for text in texts]
    return lattices(explained, f"{caption} {LEGEND}", labels=tagger.labels_)


def lattices(
    explained: Sequence[Explanation], caption: str, notes: Sequence[str] = (), *, labels: Sequence[str] = ()
) -> Passages:
    """Explained texts, each with its lattice below it, and a note if there are any.

    The colours of types follow `labels`, those of the model, so that all its pages agree; without, those that are
    there, sorted.
    """
    labels = labels or sorted({entity.label for each in explained for entity in each.entities})
    items = _marked([each.text for each in explained], [each.entities for each in explained])
    items = [replace(item, note=note) for item, note in zip(items, notes, strict=True)] if notes else items
    places = Passages(items, caption, labels).places
    drawn = [
        replace(item, picture=picture(each, styles=places)) if each.arcs else item
        for item, each in zip(items, explained, strict=True)
    ]
    return Passages(drawn, caption, labels)


def picture(explanation: Explanation, *, styles: Mapping[str, int] | None = None) -> Picture:
    """The lattice as a picture of a page, which says in its caption how many arcs were left out.

    Parameters
    ----------
    explanation
        Of a text.
    styles
        The place of each type of entity, which decides its colour.
    """
    arcs = drawn_arcs(explanation.arcs)
    left_out = len(explanation.arcs) - len(arcs)
    more = f"Not drawn: {left_out:,} words with faint lines, where more than {MOST_CROSSING} cross." if left_out else ""
    words = ", ".join(f"{printable(arc.word)} {arc.weight:.2f}" for arc in arcs[:MOST_TOLD])
    and_more = f" and {len(arcs) - MOST_TOLD:,} more" if len(arcs) > MOST_TOLD else ""
    alt = (
        f"Lattice of a text. Words with their weights: {words}{and_more}."
        if arcs
        else "A text in which no word matches."
    )
    return Picture(explanation.svg(styles, alone=False), more, alt)


def _explains(tagger: Tagger) -> bool:
    return hasattr(tagger, "explain")


def _marked(texts: Sequence[str], entities: Iterable[Sequence[Entity]]) -> list[Passage]:
    def mark(each: Entity) -> Mark:
        note = f"{each.label}, probability {each.score:.2f}"
        return Mark(each.start, each.end, each.label, note, _percentage(each.score))

    return [Passage(text, [mark(each) for each in found]) for text, found in zip(texts, entities, strict=True)]


def _percentage(share: float) -> str:
    """In whole per cent, and never certain or impossible by rounding."""
    if 0.995 <= share < 1:
        return ">99%"
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"
