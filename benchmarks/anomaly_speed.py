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
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import anomaly_speed_coreset, anomaly_speed_steps, anomaly_speed_whole, records
from benchmarks.anomaly_speed_run import NAME, QUICK, Run, Sizes
from benchmarks.peers import timing

COMMAND = "python -m benchmarks.anomaly_speed"
PEERS = ("anomalib", "open3d")
ROWS: dict[str, Callable[[Run], list[records.Row]]] = {
    "coreset": anomaly_speed_coreset.coreset,
    "nearest": anomaly_speed_steps.nearest,
    "fpfh": anomaly_speed_steps.fpfh,
    "aupro": anomaly_speed_steps.aupro,
    "inspection": anomaly_speed_whole.inspection,
    "memory": anomaly_speed_whole.memory,
}
PARTS = tuple(ROWS)
# What a process of its own does, in a folder, for a part.
TASKS: dict[str, Callable[[Path, timing.Job], dict[str, Any]]] = {
    "greedy": anomaly_speed_coreset.greedy_task,
    "loop": anomaly_speed_coreset.loop_task,
    "nearest": anomaly_speed_steps.nearest_task,
    "aupro": anomaly_speed_steps.aupro_task,
    "fpfh": anomaly_speed_steps.fpfh_task,
    "draw": anomaly_speed_whole.draw_task,
    "inspect": anomaly_speed_whole.inspect_task,
    "fit": anomaly_speed_whole.fit_task,
}


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
    if records.record(result, lacks=lacks):
        print(records.table(result))


def measure(threads: int, repeats: int, sizes: Sizes, parts: Sequence[str] = PARTS) -> records.Result:
    """All parts, each in processes of its own."""
    rows = []
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            rows += ROWS[part](Run(Path(folder), threads, repeats, sizes))
    title = f"Defects in colour and 3D: speed and memory; {threads} thread(s), {repeats} rounds"
    title += "; medians unless a row says otherwise, memory from one fit each"
    only = None if set(parts) == set(PARTS) else list(parts)
    command = records.command_line(COMMAND, threads=threads, repeats=repeats, quick=sizes == QUICK, only=only)
    cores = max(threads, *anomaly_speed_steps.THREADS) if "fpfh" in parts else threads
    return records.make_result(NAME, title, command, rows, threads=cores, peers=PEERS)


if __name__ == "__main__":
    main()
