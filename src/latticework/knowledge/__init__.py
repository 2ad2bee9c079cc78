"""Knowledge graphs that change: embeddings kept up to date by training what changed."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

if TYPE_CHECKING:
    from latticework.knowledge.config import DKGEConfig
    from latticework.knowledge.deltas import Delta
    from latticework.knowledge.estimator import DKGE
    from latticework.knowledge.graph import Graph
    from latticework.knowledge.results import Evaluation, Explanation, UpdateReport

__all__ = ["DKGE", "DKGEConfig", "Delta", "Evaluation", "Explanation", "Graph", "UpdateReport"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "DKGE": "latticework.knowledge.estimator:DKGE",
        "DKGEConfig": "latticework.knowledge.config:DKGEConfig",
        "Delta": "latticework.knowledge.deltas:Delta",
        "Evaluation": "latticework.knowledge.results:Evaluation",
        "Explanation": "latticework.knowledge.results:Explanation",
        "Graph": "latticework.knowledge.graph:Graph",
        "UpdateReport": "latticework.knowledge.results:UpdateReport",
    },
)
