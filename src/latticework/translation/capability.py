"""What translation offers to the ways in."""

from latticework.core.capability import Capability

capability = Capability(
    name="translation",
    summary="Train a translator on your own parallel text, and translate with it.",
    estimators=("latticework.translation.estimator:TransformerTranslator",),
    command="translate",
    commands="latticework.translation.cli:app",
    tour_stop="latticework.translation.tour:stop",
    datasets=("latticework.translation.io:MULTI30K",),
)
