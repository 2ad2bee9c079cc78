"""A memory bank keeps the coreset of what was added, within the memory that it said."""

from __future__ import annotations

import errno
import io
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from latticework.anomaly.memory import cache as caching
from latticework.anomaly.memory.bank import MemoryBank, places
from latticework.anomaly.memory.cache import Cache, HalfRows
from latticework.anomaly.memory.coreset import greedy
from latticework.anomaly.memory.needs import needs
from latticework.core.errors import InputError

ROWS, COLUMNS, CHANNELS = 6, 5, 7


def image(number, channels=CHANNELS):
    rng = np.random.default_rng(number)
    foreground = rng.random((ROWS, COLUMNS)) < 0.7
    features = rng.normal(size=(ROWS * COLUMNS, channels)).astype(np.float32)
    return features, foreground


def filled(numbers, **options):
    bank = MemoryBank(**options)
    for number in numbers:
        features, foreground = image(number)
        bank.add(features[foreground.ravel()], places(number, foreground))
    return bank


def everything(numbers):
    parts = [(features[foreground.ravel()], places(number, foreground)) for number in numbers
             for features, foreground in [image(number)]]  # fmt: skip
    return (np.concatenate(part) for part in zip(*parts, strict=True))


def test_the_bank_is_the_coreset_of_all_patches_and_knows_where_they_come_from():
    bank = filled(range(8))
    chosen = bank.finish(0.2)
    features, where = everything(range(8))
    expected = greedy(features, int(0.2 * len(features)))
    assert chosen.indices.tolist() == expected.indices.tolist()
    assert np.array_equal(bank.features, features[expected.indices])
    assert np.array_equal(bank.where, where[expected.indices])
    assert bank.seen == len(features)
    assert bank.radius == expected.radius
    assert len(bank) == len(expected)


def test_training_patches_are_at_distance_zero_if_all_are_kept():
    bank = filled(range(4))
    bank.finish(1.0)
    features, foreground = image(2)
    distances, nearest = bank.neighbours.nearest(features[foreground.ravel()])
    assert (distances == 0).all()
    assert bank.where[nearest].tolist() == places(2, foreground).tolist()


def test_what_is_no_number_in_single_precision_is_refused():
    with pytest.raises(InputError, match=r"column \[4, 1, 2\] are not finite"):
        MemoryBank().add(np.array([[0.1, 1 / 3], [0.7, 1e300]]), np.array([[0, 0, 0], [4, 1, 2]]))


def test_torch_tensors_are_taken_too():
    bank, same = MemoryBank(), MemoryBank()
    features, foreground = image(0)
    bank.add(torch.from_numpy(features[foreground.ravel()]), places(0, foreground))
    same.add(features[foreground.ravel()], places(0, foreground))
    bank.finish(0.5)
    same.finish(0.5)
    assert np.array_equal(bank.features, same.features)
    asked = image(1)[0]
    found = bank.neighbours.nearest(torch.from_numpy(asked))
    for one, other in zip(found, same.neighbours.nearest(asked), strict=True):
        assert np.array_equal(one, other)


def test_distances_do_not_depend_on_the_order_of_training_if_the_first_image_is_the_same():
    bank, other = filled([0, 1, 2, 3]), filled([0, 3, 1, 2])
    bank.finish(0.3)
    other.finish(0.3)
    asked = image(9)[0]
    assert np.array_equal(bank.neighbours.nearest(asked)[0], other.neighbours.nearest(asked)[0])


def test_copies_of_training_images_do_not_change_distances():
    bank, twice = filled(range(3)), filled([0, 1, 2, 0, 1, 2])
    bank.finish(0.5)
    twice.finish(0.25)
    asked = image(9)[0]
    assert np.array_equal(bank.neighbours.nearest(asked)[0], twice.neighbours.nearest(asked)[0])


@pytest.mark.parametrize("budget", [0, 1000, 5000])
def test_features_beyond_the_budget_lie_on_a_disk_in_half_precision(budget, tmp_path):
    bank, exact = filled(range(10), budget=budget, folder=tmp_path), filled(range(10))
    assert isinstance(bank._cache.rows(), HalfRows)
    bank.finish(0.2)
    exact.finish(0.2)
    asked = image(20)[0]
    assert np.allclose(bank.neighbours.nearest(asked)[0], exact.neighbours.nearest(asked)[0], rtol=0.05)
    assert bank.seen == exact.seen
    features, where = everything(range(10))
    stored = {tuple(row): feature for row, feature in zip(where.tolist(), features, strict=True)}
    for row, feature in zip(bank.where.tolist(), bank.features, strict=True):
        assert np.allclose(feature, stored[tuple(row)], rtol=2**-11, atol=0)
    assert list(Path(tmp_path).iterdir()) == []


def test_half_precision_neither_overflows_nor_loses_small_numbers():
    rows = np.array([[1e30, -3e29], [1e-30, 2e-31], [0.0, 0.0], [65519.0, 1.0], [1e-40, 0.0]], dtype=np.float32)
    read = HalfRows(*HalfRows.pack(rows))[:]
    assert np.allclose(read[:4], rows[:4], rtol=2**-11, atol=0)
    assert abs(read[4]).max() <= 1e-38


def test_a_cache_gives_back_what_it_was_given_before_and_after_it_moves_to_a_disk(monkeypatch):
    monkeypatch.setattr(caching, "_BLOCK", 3)
    rows = np.random.default_rng(0).integers(-9, 9, size=(50, 4)).astype(np.float32)  # exact in half precision
    for budget in (50 * 16, 30 * 16, 0):
        cache = Cache(budget=budget)
        for begin in range(0, 50, 7):
            cache.append(rows[begin : begin + 7])
            read = cache.rows()
            assert np.array_equal(read[0 : len(cache)], rows[: len(cache)])
        assert isinstance(read, HalfRows) == (budget < 50 * 16)
        assert np.array_equal(read[np.array([41, 3])], rows[[41, 3]])
        cache.close()


class Disk(io.BytesIO):
    """A file on a disk that takes 10 bytes at a time, and has room for so many."""

    room = 1000

    def write(self, data):
        if self.tell() >= self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[:10])


@pytest.mark.parametrize("rows", [300, 5000])
def test_a_full_disk_is_no_bad_input_and_told_with_the_folder(monkeypatch, tmp_path, rows):
    monkeypatch.setattr(caching, "nameless_file", lambda _: Disk())
    cache = Cache(budget=0, folder=tmp_path)
    with pytest.raises(OSError, match="No space left") as caught:
        cache.append(np.zeros((rows, 2), dtype=np.float32))
    assert caught.value.filename == str(tmp_path)
    cache.close()


class Filling(io.FileIO):
    """A file that has room for so many bytes, for a while."""

    room = float("inf")

    def write(self, data):
        if self.tell() >= Filling.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[:10])


@pytest.mark.parametrize("budget", [0, 25 * 16], ids=["on a disk", "moving there"])
@pytest.mark.parametrize("room", [0, 70, 230, 310])
def test_rows_that_a_disk_had_no_room_for_are_as_if_they_had_never_come(monkeypatch, tmp_path, budget, room):
    monkeypatch.setattr(caching, "_BLOCK", 4)
    monkeypatch.setattr(caching, "nameless_file", lambda _: Filling(tmp_path / "rows", "w+"))
    rows = np.random.default_rng(0).integers(-9, 9, size=(60, 4)).astype(np.float32)
    cache = Cache(budget=budget)
    cache.append(rows[:25])
    with monkeypatch.context() as full:
        full.setattr(Filling, "room", room)
        with pytest.raises(OSError, match="No space left"):
            cache.append(1000 * rows[25:])
    assert np.array_equal(cache.rows()[0 : len(cache)], rows[:25])
    cache.append(rows[25:])
    assert np.array_equal(cache.rows()[0 : len(cache)], rows)
    cache.close()


@pytest.mark.parametrize("kept", [0, 4])
def test_a_bank_goes_on_where_an_image_found_no_place(tmp_path, kept):
    bank, same = filled(range(kept), budget=0), filled(range(kept), budget=0)
    if kept:
        bank.finish(0.5)
        same.finish(0.5)
        bank.budget = bank.features.nbytes  # so that what was kept fits, and what comes does not
    bank.folder = tmp_path / "missing"
    features, foreground = image(8)
    for _ in range(2):
        with pytest.raises(InputError, match="missing cannot be written"):
            bank.add(features[foreground.ravel()], places(8, foreground))
    bank.folder = None
    for each in (bank, same):
        for number in (8, 9):
            features, foreground = image(number)
            each.add(features[foreground.ravel()], places(number, foreground))
        each.finish(0.5)
    assert np.array_equal(bank.features, same.features)
    assert np.array_equal(bank.where, same.where)
    assert bank.seen == same.seen


def test_what_a_disk_takes_in_parts_is_written_whole(monkeypatch):
    disk = Disk()
    monkeypatch.setattr(caching, "nameless_file", lambda _: disk)
    cache, rows = Cache(budget=0), np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    cache.append(rows)
    assert disk.getvalue() == HalfRows.pack(rows)[0].tobytes()


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="missing cannot be written: No such file"):
        filled(range(2), budget=0, folder=tmp_path / "missing")


@pytest.mark.parametrize("patches, channels, budget", [(30_000, 24, 2**30), (30_000, 24, 2**20), (6_000, 200, 2**22)])
def test_no_more_memory_is_taken_than_was_said(patches, channels, budget):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(patches // 20, channels)).astype(np.float32)
    where = np.zeros((len(rows), 3), dtype=np.int32)
    said = needs(patches, channels, fraction=0.02, budget=budget)
    tracemalloc.start()
    try:
        bank = MemoryBank(budget=budget)
        for number in range(20):
            bank.add(rows + number, where)
        on_disk = isinstance(bank._cache.rows(), HalfRows)
        bank.finish(0.02)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert on_disk == (said.disk > 0)
    assert peak <= said.memory
    if on_disk:
        assert said.disk == 2 * patches * channels


def test_500_parts_fit():
    for channels, patches in ((120, 784), (1152, 3136), (1920, 3136)):
        assert needs(500 * patches, channels).memory < 6 * 2**30


def test_a_bank_that_goes_on_has_as_many_patches_as_one_that_saw_all_at_once():
    bank = filled(range(4))
    bank.finish(0.25)
    kept, places_kept = bank.features.copy(), bank.where.copy()
    for number in range(4, 8):
        features, foreground = image(number)
        bank.add(features[foreground.ravel()], places(number, foreground))
    assert bank.neighbours.nearest(image(9)[0])[0].shape == (ROWS * COLUMNS,)  # as before, until it is finished again
    bank.finish(0.25)
    new, where = everything(range(4, 8))
    pool = np.concatenate([kept, new])
    expected = greedy(pool, int(0.25 * bank.seen))
    assert np.array_equal(bank.features, pool[expected.indices])
    assert np.array_equal(bank.where, np.concatenate([places_kept, where])[expected.indices])
    assert bank.seen == sum(int(image(number)[1].sum()) for number in range(8))


def test_a_bank_goes_into_arrays_and_comes_back():
    bank = filled(range(5))
    bank.finish(0.3)
    again = MemoryBank.from_arrays(bank.to_arrays())
    asked = image(9)[0]
    for one, other in zip(bank.neighbours.nearest(asked), again.neighbours.nearest(asked), strict=True):
        assert np.array_equal(one, other)
    assert (again.seen, again.radius) == (bank.seen, bank.radius)
    assert np.array_equal(again.where, bank.where)
    for grown in (bank, again):
        grown.add(image(8)[0], places(8, np.ones((ROWS, COLUMNS), dtype=bool)))
        grown.finish(0.3)
    assert np.array_equal(bank.features, again.features)


def test_a_finished_bank_can_be_sent_to_another_process():
    bank = filled(range(3))
    bank.finish(0.5)
    again = pickle.loads(pickle.dumps(bank))  # noqa: S301 - what joblib does with our own objects
    asked = image(9)[0]
    assert np.array_equal(again.neighbours.nearest(asked)[0], bank.neighbours.nearest(asked)[0])


@pytest.mark.parametrize("kind", ["one patch", "constant"])
def test_a_bank_of_hardly_anything_works(kind):
    bank = MemoryBank()
    count = 1 if kind == "one patch" else 12
    bank.add(np.ones((count, 3)), np.zeros((count, 3), dtype=int))
    bank.finish(0.5)
    distances, nearest = bank.neighbours.nearest(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 2.0]]))
    assert distances.tolist() == [0, 1]
    assert nearest.tolist() == [0, 0]


def test_a_part_without_foreground_adds_nothing():
    bank = filled([0])
    bank.add(np.zeros((0, CHANNELS)), np.zeros((0, 3), dtype=int))
    assert len(bank.finish(1.0)) == int(image(0)[1].sum())


def broken(change=lambda where: where, **changes):
    bank = filled([0])
    bank.finish(0.5)
    arrays = bank.to_arrays() | {"where": change(bank.where)} | changes
    return MemoryBank.from_arrays({name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda: MemoryBank().finish(), "no patches were added"),
        (lambda: filled([]).neighbours, "not finished"),
        (lambda: filled([0]).neighbours, "not finished"),
        (lambda: filled([0]).to_arrays(), "since finish"),
        (lambda: MemoryBank().to_arrays(), "not finished"),
        (lambda: MemoryBank(budget=-1), "budget=-1"),
        (lambda: filled([0]).finish(0.0), "fraction=0.0"),
        (lambda: filled([0]).finish(1.5), "fraction=1.5"),
        (lambda: filled([0]).add(np.zeros((2, 3)), np.zeros((2, 3), dtype=int)), "rows of 7"),
        (lambda: MemoryBank().add(np.zeros((2, 3)), np.zeros((1, 3), dtype=int)), "expected"),
        (lambda: MemoryBank().add(np.zeros(3), np.zeros((3, 3), dtype=int)), "expected"),
        (lambda: MemoryBank().add(np.array([[np.nan]]), np.array([[4, 1, 2]])), r"column \[4, 1, 2\] are not finite"),
        (lambda: broken(where=None), "'where' is missing"),
        (lambda: broken(features=np.zeros((2, 3), dtype=int)), "'features' is missing"),
        (lambda: broken(where=np.zeros((1, 3), dtype=int)), "do not fit"),
        (lambda: broken(lambda where: where - 1), "'where' has no numbers"),
        (lambda: broken(lambda where: where.astype(np.int64) + 2**32), "'where' has no numbers"),
        (lambda: broken(seen=np.array([1])), "do not fit"),
        (lambda: broken(radius=np.array([np.nan])), "do not fit"),
    ],
)
def test_bad_input_is_named(act, message):
    with pytest.raises(InputError, match=message):
        act()


def test_an_image_that_is_refused_leaves_the_bank_as_it_was():
    bank, same = filled([0]), filled([0])
    with pytest.raises(InputError):
        bank.add(np.full((1, CHANNELS), np.nan), np.zeros((1, 3), dtype=int))
    assert bank.finish(0.5).indices.tolist() == same.finish(0.5).indices.tolist()
    assert bank.seen == same.seen
