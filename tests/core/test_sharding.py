"""What a single process can tell; two of them train sharded models in `test_distributed.py`."""

import torch
from torch import nn

from latticework.core.sharding import sharding, share, whole


def test_parts_are_sharded_from_the_inside_out_and_never_give_views(monkeypatch):
    from torch.distributed import fsdp

    given = []

    def fully_shard(part, mesh, ignored_params):
        assert not ignored_params  # of tables there are none
        given.append((part, mesh))

    monkeypatch.setattr(fsdp, "fully_shard", fully_shard)
    inner = nn.Flatten(0)
    module = nn.Sequential(nn.Sequential(inner), nn.Linear(2, 2))
    copy = nn.Sequential(nn.Sequential(nn.Flatten(0)), nn.Linear(2, 2))
    assert sharding(module, [module[0], inner])(copy, {"data_parallel": "mesh"}) is copy
    assert given == [(copy[0][0], "mesh"), (copy[0], "mesh"), (copy, "mesh")]
    x = torch.ones(2, 2)
    assert inner(x)._is_view()
    assert not copy[0](x)._is_view()
    assert torch.equal(copy[0](x), torch.ones(4))


def test_what_is_not_shared_is_left_alone():
    tensors = {"x": torch.ones(3)}
    assert whole(tensors)["x"] is tensors["x"]
    assert whole(tensors, wanted=False) == {}
    assert share(tensors["x"], like=torch.zeros(3)) is tensors["x"]
