"""What it takes to learn good parts: bytes of memory and of disk, at most, for a bank and for a whole fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from latticework.anomaly.banks import SIDES
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import Description
from latticework.anomaly.memory.bank import BUDGET, FRACTION
from latticework.anomaly.memory.coreset import BLOCK, POOL, size

_FIXED: Final = 80 * 2**20  # blocks of products and of pairs, whatever the data
_A_PATCH: Final = 80  # bytes: where it comes from, and what a selection knows of it


@dataclass(frozen=True)
class Needs:
    """What filling a bank takes at most.

    Parameters
    ----------
    memory
        Bytes, besides those of the image at hand.
    disk
        Bytes of a file that lasts until the coreset is chosen.
    """

    memory: int
    disk: int

    def told(self) -> str:
        """For people.

        Examples
        --------
        >>> Needs(1_500_000_000, 0).told(), Needs(800_000_000, 2_000_000_000).told()
        ('1.5 GB of memory', '0.8 GB of memory and 2 GB of disk')
        """
        disk = f" and {self.disk / 1e9:.2g} GB of disk" if self.disk else ""
        return f"{self.memory / 1e9:.2g} GB of memory{disk}"


def needs(patches: int, channels: int, *, fraction: float = FRACTION, budget: int = BUDGET) -> Needs:
    """What a bank takes at most, from the first `add` until `finish` is through.

    Parameters
    ----------
    patches
        Of all training images; those of the background do not count.
    channels
        The width of their features.
    fraction, budget
        As of `MemoryBank`.

    Examples
    --------
    >>> needs(500 * 784, 120)
    Needs(memory=41..., disk=0)
    >>> needs(500 * 3136, 1920).disk  # the features of the fusion bank do not fit
    6021120000
    """
    features = 4 * patches * channels
    fits = features <= budget
    chosen = size(patches, fraction)
    rows = 4 * (channels + 1)
    memory = min(int(1.25 * features), budget) + _A_PATCH * patches + 3 * chosen * rows
    memory += 4 * BLOCK * rows + 40 * POOL * channels + _FIXED
    return Needs(memory, 0 if fits else features // 2)


def training_needs(
    first: Description, parts: int, config: M3DMConfig, *, aside: int, coreset: float, fusion: bool
) -> Needs:
    """What it takes at most to learn so many parts like a first one, besides the interpreter and its libraries.

    Parameters
    ----------
    first
        What was seen of it.
    parts, aside
        How many there are, and how many are set aside: what is seen of those stays in memory.
    config, coreset
        As of `M3DM`.
    fusion
        Whether a fusion bank is learnt.
    """
    found = []
    for patches in first.values():
        rows, channels = parts * len(patches.rows), patches.rows.shape[1]
        seen = 4 * rows * channels
        found.append(Needs(min(5 * seen // 4, config.memory), 0 if seen <= config.memory else seen // 2))
        found.append(needs(rows, channels, fraction=coreset, budget=config.memory))
        found.append(Needs(aside * patches.rows.nbytes, 0))
    if fusion:
        cells = max(patches.judged.size for patches in first.values())
        width = sum(patches.rows.shape[1] for bank, patches in first.items() if any(bank in side for side in SIDES))
        pairs = 2 * parts * cells * width
        found.append(Needs(pairs, 0) if pairs <= config.memory else Needs(0, pairs))
        found.append(needs(parts * cells, width, fraction=coreset, budget=config.memory))
    return Needs(sum(part.memory for part in found), sum(part.disk for part in found))
