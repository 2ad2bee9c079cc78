"""What a patch of a part looks like to encoders that were trained on other things: M3DM (Wang et al. 2023), section 3.

Colours go through DINO's vision Transformer, a vector for each of its patches. Of the points 1024 centres are chosen,
each the farthest from those before it; each, with its 128 nearest points, goes through Point-MAE; and point feature
alignment brings what that says of the groups to patches of the picture, twice as fine as those of colours.

Weights are the user's: `latticework.anomaly.encoders.weights` tells which files are known. Nothing here is random.

Differs from the paper's code: the encoders are in evaluation mode; what lies beside the part is black for the colour
encoder wherever the ground is, as in the paper's preprocessing, and a patch counts by its share of the part, not by
whether a coordinate is 0; features of points are averaged over points, not over all pixels of a patch (see `geometry`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latticework.anomaly.choices import Mode
from latticework.anomaly.encoders.alignment import at_patches, interpolation
from latticework.anomaly.encoders.checkpoint_keys import KeyReport, some
from latticework.anomaly.encoders.point_mae import POINT_MAE, PointMAE, PointMAEConfig
from latticework.anomaly.encoders.sampling import farthest_points, nearest_groups
from latticework.anomaly.encoders.vit import VIT_B8, VisionTransformer, ViTConfig
from latticework.anomaly.encoders.weights import load_point_mae, load_vit
from latticework.anomaly.features.patch_maps import PatchMap, enough
from latticework.anomaly.preparation.frames import Frame
from latticework.anomaly.saved_modules import rebuilt
from latticework.core.checks import one_of
from latticework.core.errors import InputError
from latticework.core.hardware import evaluating, resolve_device

FINE: Final = 4  # pixels along the side of a patch of points: 56 x 56 of a picture of 224 x 224
FEWEST: Final = 3  # points of a part that has a surface
LARGEST: Final = 1 << 16  # size that a saved encoder may say it has
DECIMALS: Final = 5  # of a share of points: weights that add up to 1 do so but for rounding
_PRECISION: Final = "32"

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Pretrained:
    """Trained encoders, and the features of patches that they give.

    Parameters
    ----------
    vit
        Of colours; None if there are only points.
    point_mae
        Of points; None if there are only colours.
    device
        Where encoders compute. Groups are made, and features brought to patches, on the CPU: there every sum is the
        same each time.
    reports
        By "vit" and "point_mae", what of its file each was given; empty if they are not from files.

    Raises
    ------
    InputError
        If there is no encoder, or no such device.

    Examples
    --------
    >>> from latticework.anomaly.preparation.squares import Square
    >>> part = Frame(torch.rand(3, 32, 32), None, torch.ones(32, 32, dtype=torch.bool), Square(32, 32, 32))
    >>> tiny = VisionTransformer(ViTConfig(d_model=6, layers=1, heads=2, d_hidden=12, side=4))
    >>> found = Pretrained(vit=tiny).colour(part)
    >>> found.features.shape, found.judged.all().item()
    (torch.Size([1, 6, 4, 4]), True)
    """

    vit: VisionTransformer | None = None
    point_mae: PointMAE | None = None
    device: str = "cpu"
    reports: Mapping[str, KeyReport] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.vit is None and self.point_mae is None:
            raise InputError("trained features need weights of an encoder: of colours (vit), of points (point_mae)")
        resolve_device(self.device)

    @classmethod
    def load(
        cls,
        *,
        vit: str | os.PathLike[str] | None = None,
        point_mae: str | os.PathLike[str] | None = None,
        vit_config: ViTConfig = VIT_B8,
        point_mae_config: PointMAEConfig = POINT_MAE,
        device: str = "cpu",
    ) -> Pretrained:
        """Read encoders from users' files, as `weights.load_vit` and `weights.load_point_mae` do.

        Parameters
        ----------
        vit, point_mae
            The files; None for no such encoder.
        vit_config, point_mae_config
            Sizes, if they are not those of DINO's ViT-B/8 and of Point-MAE.
        device
            As of the class.

        Raises
        ------
        InputError
            If there is no file, one does not fit, or there is no such device.
        """
        reports: dict[str, KeyReport] = {}
        colours = points = None
        if vit is not None:
            colours, reports["vit"] = load_vit(vit, vit_config)
        if point_mae is not None:
            points, reports["point_mae"] = load_point_mae(point_mae, point_mae_config)
        return cls(colours, points, device, reports)

    def configs(self) -> dict[str, Any]:
        """The sizes of the encoders as plain values: what `from_tensors` needs besides the tensors."""
        encoders = {"vit": self.vit, "point_mae": self.point_mae}
        return {name: asdict(encoder.config) for name, encoder in encoders.items() if encoder is not None}

    def tensors(self) -> dict[str, Tensor]:
        """All weights, on the CPU, as a group of tensors of a `State`: 343 MB of the one, 88 MB of the other."""
        encoders = {"vit": self.vit, "point_mae": self.point_mae}
        return {
            f"{prefix}.{name}": tensor.detach().cpu()
            for prefix, encoder in encoders.items()
            if encoder is not None
            for name, tensor in encoder.state_dict().items()
        }

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], configs: Mapping[str, Any], *, device: str = "cpu"
    ) -> Pretrained:
        """The encoders whose `tensors` and `configs` were saved; their reports are not.

        Raises
        ------
        InputError
            If tensors are missing, are none of an encoder's, or do not fit its sizes; or there is no such device.

        Examples
        --------
        >>> config = PointMAEConfig(d_model=6, layers=2, heads=2, d_hidden=12, d_point=4, d_local=4, taken=(0, 1))
        >>> saved = Pretrained(point_mae=PointMAE(config))
        >>> again = Pretrained.from_tensors(saved.tensors(), saved.configs())
        >>> again.point_mae.config == config, again.vit
        (True, None)
        """
        kinds = {"vit": (ViTConfig, VisionTransformer), "point_mae": (PointMAEConfig, PointMAE)}
        names = {name: name.partition(".")[0] for name in tensors}
        strangers = [name for name, prefix in names.items() if prefix not in configs]
        if strangers or not set(configs) <= set(kinds):
            raise InputError(f"saved encoders have what belongs to none: {some(strangers) or some(sorted(configs))}")
        built: dict[str, Any] = {}
        for prefix, sizes in configs.items():
            own = {name[len(prefix) + 1 :]: tensors[name] for name in tensors if names[name] == prefix}
            config_class, encoder_class = kinds[prefix]
            built[prefix] = _saved(prefix, config_class, encoder_class, sizes, own)
        return cls(built.get("vit"), built.get("point_mae"), device)

    def colour(self, frame: Frame) -> PatchMap:
        """What the vision Transformer makes of each of its patches: 28 x 28 of 768 numbers, if they have 8 x 8 pixels.

        Its attention goes everywhere, so what lies beside the part is black: it does not enter.

        Parameters
        ----------
        frame
            With colours; a multiple of the size of a patch high and wide.

        Returns
        -------
        PatchMap
            2.4 MB a picture. Judged where at least `patch_maps.SHARE` of the patch is the part.

        Raises
        ------
        InputError
            If there is no encoder of colours, or there are no colours, or they cannot be cut into patches.
        """
        encoder = self._needed(self.vit, "vit", "colours")
        if frame.rgb is None:
            raise InputError("the frame has no colours: features of colours need rgb")
        part = frame.foreground[None, None]
        with evaluating(encoder, self.device, _PRECISION) as device:
            found = encoder((frame.rgb * part).to(device)).to(frame.rgb.device)
        share = F.avg_pool2d(part.float(), encoder.config.patch)
        return PatchMap(found.clone(), enough(share))  # a copy may take part in training, unlike what inference leaves

    def geometry(self, frame: Frame, *, mode: str = "default") -> PatchMap:
        """What Point-MAE makes of the groups of points, at patches of 4 x 4 pixels: 56 x 56 of 1152 numbers.

        Fewer centres, and fewer points in a group, are taken where there are not as many.

        Parameters
        ----------
        frame
            With points; those beside the part do not count.
        mode
            ``"default"``: averages over the points of a patch. ``"paper"``: pixels without a point count as zeros, as
            in the paper's code, so a patch at the outline, or with lost points, is dimmed.

        Returns
        -------
        PatchMap
            14 MB a picture. Judged where at least `patch_maps.SHARE` of the patch, and of the pixels around it, has
            points; nothing of a part with fewer than three.

        Raises
        ------
        InputError
            If there is no encoder of points, or there are no points, or no such mode.
        """
        encoder = self._needed(self.point_mae, "point_mae", "points")
        if frame.xyz is None:
            raise InputError("the frame has no points: features of points need xyz")
        one_of("mode", mode, get_args(Mode))
        height, width = frame.foreground.shape
        grid = max(1, height // FINE), max(1, width // FINE)
        features, coverage = frame.xyz.new_zeros(encoder.config.channels, *grid), frame.xyz.new_zeros(grid)
        cloud = frame.xyz.masked_fill(~frame.foreground, torch.nan).flatten(1).mT
        if int((~cloud.isnan().any(1)).sum()) >= FEWEST:
            groups = nearest_groups(cloud, farthest_points(cloud))
            with evaluating(encoder, self.device, _PRECISION) as device:
                found = encoder(groups.members[None].to(device), groups.centres[None].to(device))[0].to(cloud.device)
            patches = at_patches(found, interpolation(cloud, groups.centres), width=width, patches=grid)
            features, coverage = patches.features, patches.coverage
        if mode == "default":
            features = features / coverage.masked_fill(coverage == 0, 1)
        return PatchMap(features[None], enough(coverage.round(decimals=DECIMALS)[None, None]))

    def _needed(self, encoder: _Module | None, name: str, what: str) -> _Module:
        if encoder is None:
            raise InputError(f"features of {what} need weights of their encoder: give the file as {name}")
        return encoder


def _saved(
    kind: str,
    config_class: type[Any],
    encoder_class: type[Any],
    sizes: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> nn.Module:
    """An encoder from what was saved of it, which may have been changed since."""
    try:
        config = config_class(**sizes)
    except TypeError as error:
        raise InputError(f"the sizes of the saved {kind} are not what it has: {error}") from error
    whole = [size for size in vars(config).values() if isinstance(size, int)]
    if max(whole) > LARGEST or config.layers > len(tensors):
        raise InputError(f"the saved {kind} has sizes that no encoder has, or more layers than weights")
    encoder: nn.Module = rebuilt(lambda: encoder_class(config), tensors, f"the saved {kind}")
    return encoder.requires_grad_(False)
