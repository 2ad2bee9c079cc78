"""The greedy coreset of `latticework.anomaly` beside the published loop and anomalib's `KCenterGreedy`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import anomaly_speed_parts, measuring, records
from benchmarks.anomaly_speed_parts import LITERAL, OURS, Seconds
from benchmarks.anomaly_speed_run import Run, set_threads
from benchmarks.measuring import agree
from benchmarks.peers import timing

ANOMALIB = "anomalib"
FEATURES = "features.npy"  # where anomalib's driver looks for them
# glibc keeps the pages of large arrays from one step of a loop to the next, which is what makes loops fastest. By its
# defaults anomalib's memory grows by an array a step after some hundred steps, until none is left.
KEEPS_PAGES = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**30))
FRACTION = 0.1  # of the patches that a coreset keeps
SAME_RADIUS = 1e-6  # of a radius, between two coresets that are not of the same patches


def coreset(run: Run) -> list[records.Row]:
    """Ours, the loop and anomalib choose by turns."""
    import numpy as np
    import torch

    from latticework.anomaly.memory.coreset import size

    sizes = run.sizes
    np.save(run.folder / FEATURES, anomaly_speed_parts.features(sizes.patches, sizes.channels))
    torch.manual_seed(0)
    start = int(torch.randint(high=sizes.patches, size=(1,)))  # what anomalib draws with that seed
    run.write(fraction=FRACTION, seed=0, start=start)
    found = run.turns(
        {
            OURS: run.ours("greedy"),
            LITERAL: run.ours("loop"),
            ANOMALIB: run.theirs("anomalib", "coreset", alone=("anomalib",)),
        },
        variables=KEEPS_PAGES,
    )
    count = size(sizes.patches, FRACTION)
    what = f"greedy coreset, {count:,} of {sizes.patches:,} patches, {sizes.channels} channels"
    targets = {ANOMALIB: ">= 10", LITERAL: ">= 15"}
    rows = coreset_rows(what, seconds_of(found), chosen_alike(run.folder, (LITERAL, ANOMALIB)), targets)
    others = {
        f"normal in {dimensions} dimensions": anomaly_speed_parts.even(
            sizes.patches, sizes.channels, dimensions=dimensions
        )
        for dimensions in (sizes.channels, 3)
    } | {"two tight clusters": anomaly_speed_parts.clusters(sizes.patches, sizes.channels)}
    for kind, features in others.items():
        np.save(run.folder / FEATURES, features)
        found = run.turns({OURS: run.ours("greedy"), LITERAL: run.ours("loop")}, variables=KEEPS_PAGES)
        same = chosen_alike(run.folder, (LITERAL,))
        rows += coreset_rows(f"{what}, {kind}", seconds_of(found), same, {LITERAL: None})
    return rows


def seconds_of(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[float]]:
    """Of each system, round by round."""
    return {name: [output["seconds"] for output in outputs] for name, outputs in found.items()}


def chosen_alike(folder: Path, others: Sequence[str]) -> dict[str, float]:
    """What share of the patches that ours chose each other chose too."""
    import numpy as np

    ours = np.load(folder / f"{OURS}.npy")
    return {name: shared(folder, ours, np.load(folder / f"{name}.npy")) for name in others}


def coreset_rows(
    what: str, seconds: Seconds, same: Mapping[str, float], targets: Mapping[str, str | None]
) -> list[records.Row]:
    """Ratios, then seconds, then what share of the patches is the same."""
    rows = [
        records.Row.of(
            f"{what}: {name} over ours", measuring.paired_ratios(seconds[name], seconds[OURS]), "times", target
        )
        for name, target in targets.items()
    ]
    rows += [records.Row.of(f"{what}: {name}", values, "s") for name, values in seconds.items()]
    for name, share in same.items():
        target = ">= 100" if name == LITERAL and targets[name] else None
        rows.append(records.Row(f"{what}: patches that {name} chooses too", 100 * share, "%", target))
    return rows


def shared(folder: Path, ours: Any, theirs: Any) -> float:
    """The share of the patches that both chose; where it is not all of them, both must have one radius."""
    import numpy as np

    from latticework.anomaly.memory.neighbours import Neighbours

    counts = {len(ours), len(theirs), len(set(ours.tolist())), len(set(theirs.tolist()))}
    agree(len(counts) == 1, "as many patches were to be chosen, each once")
    agree(ours[0] == theirs[0], "they begin with different patches")
    share = float(np.isin(ours, theirs).mean())
    if share < 1:
        features = np.load(folder / FEATURES)
        radii = [float(Neighbours(features[chosen]).nearest(features)[0].max()) for chosen in (ours, theirs)]
        agree(radii[1] >= radii[0] * (1 - SAME_RADIUS), f"radii are {radii}")
        agree(radii[0] >= radii[1] * (1 - SAME_RADIUS), f"radii are {radii}")
    return share


def greedy_task(folder: Path, job: timing.Job) -> dict[str, float]:
    """Our coreset."""
    import numpy as np

    from latticework.anomaly.memory.coreset import greedy, size

    set_threads(job)
    features = np.load(folder / FEATURES)
    began = time.perf_counter()
    chosen = greedy(features, size(len(features), job["fraction"]), start=job["start"])
    seconds = time.perf_counter() - began
    np.save(folder / f"{OURS}.npy", chosen.indices)
    return {"seconds": seconds}


def loop_task(folder: Path, job: timing.Job) -> dict[str, float]:
    """The published loop."""
    import numpy as np

    from latticework.anomaly.memory.coreset import size

    set_threads(job)
    features = np.load(folder / FEATURES)
    began = time.perf_counter()
    chosen = anomaly_speed_parts.loop_coreset(features, size(len(features), job["fraction"]), job["start"])
    seconds = time.perf_counter() - began
    np.save(folder / f"{LITERAL}.npy", np.array(chosen))
    return {"seconds": seconds}
