import pytest
import torch
from tasks import Regression

from latticework.core.candidates import holding


@pytest.mark.parametrize("spare", [True, False])
def test_weights_of_a_module_that_only_validates_are_not_kept_meanwhile(spare, monkeypatch):
    task, candidate, kept = Regression(), {"weight": torch.ones(3)}, []
    state_dict = task.module.state_dict
    monkeypatch.setattr(task.module, "state_dict", lambda: kept.append(True) or state_dict())
    with holding(task.module, candidate, torch.device("cpu"), spare=spare):
        assert task.weights().tolist() == [1, 1, 1]
    assert kept == ([] if spare else [True])
    assert task.weights().any() == spare
