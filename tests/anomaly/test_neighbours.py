"""Nearest entries are those of direct distances."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.anomaly.memory import distances, neighbours
from latticework.anomaly.memory.neighbours import Neighbours
from latticework.core.errors import InputError


def literal(patches, entries, count):
    squares = ((patches[:, None].astype(float) - entries[None].astype(float)) ** 2).sum(-1)
    order = np.argsort(squares, axis=1, kind="stable")[:, :count]
    return np.sqrt(np.take_along_axis(squares, order, 1)), order


def data(kind, seed=0, patches=90, entries=140, channels=11):
    rng = np.random.default_rng(seed)
    bank, asked = (rng.normal(size=(n, channels)).astype(np.float32) for n in (entries, patches))
    if kind == "lattice":
        bank, asked = np.round(bank), np.round(asked)
    elif kind == "far from the origin":
        bank, asked = bank + 5000, asked + 5000
    elif kind == "copies":
        bank = bank[rng.integers(0, min(5, entries), entries)]
    elif kind == "double":
        bank, asked = bank.astype(float) / 3, asked.astype(float) / 3
    elif kind == "a patch far away":
        asked[0] *= 1e30
    elif kind == "an entry far away":
        bank[0] *= 1e12
    asked[1::3] = bank[: len(asked[1::3])]
    return asked, bank


KINDS = ["random", "lattice", "far from the origin", "copies", "double", "a patch far away", "an entry far away"]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_those_of_direct_distances(kind, count, monkeypatch):
    monkeypatch.setattr(neighbours, "_ROWS", 32)
    monkeypatch.setattr(neighbours, "TILE", 32 * 50)
    patches, entries = data(kind)
    found, numbers = Neighbours(entries).several(patches, count)
    expected, order = literal(patches, entries, count)
    assert np.array_equal(numbers, order)
    assert np.allclose(found, expected, rtol=1e-6, atol=0)
    assert (found[1::3, 0] == 0).all()


@given(st.integers(0, 2**31), st.sampled_from(KINDS), st.integers(1, 40), st.integers(1, 4))
@settings(max_examples=40)
def test_neighbours_in_any_bank_are_those_of_direct_distances(seed, kind, entries, count):
    patches, bank = data(kind, seed, patches=7, entries=max(entries, 3), channels=4)
    distances, numbers = Neighbours(bank).several(patches, count)
    expected, order = literal(patches, bank, count)
    assert np.array_equal(numbers, order)
    assert np.allclose(distances, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_what_other_devices_compute_is_the_same(kind, count, monkeypatch):
    for module in (distances, neighbours):
        monkeypatch.setattr(module, "on_cpu", lambda device: False)
    monkeypatch.setattr(neighbours, "_ENTRIES", 50)
    patches, entries = data(kind)
    found, numbers = Neighbours(entries).several(patches, count)
    expected, order = literal(patches, entries, count)
    assert np.array_equal(numbers, order)
    assert np.allclose(found, expected, rtol=1e-6, atol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_neighbours_on_a_gpu_are_those_on_the_cpu():
    patches, entries = data("random", entries=40_000)
    found = Neighbours(entries, device="cuda").nearest(patches)
    for one, other in zip(found, Neighbours(entries).nearest(patches), strict=True):
        assert np.array_equal(one, other)


def test_distances_are_those_of_torch():
    patches, entries = data("random")
    distances, numbers = Neighbours(entries).nearest(torch.from_numpy(patches))
    exact = torch.cdist(
        torch.from_numpy(patches), torch.from_numpy(entries), compute_mode="donot_use_mm_for_euclid_dist"
    )
    least, index = exact.min(dim=1)
    assert np.array_equal(numbers, index)
    assert np.allclose(distances, least, rtol=1e-5, atol=0)


def test_neighbours_of_entries_are_remembered_within_bounds(monkeypatch):
    monkeypatch.setattr(neighbours, "_REMEMBERED", 2)
    bank = Neighbours(np.array([[0.0], [1.0], [3.0], [7.0]]))
    assert bank.around(3, 3).tolist() == [3, 2, 1]
    assert bank.around(3, 3) is bank.around(3, 3)
    for entry in range(4):
        assert bank.around(entry, 2)[0] == entry
    assert len(bank._around) <= 2


def test_a_bank_can_be_sent_to_another_process():
    patches, entries = data("random")
    bank = Neighbours(entries)
    bank.around(0, 3)
    again = pickle.loads(pickle.dumps(bank))  # noqa: S301 - what joblib does with our own objects
    assert np.array_equal(again.nearest(patches)[1], bank.nearest(patches)[1])


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda bank: Neighbours(np.zeros((0, 3))), "at least one entry"),
        (lambda bank: Neighbours(np.array([[np.inf]])), "patch 0 are not finite"),
        (lambda bank: bank.nearest(np.zeros((2, 4))), "rows of 3 channels"),
        (lambda bank: bank.nearest(np.zeros(3)), "rows of 3 channels"),
        (lambda bank: bank.nearest(np.full((2, 3), np.nan)), "patch 0 are not finite"),
        (lambda bank: bank.several(np.zeros((2, 3)), 0), "count=0"),
    ],
)
def test_bad_input_is_named(act, message):
    with pytest.raises(InputError, match=message):
        act(Neighbours(np.eye(3)))


def test_products_may_be_off_by_all_that_their_bound_allows(monkeypatch):
    bank, patch = Neighbours(np.array([[1.0, 0.0], [0.0, 1 + 5e-6], [-1.0, -1.0]])), np.array([[0.6, 0.6]])
    frame = bank._frame
    true = ((patch - bank.entries) ** 2).sum(axis=1) * frame.scale**2
    norm = frame.place(patch, np.empty((1, 3), dtype=np.float32))[0]
    found = true + np.array([0.9, -0.9, 0]) * frame.share * (8 * norm + 2 * true) - norm
    assert found.argmin() == 1
    monkeypatch.setattr(neighbours, "product", lambda left, right, out: out.copy_(torch.from_numpy(found[None])))
    assert bank.several(patch, 1)[1].tolist() == [[0]]
