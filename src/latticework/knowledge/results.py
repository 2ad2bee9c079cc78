"""What the methods of a model give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from latticework.knowledge.metrics import Scores

REFIT_SHARE: Final = 0.5  # of the facts changed since `fit`: an update with so many loses up to a tenth of the MRR
FEWEST_STRAINED: Final = 10  # facts that came: the median of fewer says little
REFIT_STRAIN: Final = 1.5  # true changes have 1.0 to 1.25; random facts up to 2, a new relation up to 1.7


@dataclass(frozen=True)
class UpdateReport:
    """What an update did.

    Attributes
    ----------
    affected
        Entities that were there before and have a new joint embedding.
    affected_relations
        The same of relations.
    new, removed
        Entities that are now in a triple and were in none, and the other way round.
    new_relations, removed_relations
        The same of relations.
    added_triples, removed_triples
        Triples that the graph has now and had not, and the other way round.
    trained_triples
        How many facts the update learnt from.
    trained_objects
        How many entities and relations had their embedding trained.
    epochs
        How long.
    seconds
        By the clock, all of it.
    drift, relation_drift
        By name the length of the change of each affected entity's, or relation's, joint embedding; of others it is 0.
    changed_share
        Triples added or removed since `fit`, as a share of those in the graph.
    strain
        The median distance of the facts that this update brought, over that of the others: 1 where they fit alike. The
        higher, the more a refit would gain; see the documentation.
    """

    affected: frozenset[str]
    affected_relations: frozenset[str]
    new: frozenset[str]
    removed: frozenset[str]
    new_relations: frozenset[str]
    removed_relations: frozenset[str]
    added_triples: int
    removed_triples: int
    trained_triples: int
    trained_objects: int
    epochs: int
    seconds: float
    drift: dict[str, float] = field(repr=False)
    relation_drift: dict[str, float] = field(repr=False)
    changed_share: float
    strain: float

    @property
    def refit_due(self) -> bool:
        """Whether updates are no longer enough, by the strain or by the share of facts that changed."""
        return bool(self.reasons)

    @property
    def reasons(self) -> str:
        """Why a refit is due; empty where it is not."""
        reasons = []
        if self.changed_share >= REFIT_SHARE:
            reasons.append(
                f"{self.changed_share:.1%} of the facts came or went since the model was fitted, {REFIT_SHARE:.0%} or "
                "more: the weights that all share, which updates do not train, are from another graph"
            )
        if self._strained:
            reasons.append(
                f"the facts that came are {self.strain:.1f} times as far from true as the others: they do not fit "
                "while all else stays where it is"
            )
        return "; and ".join(reasons)

    @property
    def verdict(self) -> str:
        """Whether a refit is due, and why."""
        if self.refit_due:
            return f"A refit is due: {self.reasons}."
        share = f"{self.changed_share:.1%} of the facts came or went since the fit, less than {REFIT_SHARE:.0%}"
        if self.added_triples < FEWEST_STRAINED:
            return f"No refit is due: {share}, and the strain of fewer than {FEWEST_STRAINED} new facts says little."
        strain = (
            f"the strain of those that came is {self.strain:.2f}, less than {REFIT_STRAIN:g} (1 is that of the others)"
        )
        return f"No refit is due: {share}, and {strain}."

    @property
    def _strained(self) -> bool:
        return self.added_triples >= FEWEST_STRAINED and self.strain >= REFIT_STRAIN


@dataclass(frozen=True)
class Share:
    """How much an object heeds a part of its context: α, which with those of the others adds up to 1."""

    context: tuple[str, ...]  # the neighbour, or the relations of a path; empty for the object itself
    attention: float


@dataclass(frozen=True)
class Heeded:
    """What the joint embedding of an object is made of."""

    name: str
    gate: float  # the share of its own embedding, on average over the dimensions
    shares: tuple[Share, ...]  # of its context, the largest first


@dataclass(frozen=True)
class Explanation:
    """Why a triple has its score."""

    head: Heeded
    relation: Heeded
    tail: Heeded
    score: float
    known: bool  # whether it is in the graph


@dataclass(frozen=True)
class Evaluation:
    """Where held-out facts stand among all entities there are.

    Attributes
    ----------
    all, head, tail
        Of all questions; of those for the head (?, r, t) and for the tail (h, r, ?).
    floor
        What a rule without any learning gets: entities that another relation links, the popular first. A model that
        does not beat it has learnt little else.
    relations
        By name.
    kinds
        By "1-1", "1-N", "N-1" and "N-N" and side, such as "1-N tail".
    seen, new
        Of facts whose entities were there when the model was fitted, and of the others; None where there are none.
    leaked, unknown
        Facts that were left out: in the graph, or with names that it does not have.
    """

    all: Scores
    head: Scores
    tail: Scores
    floor: Scores
    relations: dict[str, Scores]
    kinds: dict[str, Scores]
    seen: Scores | None
    new: Scores | None
    leaked: int
    unknown: int
