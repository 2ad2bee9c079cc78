"""Trained weights for the encoders of M3DM, from the files that their authors and timm published.

Latticework ships and downloads no weights. Known are the names of facebookresearch/dino (the backbone alone, or a
checkpoint of training with a teacher and a student), of timm's `vit_base_patch8_224.dino`, and of Point-MAE. What a
file has besides the encoder, such as heads and decoders, is listed and left alone; what the encoder needs must all be
there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from latticework.anomaly.encoders.checkpoint_keys import (
    DINO_NAMES,
    POINT_MAE_NAMES,
    KeyReport,
    Naming,
    match,
    point_mae_keys,
    some,
    vit_keys,
)
from latticework.anomaly.encoders.checkpoints import read_tensors
from latticework.anomaly.encoders.point_mae import POINT_MAE, PointMAE, PointMAEConfig
from latticework.anomaly.encoders.vit import VIT_B8, VisionTransformer, ViTConfig
from latticework.core.errors import InputError
from latticework.core.words import counted, shortened


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
            raise InputError(f"{path}: {shortened(name)} has a variance below 0")
    encoder.load_state_dict(state, assign=True)
    encoder.requires_grad_(False)
    return report


def _weight(path: Path, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A copy in float32: what was read may lie in a file that changes."""
    if tuple(tensor.shape) != shape:
        raise InputError(
            f"{path}: {shortened(name)} has the shape {tuple(tensor.shape)}, expected {shape}: other sizes?"
        )
    if tensor.layout != torch.strided or tensor.is_meta or not tensor.is_floating_point():
        raise InputError(f"{path}: {shortened(name)} is {tensor.dtype}, {tensor.layout}, expected dense real numbers")
    weight = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    if not weight.isfinite().all():
        raise InputError(f"{path}: {shortened(name)} has values that are not finite in float32")
    return weight
