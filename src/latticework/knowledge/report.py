"""A page of an update: what came and went, how far all moved, how well it predicts, and whether a refit is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Bool, Float64

from latticework.core.words import counted, listed
from latticework.knowledge.charts import explanation_picture
from latticework.knowledge.comparing import Refit, accuracy
from latticework.knowledge.drawing import drift_picture, map_picture, plane
from latticework.knowledge.facts import Triples
from latticework.knowledge.graph import Kind
from latticework.pages import Page, Picture, Section, Table, history_plot

if TYPE_CHECKING:
    from latticework.knowledge.estimator import DKGE
    from latticework.knowledge.results import UpdateReport
    from latticework.knowledge.triples import NamedTriple

MOST_LISTED: Final = 30  # names of a kind
MOST_MOVED: Final = 15  # rows of the table of what moved
MOST_MAPPED: Final = 20_000  # entities of a map: of more, some that did not move are left out


@dataclass(frozen=True)
class Moved:
    """How far the objects moved that were there before an update and are after it.

    Attributes
    ----------
    names
        Of the objects.
    drift
        Length of the change of the joint embedding of each.
    relative
        The same over the length of the embedding before.
    affected
        Which of them the update may move.
    """

    names: list[str]
    drift: Float64[np.ndarray, " objects"]
    relative: Float64[np.ndarray, " objects"]
    affected: Bool[np.ndarray, " objects"]

    @property
    def outside(self) -> float:
        """The largest drift of what is not affected: 0."""
        return float(self.drift[~self.affected].max(initial=0.0))


def moved(before: DKGE, after: DKGE, report: UpdateReport, kind: Kind = "entities") -> Moved:
    """Compare the joint embeddings before and after an update.

    Parameters
    ----------
    before
        A ``copy.copy`` of the model, made before the update.
    after
        The model.
    report
        Of the update.
    kind
        "entities" or "relations".

    Examples
    --------
    >>> import copy
    >>> from latticework.knowledge import DKGE
    >>> model = DKGE(dim=4, max_epochs=1, random_state=0)
    >>> model = model.fit([("Rome", "in", "Italy"), ("Oslo", "in", "Norway"), ("Bergen", "in", "Norway")])
    >>> before = copy.copy(model)
    >>> found = moved(before, model, model.partial_fit(add=[("Milan", "in", "Italy")]))
    >>> found.outside, sorted(name for name, there in zip(found.names, found.affected) if there)
    (0.0, ['Italy'])
    """
    numbers = np.flatnonzero(_there(before, kind) & _there(after, kind)[: len(_there(before, kind))])
    old, new = (_joint(model, kind)[numbers].astype(np.float64) for model in (before, after))
    drift, length = np.linalg.norm(new - old, axis=1), np.linalg.norm(old, axis=1)
    names = getattr(after.graph_, kind).named(numbers)
    may = report.affected if kind == "entities" else report.affected_relations
    relative = np.divide(drift, length, out=np.zeros_like(drift), where=length > 0)
    return Moved(names, drift, relative, np.array([name in may for name in names], dtype=bool))


def page(
    before: DKGE,
    after: DKGE,
    report: UpdateReport,
    *,
    test: Triples | None = None,
    refit: Refit | None = None,
    asked: NamedTriple | None = None,
    name: str = "a knowledge graph",
) -> Page:
    """The page of an update.

    Parameters
    ----------
    before
        A ``copy.copy`` of the model, made before the update.
    after
        The model.
    report
        What `partial_fit` gave back.
    test
        Held-out facts by which to compare the model before and after.
    refit
        To be compared with, too.
    asked
        A fact whose score is explained; the first one that came if absent.
    name
        What the title calls it.
    """
    sections = [changes(before, after, report), movements(before, after, report)]
    if test is not None:
        sections.append(accuracy(before, after, report, test, refit=refit))
    asked = asked or next(iter(facts_added(before, after)), None)
    if asked is not None:
        sections.append(
            Section(
                "A score explained",
                "What the embeddings of the three parts are made of.",
                pictures=[explanation_picture(after.explain(*asked))],
            )
        )
    curves = training_curves(after.history_)
    if curves:
        sections.append(Section("Training", "How the model was fitted, before any update.", pictures=curves))
    intro = (
        f"{counted(report.added_triples, 'fact')} came and {report.removed_triples:,} went. "
        f"Embeddings were brought up to date in {report.seconds:.2g} s."
    )
    return Page(f"An update of {name}", intro, sections)


def changes(before: DKGE, after: DKGE, report: UpdateReport) -> Section:
    """What came, what went, and what that affected."""
    graphs = before.graph_, after.graph_
    sizes = [
        [what, *counts]
        for what, counts in (
            ("facts", [len(graph) for graph in graphs]),
            ("entities", [int(graph.present.sum()) for graph in graphs]),
            ("relations", [int(graph.relations_present.sum()) for graph in graphs]),
        )
    ]
    untouched = int(_there(after, "entities").sum()) - len(report.affected) - len(report.new)
    lists = {
        "new": report.new,
        "removed": report.removed,
        "affected": report.affected,
        "new relations": report.new_relations,
        "removed relations": report.removed_relations,
        "affected relations": report.affected_relations,
    }
    return Section(
        "What changed",
        f"The graph has {counted(len(report.affected) + len(report.new) + untouched, 'entity', 'entities')}: "
        f"{len(report.affected):,} with another joint embedding, {len(report.new):,} new, {untouched:,} as before.",
        facts=[
            ("facts added", report.added_triples),
            ("facts removed", report.removed_triples),
            ("entities affected", len(report.affected)),
            ("seconds", round(report.seconds, 2)),
            ("strain", round(report.strain, 2)),
            ("refit due", "yes" if report.refit_due else "no"),
        ],
        paragraphs=[
            report.verdict,
            f"The update trained {counted(report.trained_objects, 'entity or relation', 'entities and relations')} "
            f"with {counted(report.trained_triples, 'fact')} for {counted(report.epochs, 'epoch')}."
            if report.epochs
            else "The update trained nothing.",
        ],
        tables=[
            Table(["what", "before", "after"], sizes, "Sizes of the graph."),
            *_table(
                ["what", "how many", "which"],
                [[what, len(names), listed(sorted(names), most=MOST_LISTED)] for what, names in lists.items() if names],
                "Entities and relations by what became of them.",
            ),
        ],
    )


def movements(before: DKGE, after: DKGE, report: UpdateReport) -> Section:
    """How far everything moved: nothing outside the affected set."""
    entities, relations = (moved(before, after, report, kind) for kind in ("entities", "relations"))
    pictures = [drift_picture(entities.drift, entities.affected)] if entities.names else []
    if relations.affected.any() or relations.outside:
        pictures.append(drift_picture(relations.drift, relations.affected, objects="relations"))
    pictures.append(entity_map(before, after, report))
    rows: list[list[object]] = []
    for kind, found in (("entity", entities), ("relation", relations)):
        for place in np.argsort(-found.drift, kind="stable")[:MOST_MOVED]:
            if found.drift[place] > 0:
                rows.append([kind, found.names[place], float(found.drift[place]), f"{found.relative[place]:.0%}"])
    outside = max(entities.outside, relations.outside)
    still = int((~entities.affected).sum() + (~relations.affected).sum())
    return Section(
        "What moved",
        f"Nothing outside the affected set moved: not one bit of {counted(still, 'joint embedding')} changed."
        if outside == 0
        else f"Something outside the affected set moved, by up to {outside:.2g}: that must not be.",
        facts=[
            ("largest change outside", outside),
            ("largest change inside", float(max(found.drift.max(initial=0.0) for found in (entities, relations)))),
            ("did not move", still),
        ],
        paragraphs=[] if rows else ["No joint embedding that was there before is another one now."],
        pictures=pictures,
        tables=_table(
            ["kind", "name", "change", "of its length"],
            rows,
            f"What moved farthest, at most {MOST_MOVED} of a kind: length of the change of the joint embedding, "
            "and what share that is of the length of the embedding.",
        ),
    )


def entity_map(before: DKGE, after: DKGE, report: UpdateReport) -> Picture:
    """Where entities lie, with an arrow for each that moved; new ones are marked."""
    there, was = _there(after, "entities"), _there(before, "entities")
    numbers = np.flatnonzero(there)
    names = after.graph_.entities.named(numbers)
    changed = np.array([name in report.affected or name in report.new for name in names], dtype=bool)
    present = len(numbers)
    if present > MOST_MAPPED:
        step = -(-present // MOST_MAPPED)
        kept = changed | (np.arange(present) % step == 0)
        numbers, changed = numbers[kept], changed[kept]
        names = [name for name, keep in zip(names, kept, strict=True) if keep]
    old = np.full((len(numbers), after.entity_embeddings_.shape[1]), np.nan)
    known = numbers < len(was)
    known[known] = was[numbers[known]]
    old[known] = before.entity_embeddings_[numbers[known]]
    mapped = plane(old, after.entity_embeddings_[numbers].astype(np.float64))
    return map_picture(mapped, names, changed, others=present - len(numbers))


def training_curves(history: Sequence[Mapping[str, float]]) -> list[Picture]:
    """The loss and, where there was validation, its MRR against epochs."""
    validated = "Filtered mean reciprocal rank on the validation facts while the model was fitted."
    found = [
        history_plot(history, {name: key}, x="epoch", x_label="epoch", y_label=name, caption=caption)
        for key, name, caption in (
            ("loss", "loss a fact", "Loss while the model was fitted."),
            ("valid_mrr", "filtered MRR", validated),
        )
    ]
    return [picture for picture in found if picture]


def facts_added(before: DKGE, after: DKGE) -> list[NamedTriple]:
    """The facts that the graph has after an update and had not before it."""
    triples = after.graph_.triples
    new: list[NamedTriple] = after.graph_.named(triples[~before.graph_.contains(triples)])
    return new


def _there(model: DKGE, kind: Kind) -> Bool[np.ndarray, " objects"]:
    """Which of the numbered objects are in a fact."""
    there: Bool[np.ndarray, " objects"] = model.graph_.present if kind == "entities" else model.graph_.relations_present
    return there


def _joint(model: DKGE, kind: Kind) -> np.ndarray:
    return model.entity_embeddings_ if kind == "entities" else model.relation_embeddings_


def _table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str) -> list[Table]:
    """A table, unless there is nothing in it."""
    return [Table(header, rows, caption)] if rows else []
