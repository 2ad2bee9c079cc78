"""Whole detectors of `latticework.anomaly`: inspections from files to regions, and the memory of fits of many parts."""

from __future__ import annotations

import pkgutil
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import measuring, records
from benchmarks.anomaly_speed_run import Run, set_threads
from benchmarks.measuring import agree
from benchmarks.peers import timing

STORED = "foam"  # the family whose parts fill most of the picture
RADIUS_APART = 0.01  # of a radius, at most, for what half precision changes
READING, FRAMES, LOOKS, GEOMETRY, FORM = "reading", "frames", "colour and texture", "geometry", "form"
BANKS, FUSED, REGIONS, REST = "memory banks", "fusion and map", "regions", "all the rest"
STAGES = {
    "latticework.anomaly.detector:read": READING,
    "latticework.anomaly.features.extraction:frame": FRAMES,
    "latticework.anomaly.features.handcrafted:colour": LOOKS,
    "latticework.anomaly.features.handcrafted:texture": LOOKS,
    "latticework.anomaly.features.handcrafted:geometry": GEOMETRY,
    "latticework.anomaly.features.extraction:form": FORM,
    "latticework.anomaly.fitted:Fitted.judged": BANKS,
    "latticework.anomaly.inspecting:fused_map": FUSED,
    "latticework.anomaly.inspecting:regions": REGIONS,
}


# Whole inspections


def inspection(run: Run) -> list[records.Row]:
    """A detector for each family of synthetic parts."""
    sizes = run.sizes
    found = {}
    for family in sizes.families:
        run.write(
            family=family,
            size=sizes.side,
            good=sizes.good,
            validation=0,
            test_good=sizes.good_test,
            per_defect=sizes.per_defect,
            rounds=run.repeats,
        )
        run.one("draw")
        found[family] = run.one("inspect").output
    return inspection_rows(f"{sizes.side} x {sizes.side}", sizes.good, found)


def inspection_rows(what: str, good: int, found: Mapping[str, Mapping[str, Any]]) -> list[records.Row]:
    """Parts a second, where the time goes, and what a fit takes."""
    every = [value for output in found.values() for value in output["seconds"]]
    speeds = {family: 1 / statistics.median(output["seconds"]) for family, output in found.items()}
    whole = f"whole inspection of a part, {what}, from its files to its regions"
    rows = [
        records.Row(
            f"{whole}: median over {len(every):,}, range over families",
            1 / statistics.median(every),
            "parts/s",
            ">= 5",
            min(speeds.values()),
            max(speeds.values()),
        ),
        records.Row(f"{whole}: the slowest one", 1 / max(every), "parts/s"),
    ]
    rows += [records.Row(f"{whole}: {family}: median", speed, "parts/s") for family, speed in speeds.items()]
    for stage in (*dict.fromkeys(STAGES.values()), REST):
        means = [1e3 * statistics.fmean(output["stages"][stage]) for output in found.values()]
        rows.append(
            records.Row(
                f"{whole}: {stage}, mean, range over families",
                statistics.fmean(means),
                "ms",
                None,
                min(means),
                max(means),
            )
        )
    fits = [output["fit"] for output in found.values()]
    return [*rows, records.Row.of(f"fit of {good} good parts, {what}, range over families", fits, "s")]


def draw_task(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Write synthetic parts."""
    from latticework.anomaly.synth import generate

    counts = {name: job[name] for name in ("good", "validation", "test_good", "per_defect", "size")}
    generate(folder / job["family"], seed=0, family=job["family"], jobs=job["threads"], **counts)
    return counts


def inspect_task(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Learn good parts, and inspect the others, round by round; the first inspection does not count."""
    from latticework.anomaly import M3DM, M3DMConfig, read_folder

    set_threads(job)
    began = time.perf_counter()
    model = M3DM(config=M3DMConfig(size=job["size"]), random_state=0).fit(folder / job["family"])
    fit = time.perf_counter() - began
    parts = read_folder(folder / job["family"], split="test")
    model.explain(parts[0])
    seconds: list[float] = []
    stages: dict[str, list[float]] = {stage: [] for stage in (*STAGES.values(), REST)}
    with watched(STAGES) as taken:
        for part in parts * job["rounds"]:
            taken.clear()
            began = time.perf_counter()
            model.explain(part)
            seconds.append(time.perf_counter() - began)
            taken[REST] = seconds[-1] - sum(taken.values())
            for stage, values in stages.items():
                values.append(taken.get(stage, 0.0))
    return {"fit": fit, "seconds": seconds, "stages": stages, "banks": list(model.banks_)}


@contextmanager
def watched(stages: Mapping[str, str]) -> Iterator[dict[str, float]]:
    """Seconds that functions take, none of which calls another, added up by stage."""
    taken: dict[str, float] = {}
    originals = []

    def clocked(work: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def run(*given: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return work(*given, **options)
            finally:
                taken[stage] = taken.get(stage, 0.0) + time.perf_counter() - began

        return run

    try:
        for place, stage in stages.items():
            module, _, path = place.partition(":")
            owner, _, name = path.rpartition(".")
            home = pkgutil.resolve_name(f"{module}:{owner}" if owner else module)
            originals.append((home, name, getattr(home, name)))
            setattr(home, name, clocked(originals[-1][2], stage))
        yield taken
    finally:
        for home, name, work in originals:
            setattr(home, name, work)


# Memory


def memory(run: Run) -> list[records.Row]:
    """A fit that holds all features in memory, and one that holds next to none."""
    sizes = run.sizes
    job = {"family": STORED, "size": sizes.side, "good": sizes.stored, "validation": max(2, sizes.stored // 25)}
    job |= {"test_good": sizes.good_test, "per_defect": sizes.per_defect}
    run.write(**job, budget=None)
    run.one("draw")
    runs = {}
    for name, budget in (("memory", None), ("disk", sizes.budget)):
        run.write(**job, budget=budget, name=name)
        runs[name] = run.one("fit")
    return memory_rows(f"fit of {sizes.stored} parts, {sizes.side} x {sizes.side}", runs, compared(run.folder))


def memory_rows(
    what: str, runs: Mapping[str, measuring.Measured], found: Mapping[str, Mapping[str, float]]
) -> list[records.Row]:
    """What each fit takes, and what the disk changes."""
    rows = []
    for name, measured in runs.items():
        where = f"{what}, features in memory" if name == "memory" else f"{what}, features on disk"
        told = measured.output
        limit = "<= 6" if name == "memory" else None
        rows += [
            records.Row(f"{where}: peak memory", measured.peak_memory / 1e9, "GB", limit),
            records.Row(f"{where}: of that, before the fit: interpreter and libraries", told["before"] / 1e9, "GB"),
            records.Row(f"{where}: stated in advance, besides that", told["stated"] / 1e9, "GB"),
            records.Row(f"{where}: time", told["seconds"], "s"),
        ]
    for bank, figures in found.items():
        limit = f"<= {RADIUS_APART:g}"
        rows += [
            records.Row(f"{what}, memory and disk, {bank}: radii apart, share", figures["radius"], "", limit),
            records.Row(f"{what}, memory and disk, {bank}: the same patches", 100 * figures["same"], "%"),
            records.Row(
                f"{what}, memory and disk, {bank}: distances of these apart at most, share of the radius",
                figures["distances"],
                "",
            ),
        ]
    return rows


def compared(folder: Path) -> dict[str, dict[str, float]]:
    """How far the banks of both fits differ; that of fusion, which learns, is left out.

    Rounding may turn the directions of features that are about as important: what is compared are distances.
    """
    import numpy as np

    found: dict[str, dict[str, float]] = {}
    with np.load(folder / "memory.npz") as first, np.load(folder / "disk.npz") as second:
        banks, others = (
            [name.partition("/")[0] for name in side if name.endswith("/radius")] for side in (first, second)
        )
        banks, others = ([bank for bank in side if bank != "fusion"] for side in (banks, others))
        agree(banks == others, f"banks are {banks} and {others}")
        for bank in banks:
            radii = [float(side[f"{bank}/radius"]) for side in (first, second)]
            numbers = [
                {tuple(row): at for at, row in enumerate(side[f"{bank}/where"].tolist())} for side in (first, second)
            ]
            both = sorted(set(numbers[0]) & set(numbers[1]))
            agree(both, f"no patch is in both banks for {bank}")
            some = both[:: max(1, len(both) // 1000)]
            distances = []
            for side, number in zip((first, second), numbers, strict=True):
                rows = side[f"{bank}/features"][[number[place] for place in some]].astype(np.float64)
                squares = np.square(rows).sum(1)
                distances.append(np.sqrt(np.maximum(squares + squares[:, None] - 2 * rows @ rows.T, 0)))
            found[bank] = {
                "radius": abs(radii[0] / radii[1] - 1),
                "same": len(both) / len(numbers[0]),
                "distances": float(np.abs(distances[0] - distances[1]).max() / radii[0]),
            }
    return found


def fit_task(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Learn good parts; write the banks, and tell what was stated."""
    import numpy as np

    from latticework.anomaly import M3DM, M3DMConfig, read_folder
    from latticework.anomaly.features.extraction import describe
    from latticework.anomaly.memory.needs import training_needs

    set_threads(job)
    settings = {} if job["budget"] is None else {"memory": job["budget"]}
    config = M3DMConfig(size=job["size"], **settings)
    model = M3DM(config=config, random_state=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * measuring.MAXRSS_UNIT
    began = time.perf_counter()
    model.fit(folder / job["family"])
    seconds = time.perf_counter() - began
    arrays: dict[str, Any] = {}
    for bank, kept in model.normal_.memories.items():
        arrays |= {f"{bank}/features": kept.features, f"{bank}/where": kept.where, f"{bank}/radius": kept.radius}
    np.savez(folder / f"{job['name']}.npz", **arrays)
    first = describe(read_folder(folder / job["family"], split="train")[0].read(), model.seen_, config).patches
    needed = training_needs(first, job["good"], config, aside=job["validation"], coreset=model.coreset, fusion=True)
    return {"seconds": seconds, "before": before, "stated": needed.memory}
