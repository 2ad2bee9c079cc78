"""Parts that nobody made, scanned in colour and 3D, and what is wrong with them, as a seed has it."""

from latticework.anomaly.synth.defects import CLASS_IDS, CONTRASTS, KINDS
from latticework.anomaly.synth.families import FAMILIES
from latticework.anomaly.synth.generate import generate
from latticework.anomaly.synth.scene import THRESHOLDS, VERSION, Scene, draw

__all__ = ["CLASS_IDS", "CONTRASTS", "FAMILIES", "KINDS", "THRESHOLDS", "VERSION", "Scene", "draw", "generate"]
