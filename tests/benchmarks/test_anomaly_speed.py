"""The benchmark of speed and memory runs on small data: systems come to the same, or it stops; rows have targets."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference.aupro import sorted_changes

from benchmarks import (
    anomaly_geometry_parts,
    anomaly_speed,
    anomaly_speed_coreset,
    anomaly_speed_parts,
    anomaly_speed_whole,
    measuring,
    records,
)
from benchmarks.anomaly_speed import TASKS
from benchmarks.anomaly_speed_coreset import ANOMALIB, KEEPS_PAGES
from benchmarks.anomaly_speed_parts import CDIST, CDIST_SKIPPING, EXACT, EXACT_SKIPPING, LITERAL, OURS, SKIPPING
from benchmarks.anomaly_speed_run import QUICK, Run
from benchmarks.anomaly_speed_steps import BTF, OPEN3D
from benchmarks.peers import timing


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tasks are done in this process; anomalib's is copied from the loop, and Open3D's times are made up."""
    done: list[str] = []
    threads = torch.get_num_threads()

    def run_measured(command: Any, env: measuring.Env, timeout: float, cores: int) -> measuring.Measured:
        words = [str(word) for word in command]
        if "--task" in words:
            task, folder = words[-3], Path(words[-1])
            job = json.loads((folder / timing.JOB).read_text(encoding="utf-8"))
            output = TASKS[task](folder, job)
        else:
            assert words[:3] == ["env", "--unset=OMP_WAIT_POLICY", "--unset=GOMP_SPINCOUNT"]
            task, folder = words[-1], Path(words[-2])
            output = theirs(task, folder)
        assert env["OMP_NUM_THREADS"] == str(cores) in {"1", "2"}
        kept = KEEPS_PAGES if task in {"greedy", "loop", "coreset"} else {}  # the same for all of them
        others = {name: os.environ.get(name) for name in KEEPS_PAGES}
        assert {name: env.get(name) for name in KEEPS_PAGES} == others | kept
        done.append(task)
        return measuring.Measured(tuple(words), 1.0, 1.0, 10**9, json.loads(json.dumps(output)))

    def theirs(task: str, folder: Path) -> dict[str, Any]:
        if task == "coreset":
            shutil.copy(folder / f"{LITERAL}.npy", folder / f"{ANOMALIB}.npy")
            return {"seconds": 9.0}
        if task == "fpfh":
            steps = {step: [9.0] for step in ("normals", "features", "both")}
            return {"nearest": steps, "btf": steps}
        from latticework.anomaly.features.fpfh import fpfh
        from latticework.anomaly.features.geometry import local_planes
        from latticework.anomaly.features.windows import Window

        cloud = torch.from_numpy(np.load(folder / "cloud.npy"))[None]
        found = fpfh(cloud, local_planes(cloud).normals, Window(radius=2))[0]
        np.save(folder / "open3d.npy", found.flatten(1).T.numpy())
        return {}

    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(measuring, "peer_environment", lambda name, **options: Path(name))
    yield done
    torch.set_num_threads(threads)


def rows_of(result: records.Result) -> dict[str, records.Row]:
    rows = {row.name: row for row in result.rows}
    assert len(rows) == len(result.rows)
    return rows


def targets(rows: dict[str, records.Row]) -> dict[str, str]:
    return {name: row.target for name, row in rows.items() if row.target is not None}


def test_coresets_neighbours_and_areas_are_measured_side_by_side(here: list[str]) -> None:
    result = anomaly_speed.measure(1, 2, QUICK, ("coreset", "nearest", "aupro"))
    assert here == [*["greedy", "loop", "coreset"] * 2, *["greedy", "loop"] * 6, "nearest", "aupro"]
    rows = rows_of(result)
    chosen = "greedy coreset, 150 of 1,500 patches, 24 channels"
    near = "nearest of 150 entries, 98 patches, 24 channels"
    assert targets(rows) == {
        f"{chosen}: {ANOMALIB} over ours": ">= 10",
        f"{chosen}: {LITERAL} over ours": ">= 15",
        f"{chosen}: patches that {LITERAL} chooses too": ">= 100",
        f"{near}: {EXACT} over {OURS}": ">= 5",
        f"{near}: {EXACT_SKIPPING} over {SKIPPING}": ">= 5",
        "AUPRO at four limits, 4 maps of 96 x 96: official algorithm over ours": ">= 5",
    }
    assert rows[f"{chosen}: patches that {ANOMALIB} chooses too"].value == 100
    assert rows[f"{chosen}: {ANOMALIB}"].value == 9
    for kind in ("normal in 24 dimensions", "normal in 3 dimensions", "two tight clusters"):
        assert rows[f"{chosen}, {kind}: patches that {LITERAL} chooses too"].value == 100
    assert rows[f"{near}: {OURS}: largest distance of an entry from itself"].value == 0
    assert {f"{near}: {CDIST} over {OURS}", f"{near}: {CDIST_SKIPPING} over {SKIPPING}"} <= rows.keys()
    assert "peer anomalib" in result.versions
    assert result.command == (
        "python -m benchmarks.anomaly_speed --threads 1 --repeats 2 --quick --only coreset nearest aupro"
    )
    assert (result.machine["cores_used"], "medians" in result.title) == (1, True)


def test_histograms_are_measured_on_one_thread_and_on_two(here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomaly_geometry_parts, "SIDE", 48)
    result = anomaly_speed.measure(1, 1, QUICK, ("fpfh",))
    assert result.machine["cores_used"] == 2
    rows = rows_of(result)
    assert here == ["fpfh"] * 4 + ["histograms"]
    what = "FPFH, cloud of 2,304 points, normals and features"
    assert targets(rows) == {f"{what}, {threads} thread(s): {OPEN3D} over ours": ">= 5" for threads in (1, 2)}
    assert rows[f"{what}, 2 thread(s): {OPEN3D} over ours"].value > 1
    assert rows[f"FPFH, cloud of 2,304 points, both, 2 thread(s): {BTF}"].value == 9000
    (correlated,) = (row.value for name, row in rows.items() if "correlation" in name)
    assert correlated == pytest.approx(1)


def test_inspections_are_timed_by_stage_and_memory_beside_what_is_stated(here: list[str]) -> None:
    result = anomaly_speed.measure(1, 1, replace(QUICK, per_defect=0, good_test=3, stored=6), ("inspection", "memory"))
    assert here == ["draw", "inspect", "draw", "fit", "fit"]
    rows = rows_of(result)
    whole = "whole inspection of a part, 96 x 96, from its files to its regions"
    speed = rows[f"{whole}: median over 3, range over families"]
    assert (speed.target, speed.unit) == (">= 5", "parts/s")
    stages = [row for name, row in rows.items() if name.endswith(", mean, range over families")]
    assert len(stages) == len(set(anomaly_speed_whole.STAGES.values())) + 1
    assert all(row.value > 0 for row in stages)
    slowest = 1e3 / rows[f"{whole}: the slowest one"].value
    assert sum(row.value for row in stages) <= slowest * (1 + 1e-9)
    peak = rows["fit of 6 parts, 96 x 96, features in memory: peak memory"]
    assert (peak.value, peak.target) == (1.0, "<= 6")
    stated = [row.value for name, row in rows.items() if "stated in advance" in name]
    assert stated[0] > stated[1] > 0.1
    assert all(row.met for name, row in rows.items() if name.endswith("radii apart, share"))


def write_features(folder: Path) -> np.ndarray:
    features = anomaly_speed_parts.features(200, 8)
    np.save(folder / "features.npy", features)
    return features


def test_other_patches_count_as_the_same_only_with_the_same_radius(tmp_path: Path) -> None:
    features = write_features(tmp_path)
    chosen = np.array(anomaly_speed_parts.loop_coreset(features, 20, 3))
    assert anomaly_speed_coreset.shared(tmp_path, chosen, chosen) == 1
    with pytest.raises(RuntimeError, match="not the same results: radii are"):
        anomaly_speed_coreset.shared(tmp_path, chosen, np.array([3, *range(50, 69)]))
    with pytest.raises(RuntimeError, match="begin with different patches"):
        anomaly_speed_coreset.shared(tmp_path, chosen, chosen[::-1])
    with pytest.raises(RuntimeError, match="each once"):
        anomaly_speed_coreset.shared(tmp_path, chosen, np.array([*chosen[:-1], chosen[0]]))


def test_banks_that_differ_are_told(tmp_path: Path) -> None:
    bank = {"colour/features": np.eye(3), "colour/where": np.eye(3, dtype=int), "colour/radius": np.array(2.0)}
    np.savez(tmp_path / "memory.npz", **bank)
    turned = np.eye(3)[[1, 2, 0]]
    np.savez(tmp_path / "disk.npz", **(bank | {"colour/features": turned, "colour/radius": np.array(2.5)}))
    found = anomaly_speed_whole.compared(tmp_path)["colour"]
    assert found == {"radius": pytest.approx(0.2), "same": 1.0, "distances": pytest.approx(0)}
    np.savez(tmp_path / "disk.npz", **{name.replace("colour", "form"): array for name, array in bank.items()})
    with pytest.raises(RuntimeError, match="banks are"):
        anomaly_speed_whole.compared(tmp_path)


def test_functions_are_watched_only_for_a_while() -> None:
    from latticework.anomaly.features import extraction
    from latticework.anomaly.fitted import Fitted

    before = Fitted.judged, extraction.frame
    with anomaly_speed_whole.watched(anomaly_speed_whole.STAGES) as taken:
        assert Fitted.judged is not before[0]
        with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'size'"):
            extraction.frame(None, 1)
    assert set(taken) == {anomaly_speed_whole.FRAMES}
    assert (Fitted.judged, extraction.frame) == before


def test_the_published_way_of_the_parts_is_that_of_the_reference() -> None:
    random = np.random.default_rng(0)
    maps = [random.random((20, 20)).round(2).astype(np.float32) for _ in range(3)]
    truths = [(random.random((20, 20)) < 0.1).astype(np.uint8) for _ in maps]
    found = anomaly_speed_parts.published_aupro(maps, truths, (0.3, 0.05))
    for limit, value in found.items():
        assert value == pytest.approx(sorted_changes(maps, truths, limit), abs=1e-12)


@pytest.mark.parametrize(
    "words, lacks",
    [
        ([], []),
        (["--quick"], ["full sizes"]),
        (["--only", "aupro", "nearest"], ["coreset", "fpfh", "inspection", "memory"]),
    ],
)
def test_only_the_whole_is_recorded(
    words: list[str],
    lacks: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[Any] = []

    def measure(threads: int, repeats: int, sizes: Any, parts: Any) -> records.Result:
        asked.append((threads, repeats, sizes == QUICK, parts))
        row = [records.Row("a figure", 1.0, "s")]
        return records.make_result(anomaly_speed.NAME, "Title", anomaly_speed.COMMAND, row, threads=1)

    monkeypatch.setattr(anomaly_speed, "measure", measure)
    record = records.record
    monkeypatch.setattr(records, "record", lambda result, *, lacks: record(result, tmp_path, lacks=lacks))
    monkeypatch.setattr(sys, "argv", ["anomaly_speed", *words])
    anomaly_speed.main()
    assert (tmp_path / "results" / "anomaly_speed.json").exists() is not bool(lacks)
    parts = ("aupro", "nearest") if "--only" in words else anomaly_speed.PARTS
    assert asked == [(1, 3, "--quick" in words, parts)]
    shown = capsys.readouterr().out
    assert shown.count("a figure") == 1
    assert (f"it lacks: {', '.join(lacks)}" in shown) is bool(lacks)


def test_a_task_reads_its_job_and_prints_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path, torch.get_num_threads(), 1, QUICK)
    write_features(tmp_path)
    run.write(fraction=0.05, start=7)
    monkeypatch.setattr(sys, "argv", ["anomaly_speed", *map(str, run.ours("greedy")[3:])])
    anomaly_speed.main()
    assert json.loads(capsys.readouterr().out)["seconds"] > 0
    assert np.load(tmp_path / "ours.npy")[0] == 7
