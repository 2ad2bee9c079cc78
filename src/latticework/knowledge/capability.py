"""What knowledge graphs offer to the ways in."""

from latticework.core.capability import Capability

capability = Capability(
    name="knowledge",
    summary="Embed a knowledge graph, and keep it up to date as facts come and go.",
    estimators=("latticework.knowledge.estimator:DKGE",),
    command="kg",
    commands="latticework.knowledge.cli:app",
    tour_stop="latticework.knowledge.tour:stop",
    datasets=("latticework.knowledge.io.yago:YAGO",),
)
