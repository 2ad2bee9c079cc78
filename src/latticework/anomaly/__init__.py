"""Find defects on parts scanned in colour and 3D: Multi-3D-Memory, M3DM (Wang et al. 2023)."""

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.detector import M3DM
from latticework.anomaly.folders import read_folder
from latticework.anomaly.results import Evaluation, Inspection
from latticework.anomaly.samples import Sample, read_sample

__all__ = ["M3DM", "M3DMConfig", "Sample", "read_sample", "read_folder", "Inspection", "Evaluation"]
