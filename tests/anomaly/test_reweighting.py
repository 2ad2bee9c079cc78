"""Image scores are those of a literal loop, in the paper's form and in that of the published code."""

from __future__ import annotations

import numpy as np
import pytest
from reference.reweighting import image_score as literal_score

from latticework.anomaly.memory.neighbours import Neighbours
from latticework.anomaly.memory.reweighting import image_score
from latticework.core.errors import InputError


def data(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(60, 11)), rng.normal(size=(140, 11))


@pytest.mark.parametrize("support", [2, 3, 9])
@pytest.mark.parametrize("seed", range(3))
def test_image_scores_are_those_of_a_literal_loop(support, seed):
    patches, entries = data(seed)
    bank = Neighbours(entries)
    score = image_score(bank, patches, *bank.nearest(patches), support=support)
    assert score == pytest.approx(literal_score(entries, patches, support), rel=1e-6)


def test_large_distances_do_not_overflow():
    bank = Neighbours(np.array([[0.0], [1.0], [2.0]]))
    patches = np.array([[1e9]])
    score = image_score(bank, patches, *bank.nearest(patches))
    assert 0 < score <= 1e9


def test_equally_far_entries_share_the_weight():
    bank = Neighbours(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]))
    patches = np.zeros((1, 2))
    found = bank.nearest(patches)
    assert image_score(bank, patches, *found, support=3) == pytest.approx(2 / 3)


def test_a_bank_of_one_entry_leaves_the_distance_as_it_is():
    bank = Neighbours(np.zeros((1, 2)))
    patches = np.array([[3.0, 4.0]])
    assert image_score(bank, patches, *bank.nearest(patches)) == 5


def test_patches_of_the_bank_score_zero():
    patches, entries = data(0)
    bank = Neighbours(np.concatenate([entries, patches]))
    assert image_score(bank, patches, *bank.nearest(patches)) == 0


def test_an_image_without_patches_scores_zero():
    bank, none = Neighbours(np.eye(3)), np.zeros((0, 3))
    assert image_score(bank, none, *bank.nearest(none)) == 0


def test_bad_options_are_named():
    bank, patches = Neighbours(np.eye(3)), np.zeros((1, 3))
    with pytest.raises(InputError, match="support=0"):
        image_score(bank, patches, *bank.nearest(patches), support=0)
