"""Questions that a path of relations asks of a graph (the second task of Wu et al. 2022).

"Who plays for a club of the town where Ann was born?" is the anchor Ann and the path born in, ~is in, ~plays for, where
"~" goes from tail to head; its answers are all entities that the path leads to. Questions are drawn by random walks, so
that each has an answer. They depend on names alone: neither the numbering nor the order of the triples matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Int64

from latticework.core.checks import INT64, in_order, whole_number
from latticework.core.errors import InputError
from latticework.knowledge.graph import Graph
from latticework.knowledge.moves import Moves, Reached
from latticework.knowledge.names import Names
from latticework.knowledge.ragged import offsets, ranges

BACKWARDS: Final = "~"
MOST_ANSWERS: Final = 50  # a question with more says little about any of them
HOPS: Final = (1, 2, 3)
_ROUNDS: Final = 20  # of drawing, before there are taken to be no more questions


def steps_of(path: Sequence[str], graph: Graph) -> list[tuple[int, int]]:
    """The relations of a path by number, each with +1, or with -1 if it is followed from tail to head.

    Raises
    ------
    InputError
        If the path is empty, no list, or names a relation that there is not.

    Examples
    --------
    >>> steps_of(["in", "~capital of"], Graph.of([("Rome", "in", "Italy"), ("Rome", "capital of", "Italy")]))
    [(0, 1), (1, -1)]
    """
    names = list(in_order("path", path, "a list of relations"))
    if not names:
        raise InputError("path: expected a list of relations, got none")
    steps = []
    for name in names:
        backwards = name not in graph.relations and isinstance(name, str) and name.startswith(BACKWARDS)
        steps.append((graph.relation(name[1:] if backwards else name), -1 if backwards else 1))
    return steps


@dataclass(frozen=True, eq=False)
class Questions:
    """Anchors, paths of relations from them, and where these lead.

    Attributes
    ----------
    entities, relations
        The names that the numbers below stand for.
    anchors
        Where each path begins.
    path
        Its relations; -1 after the last.
    signs
        +1 where a relation is followed from head to tail, -1 from tail to head, 0 after the last.
    indptr, answers
        The answers of question i: answers[indptr[i]:indptr[i + 1]].
    """

    entities: Names
    relations: Names
    anchors: Int64[np.ndarray, " questions"]
    path: Int64[np.ndarray, "questions hops"]
    signs: Int64[np.ndarray, "questions hops"]
    indptr: Int64[np.ndarray, " questions_plus_one"]
    answers: Int64[np.ndarray, " answers"]

    def __len__(self) -> int:
        return len(self.anchors)

    @property
    def hops(self) -> Int64[np.ndarray, " questions"]:
        """How long each path is."""
        lengths: Int64[np.ndarray, " questions"] = np.count_nonzero(self.signs, axis=1)
        return lengths

    @property
    def question(self) -> Int64[np.ndarray, " answers"]:
        """The question that each answer belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def select(self, which: Bool[np.ndarray, " questions"] | Int64[np.ndarray, " chosen"]) -> Questions:
        """Some of the questions."""
        numbers = np.arange(len(self))[which]
        lengths = np.diff(self.indptr)[numbers]
        answers = self.answers[ranges(self.indptr[numbers], lengths)]
        parts = self.anchors[numbers], self.path[numbers], self.signs[numbers]
        return Questions(self.entities, self.relations, *parts, offsets(lengths), answers)

    def named(self, number: int) -> tuple[str, list[str], list[str]]:
        """The anchor, the path and the answers of one question by name."""
        steps = zip(self.path[number].tolist(), self.signs[number].tolist(), strict=True)
        path = [BACKWARDS * (sign < 0) + self.relations[relation] for relation, sign in steps if sign]
        answers = self.answers[self.indptr[number] : self.indptr[number + 1]]
        return self.entities[int(self.anchors[number])], path, self.entities.named(answers)


def sample_questions(
    graph: Graph, count: int, *, hops: Sequence[int] = HOPS, most_answers: int = MOST_ANSWERS, seed: int = 0
) -> Questions:
    """Questions about a graph, distinct, drawn by random walks.

    An anchor is any entity of the graph, all alike. At each hop one of the relations that lead on is drawn, all alike
    however many facts they have, then one of its facts. No relation is followed back right after it was followed; a
    path that comes back to the anchor and to nothing else asks nothing and is left out. The anchor is an answer like
    others where the path leads to it too.

    Parameters
    ----------
    graph
        The graph.
    count
        How many questions with each number of hops; there are fewer if 20 times as many draws do not give them.
    hops
        How long paths are.
    most_answers
        Questions with more answers are left out.
    seed
        The same number gives the same questions, in the same order.

    Returns
    -------
    Questions
        Those with the first number of hops first.

    Raises
    ------
    InputError
        If an argument cannot be used, or there is not a single question.

    Examples
    --------
    >>> graph = Graph.of([("Ann", "born in", "Rome"), ("Rome", "in", "Italy"), ("Milan", "in", "Italy")])
    >>> questions = sample_questions(graph, 1, hops=[2], seed=1)
    >>> questions.named(0)
    ('Ann', ['born in', 'in'], ['Italy'])
    """
    count = whole_number("count", count, least=1)
    most_answers = whole_number("most_answers", most_answers, least=1)
    lengths = [whole_number("hops", length, least=1) for length in hops]
    if not lengths or len(set(lengths)) < len(lengths):
        raise InputError(f"hops={hops!r}: expected numbers of hops, each once")
    seed = whole_number("seed", seed, least=0, most=INT64)
    if not len(graph):
        raise InputError("there is no question to ask of a graph without facts")
    entities = _by_digest(graph.entities, graph.present)
    relations = _by_digest(graph.relations, graph.relations_present)
    ranks = _places(entities, len(graph.entities)), _places(relations, len(graph.relations))
    heads, kinds, tails = graph.triples.T
    ranked = np.stack([ranks[0][heads], ranks[1][kinds], ranks[0][tails]], axis=1)
    moves = Moves.of(ranked, entities=len(entities), relations=len(relations))
    drawn = [_drawn(moves, count, length, most_answers, np.random.default_rng([seed, length])) for length in lengths]
    walks = np.concatenate([_widened(found, 1 + max(lengths)) for found, _, _ in drawn])
    if not len(walks):
        raise InputError(f"there is no question with hops={list(lengths)} and at most {most_answers} answers")
    steps = walks[:, 1:]
    return Questions(
        graph.entities,
        graph.relations,
        entities[walks[:, 0]],
        np.where(steps < 0, -1, relations[steps >> 1]),
        np.where(steps < 0, 0, 1 - 2 * (steps & 1)),
        offsets(np.concatenate([sizes for _, sizes, _ in drawn])),
        entities[np.concatenate([answers for _, _, answers in drawn])],
    )


def answers_in(graph: Graph, questions: Questions) -> Reached:
    """What another graph answers to the same questions, in its numbers; nothing where it lacks a name they have.

    Examples
    --------
    >>> graph = Graph.of([("Rome", "in", "Italy"), ("Milan", "in", "Italy")])
    >>> questions = sample_questions(graph, 1, hops=[1], seed=2)
    >>> questions.named(0)
    ('Italy', ['~in'], ['Milan', 'Rome'])
    >>> answers_in(Graph.of([("Rome", "in", "Italy"), ("Rome", "in", "Europe")]), questions)
    (array([0, 1]), array([0]))
    """
    anchors = graph.entities.numbers(questions.entities.named(questions.anchors))
    relations = np.append(graph.relations.numbers(list(questions.relations)), -1)[questions.path]
    known = (anchors >= 0) & ((relations >= 0) | (questions.signs == 0)).all(axis=1)
    steps = np.where(questions.signs == 0, -1, 2 * relations + (questions.signs < 0))
    moves = Moves.of(graph.triples, entities=len(graph.entities), relations=len(graph.relations))
    indptr, answers = moves.reached(anchors[known], steps[known])
    sizes = np.zeros(len(questions), np.int64)
    sizes[known] = np.diff(indptr)
    return offsets(sizes), answers


def _drawn(
    moves: Moves, count: int, hops: int, most_answers: int, random: np.random.Generator
) -> tuple[Int64[np.ndarray, "questions steps"], Int64[np.ndarray, " questions"], Int64[np.ndarray, " answers"]]:
    """At most `count` anchors with their steps, how many answers each has, and these."""
    seen = np.empty((0, 1 + hops), np.int64)
    found = [(seen, np.empty(0, np.int64), np.empty(0, np.int64))]
    for _ in range(_ROUNDS):
        anchors = random.integers(moves.entities, size=count)
        walks = moves.walks(anchors, hops, random)
        first = np.unique(np.concatenate([seen, walks]), axis=0, return_index=True)[1]
        walks = walks[np.sort(first[first >= len(seen)]) - len(seen)]
        seen = np.concatenate([seen, walks])
        indptr, answers = moves.reached(walks[:, 0], walks[:, 1:])
        sizes = np.diff(indptr)
        trivial = (sizes == 1) & (answers[indptr[:-1]] == walks[:, 0])
        good = np.flatnonzero((sizes <= most_answers) & ~trivial)[: count - sum(len(each) for each, _, _ in found)]
        found.append((walks[good], sizes[good], answers[ranges(indptr[good], sizes[good])]))
        if sum(len(each) for each, _, _ in found) == count:
            break
    walks, sizes, answers = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return walks, sizes, answers


def _by_digest(names: Names, there: Bool[np.ndarray, " names"]) -> Int64[np.ndarray, " there"]:
    """The names that are there in an order that depends on nothing but the names."""
    numbers = np.flatnonzero(there)
    order: Int64[np.ndarray, " there"] = numbers[np.argsort(names.digests()[numbers], kind="stable")]
    return order


def _places(order: Int64[np.ndarray, " n"], count: int) -> Int64[np.ndarray, " count"]:
    places = np.full(count, -1)
    places[order] = np.arange(len(order))
    return places


def _widened(walks: Int64[np.ndarray, "n some"], width: int) -> Int64[np.ndarray, "n width"]:
    return np.pad(walks, ((0, 0), (0, width - walks.shape[1])), constant_values=-1)
