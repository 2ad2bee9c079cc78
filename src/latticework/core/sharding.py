"""Training state spread over the processes of `torchrun`: each holds a share of weights, gradients and optimiser.

This is fully sharded data parallelism (Zhao et al. 2023) as torch's `fully_shard` does it: the weights of a part of the
module are gathered when it computes, and let go of afterwards. Checkpoints and models hold whole tensors, so that
nobody who reads them needs to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor  # a second to import, so only where something is shared

    Shard = Callable[[nn.Module, DeviceMesh], nn.Module]


def sharding(module: nn.Module, parts: Iterable[nn.Module]) -> Shard:
    """What leaves a process its share of a copy of the module; each of these parts is gathered by itself."""
    chosen = {id(part) for part in parts}
    names = [name for name, part in module.named_modules() if id(part) in chosen]

    def shard(copy: nn.Module, mesh: DeviceMesh) -> nn.Module:
        from torch.distributed.fsdp import fully_shard

        for name in [*reversed(names), ""]:  # inner parts before those that they are in, and the whole last
            part = copy.get_submodule(name)
            part.register_forward_hook(_without_views)
            fully_shard(part, mesh=mesh["data_parallel"])
        return copy

    return shard


def _without_views(part: nn.Module, inputs: object, output: object) -> object:
    """Copy what a part gives if it is a view: if that were changed in place, torch would not gather the part again."""
    return output.clone() if isinstance(output, Tensor) and output._is_view() else output


def whole(tensors: Mapping[str, Tensor], *, wanted: bool = True) -> dict[str, Tensor]:
    """Put shares together on the CPU, tensor by tensor; all processes must, but get nothing if they do not want it."""
    found = {}
    for name, tensor in tensors.items():
        together = cast("DTensor", tensor).full_tensor() if is_shared(tensor) else tensor
        if wanted:
            found[name] = together.cpu() if together is not tensor else tensor
    return found


def share(tensor: Tensor, like: Tensor) -> Tensor:
    """Of a whole tensor, which all processes have, the share of this one, if `like` is shared and of its shape."""
    if not is_shared(like) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    shared = cast("DTensor", like)
    return distribute_tensor(tensor.to(shared.device), shared.device_mesh, shared.placements, src_data_rank=None)


def is_shared(tensor: Tensor) -> bool:
    """Whether this process has only a share of a tensor."""
    return hasattr(tensor, "full_tensor")
