"""Ranks that PyKEEN's evaluator gave, and the embeddings with many ties that it was asked about.

`python tests/reference/pykeen_ranks.py`, where PyKEEN 1.11.1 is installed (`benchmarks/peers/pykeen.txt`), writes
pykeen_ranks.json beside this file anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

ENTITIES, RELATIONS, DIM, ASKED = 60, 3, 4, 25
TIES = ("optimistic", "realistic", "pessimistic")
NORMS = (1, 2)
STORED = Path(__file__).with_suffix(".json")


def question() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Facts of which the first `ASKED` are held out, and embeddings of small whole numbers, so that distances tie."""
    rng = np.random.default_rng(20)
    facts = np.unique(rng.integers(0, [ENTITIES, RELATIONS, ENTITIES], (400, 3)), axis=0)
    facts = facts[rng.permutation(len(facts))]
    entities, relations = (rng.integers(-2, 3, (count, DIM)) for count in (ENTITIES, RELATIONS))
    return facts, entities.astype(np.float32), relations.astype(np.float32)


def stored() -> dict[tuple[int, str], np.ndarray]:
    """PyKEEN's ranks of heads and tails by norm and policy of ties, shape (ASKED, 2)."""
    found = json.loads(STORED.read_text("utf-8"))
    return {(norm, ties): np.array(found[f"norm {norm}"][ties]) for norm in NORMS for ties in TIES}


def ranks_of_pykeen(norm: int) -> dict[str, list[list[float]]]:
    """What PyKEEN says today."""
    import torch
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.models import TransE
    from pykeen.triples import CoreTriplesFactory

    facts, entities, relations = question()
    triples = torch.from_numpy(facts)
    factory = CoreTriplesFactory(triples[ASKED:], ENTITIES, RELATIONS)
    model = TransE(
        triples_factory=factory, embedding_dim=DIM, scoring_fct_norm=norm, entity_constrainer=None, random_seed=0
    )
    with torch.no_grad():
        model.entity_representations[0]._embeddings.weight.copy_(torch.from_numpy(entities))
        model.relation_representations[0]._embeddings.weight.copy_(torch.from_numpy(relations))
    evaluator = RankBasedEvaluator(clear_on_finalize=False)
    evaluator.evaluate(model, triples[:ASKED], batch_size=8, additional_filter_triples=[triples], use_tqdm=False)
    return {
        ties: np.stack([np.concatenate(evaluator.ranks[side, ties]) for side in ("head", "tail")], 1).tolist()
        for ties in TIES
    }


if __name__ == "__main__":
    found = {f"norm {norm}": ranks_of_pykeen(norm) for norm in NORMS}
    STORED.write_text(json.dumps(found) + "\n", "utf-8")
