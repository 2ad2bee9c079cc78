"""A scan as the features of its patches, before anything was learnt: what each memory bank looks at."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8

from latticework.anomaly.banks import OF_COLOUR
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features import handcrafted
from latticework.anomaly.features.form import CHANNELS, form
from latticework.anomaly.features.patch_maps import RIM, PatchMap, inside
from latticework.anomaly.preparation.backgrounds import MARGIN
from latticework.anomaly.preparation.frames import Frame, frame
from latticework.anomaly.scans.inputs import Part, read
from latticework.anomaly.scans.samples import GOOD, Sample
from latticework.anomaly.streaming import each
from latticework.core.errors import InputError
from latticework.core.progress import progress
from latticework.nn.linear import without_autocast

if TYPE_CHECKING:
    from latticework.anomaly.encoders.pretrained import Pretrained

SCANS: Final = ("rgb", "xyz")
NOTHING: Final = "nothing of it can be judged: too few of its pixels belong to the part, or its mask leaves too little"


@dataclass(frozen=True, eq=False)
class Patches:
    """The patches of one part that can be judged.

    Attributes
    ----------
    rows
        A feature vector each, row by row of the picture.
    judged
        Which of the picture's patches these are.
    """

    rows: Float32[np.ndarray, "patches channels"]
    judged: Bool[np.ndarray, "rows columns"]


Description = Mapping[str, Patches]  # by the bank that looks at them


@dataclass(frozen=True, eq=False)
class Described:
    """A part, described.

    Attributes
    ----------
    name
        Of the part.
    frame
        Its scan, made ready.
    patches
        By the bank that looks at them.
    digest
        The same for scans that are the same, whatever they are called.
    label
        "good", or what kind of defect it is said to have; None if that is not known.
    truth
        Class ids of defects in its frame; None if they are not known.
    counts
        Where in its frame it may be judged: in the picture, and in its mask if it has one.
    """

    name: str
    frame: Frame
    patches: Description
    digest: str
    label: str | None
    truth: UInt8[np.ndarray, "size size"] | None
    counts: Bool[np.ndarray, "size size"]

    @property
    def empty(self) -> bool:
        """Whether no bank can judge any of its patches."""
        return not any(len(found.rows) for found in self.patches.values())


def scans_of(sample: Sample) -> tuple[str, ...]:
    """What there is of a part: "rgb", "xyz" or both.

    Examples
    --------
    >>> scans_of(Sample.of(rgb=np.zeros((4, 4, 3))))
    ('rgb',)
    """
    return tuple(what for what in SCANS if getattr(sample, what) is not None)


def describe(
    sample: Sample,
    banks: Sequence[str],
    config: M3DMConfig,
    encoders: Pretrained | None = None,
    *,
    scans: Sequence[str] | None = None,
) -> Described:
    """Make a scan ready and look at its patches.

    Parameters
    ----------
    sample
        The scan.
    banks
        What to look at, without "fusion".
    config
        Figures.
    encoders
        Trained ones, in the place of what is computed by hand.
    scans
        What good parts had, by which they were told from the ground and their patches have places: it has to be there,
        and what is there besides is not looked at. None: whatever there is.

    Raises
    ------
    InputError
        If it lacks what a bank looks at, or good parts had.
    """
    for bank in banks:
        lacks = "rgb" if bank in OF_COLOUR else "xyz" if bank == "geometry" else None
        if lacks and getattr(sample, lacks) is None:
            raise InputError(f"{sample.name} has no {lacks}, which the memory bank for {bank} looks at")
    if scans is not None:
        if lacking := [what for what in scans if getattr(sample, what) is None]:
            raise InputError(f"{sample.name} has no {lacking[0]}, but the good parts had: places in it would differ")
        sample = replace(sample, **{what: None for what in SCANS if what not in scans})  # type: ignore[arg-type]
    made = frame(sample, config.size, pieces=config.pieces)
    square = made.square
    counts = np.zeros((square.size, square.size), bool)
    counts[square.box] = True
    if sample.mask is not None:
        counts &= square.nearest(sample.mask, fill=False)
    return Described(
        sample.name,
        made,
        patches_of(made, banks, config, encoders),
        _digest(sample),
        sample.label or {True: GOOD, False: "defective", None: None}[sample.is_good],
        None if sample.truth is None else square.marked(sample.truth),
        counts,
    )


@dataclass(frozen=True)
class Extractor:
    """How scans are described, one like the other.

    Attributes
    ----------
    banks
        What to look at, without the fusion bank.
    config
        Figures.
    scans
        What the good parts have, of "rgb" and "xyz".
    encoders
        Trained ones, if any.
    alike
        Whether parts are to be learnt from: then they have nothing besides, and no defect.
    """

    banks: Sequence[str]
    config: M3DMConfig
    scans: Sequence[str]
    encoders: Pretrained | None
    alike: bool = False

    def each(self, parts: Sequence[Part], doing: str) -> Iterator[Described]:
        """Describe parts, in their order.

        Raises
        ------
        InputError
            As `describe`, for the first part that it is raised for.
        """
        for found in self.tried(parts, doing):
            if isinstance(found, InputError):
                raise found
            yield found

    def tried(self, parts: Sequence[Part], doing: str) -> Iterator[Described | InputError]:
        """The same; of a part that cannot be described, the reason.

        One after the other, or as ``joblib.parallel_config`` says; some at a time, so that memory stays bounded.
        """
        with progress(doing, total=len(parts), unit="parts") as bar:
            for _, found in each(self, parts, ahead=1, here=self.encoders is not None):
                bar.advance()
                yield found

    def __call__(self, part: Part) -> Described:
        """Read a part and describe it."""
        sample = read(part)
        if self.alike and (more := [what for what in scans_of(sample) if what not in self.scans]):
            raise InputError(f"{sample.name} has {more[0]}, but the first part has none: give it for all or for none")
        if self.alike and sample.is_good is False:
            raise InputError(f"{sample.name} has a defect, as its truth says: a detector learns from good parts")
        return describe(sample, self.banks, self.config, self.encoders, scans=self.scans)


def patches_of(
    made: Frame, banks: Sequence[str], config: M3DMConfig, encoders: Pretrained | None = None
) -> Description:
    """The patches of a scan."""
    with torch.inference_mode(), without_autocast("cpu"):
        maps = _handcrafted(made, banks, config) if encoders is None else _encoded(made, banks, config, encoders)
    return {bank: _patches(found) for bank, found in maps.items()}


def _digest(sample: Sample) -> str:
    found = hashlib.sha256()
    for part in (sample.rgb, sample.xyz, sample.mask):
        found.update(b"none" if part is None else np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:32]


def place_channels(bank: str, config: M3DMConfig, encoders: Pretrained | None) -> int:
    """How many of the features of a bank are the patch's place."""
    return CHANNELS if encoders is None and bank != "form" and config.places and not config.paper else 0


def _handcrafted(made: Frame, banks: Sequence[str], config: M3DMConfig) -> dict[str, PatchMap]:
    foreground = made.foreground[None]
    rgb, xyz = (None if each is None else each[None] for each in (made.rgb, made.xyz))
    margin = math.ceil(MARGIN * foreground.shape[-1]) if xyz is None else 0  # colours tell a part with that
    counted = inside(foreground, RIM + margin)
    found: dict[str, PatchMap] = {}
    placed = any(place_channels(bank, config, None) for bank in banks)
    where = form(xyz, foreground) if placed or "form" in banks else None
    for bank in banks:
        if bank == "form" and where is not None:
            found[bank] = where
        elif bank == "geometry" and xyz is not None:
            found[bank] = handcrafted.geometry(xyz, counted)
        elif rgb is not None:
            look = handcrafted.colour if bank == "colour" else handcrafted.texture
            found[bank] = look(rgb, counted)
        if where is not None and place_channels(bank, config, None):
            both = torch.cat([found[bank].features, where.features], dim=1)
            found[bank] = PatchMap(both, found[bank].judged & where.judged)
    return found


def _encoded(made: Frame, banks: Iterable[str], config: M3DMConfig, encoders: Pretrained) -> dict[str, PatchMap]:
    found: dict[str, PatchMap] = {}
    for bank in banks:
        found[bank] = encoders.colour(made) if bank == "colour" else encoders.geometry(made, mode=config.mode)
    return found


def _patches(found: PatchMap) -> Patches:
    judged = found.judged[0]
    rows = found.features[0][:, judged].T.contiguous().cpu().numpy()
    return Patches(rows.astype(np.float32, copy=False), judged.cpu().numpy())
