"""Training state spread over the processes of `torchrun`: each holds a share of weights, gradients and optimiser.

This is fully sharded data parallelism (Zhao et al. 2023) as torch's `fully_shard` does it: the weights of a part of the
module are gathered when it computes, and let go of afterwards. A table of which a step reads few rows is never
gathered: each process owns a stretch of its rows, and lends them. Checkpoints and models hold whole tensors, so that
nobody who reads them needs to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from latticework.core.processes import gather

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor  # a second to import, so only where something is shared

    Share = Callable[[nn.Module, DeviceMesh], nn.Module]

Part = nn.Module | nn.Parameter  # a module, gathered while it computes, or a table, read by `rows_of_all`


def sharding(module: nn.Module, parts: Iterable[Part]) -> Share:
    """What leaves a process its share of a copy of the module; each module of these parts is gathered by itself."""
    chosen = {id(part) for part in parts}
    names = [name for name, part in module.named_modules() if id(part) in chosen]
    tables = [name for name, table in module.named_parameters() if id(table) in chosen]

    def shard(copy: nn.Module, mesh: DeviceMesh) -> nn.Module:
        from torch.distributed.fsdp import fully_shard

        mesh = mesh["data_parallel"]
        owned = {_own_rows(copy, name, mesh) for name in tables}
        for name in [*reversed(names), ""]:  # inner parts before those that they are in, and the whole last
            part = copy.get_submodule(name)
            part.register_forward_hook(_without_views)
            fully_shard(part, mesh=mesh, ignored_params=owned)
        return copy

    return shard


def _without_views(part: nn.Module, inputs: object, output: object) -> object:
    """Copy what a part gives if it is a view: if that were changed in place, torch would not gather the part again."""
    return output.clone() if isinstance(output, Tensor) and output._is_view() else output


def _own_rows(module: nn.Module, name: str, mesh: DeviceMesh) -> nn.Parameter:
    """Put in the place of a table of a module the rows of it that this process owns."""
    from torch.distributed.tensor import Shard, distribute_tensor

    table = module.get_parameter(name)
    rows = distribute_tensor(table.detach(), mesh, [Shard(0)], src_data_rank=None)
    owned = nn.Parameter(rows, requires_grad=table.requires_grad)
    owner, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(owner), attribute, owned)
    return owned


def rows_of_all(
    table: Float[Tensor, "rows dim"], rows: Int64[Tensor, " batch"], *, sparse: bool = False
) -> Float[Tensor, "batch dim"]:
    """Distinct rows, in rising order, of a table that all processes own together, each of which asks for some at once.

    All are lent what any of them asked for: one all-reduce of those rows forward, and one of their gradients backward,
    of which each keeps what it owns. As with other weights that is the mean over the processes.

    Parameters
    ----------
    table
        A part of what `sharding` shared.
    rows
        What this process wants.
    sparse
        Whether the gradient of the table holds rows of these only: those that are owned, by their numbers in the whole.
    """
    lent: Tensor = _Lent.apply(table, rows, sparse)  # type: ignore[no-untyped-call]
    return lent


class _Lent(torch.autograd.Function):
    """PyTorch's own gradient of an embedding that is shared by rows is a dense one, of the whole table."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, sparse: bool) -> Tensor:
        asked = _asked(rows)
        lent = _summed(torch.nn.functional.embedding(_same(asked, table), table))
        place = torch.searchsorted(asked, rows)
        ctx.save_for_backward(asked, place)
        ctx.table, ctx.sparse = table, sparse
        return lent.index_select(0, place)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from torch.distributed.tensor import DTensor, Partial

        asked, place = ctx.saved_tensors
        table, mesh = ctx.table, ctx.table.device_mesh
        own = grad.new_zeros(len(asked), grad.shape[1]).index_copy_(0, place, grad)
        mean = _summed(DTensor.from_local(own, mesh, [Partial()], run_check=False)).div_(mesh.size())
        begin, held = first_row(table), local(table)
        first, last = torch.searchsorted(asked, asked.new_tensor([begin, begin + len(held)])).tolist()
        kept, values = asked[first:last], mean[first:last]
        if ctx.sparse:
            whole = torch.sparse_coo_tensor(kept[None], values, table.shape, is_coalesced=True, check_invariants=False)
            return whole, None, None
        stretch = torch.zeros_like(held).index_copy_(0, kept - begin, values)
        placed = {"run_check": False, "shape": table.shape, "stride": table.stride()}
        return DTensor.from_local(stretch, mesh, table.placements, **placed), None, None


def _asked(rows: Int64[Tensor, " batch"]) -> Int64[Tensor, " asked"]:
    """What any process asks for, in rising order."""
    counts = gather(torch.tensor(len(rows), device=rows.device))
    padded = rows.new_full((int(counts.max()),), -1)
    padded[: len(rows)] = rows
    everything = gather(padded)
    asked: Tensor = torch.unique(everything[everything >= 0])
    return asked


def _same(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor that is the same in all processes of a shared one."""
    from torch.distributed.tensor import DTensor, Replicate

    return DTensor.from_local(tensor, cast("DTensor", like).device_mesh, [Replicate()], run_check=False)


def _summed(parts: Tensor) -> Tensor:
    """What all processes have of a sum, added up in each."""
    from torch.distributed.tensor import Replicate

    return cast("DTensor", parts).redistribute(placements=[Replicate()]).to_local()


def first_row(table: Tensor) -> int:
    """The number of the first row of a table that this process owns; they are dealt out as by `torch.chunk`."""
    if not is_shared(table):
        return 0
    mesh, rows = cast("DTensor", table).device_mesh, len(table)
    return min(rows, mesh.get_local_rank() * -(-rows // mesh.size()))


def local(tensor: Tensor) -> Tensor:
    """What this process has of a tensor: all of it, where it is not shared."""
    return cast("DTensor", tensor).to_local() if is_shared(tensor) else tensor


@contextmanager
def set_aside(module: nn.Module) -> Iterator[None]:
    """Let go of the memory of a module's weights meanwhile; afterwards there is room for them again, with anything."""
    storages = [parameter.untyped_storage() for parameter in module.parameters()]
    kept = [(storage, storage.nbytes()) for storage in storages if storage.resizable()]
    for storage, _ in kept:
        storage.resize_(0)
    try:
        yield
    finally:
        for storage, size in kept:
            storage.resize_(size)


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
