"""Which answers to path questions a change of the graph touched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from latticework.knowledge.answers import NumberedQuestions
from latticework.knowledge.graph import Graph
from latticework.knowledge.questions import Questions, answers_in


@dataclass(frozen=True, eq=False)
class Changes:
    """What became of the answers to questions since an earlier graph.

    Attributes
    ----------
    askable
        Whether the earlier graph has the anchor and all relations of the path.
    changed
        Whether it gives another set of answers; none, where it cannot be asked.
    gained
        Of each answer whether it was none.
    lost
        How many answers of the earlier graph are none any more.
    """

    askable: Bool[np.ndarray, " questions"]
    changed: Bool[np.ndarray, " questions"]
    gained: Bool[np.ndarray, " answers"]
    lost: Int64[np.ndarray, " questions"]


def changes_since(before: Graph, questions: Questions) -> Changes:
    """Compare the answers of questions with those of an earlier graph, by name.

    Examples
    --------
    >>> from latticework.knowledge.questions import sample_questions
    >>> questions = sample_questions(Graph.of([("Ann", "lives in", "Rome")]), 2, hops=[1])
    >>> changes = changes_since(Graph.of([("Ann", "lives in", "Oslo")]), questions)
    >>> [questions.named(i)[:2] for i in range(2)], changes.askable.tolist(), changes.lost.tolist()
    ([('Rome', ['~lives in']), ('Ann', ['lives in'])], [False, True], [0, 1])
    """
    indptr, members = answers_in(before, questions)
    count, sizes = len(questions.entities), np.diff(indptr)
    owners = np.repeat(np.arange(len(questions)), sizes)
    renamed = questions.entities.numbers(before.entities.named(members))
    old = (owners * count + renamed)[renamed >= 0]
    gained = ~np.isin(questions.question * count + questions.answers, old)
    lost = sizes - np.bincount(questions.question[~gained], minlength=len(questions))
    changed = (lost > 0) | (np.bincount(questions.question[gained], minlength=len(questions)) > 0)
    asked = NumberedQuestions.of(
        questions, (before.entities, before.relations), (before.present, before.relations_present)
    )
    return Changes(asked.askable, changed, gained, lost)
