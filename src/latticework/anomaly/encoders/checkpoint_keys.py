"""What the weights of the encoders of M3DM are called in published files, and what we call them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from latticework.anomaly.encoders.point_mae import PointMAEConfig
from latticework.anomaly.encoders.vit import ViTConfig
from latticework.core.errors import InputError
from latticework.core.terminal import printable
from latticework.core.words import counted, listed, shortened

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
            one, other = map(shortened, same[:2])
            raise InputError(f"{one} and {other} are both {key!r} of the encoder: keep one of them")
    found = {key: name for key, (name,) in candidates.items()}
    used = set(found.values())
    missing = tuple(key for key in keys if key not in found)
    return KeyReport(group, found, missing, tuple(name for name in names if name not in used))


def vit_keys(config: ViTConfig) -> dict[str, str]:
    """Keys of a vision Transformer as DINO and timm name them, and our names.

    Examples
    --------
    >>> from latticework.anomaly.encoders.vit import VIT_B8
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
    >>> from latticework.anomaly.encoders.point_mae import POINT_MAE
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


def some(names: Iterable[str]) -> str:
    """A few names for a message, and how many more there are.

    Examples
    --------
    >>> some("abcde")
    'a, b, c and 2 more'
    """
    return listed((printable(f"{name[:LONGEST]}..." if len(name) > LONGEST else name) for name in names), most=SHOWN)


def _layers(blocks: str, layers: int) -> dict[str, str]:
    return {
        f"{blocks}.{layer}.{their}": f"layers.{layer}.{our}" for layer in range(layers) for their, our in _LAYER.items()
    }
