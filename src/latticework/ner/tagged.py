"""A text with its entities as a file gave them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from latticework.core.errors import InputError
from latticework.ner.choices import Scheme
from latticework.ner.tags import Span, check_spans, tags_of


@dataclass(frozen=True)
class TaggedText:
    """Sentences with their entities, all lists of the same length.

    Attributes
    ----------
    sentences : list of list of str
        The tokens, of which none is white space. A sentence may be empty.
    spans : list of list of Span
        The entities of each, over its tokens, from left to right.
    scheme : str
        What the file held: one of `SCHEMES`, or "spans".
    places : list of str
        ``"file:line"`` where each sentence begins.
    texts : list of str
        Each sentence as it was written: the tokens, and white space between them if the file had some.
    begins : list of list of int
        Where in its text each token begins.
    """

    scheme: str
    sentences: list[list[str]] = field(default_factory=list)
    spans: list[list[Span]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    begins: list[list[int]] = field(default_factory=list)

    def add(
        self, text: str, tokens: Sequence[str], begins: Sequence[int], spans: Iterable[tuple[int, int, str]], place: str
    ) -> None:
        """Append a sentence, whose entities are spans of tokens, in any order.

        Raises
        ------
        InputError
            With its place, if a span is empty, ends outside the sentence, or shares a token with another.
        """
        try:
            checked = check_spans(spans, len(tokens))
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        self.sentences.append(list(tokens))
        self.spans.append(checked)
        self.places.append(place)
        self.texts.append(text)
        self.begins.append(list(begins))

    def tags_in(self, scheme: Scheme = "BMES") -> list[list[str]]:
        """Make a tag in that scheme for each token."""
        return [tags_of(spans, len(tokens), scheme) for spans, tokens in zip(self.spans, self.sentences, strict=True)]

    def text_spans(self, index: int) -> list[Span]:
        """The entities of a sentence, with places in its text instead of token numbers."""
        tokens, begins = self.sentences[index], self.begins[index]
        return [
            Span(begins[start], begins[end - 1] + len(tokens[end - 1]), label)
            for start, end, label in self.spans[index]
        ]
