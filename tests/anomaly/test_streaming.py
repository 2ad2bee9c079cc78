"""Parts inspected in order, whatever happens to one of them, in one process, several, or a cluster."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import joblib
import pytest
from anomaly.fakes import Counting, Doubting, split

from latticework.anomaly.inspecting import inspect_parts
from latticework.anomaly.part_warnings import noted, once, warn
from latticework.anomaly.scans.folders import read_folder
from latticework.anomaly.streaming import AHEAD, AT_ONCE
from latticework.core.errors import InputError


def numbers(count):
    return [str(number) for number in range(1, count + 1)]


def check(found, names):
    assert [part for part, _ in found] == names
    for part, told in found:
        if int(part) % 7 == 0:
            assert isinstance(told, InputError)
            assert str(told) == f"{part} is cut off"
        else:
            assert (told.name, told.score) == (part, float(part))


def test_parts_come_in_order_and_one_that_fails_stops_no_other():
    names = numbers(40)
    check(list(inspect_parts(Counting(), names)), names)


def test_what_is_not_the_fault_of_a_part_is_raised():
    with pytest.raises(ValueError, match="invalid literal"):
        list(inspect_parts(Counting(), ["1", "two", "3"]))


def test_parts_are_inspected_when_they_are_asked_for_and_read_from_an_endless_source():
    def endless():
        number = 0
        while True:
            number += 1
            yield str(number)

    model = Counting()
    found = inspect_parts(model, endless())
    assert [next(found)[0] for _ in range(3)] == ["1", "2", "3"]
    found.close()
    assert len(model.asked) <= AHEAD, "no more than a wave is ever taken from the source"


def test_several_processes_give_the_same_as_one():
    names = numbers(2 * AT_ONCE * AHEAD + 3)  # more than a wave of two workers, and no whole number of tasks
    for backend in ("threading", "multiprocessing"):
        with joblib.parallel_config(backend=backend):
            check(list(inspect_parts(Counting(), names, jobs=2)), names)
    check(list(inspect_parts(Counting(), names, jobs=2)), names)


def test_a_dask_cluster_gives_the_same_and_gets_the_model_once_a_wave(tmp_path):
    distributed = pytest.importorskip("distributed")
    names = numbers(4 * AT_ONCE * AHEAD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the cluster's own: ports in use, and the like
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, worker_dashboard_address=None
        )
        with cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
            found = list(inspect_parts(Counting(tmp_path), names))
    check(found, names)
    tasks, waves = len(names) / AT_ONCE, 2
    assert tasks == 32
    # By each of the two workers, once a wave, and at most once more on the way to it; not with every task.
    assert 1 <= len(list(tmp_path.iterdir())) <= 4 * waves


def test_a_folder_with_a_damaged_file(rings, model, tmp_path):
    folder = Path(shutil.copytree(rings, tmp_path / "ring"))
    (folder / "test" / "cut" / "rgb" / "000.png").write_bytes(b"no picture")
    found = {part.name: told for part, told in inspect_parts(model, split(folder, "test"))}
    assert len(found) == 12
    broken = {name for name, told in found.items() if isinstance(told, InputError)}
    assert broken == {"test/cut/000"}
    assert "000.png" in str(found["test/cut/000"])


@pytest.mark.parametrize("jobs, backend", [(1, "threading"), (2, "threading"), (2, "loky")])
def test_what_holds_for_many_parts_is_said_once(jobs, backend):
    with joblib.parallel_config(backend=backend), pytest.warns(UserWarning, match="odd") as caught:
        check(list(inspect_parts(Doubting(), numbers(20), jobs=jobs)), numbers(20))
    told = [str(warning.message) for warning in caught]
    told = [line for line in told if "worker stopped" not in line]  # loky's own, where the machine is busy
    assert told == ["1: it is odd", "19 more parts: it is odd"]


def stopped(found):
    for _ in range(3):
        next(found)
    found.close()


def test_what_was_said_before_an_early_end_is_counted():
    found = inspect_parts(Doubting(), numbers(20), jobs=1)
    with pytest.warns(UserWarning, match="odd") as caught:
        stopped(found)
    assert [str(warning.message) for warning in caught] == ["1: it is odd", "2 more parts: it is odd"]
    with pytest.warns(UserWarning, match="odd") as caught, pytest.raises(ValueError, match="two"):
        list(inspect_parts(Doubting(), ["1", "2", "two"]))
    assert [str(warning.message) for warning in caught] == ["1: it is odd", "1 more part: it is odd"]


def test_whoever_listens_around_hears_of_each_part():
    with noted() as notes:
        for part, _ in inspect_parts(Doubting(), numbers(3)):
            warn(part, "it is the caller's")
    assert [part for part, what in notes if what == "it is odd"] == numbers(3)
    assert len(notes) == 6
    with pytest.warns(UserWarning, match="odd") as caught, once():
        [list(inspect_parts(Doubting(), numbers(3))) for _ in range(2)]
    assert [str(warning.message) for warning in caught] == ["1: it is odd", "5 more parts: it is odd"]


def test_a_part_without_a_partner_is_told_and_the_others_go_on(rings, model, tmp_path):
    folder = Path(shutil.copytree(rings / "test" / "good", tmp_path / "good"))
    (folder / "rgb" / "001.png").unlink()
    found = {part.name: told for part, told in inspect_parts(model, read_folder(folder, partners="reported"))}
    assert {name for name, told in found.items() if isinstance(told, InputError)} == {"001"}
    assert "001.tiff: without rgb" in str(found["001"])
