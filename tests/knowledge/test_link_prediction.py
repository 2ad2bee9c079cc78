"""What joint embeddings answer, against scores of triples and distances that NumPy finds."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from graphs import draw_graph

from latticework.knowledge import DKGE

GRAPH = draw_graph(0, relations=4)
HEAD, RELATION, TAIL = next(fact for fact in GRAPH.named() if fact[0] != fact[2])


@pytest.fixture(scope="module")
def model():
    return DKGE(8, max_epochs=2, random_state=0, device="cpu").fit(GRAPH.named())


@pytest.mark.parametrize("asked", ["tails", "heads", "relations"])
def test_answers_are_the_best_of_all_with_the_scores_of_their_triples(model, asked):
    predict, given, triple_of, names = {
        "tails": (model.predict_tails, (HEAD, RELATION), lambda name: (HEAD, RELATION, name), model.graph_.entities),
        "heads": (model.predict_heads, (RELATION, TAIL), lambda name: (name, RELATION, TAIL), model.graph_.entities),
        "relations": (model.predict_relations, (HEAD, TAIL), lambda name: (HEAD, name, TAIL), model.graph_.relations),
    }[asked]
    scores = model.score_triples([triple_of(name) for name in names])
    best = np.argsort(-scores)
    for k in (2, 50):
        found, told = zip(*predict(*given, k, exclude_known=False), strict=True)
        assert list(found) == [names[int(number)] for number in best[:k]]
        np.testing.assert_allclose(told, scores[best[:k]], rtol=1e-5)


@pytest.mark.parametrize("norm", [1, 2])
def test_similar_entities_are_those_whose_embeddings_are_nearest_without_itself(model, norm):
    model = copy(model)
    model.config_ = replace(model.config_, norm=norm)
    names = list(model.graph_.entities)
    embeddings = model.transform(names)
    for number, name in enumerate(names):
        apart = np.linalg.norm(embeddings - embeddings[number], ord=norm, axis=1)
        nearest = [other for other in np.argsort(apart) if other != number]
        for k in (3, 50):
            found, scores = zip(*model.similar(name, k), strict=True)
            assert list(found) == [names[other] for other in nearest[:k]]
            np.testing.assert_allclose(scores, -apart[nearest[:k]], rtol=1e-5)
