"""How well models predict: before an update, after it, and fitted anew, by the same facts, beside a rule of thumb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Int64

from latticework.core.errors import InputError
from latticework.core.words import counted
from latticework.knowledge.charts import bar_picture, change_picture
from latticework.knowledge.facts import HeldOut, Triples, read_named
from latticework.knowledge.known_triples import KnownTriples, known_triples
from latticework.pages import Picture, Section, Table

if TYPE_CHECKING:
    from latticework.knowledge.estimator import DKGE
    from latticework.knowledge.ranking import Ranks
    from latticework.knowledge.results import UpdateReport
    from latticework.knowledge.triples import NamedTriple

BEFORE, AFTER, ANEW, FLOOR = "before", "after the update", "fitted anew", "rule of thumb"
WHOLE, NEW = "all that was known before", "about what is new"
MOST_RELATIONS: Final = 40  # rows of a picture


@dataclass(frozen=True)
class Refit:
    """A model that was fitted to the same facts from the beginning.

    Attributes
    ----------
    model
        Which.
    seconds
        How long that took.
    """

    model: DKGE
    seconds: float


def accuracy(before: DKGE, after: DKGE, report: UpdateReport, test: Triples, *, refit: Refit | None = None) -> Section:
    """How well held-out facts are predicted before the update, after it, and by a model fitted anew.

    All are compared by the facts that all of them can rank; those about what is new stand apart.

    Raises
    ------
    InputError
        If there is no fact that the model can rank.
    """
    models = {BEFORE: before, AFTER: after} | ({ANEW: refit.model} if refit else {})
    test = read_named(test, "test", "test")
    validation = [fact for model in models.values() for fact in model.validation_]  # all are filtered alike
    found = {model: ranked(each, test, validation) for model, each in models.items()}
    found[FLOOR] = floor(after, test, validation)
    facts = [fact for fact in found[AFTER] if all(fact in ranks for ranks in found.values())]
    if not found[AFTER]:
        raise InputError("test: there is not a single fact to judge by")
    others = [fact for fact in found[AFTER] if fact not in found[BEFORE]]
    removed = before.graph_.contains(before.graph_.numbered(others))
    later = [fact for fact, known in zip(others, removed, strict=True) if not known]
    about = [fact for fact in facts if not report.affected.isdisjoint(fact[::2])]
    rest = [fact for fact in facts if report.affected.isdisjoint(fact[::2])]
    rows: list[list[object]] = []
    for what, chosen in ((WHOLE, facts), ("about what is affected", about), ("about the rest", rest), (NEW, later)):
        for model, ranks in found.items():
            if chosen and all(fact in ranks for fact in chosen):
                rows.append([what, model, len(chosen), *_figures([ranks[fact] for fact in chosen])])
    said: list[tuple[str, object]] = [(f"MRR {model}", mrr) for what, model, _, mrr, *_ in rows if what == WHOLE]
    pictures = []
    if refit:
        said.append(("times as fast as a refit", round(refit.seconds / report.seconds, 1) if report.seconds else None))
        seconds = {"update": report.seconds, "refit": refit.seconds}
        pictures.append(bar_picture(seconds, measure="seconds", caption="How long the update and the refit took."))
    if facts:
        pictures.append(_by_relation(found, facts))
    return Section(
        "How well it predicts",
        "Filtered ranks of held-out facts among all entities of the graph, ties counted half. The rule of thumb learns "
        "nothing: what another relation links comes first, then what is popular.",
        facts=said,
        paragraphs=[
            f"{len(facts):,} of the held-out facts are about entities and relations that all models know; "
            f"{len(later):,} name something new, which the model before the update cannot rank"
            + (f"; its graph had {removed.sum():,} more." if removed.any() else ".")
        ],
        pictures=pictures,
        tables=[
            Table(
                ["facts", "model", "how many", "MRR", "Hits@1", "Hits@10"], rows, "Held-out facts, by what ranks them."
            )
        ],
    )


def ranked(
    model: DKGE, test: Triples, validation: Sequence[NamedTriple] | None = None
) -> dict[NamedTriple, tuple[float, float]]:
    """The filtered, realistic ranks of the head and of the tail of each held-out fact that a model can rank.

    Parameters
    ----------
    model
        Which.
    test
        Held-out facts, or a folder with some to test with.
    validation
        Other facts that are true, beside those of the graph; the model's own if absent.

    Examples
    --------
    >>> from latticework.knowledge import DKGE
    >>> model = DKGE(dim=4, max_epochs=1, random_state=0).fit([("Rome", "in", "Italy"), ("Oslo", "in", "Norway")])
    >>> list(ranked(model, [("Rome", "in", "Norway"), ("Paris", "in", "France")]))
    [('Rome', 'in', 'Norway')]
    """
    from latticework.knowledge.evaluation import ranks_of

    held_out, known = _asked(model, test, validation)
    return _by_fact(model, ranks_of(model.learned_, held_out, known))


def floor(
    model: DKGE, test: Triples, validation: Sequence[NamedTriple] | None = None
) -> dict[NamedTriple, tuple[float, float]]:
    """As `ranked`, by a rule that learns nothing: entities that another relation links come first, then popular ones.

    Examples
    --------
    >>> from latticework.knowledge import DKGE
    >>> facts = [("Rome", "in", "Italy"), ("Oslo", "in", "Norway"), ("Oslo", "capital of", "Norway")]
    >>> floor(DKGE(dim=4, max_epochs=1, random_state=0).fit(facts), [("Rome", "capital of", "Italy")])
    {('Rome', 'capital of', 'Italy'): (1.0, 1.0)}
    """
    from latticework.knowledge.evaluation import floor_of

    held_out, known = _asked(model, test, validation)
    return _by_fact(model, floor_of(model.graph_, held_out, known))


def _asked(
    model: DKGE, test: Triples, validation: Sequence[NamedTriple] | None
) -> tuple[Int64[np.ndarray, "n 3"], KnownTriples]:
    """The held-out facts that a model can rank, and what is known to be true."""
    graph = model.graph_
    held_out = HeldOut.of(read_named(test, "test", "test"), graph).triples
    others = HeldOut.of(model.validation_ if validation is None else validation, graph).triples
    return held_out, known_triples(graph, others, held_out)


def _by_fact(model: DKGE, ranks: Ranks) -> dict[NamedTriple, tuple[float, float]]:
    return dict(zip(model.graph_.named(ranks.triples), map(tuple, ranks.realistic.tolist()), strict=True))


def _by_relation(
    found: Mapping[str, Mapping[NamedTriple, tuple[float, float]]], facts: Sequence[NamedTriple]
) -> Picture:
    """MRR by relation, those with most facts first."""
    counts = Counter(relation for _, relation, _ in facts)
    rows = []
    for relation, count in counts.most_common(MOST_RELATIONS):
        own = [fact for fact in facts if fact[1] == relation]
        figures = {model: _figures([ranks[fact] for fact in own])[0] for model, ranks in found.items()}
        rows.append((f"{relation} ({count:,})", figures))
    left_out = len(counts) - len(rows)
    return change_picture(
        rows,
        measure="filtered MRR, heads and tails",
        caption="Filtered mean reciprocal rank by relation, with the number of held-out facts that all models know."
        + (f" Not drawn: {counted(left_out, 'relation')} with fewer facts." if left_out else ""),
    )


def _figures(ranks: Sequence[tuple[float, float]]) -> list[float]:
    """MRR, Hits@1 and Hits@10."""
    flat = np.array(ranks, dtype=np.float64)
    return [float(figure) for figure in ((1 / flat).mean(), (flat <= 1).mean(), (flat <= 10).mean())]
