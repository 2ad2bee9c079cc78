"""Find defects on parts scanned in colour and 3D: Multi-3D-Memory, M3DM (Wang et al. 2023)."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

if TYPE_CHECKING:
    from latticework.anomaly.config import M3DMConfig
    from latticework.anomaly.detector import M3DM
    from latticework.anomaly.findings.results import Evaluation, Inspection
    from latticework.anomaly.scans.folders import read_folder
    from latticework.anomaly.scans.sample_files import read_sample
    from latticework.anomaly.scans.samples import Sample

__all__ = ["M3DM", "M3DMConfig", "Sample", "read_sample", "read_folder", "Inspection", "Evaluation"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "M3DM": "latticework.anomaly.detector:M3DM",
        "M3DMConfig": "latticework.anomaly.config:M3DMConfig",
        "Sample": "latticework.anomaly.scans.samples:Sample",
        "read_sample": "latticework.anomaly.scans.sample_files:read_sample",
        "read_folder": "latticework.anomaly.scans.folders:read_folder",
        "Inspection": "latticework.anomaly.findings.results:Inspection",
        "Evaluation": "latticework.anomaly.findings.results:Evaluation",
    },
)
