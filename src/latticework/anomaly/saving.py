"""A detector as what its folder holds: arrays, names, and the encoders it was given."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import torch

from latticework.anomaly.banks import FUSION
from latticework.anomaly.choices import Unit
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import SCANS
from latticework.anomaly.fitted import Fitted, Normal
from latticework.anomaly.fusion.decision import DecisionLayer
from latticework.anomaly.fusion.feature_fusion import FeatureFusion
from latticework.anomaly.held_out import HeldOut
from latticework.anomaly.judging import Layers, Representation
from latticework.anomaly.memory.bank import MemoryBank
from latticework.anomaly.memory.whitening import Whitening
from latticework.core import State
from latticework.core.errors import InputError


def state_of(fitted: Fitted) -> State:
    """Everything that was learnt."""
    normal = fitted.normal
    groups: dict[str, Any] = {f"bank_{bank}": memory.to_arrays() for bank, memory in normal.memories.items()}
    groups |= {f"scale_{bank}": scale.to_arrays() for bank, scale in normal.representation.whitenings.items()}
    groups |= {"image_layer": normal.layers.image.arrays(), "patch_layer": normal.layers.patch.arrays()}
    groups["calibration"] = {"scores": fitted.scores, "peaks": fitted.peaks}
    groups["held_out"] = fitted.held_out.to_arrays()
    if normal.representation.fusion is not None:
        groups["feature_fusion"] = normal.representation.fusion.tensors()
    values: dict[str, Any] = {
        "config": fitted.config.of_model(),
        "banks": list(normal.memories),
        "scales": list(normal.representation.whitenings),
        "fusion": normal.layers.image.method,
        "scans": list(fitted.scans),
        "unit": fitted.unit,
        "parts": list(fitted.parts),
        "sizes": [list(size) for size in fitted.sizes],
        "report": list(fitted.report),
        "digests": list(fitted.digests),
        "held_out": dict(fitted.held_out.digests),
        "encoders": None,
    }
    if fitted.encoders is not None:
        values["encoders"], groups["encoders"] = fitted.encoders.configs(), fitted.encoders.tensors()
    return State(values=values, tensors=groups)


def fitted_of(state: State, config: M3DMConfig, device: torch.device) -> Fitted:
    """What `state_of` kept, for use on a device; of `config` is what belongs to a machine.

    Raises
    ------
    InputError
        If something is missing, or does not fit the rest.
    """
    from latticework.anomaly.encoders.pretrained import Pretrained

    values, groups = state.values, state.tensors
    config = M3DMConfig(**values["config"]).on_machine_of(config)
    options = {"budget": config.memory, "folder": config.cache_folder, "device": device}
    fusion = FeatureFusion.from_tensors(groups["feature_fusion"]).to(device) if "feature_fusion" in groups else None
    scales = {bank: Whitening.from_arrays(_arrays(groups[f"scale_{bank}"])) for bank in values["scales"]}
    memories = {bank: MemoryBank.from_arrays(_arrays(groups[f"bank_{bank}"]), **options) for bank in values["banks"]}
    layers = [
        DecisionLayer.from_arrays(values["fusion"], _arrays(groups[f"{kind}_layer"])) for kind in ("image", "patch")
    ]
    parts, sizes = list(values["parts"]), [(int(high), int(wide)) for high, wide in values["sizes"]]
    most = max(int(memory.where[:, 0].max()) for memory in memories.values())
    scans, banks = tuple(values["scans"]), set(scales) | ({FUSION} if fusion is not None else set())
    fits = len(parts) == len(sizes) > most and all(layer.banks == len(memories) for layer in layers)
    if not fits or set(memories) != banks or not set(scans) <= set(SCANS):
        raise InputError("the parts of a detector do not fit each other; the model is damaged")
    unit = values["unit"]
    if unit not in get_args(Unit):
        raise InputError(f"points in {unit!r} are read by no detector; the model is damaged")
    for bank, scale in scales.items():
        if bank in memories and memories[bank].features.shape[1] != scale.matrix.shape[1]:
            raise InputError(f"the bank for {bank} does not fit its scale; the model is damaged")
    calibration = _arrays(groups["calibration"])
    scores, peaks = (calibration[name].astype(np.float64) for name in ("scores", "peaks"))
    if len(scores) != len(peaks):
        raise InputError(f"{len(scores)} scores and {len(peaks)} peaks of the parts set aside; the model is damaged")
    return Fitted(
        config=config,
        encoders=(
            None
            if values["encoders"] is None
            else Pretrained.from_tensors(groups["encoders"], values["encoders"], device=str(device))
        ),
        normal=Normal(Representation(scales, fusion), memories, Layers(*layers)),
        scans=scans,
        unit=unit,
        parts=parts,
        sizes=sizes,
        digests=list(values["digests"]),
        held_out=HeldOut.from_arrays(groups.get("held_out", {}), values["held_out"]),
        scores=scores,
        peaks=peaks,
        report=list(values["report"]),
    )


def _arrays(group: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in group.items()}
