"""Speed and memory of `latticework.anomaly`: beside anomalib, Open3D, torch and published code, and as a whole.

`python -m benchmarks.anomaly_speed` measures six things and writes results/anomaly_speed.json; `--quick` does all of it
on small data, to see that it works, and records nothing. Every process gets as many cores as it is to have threads.

- The greedy coreset of the same features from the same patch on, by turns, each in a process: ours, the published loop,
  and anomalib's `KCenterGreedy`, its module alone, without its random projection, in an environment of its own; all
  with the system's allocator as it is.
- The nearest entries of a bank, beside torch, and AUPRO, beside the published way: in one process, by turns.
- Normals and point feature histograms of one cloud, on one thread and on two, beside Open3D in an environment of its
  own. It wants two cores, and the system's libusb-1.0: on Debian, `apt-get install libusb-1.0-0`.
- Whole inspections of synthetic parts, from files to regions, by a detector with its defaults, and where the time goes.
- The memory of a fit of many parts, beside what is stated in advance; and of one that has its features on disk.

Where systems do not come to the same, there is no figure: the benchmark stops.
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import anomaly_geometry_parts, anomaly_speed_parts, harness
from benchmarks.anomaly_speed_parts import CDIST, CDIST_SKIPPING, EXACT, EXACT_SKIPPING, LITERAL, OURS, SKIPPING
from benchmarks.peers import timing

NAME = "anomaly_speed"
COMMAND = "python -m benchmarks.anomaly_speed"
TIMEOUT = 7200
PARTS = ("coreset", "nearest", "fpfh", "aupro", "inspection", "memory")
PEERS = ("anomalib", "open3d")
ANOMALIB, OPEN3D = "anomalib", "Open3D"
BTF = "Open3D, with as many neighbours as BTF asks it for"
FEATURES, CLOUD = "features.npy", "cloud.npy"  # where the drivers of the peers look for them
# glibc keeps the pages of large arrays from one step of a loop to the next, which is what makes loops fastest. By its
# defaults anomalib's memory grows by an array a step after some hundred steps, until none is left.
KEEPS_PAGES = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**30))
FRACTION = 0.1  # of the patches that a coreset keeps
SAME_RADIUS = 1e-6  # of a radius, between two coresets that are not of the same patches
SAME_HISTOGRAMS = 0.9  # correlation of ours and Open3D's, where rounding moves some angles to the next bin
THREADS = (1, 2)  # of the histograms
FAMILIES = ("superellipsoid", "tube", "rope", "ring", "foam", "dowel")
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

Seconds = dict[str, list[float]]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    patches: int = 47_040  # that a coreset is chosen from: 60 pictures full of them
    channels: int = 120
    asked: int = 784  # patches whose nearest entry is asked for
    rounds: int = 15  # of what takes milliseconds, within a process
    images: int = 100  # of AUPRO
    side: int = 224  # pixels, of these and of synthetic parts
    families: tuple[str, ...] = FAMILIES
    good: int = 40  # parts that a detector learns
    good_test: int = 10
    per_defect: int = 2
    stored: int = 500  # parts that the fit whose memory is measured learns
    budget: int = 2**18  # bytes of features that a bank may hold in memory, where it is to use the disk


QUICK = Sizes(
    patches=1500,
    channels=24,
    asked=98,
    rounds=2,
    images=4,
    side=96,
    families=("ring",),
    good=6,
    good_test=1,
    per_defect=1,
    stored=8,
    budget=2**12,
)


def main() -> None:
    """Run the benchmark, or, in a process of its own, a part of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small data: shows the table, and records nothing")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="measure these, and show a table; nothing is recorded")
    parser.add_argument("--task", choices=sorted(TASKS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task is not None:
        job = json.loads((arguments.folder / timing.JOB).read_text(encoding="utf-8"))
        print(json.dumps(TASKS[arguments.task](arguments.folder, job)))
        return
    parts = PARTS if arguments.only is None else tuple(arguments.only)
    result = measure(arguments.threads, arguments.repeats, QUICK if arguments.quick else Sizes(), parts)
    lacks = [part for part in PARTS if part not in parts] + ["full sizes"] * arguments.quick
    if harness.record(result, lacks=lacks):
        print(harness.table(result))


def measure(threads: int, repeats: int, sizes: Sizes, parts: Sequence[str] = PARTS) -> harness.Result:
    """All parts, each in processes of its own."""
    rows = []
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(Path(folder), threads, repeats, sizes)
            rows += {
                "coreset": coreset,
                "nearest": nearest,
                "fpfh": fpfh,
                "aupro": aupro,
                "inspection": inspection,
                "memory": memory,
            }[part](run)
    title = f"Defects in colour and 3D: speed and memory; {threads} thread(s), {repeats} rounds"
    title += "; medians unless a row says otherwise, memory from one fit each"
    only = None if set(parts) == set(PARTS) else list(parts)
    command = harness.command_line(COMMAND, threads=threads, repeats=repeats, quick=sizes == QUICK, only=only)
    cores = max(threads, *THREADS) if "fpfh" in parts else threads
    return harness.make_result(NAME, title, command, rows, threads=cores, peers=PEERS)


@dataclass(frozen=True)
class Run:
    """What a part of the benchmark needs: a folder of its own, and how to start processes that work in it."""

    folder: Path
    threads: int
    repeats: int
    sizes: Sizes

    def write(self, **job: Any) -> None:
        """Say what is to be done."""
        job = {"threads": self.threads} | job
        (self.folder / timing.JOB).write_text(json.dumps(job), encoding="utf-8")

    def ours(self, task: str) -> harness.Command:
        """A task of this module."""
        return [sys.executable, "-m", COMMAND.rpartition(" ")[2], "--task", task, "--folder", str(self.folder)]

    def theirs(self, peer: str, task: str, *, alone: Sequence[str] = ()) -> harness.Command:
        """A task of a peer's driver, whose threads wait as they do by themselves."""
        python = harness.peer_environment(peer, alone=alone)
        unset = [f"--unset={name}" for name in harness.WAITING]
        return ["env", *unset, str(python), "-m", f"benchmarks.peers.{peer}_driver", str(self.folder), task]

    def one(self, task: str) -> harness.Measured:
        """Do a task of this module once."""
        return self.measured(self.ours(task))

    def measured(self, command: harness.Command) -> harness.Measured:
        """Run a command once."""
        return harness.run_measured(command, harness.environment(self.threads), TIMEOUT, cores=self.threads)

    def turns(
        self,
        commands: dict[str, harness.Command],
        threads: int | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """What commands tell that take turns, on as many cores as threads, with some variables of the environment."""
        threads = threads or self.threads
        env = harness.environment(threads) | {"TQDM_DISABLE": "1", **(variables or {})}
        runs = harness.interleave(commands, env, TIMEOUT, self.repeats, cores=threads)
        return {name: [measured.output for measured in several] for name, several in runs.items()}


def agree(truth: object, what: str) -> None:
    """Stop where systems do not come to the same: their times would tell nothing."""
    if not truth:
        raise RuntimeError(f"not the same results: {what}")


def set_threads(job: timing.Job) -> None:
    """As many as asked for, in this process."""
    import torch

    torch.set_num_threads(job["threads"])


# The coreset


def coreset(run: Run) -> list[harness.Row]:
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
) -> list[harness.Row]:
    """Ratios, then seconds, then what share of the patches is the same."""
    rows = [
        harness.Row.of(
            f"{what}: {name} over ours", harness.paired_ratios(seconds[name], seconds[OURS]), "times", target
        )
        for name, target in targets.items()
    ]
    rows += [harness.Row.of(f"{what}: {name}", values, "s") for name, values in seconds.items()]
    for name, share in same.items():
        target = ">= 100" if name == LITERAL and targets[name] else None
        rows.append(harness.Row(f"{what}: patches that {name} chooses too", 100 * share, "%", target))
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


# Nearest neighbours, and AUPRO


def nearest(run: Run) -> list[harness.Row]:
    """In one process, by turns."""
    sizes = run.sizes
    entries = int(sizes.patches * FRACTION)
    run.write(patches=sizes.asked, entries=entries, channels=sizes.channels, rounds=sizes.rounds)
    what = f"nearest of {entries:,} entries, {sizes.asked:,} patches, {sizes.channels} channels"
    return nearest_rows(what, run.one("nearest").output)


def nearest_rows(what: str, found: Mapping[str, Any]) -> list[harness.Row]:
    """What gives equal results of the same patches has the target; torch by its default way is told beside it."""
    seconds: Seconds = found["seconds"]
    rows = []
    for all_patches, skipping, target in ((EXACT, EXACT_SKIPPING, ">= 5"), (CDIST, CDIST_SKIPPING, None)):
        for theirs, ours in ((all_patches, OURS), (skipping, SKIPPING)):
            ratios = harness.paired_ratios(seconds[theirs], seconds[ours])
            rows.append(harness.Row.of(f"{what}: {theirs} over {ours}", ratios, "times", target))
    for name, values in seconds.items():
        rows.append(harness.Row.of(f"{what}: {name}", [1e3 * value for value in values], "ms"))
    for name, apart in found["apart"].items():
        rows.append(harness.Row(f"{what}: {name}: largest distance of an entry from itself", apart, ""))
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


def aupro(run: Run) -> list[harness.Row]:
    """In one process, by turns."""
    sizes = run.sizes
    run.write(images=sizes.images, side=sizes.side, rounds=run.repeats)
    what = f"AUPRO at four limits, {sizes.images} maps of {sizes.side} x {sizes.side}"
    seconds = run.one("aupro").output["seconds"]
    ratios = harness.paired_ratios(seconds[LITERAL], seconds[OURS])
    rows = [harness.Row.of(f"{what}: official algorithm over ours", ratios, "times", ">= 5")]
    return rows + [harness.Row.of(f"{what}: {name}", values, "s") for name, values in seconds.items()]


def aupro_task(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Seconds of both, for equal values."""
    set_threads(job)
    return {"seconds": anomaly_speed_parts.aupro(images=job["images"], side=job["side"], rounds=job["rounds"])}


# Point feature histograms


def fpfh(run: Run) -> list[harness.Row]:
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
) -> list[harness.Row]:
    """Ratios of normals and features together, then what each step takes."""
    rows = []
    for threads, by_step in seconds.items():
        both = by_step["both"]
        for system, target in ((OPEN3D, ">= 5"), (BTF, None)):
            ratios = harness.paired_ratios(both[system], both[OURS])
            name = f"{what}, normals and features, {threads} thread(s): {system} over ours"
            rows.append(harness.Row.of(name, ratios, "times", target))
    for threads, by_step in seconds.items():
        for step, by_system in by_step.items():
            for system, values in by_system.items():
                name = f"{what}, {step}, {threads} thread(s): {system}"
                rows.append(harness.Row.of(name, [1e3 * value for value in values], "ms"))
    told = "histograms of ours and Open3D's from the same 24 neighbours, correlation: median over inner points"
    return [*rows, harness.Row(f"{what}: {told}", correlated, "")]


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


# Whole inspections


def inspection(run: Run) -> list[harness.Row]:
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


def inspection_rows(what: str, good: int, found: Mapping[str, Mapping[str, Any]]) -> list[harness.Row]:
    """Parts a second, where the time goes, and what a fit takes."""
    every = [value for output in found.values() for value in output["seconds"]]
    speeds = {family: 1 / statistics.median(output["seconds"]) for family, output in found.items()}
    whole = f"whole inspection of a part, {what}, from its files to its regions"
    rows = [
        harness.Row(
            f"{whole}: median over {len(every):,}, range over families",
            1 / statistics.median(every),
            "parts/s",
            ">= 5",
            min(speeds.values()),
            max(speeds.values()),
        ),
        harness.Row(f"{whole}: the slowest one", 1 / max(every), "parts/s"),
    ]
    rows += [harness.Row(f"{whole}: {family}: median", speed, "parts/s") for family, speed in speeds.items()]
    for stage in (*dict.fromkeys(STAGES.values()), REST):
        means = [1e3 * statistics.fmean(output["stages"][stage]) for output in found.values()]
        rows.append(
            harness.Row(
                f"{whole}: {stage}, mean, range over families",
                statistics.fmean(means),
                "ms",
                None,
                min(means),
                max(means),
            )
        )
    fits = [output["fit"] for output in found.values()]
    return [*rows, harness.Row.of(f"fit of {good} good parts, {what}, range over families", fits, "s")]


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


def memory(run: Run) -> list[harness.Row]:
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
    what: str, runs: Mapping[str, harness.Measured], found: Mapping[str, Mapping[str, float]]
) -> list[harness.Row]:
    """What each fit takes, and what the disk changes."""
    rows = []
    for name, measured in runs.items():
        where = f"{what}, features in memory" if name == "memory" else f"{what}, features on disk"
        told = measured.output
        limit = "<= 6" if name == "memory" else None
        rows += [
            harness.Row(f"{where}: peak memory", measured.peak_memory / 1e9, "GB", limit),
            harness.Row(f"{where}: of that, before the fit: interpreter and libraries", told["before"] / 1e9, "GB"),
            harness.Row(f"{where}: stated in advance, besides that", told["stated"] / 1e9, "GB"),
            harness.Row(f"{where}: time", told["seconds"], "s"),
        ]
    for bank, figures in found.items():
        limit = f"<= {RADIUS_APART:g}"
        rows += [
            harness.Row(f"{what}, memory and disk, {bank}: radii apart, share", figures["radius"], "", limit),
            harness.Row(f"{what}, memory and disk, {bank}: the same patches", 100 * figures["same"], "%"),
            harness.Row(
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
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * harness.MAXRSS_UNIT
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


TASKS: dict[str, Callable[[Path, timing.Job], dict[str, Any]]] = {
    "greedy": greedy_task,
    "loop": loop_task,
    "nearest": nearest_task,
    "aupro": aupro_task,
    "fpfh": fpfh_task,
    "draw": draw_task,
    "inspect": inspect_task,
    "fit": fit_task,
}

if __name__ == "__main__":
    main()
