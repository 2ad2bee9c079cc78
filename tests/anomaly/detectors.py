"""Small synthetic parts with what is wrong with them, and quick detectors of such parts."""

from functools import cache

import numpy as np

from latticework.anomaly import M3DM, M3DMConfig, Sample
from latticework.anomaly.preparation.parts import find_part
from latticework.anomaly.synth import Scene, draw

SIZE = 64
FAMILY = "superellipsoid"
BANKS = ("colour", "geometry", "form")
CONFIG = M3DMConfig(size=SIZE)


@cache
def scene(seed: int, defect: str | None = None, size: int = SIZE, family: str = FAMILY) -> Scene:
    return draw(seed, family, defect, "easy", size=size)


@cache
def on_part(seed: int, defect: str | None, size: int, family: str) -> np.ndarray:
    return find_part(Sample.of(xyz=scene(seed, defect, size, family).xyz)).mask


def part(seed: int, defect: str | None = None, *, size: int = SIZE, family: str = FAMILY, **changes: object) -> Sample:
    """A part as it would be read; arguments of `Sample.of` in the place of what was drawn."""
    drawn = scene(seed, defect, size, family)
    given = {
        "rgb": drawn.rgb,
        "xyz": drawn.xyz,
        "truth": drawn.truth,
        "label": defect or "good",
        "name": f"{defect or 'part'} {seed}",
    }
    if changes.get("xyz", given["xyz"]) is None and "mask" not in changes:  # the table is too like some parts
        given["mask"] = on_part(seed, defect, size, family)
    return Sample.of(**(given | changes))


def parts(count: int, *, first: int = 0, **changes: object) -> list[Sample]:
    return [part(first + number, **changes) for number in range(count)]


def detector(banks: object = BANKS, *, config: M3DMConfig = CONFIG, **options: object) -> M3DM:
    """A detector whose fit takes a tenth of a second; without a threshold unless asked for one."""
    return M3DM(banks, config=config, **({"random_state": 0, "device": "cpu"} | options))


@cache
def usual() -> M3DM:
    """A detector of nine parts, and three set aside; look at it only."""
    return detector().fit(parts(9), validation=parts(3, first=50))


def cropped(sample: Sample, rows: slice, columns: slice) -> Sample:
    """A window of a scan, as a camera that sees less would have it."""
    window = {
        name: None if getattr(sample, name) is None else np.array(getattr(sample, name)[rows, columns])
        for name in ("rgb", "xyz", "mask", "truth")
    }
    return Sample.of(**window, label=sample.label, name=sample.name)
