"""Single steps of `latticework.anomaly` beside others: nearest entries of a bank, AUPRO, and histograms of clouds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import anomaly_geometry_parts, anomaly_speed_parts, measuring, records
from benchmarks.anomaly_speed_coreset import FRACTION
from benchmarks.anomaly_speed_parts import (
    CDIST,
    CDIST_SKIPPING,
    EXACT,
    EXACT_SKIPPING,
    LITERAL,
    OURS,
    SKIPPING,
    Seconds,
)
from benchmarks.anomaly_speed_run import Run, set_threads
from benchmarks.measuring import agree
from benchmarks.peers import timing

OPEN3D = "Open3D"
BTF = "Open3D, with as many neighbours as BTF asks it for"
CLOUD = "cloud.npy"  # where Open3D's driver looks for it
SAME_HISTOGRAMS = 0.9  # correlation of ours and Open3D's, where rounding moves some angles to the next bin
THREADS = (1, 2)  # of the histograms


def nearest(run: Run) -> list[records.Row]:
    """In one process, by turns."""
    sizes = run.sizes
    entries = int(sizes.patches * FRACTION)
    run.write(patches=sizes.asked, entries=entries, channels=sizes.channels, rounds=sizes.rounds)
    what = f"nearest of {entries:,} entries, {sizes.asked:,} patches, {sizes.channels} channels"
    return nearest_rows(what, run.one("nearest").output)


def nearest_rows(what: str, found: Mapping[str, Any]) -> list[records.Row]:
    """What gives equal results of the same patches has the target; torch by its default way is told beside it."""
    seconds: Seconds = found["seconds"]
    rows = []
    for all_patches, skipping, target in ((EXACT, EXACT_SKIPPING, ">= 5"), (CDIST, CDIST_SKIPPING, None)):
        for theirs, ours in ((all_patches, OURS), (skipping, SKIPPING)):
            ratios = measuring.paired_ratios(seconds[theirs], seconds[ours])
            rows.append(records.Row.of(f"{what}: {theirs} over {ours}", ratios, "times", target))
    for name, values in seconds.items():
        rows.append(records.Row.of(f"{what}: {name}", [1e3 * value for value in values], "ms"))
    for name, apart in found["apart"].items():
        rows.append(records.Row(f"{what}: {name}: largest distance of an entry from itself", apart, ""))
    return rows


def nearest_task(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Seconds of each way, and how far an entry is from itself."""
    import torch

    from latticework.anomaly.memory.neighbours import Neighbours

    set_threads(job)
    sizes = {name: job[name] for name in ("patches", "entries", "channels", "rounds")}
    seconds = anomaly_speed_parts.nearest(**sizes)
    bank = anomaly_speed_parts.features(job["entries"], job["channels"])
    some = bank[: job["patches"]]
    tensor = torch.from_numpy(some)
    apart = {
        OURS: float(Neighbours(bank).nearest(some)[0].max()),
        CDIST: float(torch.cdist(tensor, torch.from_numpy(bank)).diagonal().max()),
    }
    return {"seconds": seconds, "apart": apart}


def aupro(run: Run) -> list[records.Row]:
    """In one process, by turns."""
    sizes = run.sizes
    run.write(images=sizes.images, side=sizes.side, rounds=run.repeats)
    what = f"AUPRO at four limits, {sizes.images} maps of {sizes.side} x {sizes.side}"
    seconds = run.one("aupro").output["seconds"]
    ratios = measuring.paired_ratios(seconds[LITERAL], seconds[OURS])
    rows = [records.Row.of(f"{what}: official algorithm over ours", ratios, "times", ">= 5")]
    return rows + [records.Row.of(f"{what}: {name}", values, "s") for name, values in seconds.items()]


def aupro_task(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Seconds of both, for equal values."""
    set_threads(job)
    return {"seconds": anomaly_speed_parts.aupro(images=job["images"], side=job["side"], rounds=job["rounds"])}


# Point feature histograms


def fpfh(run: Run) -> list[records.Row]:
    """Ours and Open3D by turns, on one thread and on two, with as many cores."""
    import numpy as np

    cloud = anomaly_geometry_parts.part()
    np.save(run.folder / CLOUD, cloud)
    seconds = {}
    for threads in THREADS:
        run.write(threads=threads, rounds=run.sizes.rounds)
        commands = {OURS: run.ours("fpfh"), OPEN3D: run.theirs("open3d", "fpfh")}
        seconds[threads] = fpfh_seconds(run.turns(commands, threads))
    run.measured(run.theirs("open3d", "histograms"))
    return fpfh_rows(f"FPFH, cloud of {cloud[0].size:,} points", seconds, correlation(run.folder))


def fpfh_seconds(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, list[float]]]:
    """Of each step and system, the median of each process."""

    def medians(outputs: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
        return {step: [statistics.median(output[step]) for output in outputs] for step in outputs[0]}

    by_system = {
        OURS: medians([output["nearest"] for output in found[OURS]]),
        OPEN3D: medians([output["nearest"] for output in found[OPEN3D]]),
        BTF: medians([output["btf"] for output in found[OPEN3D]]),
    }
    steps = by_system[OURS]
    return {step: {system: values[step] for system, values in by_system.items()} for step in steps}


def fpfh_rows(
    what: str, seconds: Mapping[int, Mapping[str, Mapping[str, list[float]]]], correlated: float
) -> list[records.Row]:
    """Ratios of normals and features together, then what each step takes."""
    rows = []
    for threads, by_step in seconds.items():
        both = by_step["both"]
        for system, target in ((OPEN3D, ">= 5"), (BTF, None)):
            ratios = measuring.paired_ratios(both[system], both[OURS])
            name = f"{what}, normals and features, {threads} thread(s): {system} over ours"
            rows.append(records.Row.of(name, ratios, "times", target))
    for threads, by_step in seconds.items():
        for step, by_system in by_step.items():
            for system, values in by_system.items():
                name = f"{what}, {step}, {threads} thread(s): {system}"
                rows.append(records.Row.of(name, [1e3 * value for value in values], "ms"))
    told = "histograms of ours and Open3D's from the same 24 neighbours, correlation: median over inner points"
    return [*rows, records.Row(f"{what}: {told}", correlated, "")]


def correlation(folder: Path) -> float:
    """Of ours, from the pixels that Open3D's nearest points are, with its histograms; in the middle of the picture."""
    import numpy as np
    import torch

    from latticework.anomaly.features.fpfh import fpfh as ours
    from latticework.anomaly.features.geometry import local_planes
    from latticework.anomaly.features.windows import Window

    cloud = torch.from_numpy(np.load(folder / CLOUD))[None]
    found = ours(cloud, local_planes(cloud).normals, Window(radius=2))[0]
    theirs = torch.from_numpy(np.load(folder / "open3d.npy")).float().T.reshape(found.shape)
    inner = [side[:, 5:-5, 5:-5].flatten(1) for side in (found, theirs)]
    off = [side - side.mean(0) for side in inner]
    together = (off[0] * off[1]).sum(0) / (off[0].norm(dim=0) * off[1].norm(dim=0))
    middle = float(together.median())
    agree(middle >= SAME_HISTOGRAMS, f"histograms of ours and Open3D's correlate at {middle:.3f}")
    return middle


def fpfh_task(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Ours."""
    import numpy as np

    set_threads(job)
    return {"nearest": anomaly_geometry_parts.ours_fpfh(np.load(folder / CLOUD), job["rounds"])}
