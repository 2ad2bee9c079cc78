"""Parts, inspected: from what banks say to an `Inspection` in the pixels of a part's own picture, of one or of many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import torch
from jaxtyping import Float32

from latticework.anomaly.features.extraction import Described
from latticework.anomaly.findings.calibration import p_values
from latticework.anomaly.findings.defect_regions import numbered, regions
from latticework.anomaly.findings.results import BankScore, Inspection, Nearest, Region
from latticework.anomaly.fitted import Fitted
from latticework.anomaly.judging import Judged, fused_map, unsquashed
from latticework.anomaly.preparation.squares import Square
from latticework.anomaly.scans.inputs import PartOrFile
from latticework.anomaly.scans.samples import Sample
from latticework.anomaly.streaming import each
from latticework.core.errors import InputError

if TYPE_CHECKING:
    from latticework.anomaly.detector import M3DM

P = TypeVar("P", bound=PartOrFile)

OTHER_SIZE: Final = 1.1  # times as many rows or columns as any picture that was learnt from has, or as few


def inspect_parts(
    model: M3DM, parts: Iterable[P], *, jobs: int | None = None
) -> Iterator[tuple[P, Inspection | InputError]]:
    """Inspect parts and give each with what was found, in their order, as soon as it is known.

    A part that cannot be read or judged comes with its error, and the others go on; of a folder list parts with
    ``read_folder(..., partners="reported")`` for that. What there is to warn of is said once, with the part that it was
    first seen in, and in the end, even an early one, of how many more it holds. Parts go through joblib: around the
    call, ``joblib.parallel_config(backend="dask")`` moves them to a cluster, whose workers must find the same files.
    Memory stays bounded, however many parts there are.

    Parameters
    ----------
    model
        A fitted `M3DM`.
    parts
        Samples, what `read_folder` lists, or paths; they may come from an iterator.
    jobs
        How many processes inspect (-1: one a processor); None is as many as `joblib.parallel_config` says, or else one,
        this one.

    Yields
    ------
    tuple
        The part, and its `Inspection` or the `InputError` that says what is wrong with its files.

    Examples
    --------
    >>> class Careful:
    ...     def explain(self, part):
    ...         raise InputError(f"{part} cannot be read")
    >>> [(part, str(error)) for part, error in inspect_parts(Careful(), ["a.png", "b.png"])]
    [('a.png', 'a.png cannot be read'), ('b.png', 'b.png cannot be read')]
    """
    return each(model.explain, parts, jobs=jobs)


def inspection(sample: Sample, described: Described, judged: Judged, fitted: Fitted) -> Inspection:
    """Everything about one part.

    Parameters
    ----------
    sample, described, judged
        The scan, what was seen of it, and how that is judged.
    fitted
        What was learnt from good ones.
    """
    layers, config = fitted.normal.layers, fitted.config
    square: Square = described.frame.square
    whole = whole_map(described, judged, fitted)
    foreground = _own(square, described.frame.foreground.numpy().astype(np.float32)) > 0.5
    if sample.mask is not None:
        foreground &= sample.mask
    score = float(layers.image.fuse(judged.scores))
    shares = layers.patch.contributions(np.moveaxis(judged.maps, 0, -1))

    def strongest(row: int, column: int) -> str:
        down, right = square.framed(row, column)
        grid = shares.shape[:2]
        place = tuple(min(int(at * side / config.size), side - 1) for at, side in zip((down, right), grid, strict=True))
        return fitted.banks[int(shares[place].argmax())]

    found: tuple[Region, ...] = ()
    marked = np.zeros(whole.shape, dtype=np.int64)
    if fitted.map_threshold is not None:
        level = unsquashed(np.float32(fitted.map_threshold.value), config)
        marked = numbered(unsquashed(whole, config), foreground, float(level))
        part = None if sample.xyz is None else np.where(foreground[:, :, None], sample.xyz, np.nan)
        found = regions(whole, marked, part, strongest=strongest)
    return Inspection(
        sample.name,
        score,
        float(p_values(fitted.scores, np.array(score))) if len(fitted.scores) else float("nan"),
        None if fitted.threshold is None else score > fitted.threshold.value,
        tuple(_bank(number, judged, square, fitted) for number in range(len(fitted.banks))),
        found,
        whole,
        foreground,
        marked,
        _doubt(described, judged, fitted),
    )


def whole_map(described: Described, judged: Judged, fitted: Fitted) -> Float32[np.ndarray, "height width"]:
    """The fused score of every pixel of a part's own picture."""
    return _own(described.frame.square, fused_map(judged, fitted.normal.layers.patch, fitted.config))


def _doubt(described: Described, judged: Judged, fitted: Fitted) -> str:
    silent = [bank for bank, (row, _) in zip(fitted.banks, judged.worst, strict=True) if row < 0]
    told = f"nothing of it could be judged by {', '.join(silent)}" if silent else ""
    return "; ".join(filter(None, (described.frame.doubt, _unlike(described.frame.square, fitted), told)))


def _unlike(square: Square, fitted: Fitted) -> str:
    """That a picture is of another size than all that were learnt from; nothing where it is not."""
    least, most = np.min(fitted.sizes, axis=0), np.max(fitted.sizes, axis=0)
    size = np.array([square.height, square.width])
    if (size >= least / OTHER_SIZE).all() and (size <= most * OTHER_SIZE).all():
        return ""
    shortest, tallest = (" x ".join(map(str, sides)) for sides in (least, most))
    learnt = shortest if shortest == tallest else f"{shortest} to {tallest}"
    return (
        f"it is a picture of {square.height} x {square.width}, those learnt from are {learnt}: its scale may be another"
    )


def _own(square: Square, values: Float32[np.ndarray, "size size"]) -> Float32[np.ndarray, "height width"]:
    return np.ascontiguousarray(square.restored(torch.from_numpy(values)[None])[0].numpy())


def _bank(number: int, judged: Judged, square: Square, fitted: Fitted) -> BankScore:
    name = fitted.banks[number]
    contributions = fitted.normal.layers.image.contributions(judged.scores)
    row, column = judged.worst[number]
    nearest = None
    place = (0, 0)
    if row >= 0:
        place = square.original(*_middle(row, column, judged.grids[number], square.size))
        part, down, right = fitted.normal.memories[name].where[judged.nearest[number]]
        height, width = fitted.sizes[part]
        theirs = Square(height, width, square.size)
        at = theirs.original(*_middle(down, right, judged.grids[number], square.size))
        nearest = Nearest(fitted.parts[part], *at, float(judged.distances[number]))
    return BankScore(name, float(np.nan_to_num(judged.scores[number])), float(contributions[number]), *place, nearest)


def _middle(row: int, column: int, grid: np.ndarray, size: int) -> tuple[float, float]:
    """The middle of a patch in pixels of the square."""
    return (row + 0.5) * size / grid[0], (column + 0.5) * size / grid[1]
