"""A detector as what its folder holds: arrays, names, and the encoders it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch

from latticework.anomaly.clouds import Unit
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.decision import DecisionLayer
from latticework.anomaly.describing import SCANS
from latticework.anomaly.feature_fusion import FeatureFusion
from latticework.anomaly.fitting import Normal
from latticework.anomaly.holding import HeldOut
from latticework.anomaly.judging import FUSION, Layers, Representation
from latticework.anomaly.memory import MemoryBank
from latticework.anomaly.whitening import Whitening
from latticework.core import State
from latticework.core.errors import InputError
from latticework.core.hardware import resolve_device
from latticework.core.progress import message

if TYPE_CHECKING:
    from latticework.anomaly.detector import M3DM


def state_of(model: M3DM) -> State:
    """Everything that was learned."""
    normal = model.normal_
    groups: dict[str, Any] = {f"bank_{bank}": memory.to_arrays() for bank, memory in normal.memories.items()}
    groups |= {f"scale_{bank}": scale.to_arrays() for bank, scale in normal.representation.whitenings.items()}
    groups |= {"image_layer": normal.layers.image.arrays(), "patch_layer": normal.layers.patch.arrays()}
    groups["calibration"] = dict(zip(("scores", "peaks"), model.calibration_, strict=True))
    groups["held_out"] = model.held_out_.to_arrays()
    if normal.representation.fusion is not None:
        groups["feature_fusion"] = normal.representation.fusion.tensors()
    values: dict[str, Any] = {
        "banks": list(normal.memories),
        "scales": list(normal.representation.whitenings),
        "fusion": normal.layers.image.method,
        "scans": list(model.scans_),
        "unit": model.unit_,
        "parts": list(model.parts_),
        "sizes": [list(size) for size in model.sizes_],
        "report": list(model.report_),
        "digests": list(model.digests_),
        "held_out": dict(model.held_out_.digests),
        "encoders": None,
    }
    if model.encoders_ is not None:
        values["encoders"], groups["encoders"] = model.encoders_.configs(), model.encoders_.tensors()
    return State(values=values, tensors=groups)


def take_back(model: M3DM, state: State) -> None:
    """Give a model what `state_of` kept.

    Raises
    ------
    InputError
        If something is missing, or does not fit the rest.
    """
    from latticework.anomaly.pretrained import Pretrained

    values, groups = state.values, state.tensors
    model.settings_ = model.config or M3DMConfig()
    device = _device(model)
    options = {"budget": model.settings_.memory, "folder": model.settings_.cache_folder, "device": device}
    fusion = FeatureFusion.from_tensors(groups["feature_fusion"]) if "feature_fusion" in groups else None
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
    unit = values.get("unit", "m")  # which those were in that say nothing
    if unit not in get_args(Unit):
        raise InputError(f"points in {unit!r} are read by no detector; the model is damaged")
    for bank, scale in scales.items():
        if bank in memories and memories[bank].features.shape[1] != scale.matrix.shape[1]:
            raise InputError(f"the bank for {bank} does not fit its scale; the model is damaged")
    calibration = _arrays(groups["calibration"])
    model.normal_ = Normal(Representation(scales, fusion), memories, Layers(*layers))
    model.encoders_ = (
        None
        if values["encoders"] is None
        else Pretrained.from_tensors(groups["encoders"], values["encoders"], device=str(device))
    )
    model.banks_, model.seen_, model.scans_ = tuple(memories), tuple(scales), scans
    model.unit_ = unit
    model.parts_, model.sizes_, model.report_ = parts, sizes, list(values["report"])
    model.digests_ = list(values["digests"])
    model.held_out_ = HeldOut.from_arrays(groups.get("held_out", {}), values["held_out"])
    model.calibrate(calibration["scores"].astype(np.float64), calibration["peaks"].astype(np.float64))


def _arrays(group: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in group.items()}


def _device(model: M3DM) -> torch.device:
    """The model's own device; where this machine does not have it, the best that it has."""
    try:
        return resolve_device(model.device)
    except InputError:
        message(f"the model was fitted on {model.device}, which is not on this machine: it is used on what there is")
        model.device = "auto"
        return resolve_device(model.device)
