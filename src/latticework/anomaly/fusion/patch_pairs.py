"""Patches that both modalities have, which feature fusion learns to find in one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from latticework.core.errors import InputError


@dataclass(frozen=True, eq=False)
class PatchPairs:
    """Features of the same patches in both modalities; arrays may be memory-mapped and in half precision.

    A patch has the number image · patches + place.

    Parameters
    ----------
    xyz, rgb
        Features of points and of colours.
    present
        Patches that both modalities have.
    """

    xyz: Float[np.ndarray, "images patches xyz"]
    rgb: Float[np.ndarray, "images patches rgb"]
    present: Bool[np.ndarray, "images patches"]

    @classmethod
    def of(
        cls,
        xyz: Float[np.ndarray, "images patches xyz"],
        rgb: Float[np.ndarray, "images patches rgb"],
        foreground: Bool[np.ndarray, "images patches"] | None = None,
    ) -> PatchPairs:
        """Those of the foreground whose features are finite; an image at a time is looked through.

        Raises
        ------
        InputError
            If the arrays do not fit together.
        """
        shapes = [np.shape(xyz), np.shape(rgb)]
        if any(len(shape) != 3 or 0 in shape[1:] for shape in shapes) or shapes[0][:2] != shapes[1][:2]:
            told = " and ".join(map(str, shapes))
            raise InputError(
                f"features of shapes {told}: expected (images, patches, width) of both, of the same patches"
            )
        present = np.ones(shapes[0][:2], bool) if foreground is None else np.array(foreground, bool)
        if present.shape != shapes[0][:2]:
            raise InputError(f"a foreground of shape {present.shape}: expected {shapes[0][:2]}, as of the features")
        for image in range(len(present)):
            for features in (xyz, rgb):
                present[image] &= np.isfinite(features[image]).all(-1)
        return cls(xyz, rgb, present)

    def numbers(self, image: int) -> Int64[np.ndarray, " found"]:
        """The patches of an image that both modalities have."""
        found: Int64[np.ndarray, " found"] = np.flatnonzero(self.present[image]) + image * self.present.shape[1]
        return found

    def tensors(self, patches: Int64[np.ndarray, " found"]) -> tuple[Tensor, Tensor]:
        """The features of points and of colours of these patches, in float32."""
        image, place = np.divmod(patches, self.present.shape[1])
        xyz, rgb = (torch.from_numpy(side[image, place].astype(np.float32)) for side in (self.xyz, self.rgb))
        return xyz, rgb


def drawn(patches: Int64[np.ndarray, " n"], most: int, generator: np.random.Generator) -> Int64[np.ndarray, " found"]:
    """So many of the patches at most, drawn evenly, in order.

    Examples
    --------
    >>> len(drawn(np.arange(100), 7, np.random.default_rng(0))), drawn(np.arange(3), 7, np.random.default_rng(0))
    (7, array([0, 1, 2]))
    """
    if len(patches) <= most:
        return patches
    return np.sort(generator.choice(patches, most, replace=False))
