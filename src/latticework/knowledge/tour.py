"""The tour's stop: a world of families and countries changes, and the embeddings of what changed follow alone."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Final

from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.planted import RULES, plant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latticework.knowledge.estimator import DKGE
    from latticework.knowledge.planted import Snapshot
    from latticework.knowledge.triples import NamedTriple
    from latticework.pages import Section, Table

CONFIG: Final = DKGEConfig(learning_rate=0.01, update_learning_rate=0.01, update_epochs=40)
DIM: Final = 64
EPOCHS: Final = 80
ANSWERS: Final = 3  # of each question
FOLLOWED: Final = ("lives in", "member of")  # what a person has one of, and changes
MOST_FOLLOWED: Final = 12


def stop(*, seed: int) -> Section:
    """Fit a world, let it change, bring the embeddings up to date, and compare with fitting it anew."""
    from latticework.knowledge import report
    from latticework.knowledge.charts import explanation_picture
    from latticework.knowledge.drawing import drift_picture
    from latticework.pages import Section

    first, second = plant(seed, snapshots=2)
    model, _ = _fit(first, seed)
    before = copy.copy(model)
    update = model.partial_fit(second.delta.add, second.delta.remove, validation=second.validation)
    anew, seconds = _fit(second, seed)
    evaluation = model.evaluate(second.test)
    moved = report.moved(before, model, update)
    asked = _citizenships(second)
    still = int((~moved.affected).sum())
    held_out = len(second.test) + len(second.validation)
    return Section(
        "Knowledge graphs that change: nothing moves but what is near",
        f"People die, move, marry and are born: {update.added_triples} facts come and {update.removed_triples} go. "
        f"{len(update.new)} entities are new, {len(update.affected)} get another embedding, and those of the other "
        f"{still:,} stay the same to the last bit.",
        facts=[
            ("entities affected", f"{len(update.affected)} of {len(moved.names)}"),
            ("largest change of the others", moved.outside),
            ("MRR after the update", round(evaluation.all.mrr, 3)),
            ("MRR of a refit", round(anew.score(second.test), 3)),
            ("seconds of the update", round(update.seconds, 1)),
            ("seconds of a refit", round(seconds, 1)),
        ],
        paragraphs=[
            " ".join(second.events),
            f"The graph does not tell {held_out} facts that follow from others: {RULES['citizen of']}, for example. "
            f"The MRR is that of {len(second.test)} of them, which nothing was learnt from. A rule of thumb without "
            f"learning, what another relation links and then what is popular, has {evaluation.floor.mrr:.3f}.",
            update.verdict,
        ],
        pictures=[
            drift_picture(moved.drift, moved.affected),
            report.entity_map(before, model, update),
            *(explanation_picture(model.explain(*fact)) for fact in asked[:1]),
        ],
        tables=[
            _answers(model, asked),
            _followed(before, model, second),
        ],
    )


def _fit(world: Snapshot, seed: int) -> tuple[DKGE, float]:
    from latticework.knowledge.estimator import DKGE

    started = time.monotonic()
    model = DKGE(DIM, max_epochs=EPOCHS, config=CONFIG, random_state=seed, device="cpu")
    return model.fit(world.facts, world.validation), time.monotonic() - started


def _answers(model: DKGE, asked: Sequence[NamedTriple]) -> Table:
    """What is answered for people who are new."""
    from latticework.pages import Table
    from latticework.pages.text import show

    rows, right = [], 0
    for head, relation, tail in asked:
        answers = model.predict_tails(head, relation, ANSWERS)
        rows.append([head, tail, *(f"{name} {show(round(score, 2))}" for name, score in answers)])
        right += answers[0][0] == tail
    return Table(
        ["new person", "citizen of", "first answer", "second", "third"],
        rows,
        f"Where those are citizens who are new: no fact says it. Of {len(rows)} first answers, with their scores, "
        f"{right} are right.",
    )


def _followed(before: DKGE, after: DKGE, world: Snapshot) -> Table:
    """Where facts about people who were there before stand among the answers, before and after."""
    from latticework.pages import Table

    there = [set(model.graph_.entities.named(model.graph_.present.nonzero()[0])) for model in (before, after)]
    rows = [
        [" ".join(fact), what, _place(before, fact), _place(after, fact)]
        for what, facts in (("came", world.delta.add), ("went", world.delta.remove))
        for fact in facts
        if fact[1] in FOLLOWED and set(fact[::2]) <= there[0] & there[1]
    ]
    return Table(
        ["fact", "it", "place before", "place after"],
        rows[:MOST_FOLLOWED],
        "Facts that came or went, of people who were there before, and the place of the last name among all entities "
        "as an answer.",
    )


def _place(model: DKGE, fact: NamedTriple) -> int:
    """The place of the tail among all entities, from 1."""
    head, relation, tail = fact
    answers = model.predict_tails(head, relation, len(model.graph_.entities), exclude_known=False)
    return 1 + [name for name, _ in answers].index(tail)


def _citizenships(world: Snapshot) -> list[NamedTriple]:
    """Of people who are new: it is never told."""
    return [fact for fact in world.test if fact[0] in world.born and fact[1] == "citizen of"]
