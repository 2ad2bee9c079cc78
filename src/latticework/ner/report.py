"""A page of tagged texts: entities marked and, of a lattice, the words that match and how far each was trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from latticework.ner.drawing import LEGEND, picture
from latticework.pages import Mark, Page, Passage, Passages, Section

if TYPE_CHECKING:
    from latticework.ner.estimator import Tagger
    from latticework.ner.results import Entity, Explanation

MOST_TEXTS: Final = 200  # of a page
MOST_CHARACTERS: Final = 20_000  # of all its texts: a page of a few megabytes
LONGEST: Final = 600  # characters that are shown of a text


@dataclass(frozen=True)
class Chosen:
    """The texts that a page has room for.

    Attributes
    ----------
    texts : list of str
        Each at most `LONGEST` characters of a text.
    left_out : list of str
        What is not among them, in sentences.
    """

    texts: list[str]
    left_out: list[str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Chosen:
        """Take the first texts, as many as there is room for, and count the others.

        Examples
        --------
        >>> chosen = Chosen.of(["长江", " ", *["长城"] * 210])
        >>> len(chosen.texts), chosen.left_out
        (200, ['1 blank line is left out.', '11 texts are left out: a page takes 200 texts and 20,000 characters.'])
        """
        kept: list[str] = []
        room, blank, cut, rest = MOST_CHARACTERS, 0, 0, 0
        for text in texts:
            start = text[:LONGEST]
            if not text.strip():
                blank += 1
            elif rest or len(kept) == MOST_TEXTS or len(start) > room:
                rest += 1
            else:
                kept.append(start)
                room -= len(start)
                cut += len(text) > LONGEST
        limits = f"a page takes {MOST_TEXTS} texts and {MOST_CHARACTERS:,} characters"
        told = [
            (blank, "blank line is left out.", "blank lines are left out."),
            (rest, f"text is left out: {limits}.", f"texts are left out: {limits}."),
            (
                cut,
                f"text is longer than {LONGEST} characters: only these are shown, tagged by themselves.",
                f"texts are longer than {LONGEST} characters: only these are shown, tagged by themselves.",
            ),
        ]
        return cls(kept, [f"{count:,} {one if count == 1 else more}" for count, one, more in told if count])


def page(tagger: Tagger, texts: Iterable[str], name: str) -> Page:
    """The page of the texts of a file of that name; of many, the first ones."""
    chosen = Chosen.of(texts)
    found = passages(tagger, chosen.texts)
    file = PurePath(name).name
    section = Section(
        "Entities",
        f"What a {type(tagger).__name__} found. Point at an entity for its probability"
        + (", at an arc for its weight in either direction." if _explains(tagger) else "."),
        facts=[
            ("texts", len(chosen.texts)),
            ("entities", sum(count for _, count, _ in found.legend)),
            *([("words of the lexicon", len(tagger.lexicon_))] if len(tagger.lexicon_) else []),
        ],
        paragraphs=chosen.left_out,
        passages=[found],
    )
    return Page(f"Entities in {file}", f"Types: {', '.join(tagger.labels_)}.", [section])


def passages(tagger: Tagger, texts: Sequence[str], caption: str = "Texts with their entities.") -> Passages:
    """Texts, none of them blank, with their entities marked; of a lattice with the drawing of it, too."""
    if not _explains(tagger):
        return Passages(_marked(texts, tagger.entities(texts)), caption)
    explained = [tagger.explain(text) for text in texts]
    return lattices(explained, f"{caption} {LEGEND}")


def lattices(explained: Sequence[Explanation], caption: str, notes: Sequence[str] = ()) -> Passages:
    """Explained texts, each with its lattice below it, and a note if there are any."""
    items = _marked([each.text for each in explained], [each.entities for each in explained])
    items = [replace(item, note=note) for item, note in zip(items, notes, strict=True)] if notes else items
    styles = {label: place for place, (label, _, _) in enumerate(Passages(items, caption).legend)}
    drawn = [
        replace(item, picture=picture(each, styles=styles)) if each.arcs else item
        for item, each in zip(items, explained, strict=True)
    ]
    return Passages(drawn, caption)


def _explains(tagger: Tagger) -> bool:
    return hasattr(tagger, "explain")


def _marked(texts: Sequence[str], entities: Iterable[Sequence[Entity]]) -> list[Passage]:
    def mark(each: Entity) -> Mark:
        return Mark(each.start, each.end, each.label, f"{each.label}, probability {each.score:.2f}")

    return [Passage(text, [mark(each) for each in found]) for text, found in zip(texts, entities, strict=True)]
