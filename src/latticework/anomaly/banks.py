"""The memory banks: what each looks at, and which of them there is something for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.scans.samples import Sample
from latticework.core.errors import InputError

if TYPE_CHECKING:
    from latticework.anomaly.encoders.pretrained import Pretrained

BANKS: Final = ("colour", "texture", "geometry", "form", "fusion")
HANDCRAFTED: Final = BANKS
PRETRAINED: Final = ("colour", "geometry", "fusion")  # M3DM's own three
OF_COLOUR: Final = ("colour", "texture")
FUSION: Final = "fusion"
SIDES: Final = (("geometry",), ("colour", "texture"))  # what the fusion bank brings together


def banks_of(
    asked: Sequence[str] | None, features: str, settings: M3DMConfig, encoders: Pretrained | None, first: Sample
) -> tuple[str, ...]:
    """The banks to fill, in their order: those asked for, or all for which there is something."""
    every = HANDCRAFTED if features == "handcrafted" else PRETRAINED
    there = {bank: (first.rgb if bank in OF_COLOUR else first.xyz) is not None for bank in every}
    there |= {"form": True} if "form" in every else {}
    if encoders is not None:
        there["colour"] &= encoders.vit is not None
        there["geometry"] &= encoders.point_mae is not None
    there[FUSION] = there["colour"] and there["geometry"]
    if asked is None:
        usual = PRETRAINED if settings.paper else every
        if found := tuple(bank for bank in every if bank in usual and there[bank]):
            return found
        raise InputError(f"{first.name} has nothing that the given weights are for: give those of the other encoder")
    if not isinstance(asked, list | tuple) or not asked or any(bank not in every for bank in asked):
        raise InputError(f"banks={asked!r}: expected some of {', '.join(every)}, with {features} features")
    for bank in asked:
        if not there[bank] and bank != FUSION:
            raise InputError(f"{first.name} does not have what the memory bank for {bank} looks at")
    if FUSION in asked and not (set(OF_COLOUR) & set(asked) and "geometry" in asked):
        raise InputError(f"banks={asked!r}: a fusion bank brings geometry and colours together: add those banks")
    return tuple(bank for bank in every if bank in asked)
