"""What mediation in brain images offers to the ways in."""

from latticework.core.capability import Capability

capability = Capability(
    name="mediation",
    summary="Ask whether a brain image carries the effect of an exposure on an outcome, with confounders unmeasured.",
    estimators=(
        "latticework.mediation.estimator:BASMU",
        "latticework.mediation.estimator:BIMA",
        "latticework.mediation.decomposition:BasisDecomposition",
    ),
    command="mediate",
    commands="latticework.mediation.cli:app",
    tour_stop="latticework.mediation.tour:stop",
)
