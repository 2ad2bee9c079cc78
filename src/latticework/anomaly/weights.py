"""Trained weights for the encoders of M3DM, from the files that their authors and timm published.

Latticework ships and downloads no weights. Known are the names of facebookresearch/dino (the backbone alone, or a
checkpoint of training with a teacher and a student), of timm's `vit_base_patch8_224.dino`, and of Point-MAE. What a
file has besides the encoder, such as heads and decoders, is listed and left alone; what the encoder needs must all be
there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from latticework.anomaly.checkpoints import read_tensors
from latticework.anomaly.point_mae import POINT_MAE, PointMAE, PointMAEConfig
from latticework.anomaly.vit import VIT_B8, VisionTransformer, ViTConfig
from latticework.core.errors import InputError
from latticework.core.words import counted

SHOWN: Final = 3  # names in a message,
LONGEST: Final = 100  # and letters of a name there
_LAYER: Final = {
    "norm1": "attention_norm",
    "attn.qkv": "attention.query_key_value",
    "attn.proj": "attention.output",
    "norm2": "feed_forward_norm",
    "mlp.fc1": "feed_forward.expand",
    "mlp.fc2": "feed_forward.contract",
}
_BATCH_NORM: Final = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}


@dataclass(frozen=True)
class Naming:
    """How names in a file differ from an encoder's own.

    Attributes
    ----------
    groups : tuple of str
        Dictionaries of tensors that a file may have, the preferred one first; "" is all of it.
    wrappers : tuple of str
        What names may begin with, once or several times.
    """

    groups: tuple[str, ...]
    wrappers: tuple[str, ...]

    def bare(self, name: str) -> str:
        """The name without wrappers.

        Examples
        --------
        >>> DINO_NAMES.bare("module.backbone.cls_token")
        'cls_token'
        """
        return re.sub(rf"^(?:{'|'.join(map(re.escape, self.wrappers))})*", "", name)


DINO_NAMES: Final = Naming(("teacher.", "student.", "state_dict.", "model.", ""), ("module.", "backbone."))
POINT_MAE_NAMES: Final = Naming(
    ("base_model.", "state_dict.", "model.", ""), ("module.", "base_model.", "MAE_encoder.")
)


@dataclass(frozen=True)
class KeyReport:
    """What of a file an encoder was given.

    Attributes
    ----------
    group : str
        The dictionary of the file that was taken, such as "teacher."; "" is all of it.
    found : dict of str to str
        Keys of the encoder, in the authors' names, and what they are called in the file.
    missing : tuple of str
        Keys of the encoder that are not in the file; none where loading went well.
    unexpected : tuple of str
        Names of tensors in the file that are not the encoder's.
    """

    group: str
    found: dict[str, str]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        """One line for people.

        Examples
        --------
        >>> str(match(["module.norm.weight", "head.bias"], ["norm.weight"], DINO_NAMES))
        '1 key found, 0 missing, 1 unexpected: head.bias'
        """
        found, missing, unexpected = map(len, (self.found, self.missing, self.unexpected))
        text = f"{counted(found, 'key')} found, {missing:,} missing, {unexpected:,} unexpected"
        return f"{text}: {some(self.unexpected)}" if unexpected else text


def match(names: Iterable[str], keys: Iterable[str], naming: Naming) -> KeyReport:
    """Find an encoder's keys among the names of a file: in the group that has the most of them.

    Raises
    ------
    InputError
        If two names of the file are the same key.

    Examples
    --------
    >>> names = ["student.module.backbone.norm.weight", "teacher.backbone.norm.weight", "teacher.head.mlp.0.bias"]
    >>> report = match(names, ["norm.weight"], DINO_NAMES)
    >>> report.found, len(report.unexpected)
    ({'norm.weight': 'teacher.backbone.norm.weight'}, 2)
    """
    names, keys = list(names), list(keys)
    wanted = set(keys)
    best: tuple[str, dict[str, list[str]]] = "", {}
    for group in naming.groups:
        candidates: dict[str, list[str]] = {}
        for name in names:
            key = naming.bare(name.removeprefix(group))
            if name.startswith(group) and key in wanted:
                candidates.setdefault(key, []).append(name)
        if len(candidates) > len(best[1]):
            best = group, candidates
    group, candidates = best
    for key, same in candidates.items():
        if len(same) > 1:
            raise InputError(f"{same[0]!r} and {same[1]!r} are both {key!r} of the encoder: keep one of them")
    found = {key: name for key, (name,) in candidates.items()}
    used = set(found.values())
    missing = tuple(key for key in keys if key not in found)
    return KeyReport(group, found, missing, tuple(name for name in names if name not in used))


def vit_keys(config: ViTConfig) -> dict[str, str]:
    """Keys of a vision Transformer as DINO and timm name them, and our names.

    Examples
    --------
    >>> keys = vit_keys(VIT_B8)
    >>> len(keys), keys["blocks.11.attn.qkv.bias"]
    (150, 'layers.11.attention.query_key_value.bias')
    """
    pairs = {"cls_token": "class_token", "pos_embed": "positions"}
    parts = {"patch_embed.proj": "patches", **_layers("blocks", config.layers), "norm": "norm"}
    return pairs | {f"{their}.{kind}": f"{our}.{kind}" for their, our in parts.items() for kind in ("weight", "bias")}


def point_mae_keys(config: PointMAEConfig) -> dict[str, str]:
    """Keys of Point-MAE's encoder as its authors name them, and our names.

    Examples
    --------
    >>> keys = point_mae_keys(POINT_MAE)
    >>> len(keys), keys["encoder.second_conv.1.running_var"]
    (154, 'embedding.third.variance')
    """
    parts = {
        "encoder.first_conv.0": "embedding.first.linear",
        "encoder.first_conv.3": "embedding.second",
        "encoder.second_conv.0": "embedding.third.linear",
        "encoder.second_conv.3": "embedding.fourth",
        "pos_embed.0": "position_expand",
        "pos_embed.2": "position_contract",
        **_layers("blocks.blocks", config.layers),
        "norm": "norm",
    }
    pairs = {f"{their}.{kind}": f"{our}.{kind}" for their, our in parts.items() for kind in ("weight", "bias")}
    for their, our in (("first", "first"), ("second", "third")):
        pairs |= {f"encoder.{their}_conv.1.{kind}": f"embedding.{our}.{name}" for kind, name in _BATCH_NORM.items()}
    return {key: name for key, name in pairs.items() if not key.endswith("attn.qkv.bias")}


def load_vit(path: str | os.PathLike[str], config: ViTConfig = VIT_B8) -> tuple[VisionTransformer, KeyReport]:
    """Read the weights of a vision Transformer: DINO's ViT-B/8, or another of which the sizes are given.

    Parameters
    ----------
    path
        A .safetensors, .pth, .pt or .bin file with the names of facebookresearch/dino or timm. Of a checkpoint of
        training the teacher is taken, as its authors do.
    config
        Sizes.

    Returns
    -------
    VisionTransformer
        In float32, on the CPU, frozen.
    KeyReport
        What else the file has.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a key, or has one of another shape, not of real numbers, or not finite.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> config = ViTConfig(d_model=6, layers=1, heads=2, d_hidden=12, side=2)
    >>> own = VisionTransformer(config).state_dict()
    >>> with TemporaryDirectory() as folder:
    ...     state = {f"backbone.{key}": own[name] for key, name in vit_keys(config).items()}
    ...     torch.save({"teacher": state | {"head.last_layer.weight_g": torch.ones(1)}}, f"{folder}/dino.pth")
    ...     model, report = load_vit(f"{folder}/dino.pth", config)
    >>> print(report)
    18 keys found, 0 missing, 1 unexpected: teacher.head.last_layer.weight_g
    """
    with torch.device("meta"):
        encoder = VisionTransformer(config)
    return encoder, _load(Path(path), encoder, vit_keys(config), DINO_NAMES)


def load_point_mae(path: str | os.PathLike[str], config: PointMAEConfig = POINT_MAE) -> tuple[PointMAE, KeyReport]:
    """Read the weights of Point-MAE's encoder.

    Parameters
    ----------
    path
        A .safetensors, .pth, .pt or .bin file with the names of Point-MAE: its pre-training, or an encoder alone.
    config
        Sizes.

    Returns
    -------
    PointMAE
        In float32, on the CPU, frozen.
    KeyReport
        What else the file has.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a key, or has one of another shape, not of real numbers, or not finite.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     torch.save({"base_model": {"module.MAE_encoder.norm.weight": torch.ones(384)}}, f"{folder}/some.pth")
    ...     load_point_mae(f"{folder}/some.pth")
    Traceback (most recent call last):
    latticework.core.errors.InputError: ...some.pth lacks 153 keys of PointMAE: encoder.first_conv.0.weight, ...
    """
    with torch.device("meta"):
        encoder = PointMAE(config)
    return encoder, _load(Path(path), encoder, point_mae_keys(config), POINT_MAE_NAMES)


def some(names: Iterable[str]) -> str:
    """A few names for a message, and how many more there are.

    Examples
    --------
    >>> some("abcde")
    'a, b, c and 2 more'
    """
    names = list(names)
    shown = [f"{name[:LONGEST]}..." if len(name) > LONGEST else name for name in names[:SHOWN]]
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(name if name.isprintable() else repr(name) for name in shown) + more


def _layers(blocks: str, layers: int) -> dict[str, str]:
    return {
        f"{blocks}.{layer}.{their}": f"layers.{layer}.{our}" for layer in range(layers) for their, our in _LAYER.items()
    }


def _load(path: Path, encoder: nn.Module, keys: Mapping[str, str], naming: Naming) -> KeyReport:
    """Give an encoder on the device "meta" the weights of a file."""
    tensors, kind = read_tensors(path), type(encoder).__name__
    try:
        report = match(tensors, keys, naming)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if report.missing:
        raise InputError(
            f"{path} lacks {counted(len(report.missing), 'key')} of {kind}: {some(report.missing)}; it has "
            f"{counted(len(report.unexpected), 'tensor')} of something else: {some(report.unexpected) or 'none'}"
        )
    own = encoder.state_dict()
    state = {}
    for key, name in report.found.items():
        shape = (*own[keys[key]].shape, *[1] * ("_conv." in key and own[keys[key]].dim() == 2))  # of a convolution
        state[keys[key]] = _weight(path, name, tensors[name], shape).reshape(own[keys[key]].shape)
        if key.endswith("running_var") and (state[keys[key]] < 0).any():
            raise InputError(f"{path}: {name!r} has a variance below 0")
    encoder.load_state_dict(state, assign=True)
    encoder.requires_grad_(False)
    return report


def _weight(path: Path, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A copy in float32: what was read may lie in a file that changes."""
    if tuple(tensor.shape) != shape:
        raise InputError(f"{path}: {name!r} has the shape {tuple(tensor.shape)}, expected {shape}: other sizes?")
    if tensor.layout != torch.strided or tensor.is_meta or not tensor.is_floating_point():
        raise InputError(f"{path}: {name!r} is {tensor.dtype}, {tensor.layout}, expected dense real numbers")
    weight = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    if not weight.isfinite().all():
        raise InputError(f"{path}: {name!r} has values that are not finite in float32")
    return weight
