"""What a model of a knowledge graph can be asked: scores, completions, where a path leads, what is similar, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from latticework.core import Estimator, InputError
from latticework.core.checks import in_order, whole_number
from latticework.knowledge.facts import Triples, read_named
from latticework.knowledge.graph import Graph
from latticework.knowledge.names import Names
from latticework.knowledge.results import Explanation

if TYPE_CHECKING:
    from latticework.knowledge.answers import AnswerScores
    from latticework.knowledge.choices import ExportFormat
    from latticework.knowledge.config import DKGEConfig
    from latticework.knowledge.embeddings import Embeddings
    from latticework.knowledge.graph import Kind
    from latticework.knowledge.learned import Learned
    from latticework.knowledge.questions import Questions


class LinkPredictor(Estimator):
    """A model with joint embeddings of the entities and relations of a graph, known by name.

    Attributes
    ----------
    learned_ : Learned
        The graph, the embeddings, and what they are made of.
    config_ : DKGEConfig
        What it was learned with.
    updates_ : int
        How many changed it since.
    """

    learned_: Learned
    config_: DKGEConfig
    updates_: int

    @property
    def graph_(self) -> Graph:
        """The facts now."""
        return self.learned_.graph

    @property
    def entity_embeddings_(self) -> np.ndarray:
        """Joint embeddings of entities, by number."""
        return self.learned_.entities

    @property
    def relation_embeddings_(self) -> np.ndarray:
        """Joint embeddings of relations, by number."""
        return self.learned_.relations

    @property
    def embeddings_(self) -> Embeddings:
        """Joint embeddings with their names: what answers questions and is exported."""
        return self.learned_.embeddings

    def transform(self, entities: Iterable[str]) -> np.ndarray:
        """The joint embeddings of entities, of each in the order given.

        Returns
        -------
        array of float32, shape (n, dim)

        Raises
        ------
        InputError
            If one is unknown, or was removed, or they have no order.
        """
        check_is_fitted(self)
        rows: np.ndarray = self.learned_.entities[self._entities(entities)]
        return rows

    def score_triples(self, triples: Triples) -> np.ndarray:
        """How likely triples are: -‖h* + r* - t*‖, for each in the order given.

        Returns
        -------
        array of float32, shape (n,)

        Raises
        ------
        InputError
            If a name is unknown, or was removed, or the triples have no order.
        """
        check_is_fitted(self)
        if not isinstance(triples, str | os.PathLike | Graph) and not hasattr(triples, "to_numpy"):  # a table
            triples = in_order("triples", triples, "triples of names, one after the other", dimensions=2)
        rows = read_named(triples, "triples")
        heads, relations, tails = zip(*rows, strict=True) if rows else ((), (), ())
        points = self._points(self._entities(heads), self._relations(relations))
        apart = points - self.learned_.entities[self._entities(tails)]
        scores: np.ndarray = -np.linalg.norm(apart, ord=self.config_.norm, axis=-1)
        return scores

    def predict_tails(
        self, head: str, relation: str, k: int = 10, *, exclude_known: bool = True
    ) -> list[tuple[str, float]]:
        """The most likely tails of a head and a relation, with their scores, the best first.

        Parameters
        ----------
        head, relation
            By name.
        k
            At most how many.
        exclude_known
            Leave out those that the graph has.

        Raises
        ------
        InputError
            If a name is unknown, or was removed.
        """
        check_is_fitted(self)
        [h], [r] = self._entities([head]), self._relations([relation])
        facts = self.graph_.triples
        known = facts[(facts[:, 0] == h) & (facts[:, 1] == r), 2] if exclude_known else None
        return self._nearest_entities(self._points(h, r), k, known)

    def predict_heads(
        self, relation: str, tail: str, k: int = 10, *, exclude_known: bool = True
    ) -> list[tuple[str, float]]:
        """The most likely heads of a relation and a tail; see `predict_tails`."""
        check_is_fitted(self)
        [r], [t] = self._relations([relation]), self._entities([tail])
        facts = self.graph_.triples
        known = facts[(facts[:, 1] == r) & (facts[:, 2] == t), 0] if exclude_known else None
        return self._nearest_entities(self.learned_.entities[t] - self.learned_.relations[r], k, known)

    def predict_relations(
        self, head: str, tail: str, k: int = 10, *, exclude_known: bool = True
    ) -> list[tuple[str, float]]:
        """The most likely relations between two entities; see `predict_tails`."""
        check_is_fitted(self)
        h, t = self._entities([head, tail])
        allowed = self.graph_.relations_present
        if exclude_known:
            triples = self.graph_.triples
            allowed[triples[(triples[:, 0] == h) & (triples[:, 2] == t), 1]] = False
        point = self.learned_.entities[t] - self.learned_.entities[h]
        return self._nearest(point, self.learned_.relations, allowed, self.graph_.relations, k)

    def similar(self, entity: str, k: int = 10) -> list[tuple[str, float]]:
        """The entities whose joint embeddings are nearest, itself left out, with the negative distance."""
        check_is_fitted(self)
        [number] = self._entities([entity])
        return self._nearest_entities(self.learned_.entities[number], k, np.array([number]))

    def answer(self, anchor: str, path: Sequence[str], k: int = 10, *, beam: int | None = 8) -> list[tuple[str, float]]:
        """The entities that a path of relations leads to from an anchor, the best first.

        Parameters
        ----------
        anchor
            The entity where the path begins.
        path
            Relations by name, from the anchor on; one that is followed from tail to head has a "~" before it.
        k
            At most how many.
        beam
            Go from entity to entity, and keep so many after each hop; None adds the relations up in one step, which is
            quicker and knows less.

        Raises
        ------
        InputError
            If a name is unknown or was removed, or the path is empty.
        """
        check_is_fitted(self)
        from latticework.knowledge.questions import steps_of
        from latticework.knowledge.traversal import path_distances

        k = whole_number("k", k)
        beam = None if beam is None else whole_number("beam", beam)
        learned, embeddings = self.learned_, self.embeddings_
        steps = steps_of(path, learned.graph)
        self._relations([learned.graph.relations[relation] for relation, _ in steps])
        relations, signs = np.array(steps, np.int64).T
        far = path_distances(embeddings, self._entities([anchor]), relations[None], signs[None], beam=beam)[0].numpy()
        best = np.argsort(far, kind="stable")[:k]
        names = learned.graph.entities.named(embeddings.candidates[best])
        return list(zip(names, (-far[best]).tolist(), strict=True))

    def evaluate_questions(self, questions: Questions, *, beam: int | None = 8) -> dict[int, AnswerScores]:
        """How well questions are answered that ask where a path leads, of each number of hops apart.

        Parameters
        ----------
        questions
            With their answers; `latticework.knowledge.questions.sample_questions` draws some from a graph.
        beam
            As in `answer`.
        """
        check_is_fitted(self)
        from latticework.knowledge.answers import rank_answers, scores_by_hops

        return scores_by_hops(rank_answers(self.embeddings_, questions, beam=beam))

    def export(
        self, path: str | os.PathLike[str], *, kind: Kind = "entities", format: ExportFormat | None = None
    ) -> int:
        """Write joint embeddings for other tools: as an array, parquet, word vectors or a FAISS index.

        See `latticework.knowledge.exporting.export_embeddings`.
        """
        check_is_fitted(self)
        from latticework.knowledge.exporting import export_embeddings

        return export_embeddings(path, self.embeddings_, kind=kind, format=format)

    def explain(self, head: str, relation: str, tail: str) -> Explanation:
        """Why a triple has its score: what its parts heed of their contexts, and how much of themselves.

        Raises
        ------
        InputError
            If a name is unknown, or was removed.
        """
        check_is_fitted(self)
        from latticework.knowledge.explaining import heeded

        (h, t), [r] = self._entities([head, tail]), self._relations([relation])
        return Explanation(
            heeded(self.learned_, "entities", h),
            heeded(self.learned_, "relations", r),
            heeded(self.learned_, "entities", t),
            float(self.score_triples([(head, relation, tail)])[0]),
            bool(self.graph_.contains(np.array([[h, r, t]]))[0]),
        )

    def _entities(self, names: Iterable[str]) -> np.ndarray:
        graph = self.graph_
        given = in_order("entities", names, "a list of names")
        numbers = np.array([graph.entity(name) for name in given], np.int64)
        gone = ~graph.present[numbers]
        if gone.any():
            name = graph.entities[int(numbers[gone][0])]
            raise InputError(f"the entity {name!r} is in no fact of the graph now")
        return numbers

    def _relations(self, names: Iterable[str]) -> np.ndarray:
        graph = self.graph_
        numbers = np.array([graph.relation(name) for name in names], np.int64)
        gone = graph.relation_counts[numbers] == 0
        if gone.any():
            name = graph.relations[int(numbers[gone][0])]
            raise InputError(f"the relation {name!r} is in no fact of the graph now")
        return numbers

    def _points(self, heads: Any, relations: Any) -> np.ndarray:
        points: np.ndarray = self.learned_.entities[heads] + self.learned_.relations[relations]
        return points

    def _nearest_entities(self, point: np.ndarray, k: int, without: np.ndarray | None) -> list[tuple[str, float]]:
        allowed = self.graph_.present.copy()
        if without is not None:
            allowed[without] = False
        return self._nearest(point, self.learned_.entities, allowed, self.graph_.entities, k)

    def _nearest(
        self, point: np.ndarray, table: np.ndarray, allowed: np.ndarray, names: Names, k: int
    ) -> list[tuple[str, float]]:
        from latticework.knowledge.search import nearest

        k = whole_number("k", k)
        numbers, distances = nearest(point, table, allowed, k, norm=self.config_.norm)
        return list(zip(names.named(numbers), (-distances).tolist(), strict=True))
