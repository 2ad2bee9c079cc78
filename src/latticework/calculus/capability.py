"""What matrix calculus offers to the ways in."""

from latticework.core.capability import Capability

capability = Capability(
    name="calculus",
    summary="Derive, explain, check and export the gradients of matrix expressions.",
    command="derive",
    commands="latticework.calculus.cli:app",
    tour_stop="latticework.calculus.tour:stop",
)
