"""What a lattice tagger saw in a text: its arcs with their weights, what it made of them, and a drawing of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latticework.ner.drawing import drawn
from latticework.ner.results import Arc, Entity


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a lattice tagger saw in a text, and what it made of it.

    Attributes
    ----------
    text : str
        The original.
    offsets : list of int
        Where each character that the model read stands in it (white space is left out).
    tags : list of str
        The tag of each of these characters, BMES.
    entities : list of Entity
        What the tags say.
    arcs : list of Arc
        The words that match, from left to right, shorter ones first.
    characters : array of float32, shape (n, 2)
        The weight of each character itself in its own cell, forward and backward; 1 where no word ends (begins).
    """

    text: str
    offsets: list[int]
    tags: list[str]
    entities: list[Entity]
    arcs: list[Arc]
    characters: np.ndarray

    def svg(self, styles: Mapping[str, int] | None = None, *, alone: bool = True) -> str:
        """A drawing of the lattice, for a file or a web page: the number at a word is its weight.

        Parameters
        ----------
        styles
            The place of each type of entity, which decides its colour; that among the sorted types when absent.
        alone
            Whether it is a file of its own, with a background and colours that follow its reader's light or dark mode;
            else both are those of the page that it is put into.
        """
        own = dict(zip(self.offsets, self.characters.tolist(), strict=True))
        return drawn(self.text, self.arcs, self.entities, own, styles=styles, alone=alone)
