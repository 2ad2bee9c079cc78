"""Where the part is in a scan: what stands out from its ground and hangs together.

M3DM clusters the points that are left without the ground by DBSCAN and keeps the largest cluster (section 3.1). Here
neighbours of the grid belong together unless there is a gap in depth between them, which is the same idea for points
that lie in rows and columns, at a hundredth of the cost.

Differs from the paper: pieces of at least a tenth of the largest are kept, since a part may hide the middle of itself,
or be broken, and smaller ones that lie against it, such as what fell onto it; and small holes are filled, since a
missing return or a hole through the part is what is to be judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Int32
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.preparation.backgrounds import differs
from latticework.anomaly.preparation.planes import Plane, fit_plane, in_front
from latticework.anomaly.preparation.squares import box_of
from latticework.anomaly.scans.samples import Sample
from latticework.core.checks import number
from latticework.core.errors import InputError

GAP: Final = 0.006  # metres between points that do not belong together: the paper's, of its DBSCAN
HOLES: Final = 0.02  # of a part that a hole has at most to be filled
_PITCHES: Final = 4.0  # middle distances of neighbours that are no gap: a coarse grid, or a slanted face
_FEWEST: Final = 30  # pixels of a part: the paper's, of its DBSCAN
_LEAST: Final = 0.005  # of all pixels
_LEVEL: Final = 1e-6  # pixels
_LOOKED_AT: Final = 10_000  # neighbours that tell how far they are from each other


@dataclass(frozen=True, eq=False)
class Part:
    """Where a part is in its scan, and how that was told.

    Attributes
    ----------
    mask
        Where it is.
    plane
        The ground that it lies on; None if there is none, or nothing to see one by.
    doubt
        Why everything, or the whole mask that was given, is taken for the part; empty if it was told apart.
    """

    mask: Bool[np.ndarray, "height width"]
    plane: Plane | None = None
    doubt: str = ""


def find_part(sample: Sample, *, pieces: float = M3DMConfig.pieces) -> Part:
    """Find the part in a scan: by its points if there are any, else by its colours.

    Of points, the ground is taken away if there is one (`fit_plane`), what hangs together is kept, and small holes are
    filled. Of colours, it is what differs from the background, as the border shows that. The sample's own mask counts
    on top: nothing outside it is part.

    Parameters
    ----------
    sample
        The scan.
    pieces
        Pieces of at least this share of the largest one are kept, too: of 1, only what lies against it is.

    Returns
    -------
    Part
        Its mask is never empty: where nothing can be told apart, it is the whole picture, or all that returned, within
        the sample's own mask, and `doubt` says why.

    Raises
    ------
    InputError
        If `pieces` is not from 0 to 1.

    Examples
    --------
    >>> rgb = np.full((64, 64, 3), 200, dtype=np.uint8)
    >>> rgb[20:40, 10:50] = 90
    >>> find_part(Sample.of(rgb=rgb)).mask[[10, 30], 30].tolist()
    [False, True]
    """
    pieces = number("pieces", pieces, lambda share: 0 <= share <= 1, "a share from 0 to 1")
    part = _by_colour(sample, pieces) if sample.xyz is None else _by_points(sample, sample.xyz, pieces)
    if sample.mask is None:
        return part
    if (within := part.mask & sample.mask).any():
        return Part(within, part.plane, part.doubt)
    doubt = "what stands out as the part lies outside the mask that was given, so that the whole mask is judged"
    return Part(sample.mask, part.plane, doubt)


def _by_points(sample: Sample, xyz: Float32[np.ndarray, "height width 3"], pieces: float) -> Part:
    returned = sample.returned
    if sample.mask is not None and not sample.mask.all() and not (returned & ~sample.mask).any():
        return Part(sample.mask)  # it was cut out before, and its flattest face is no ground
    plane = fit_plane(xyz)
    standing = returned if plane is None else in_front(xyz, plane)
    labels = components(standing, xyz)
    mask = keep_pieces(labels, pieces)
    if np.count_nonzero(mask) < max(_FEWEST, _LEAST * np.count_nonzero(returned)):
        if plane is None:
            doubt = "the points hang together nowhere, so that all of them are judged: is the scan organised?"
            return Part(fill_holes(returned), None, doubt)
        doubt = (
            "hardly anything stands out from the plane at the border, so that the whole picture is judged, as a flat "
            "part that fills it: else give a mask of where parts are, and points as the camera sees them"
        )
        return Part(np.ones_like(returned), None, doubt)
    if plane is not None:
        mask = _with_what_touches(mask, labels)
    return Part(fill_holes(mask), plane)


def _with_what_touches(
    mask: Bool[np.ndarray, "height width"], labels: Int32[np.ndarray, "height width"]
) -> Bool[np.ndarray, "height width"]:
    """A mask with the components that lie against it: a knob on the part, or what fell onto it, higher by a gap."""
    touching = ndimage.binary_dilation(mask) & ~mask
    contacts = np.bincount(labels[touching], minlength=labels.max() + 1)
    sizes = np.bincount(labels.ravel())
    belongs = (contacts**2 >= sizes) & (sizes >= _FEWEST)  # about a quarter of its outline
    belongs[0] = False
    joined: Bool[np.ndarray, "height width"] = mask | belongs[labels]
    return joined


def _by_colour(sample: Sample, pieces: float) -> Part:
    if sample.rgb is None:
        raise InputError(f"{sample.name}: there are neither colours nor points")
    different = differs(sample.rgb)
    if different is not None:
        mask = different.without_whiskers(keep_pieces(components(different.mask), pieces))
        mask = convex_hull(mask)  # what looks like the background in a part may well be part
        if np.count_nonzero(mask) >= max(_FEWEST, _LEAST * mask.size):
            return Part(mask)
    doubt = (
        "no background can be told from the part by its colours, so that the whole picture is judged: give a mask of "
        "where parts are (mask.png beside them)"
    )
    return Part(np.ones(sample.size, dtype=bool), None, doubt)


def convex_hull(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The smallest mask without bays or holes that has all pixels of that one.

    Examples
    --------
    >>> mask = np.zeros((3, 4), dtype=bool)
    >>> mask[[0, 0, 2], [0, 3, 0]] = True
    >>> convex_hull(mask).astype(int).tolist()
    [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]
    """
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = np.stack([np.tile(rows, 2), np.concatenate([first, last])], axis=1).astype(np.float64)
    try:
        edges = ConvexHull(ends).equations  # of each: down * row + right * column + away <= 0 inside
    except QhullError:  # all on one line, or too few
        return mask.copy()
    down, right, away = edges[np.abs(edges[:, 1]) > _LEVEL].T[:, :, None]
    bounds = -(away + down * np.arange(rows[0], rows[-1] + 1)) / right
    most = np.where(right > 0, bounds, np.inf).min(axis=0)[:, None] + _LEVEL
    least = np.where(right < 0, bounds, -np.inf).max(axis=0)[:, None] - _LEVEL
    columns = np.arange(mask.shape[1])
    hull = mask.copy()
    hull[rows[0] : rows[-1] + 1] |= (columns >= least) & (columns <= most)
    return hull


def components(
    where: Bool[np.ndarray, "height width"],
    xyz: Float32[np.ndarray, "height width 3"] | None = None,
    *,
    gap: float = GAP,
) -> Int32[np.ndarray, "height width"]:
    """Number what hangs together: pixels side by side or one above the other without a gap between their points.

    Parameters
    ----------
    where
        Which pixels count.
    xyz
        Their points; without them only the pixels have to be beside each other.
    gap
        Metres between two points that do not hang together. It is more on a grid whose points are far from each other
        anyway: four times their middle distance.

    Returns
    -------
    Int32[np.ndarray, "height width"]
        0 where nothing is, and from 1 upwards.

    Examples
    --------
    >>> xyz = np.zeros((1, 4, 3), dtype=np.float32)
    >>> xyz[0, :, 2] = 0.5, 0.501, 0.52, 0.521
    >>> components(np.ones((1, 4), dtype=bool), xyz).tolist()
    [[1, 1, 2, 2]]
    """
    labels = np.zeros(where.shape, dtype=np.int32)
    if not where.any():
        return labels
    box = box_of(where)
    inside, points = where[box], None if xyz is None else xyz[box]
    # Links between pixels become pixels of a grid twice as fine, so that cutting one is clearing one.
    height, width = inside.shape
    fine = np.zeros((2 * height - 1, 2 * width - 1), dtype=bool)
    fine[::2, ::2] = inside
    fine[::2, 1::2] = inside[:, 1:] & inside[:, :-1]
    fine[1::2, ::2] = inside[1:] & inside[:-1]
    if points is not None:
        across, down = _squared_steps(points, axis=1), _squared_steps(points, axis=0)
        limit = max(gap, _PITCHES * _pitch(across)) ** 2
        fine[::2, 1::2] &= across <= limit
        fine[1::2, ::2] &= down <= limit
    labels[box] = ndimage.label(fine)[0][::2, ::2]
    return labels


def _squared_steps(xyz: Float32[np.ndarray, "height width 3"], *, axis: int) -> Float32[np.ndarray, "rows columns"]:
    steps = np.diff(xyz, axis=axis)
    squared: Float32[np.ndarray, "rows columns"] = np.einsum("ijk,ijk->ij", steps, steps)
    return squared


def _pitch(squared: Float32[np.ndarray, "rows columns"]) -> float:
    """The middle distance of neighbours."""
    some = squared.ravel()[:: max(1, squared.size // _LOOKED_AT)]
    some = some[~np.isnan(some)]
    return float(np.sqrt(np.median(some))) if len(some) else 0.0


def keep_pieces(labels: Int32[np.ndarray, "height width"], pieces: float = 1.0) -> Bool[np.ndarray, "height width"]:
    """Where the largest component is, and those of at least that share of it; of two as large, both.

    Examples
    --------
    >>> keep_pieces(np.array([[1, 1, 1, 0, 2, 0, 3, 3]], dtype=np.int32), pieces=0.5).astype(int).tolist()
    [[1, 1, 1, 0, 0, 0, 1, 1]]
    """
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept: Bool[np.ndarray, "height width"] = ((sizes >= pieces * sizes.max()) & (sizes > 0))[labels]
    return kept


def fill_holes(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """A copy of a mask with its holes filled that are small beside it.

    Larger ones stay, such as that of a ring.

    Examples
    --------
    >>> mask = np.ones((12, 12), dtype=bool)
    >>> mask[2, 2] = mask[5:9, 5:9] = False
    >>> fill_holes(mask)[[2, 6], [2, 6]].tolist()
    [True, False]
    """
    filled = mask.copy()
    box = box_of(mask)
    labels = ndimage.label(~mask[box])[0]
    small = np.bincount(labels.ravel()) <= HOLES * np.count_nonzero(mask)
    small[0] = False
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):  # open to what is around
        small[side] = False
    filled[box] |= small[labels]
    return filled
