"""What defects in colour and 3D offer to the ways in."""

from latticework.core.capability import Capability

capability = Capability(
    name="anomaly",
    summary="Find defects on parts scanned in colour and 3D: where, how large, and what shows them.",
    estimators=("latticework.anomaly.detector:M3DM",),
    command="anomaly",
    commands="latticework.anomaly.cli:app",
    tour_stop="latticework.anomaly.tour:stop",
)
