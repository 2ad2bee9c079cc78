"""How well path questions are answered.

Each right answer is ranked among all entities of the model's graph that are no right answers, the anchor among them if
it is none; among equals it stands in the middle. A question counts once, however many answers it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from latticework.core.checks import whole_number
from latticework.core.errors import InputError
from latticework.knowledge.embeddings import Embeddings
from latticework.knowledge.graph import Graph
from latticework.knowledge.names import Names
from latticework.knowledge.questions import Questions
from latticework.knowledge.ragged import chunks, ranges
from latticework.knowledge.traversal import path_distances

_BLOCK: Final = 2**24  # distances that are held at a time


@dataclass(frozen=True, eq=False)
class AnswerRanks:
    """Where the right answers to questions stand.

    Attributes
    ----------
    questions
        The questions.
    ranks
        Of each answer: 1 for the best, realistic among equals.
    candidates
        Of each answer: how many entities it is ranked among, itself included.
    askable
        Of each question whether the model has its anchor and its relations; of others all answers stand last, as do
        answers that the model does not have.
    """

    questions: Questions
    ranks: Float64[np.ndarray, " answers"]
    candidates: Int64[np.ndarray, " answers"]
    askable: Bool[np.ndarray, " questions"]


def rank_answers(embeddings: Embeddings, questions: Questions, *, beam: int | None = None) -> AnswerRanks:
    """Rank every right answer by its distance from where the path leads.

    Parameters
    ----------
    embeddings
        Of any state of any model: names tell what is what.
    questions
        Whose answers are taken for right, and for all that are right.
    beam
        As in `path_distances`.

    Raises
    ------
    InputError
        If no entity is present, or `beam` is less than 1.

    Examples
    --------
    >>> from latticework.knowledge.questions import sample_questions
    >>> graph = Graph.of([("Ann", "lives in", "Rome"), ("Rome", "in", "Italy")])
    >>> places = np.array([[0.0], [1.0], [3.5]], np.float32)
    >>> embeddings = Embeddings.of(graph, places, np.array([[1.0], [1.0]], np.float32))
    >>> questions = sample_questions(graph, 1, hops=[2], seed=1)
    >>> questions.named(0), rank_answers(embeddings, questions).ranks.tolist()
    (('Ann', ['lives in', 'in'], ['Italy']), [2.0])
    """
    if beam is not None:
        beam = whole_number("beam", beam, least=1)
    names = embeddings.entity_names, embeddings.relation_names
    asked = NumberedQuestions.of(questions, names, (embeddings.present, embeddings.relations_present))

    def distances(which: Int64[np.ndarray, " some"]) -> Float[Tensor, "some candidates"]:
        return path_distances(embeddings, asked.anchors[which], asked.path[which], questions.signs[which], beam=beam)

    return _ranked(asked, distances)


def rank_popular(graph: Graph, questions: Questions) -> AnswerRanks:
    """The floor: rank every right answer by how many facts lead to it by the last step of the path, from anywhere.

    Examples
    --------
    >>> from latticework.knowledge.questions import sample_questions
    >>> graph = Graph.of([("Ann", "lives in", "Rome"), ("Bob", "lives in", "Rome"), ("Cid", "lives in", "Oslo")])
    >>> questions = sample_questions(graph, 5, hops=[1]).select(np.array([4]))
    >>> questions.named(0), rank_popular(graph, questions).ranks.tolist()
    (('Cid', ['lives in'], ['Oslo']), [2.0])
    """
    presence = graph.present, graph.relations_present
    asked = NumberedQuestions.of(questions, (graph.entities, graph.relations), presence)
    last = np.arange(len(questions)), questions.hops - 1
    steps = 2 * asked.path[last] + (questions.signs[last] < 0)
    heads, relations, tails = graph.triples.T
    count = len(asked.columns)
    ends = np.concatenate([2 * relations * count + tails, (2 * relations + 1) * count + heads])
    keys, counts = np.unique(ends, return_counts=True)

    def unpopular(which: Int64[np.ndarray, " some"]) -> Float[Tensor, "some candidates"]:
        costs = torch.zeros(len(which), len(asked.candidates))
        begins, stops = (keys.searchsorted((steps[which] + more) * count) for more in (0, 1))
        found = ranges(begins, stops - begins)
        columns = asked.columns[keys[found] % count]
        rows = np.repeat(np.arange(len(which)), stops - begins)
        costs[torch.from_numpy(rows), torch.from_numpy(columns)] = torch.from_numpy(-counts[found].astype(np.float32))
        return costs

    return _ranked(asked, unpopular)


@dataclass(frozen=True)
class AnswerScores:
    """How well questions are answered: means over questions of the means over the answers of each.

    Attributes
    ----------
    questions, answers
        How many.
    mrr
        One over the rank.
    hits1, hits10
        Answers whose rank is at most 1, or 10.
    first
        Questions of which some right answer stands before all that is wrong.
    """

    questions: int
    answers: int
    mrr: float
    hits1: float
    hits10: float
    first: float


def answer_scores(
    ranks: AnswerRanks,
    which: Bool[np.ndarray, " questions"] | None = None,
    *,
    counted: Bool[np.ndarray, " answers"] | None = None,
) -> AnswerScores:
    """The scores of some questions; NaN if there are none.

    Parameters
    ----------
    ranks
        Of answers to all.
    which
        The questions; all, without it.
    counted
        Which answers count, such as those that an update brought; questions without any are left out.

    Examples
    --------
    >>> from latticework.knowledge.questions import sample_questions
    >>> graph = Graph.of([("Ann", "lives in", "Rome"), ("Bob", "lives in", "Rome"), ("Cid", "lives in", "Oslo")])
    >>> answer_scores(rank_popular(graph, sample_questions(graph, 5, hops=[1]))).questions
    5
    """
    question = ranks.questions.question
    counts = np.ones(len(question), dtype=bool) if counted is None else counted
    if which is not None:
        counts = counts & which[question]
    asked, rows = np.unique(question[counts], return_inverse=True)
    found = ranks.ranks[counts]
    sizes = np.bincount(rows, minlength=len(asked))

    def mean(values: Float64[np.ndarray, " answers"] | Bool[np.ndarray, " answers"]) -> float:
        return float((np.bincount(rows, values, len(asked)) / sizes).mean()) if len(asked) else math.nan

    best = np.full(len(asked), np.inf)
    np.minimum.at(best, rows, found)
    first = float((best <= 1).mean()) if len(asked) else math.nan
    return AnswerScores(len(asked), len(found), mean(1 / found), mean(found <= 1), mean(found <= 10), first)


def scores_by_hops(ranks: AnswerRanks, which: Bool[np.ndarray, " questions"] | None = None) -> dict[int, AnswerScores]:
    """As `answer_scores`, of the questions of each number of hops apart."""
    hops = ranks.questions.hops
    among = np.ones(len(hops), dtype=bool) if which is None else which
    return {length: answer_scores(ranks, among & (hops == length)) for length in np.unique(hops).tolist()}


@dataclass(frozen=True, eq=False)
class NumberedQuestions:
    """Questions in the numbers of whoever is asked.

    Attributes
    ----------
    candidates, columns
        The entities that are present, and the place of each entity among them, or -1.
    anchors, path
        As in the questions.
    askable
        Whether all of these are there.
    answers
        The place of each answer among the candidates, or -1.
    """

    questions: Questions
    candidates: Int64[np.ndarray, " candidates"]
    columns: Int64[np.ndarray, " entities"]
    anchors: Int64[np.ndarray, " questions"]
    path: Int64[np.ndarray, "questions hops"]
    askable: Bool[np.ndarray, " questions"]
    answers: Int64[np.ndarray, " answers"]

    @classmethod
    def of(
        cls,
        questions: Questions,
        names: tuple[Names, Names],
        presence: tuple[Bool[np.ndarray, " entities"], Bool[np.ndarray, " relations"]],
    ) -> NumberedQuestions:
        """Number questions by those names, of which only some may be present.

        Raises
        ------
        InputError
            If no entity is present.
        """
        candidates = np.flatnonzero(presence[0])
        if not len(candidates):
            raise InputError("there is no candidate to rank: no entity is in the graph")
        columns = np.where(presence[0], presence[0].cumsum() - 1, -1)
        # the last of each, where -1 points to, stands for what is unknown
        entities = np.append(names[0].numbers(list(questions.entities)), -1)
        relations = np.append(names[1].numbers(list(questions.relations)), -1)
        places, there = np.append(columns, -1), np.append(presence[1], False)
        anchors, path = entities[questions.anchors], relations[questions.path]
        askable = (places[anchors] >= 0) & (there[path] | (questions.signs == 0)).all(axis=1)
        return cls(questions, candidates, columns, anchors, path, askable, places[entities[questions.answers]])


Costs = Callable[["Int64[np.ndarray, ' some']"], Tensor]
"""Of some questions by number: what each candidate costs as an answer, "some candidates"; the lowest is best."""


@torch.no_grad()
def _ranked(asked: NumberedQuestions, costs: Costs) -> AnswerRanks:
    questions, width = asked.questions, len(asked.candidates)
    question, known = questions.question, asked.answers >= 0
    among = width - np.bincount(question[known], minlength=len(questions))[question] + 1
    ranks = among.astype(np.float64)
    numbers = np.flatnonzero(asked.askable)
    for part in chunks(np.full(len(numbers), width), _BLOCK):
        some = numbers[part]
        sizes = np.diff(questions.indptr)[some]
        answers = ranges(questions.indptr[some], sizes)
        rows, places = np.repeat(np.arange(len(some)), sizes), ranges(np.zeros_like(sizes), sizes)
        rows, places, answers = (each[known[answers]] for each in (rows, places, answers))
        found = costs(some).numpy()
        truth = np.zeros((len(some), int(sizes.max())), found.dtype)
        truth[rows, places] = found[rows, asked.answers[answers]]
        found[rows, asked.answers[answers]] = np.inf  # neither better than an answer nor equal to one
        found.sort(axis=1)
        before, upto = (
            torch.searchsorted(torch.from_numpy(found), torch.from_numpy(truth), right=right) for right in (False, True)
        )
        ranks[answers] = 1 + (before + upto).numpy()[rows, places] / 2
    return AnswerRanks(questions, ranks, among, asked.askable)
