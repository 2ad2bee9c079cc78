"""A saved model that changes are applied to, together with how far files of changes have been.

Both are what the model itself saves, at once, so they are of before a transaction or of after it, at whatever moment
the process is killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from latticework.core.estimator import header_of, read_saved
from latticework.core.persistence import read_folder, write_folder
from latticework.knowledge.choices import Affected
from latticework.knowledge.estimator import DKGE
from latticework.knowledge.positions import Position

if TYPE_CHECKING:
    from latticework.knowledge.learned import Learned


@dataclass
class SavedModel:
    """A saved model that is kept up to date where it is.

    Attributes
    ----------
    model
        As it is now.
    folder
        Where it is saved.
    header
        What a folder that it is saved in says it holds.
    """

    model: DKGE
    folder: Path
    header: dict[str, Any]
    _there: tuple[Learned, dict[str, Mapping[str, Any]]] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """Load a model as `DKGE.load` does."""
        saved = read_saved(folder, device=device, expected=DKGE)
        model: DKGE = saved.estimator
        return cls(model, folder, header_of(model), (model.learned_, saved.state.tensors))

    def update_by(
        self,
        *,
        affected: Affected | None = None,
        update_epochs: int | None = None,
        max_triples_per_entity: int | None = None,
    ) -> None:
        """Let updates go by these, where given, instead of what the model was fitted with; that is what is saved."""
        figures = {"update_epochs": update_epochs, "max_triples_per_entity": max_triples_per_entity}
        given: dict[str, Any] = {name: figure for name, figure in figures.items() if figure is not None}
        if affected is not None:
            self.model.set_params(affected=affected)
        if given:
            self.model.set_params(config=replace(self.model.config or self.model.config_, **given))

    @property
    def positions(self) -> tuple[Position, ...]:
        """How far files were applied, of each the last."""
        return tuple(Position(*position) for position in self.model.watched_)

    def save(self, folder: Path | None = None) -> None:
        """Save the model: a crash leaves what was there before, or all of this.

        Where it was loaded from, tensors that are there already are not written again.
        """
        state, learned = self.model.to_state(), self.model.learned_
        if folder is not None:
            write_folder(folder, header=self.header, state=state)
            return
        if self._there is not None and self._there[0] is learned:
            state.tensors = self._there[1]
        write_folder(self.folder, header=self.header, state=state)
        self._there = learned, read_folder(self.folder)[1].tensors

    def moved(self, position: Position, *, begun: Position | None) -> None:
        """Take a new position of a file, for that where it was begun and any other of the file that is there."""
        same = position.path, position.name  # as of `Position.is_of`; what is a link by now was none
        others = (each for each in self.positions if each != begun and each.path not in same)
        self.model.watched_ = [astuple(each) for each in (*others, position)]
