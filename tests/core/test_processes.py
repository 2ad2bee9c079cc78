"""One process; `test_distributed` has two."""

import torch

from latticework.core import processes


def test_one_process_works_alone(tmp_path):
    assert (processes.rank(), processes.process_count()) == (0, 1)
    assert processes.is_first()
    assert not processes.distributed()
    assert processes.gather(torch.arange(3)).tolist() == [[0, 1, 2]]
    processes.check_agreed({"seed": 0}, tmp_path, torch.device("cpu"))
    processes.wait_for_others()
    processes.leave()


def test_one_process_writes_even_where_they_do_not_work_together(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert processes.is_first(), "of one process that is a name like another"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not processes.is_first()
    monkeypatch.setenv("RANK", "0")
    assert processes.is_first()
