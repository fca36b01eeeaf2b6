"""Weights, gradients and optimizer state sharded over the processes: FSDP2.

Each process keeps its part of every weight, and of what belongs to it. A block's weights are put
together before it computes and let go of after it; its gradients are averaged, as DDP does, and
each process keeps its part of them. See `torch.distributed.fsdp.fully_shard`; Zhao et al. (2023),
PyTorch FSDP, arXiv:2304.11277.

What torch needs for it takes two seconds and 50 MiB to import: only where weights are sharded.
"""

import contextlib
import copy
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.train.distributed import Place

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor

LARGEST_SHARE = 1 / 8
"""Of all parameters: a block that holds more is taken apart further, where it can be."""
SMALLEST_SHARE = 1 / 256
"""A block that holds less goes with what is around it: an exchange of its own would cost more
time than it saves memory."""
LISTS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)
NEVER_CALLED = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


def shard(objective: nn.Module, place: Place) -> nn.Module:
    """Shard all parameters of a module, which moves to the device of this process; return it.

    Args:
        objective: on the CPU or on the device, equal in all processes; changed in place.
        place: this process, in a process group.

    Raises:
        UsageError: it has a parameter that is a single number, which cannot be sharded.
    """
    for name, part in objective.named_parameters():
        if part.dim() == 0:
            raise UsageError(
                _("memory.shard: the parameter {name} is a single number", name=name),
                _("Give it one dimension in the model, or set memory.shard to false."),
            )
    from torch.distributed.fsdp import fully_shard

    # Of Swin blocks, which end in a view; nothing is added to it in place.
    warnings.filterwarnings("ignore", r"FSDP2-wrapped module \(FSDPSwinBlock\) returned a view")
    mesh = mesh_of(place)
    for unit in reversed(units(objective)):  # the inner ones before those around them
        fully_shard(unit, mesh=mesh)
    fully_shard(objective, mesh=mesh)
    return objective


def mesh_of(place: Place) -> "DeviceMesh":
    """Return all processes in a row."""
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(place.device.type, (place.world,))


def units(network: nn.Module) -> list[nn.Module]:
    """Return the blocks whose weights are put together at a time; outer ones before inner ones.

    They are the elements of the network's lists and sequences, which is how networks of repeated
    blocks are written: the outermost ones, and what is in them where those are large. What is in
    no list is put together with the whole. A block whose children others call names them in an
    attribute `called_apart`.
    """
    total = _size(network)
    everywhere = _occurrences(network)
    found: dict[nn.Module, None] = {}

    def look_into(module: nn.Module) -> None:
        apart = [getattr(module, name) for name in getattr(module, "called_apart", ())]
        found.update(dict.fromkeys(child for child in apart if child is not None))
        for child in module.children():
            size = _size(child)
            alone = all(everywhere[key] == often for key, often in _occurrences(child).items())
            if (
                isinstance(module, LISTS)
                and not isinstance(child, NEVER_CALLED)
                and size >= SMALLEST_SHARE * total
                and alone  # weights that others use, too, stay with the whole
            ):
                found[child] = None
                if size <= LARGEST_SHARE * total and not any(
                    hasattr(part, "called_apart") for part in child.modules()
                ):
                    continue
            look_into(child)

    look_into(network)
    return list(found)


def without_weights(network: nn.Module) -> nn.Module:
    """Return a copy of a network that has no weights of its own; buffers are those of `network`."""
    kept: dict[int, object] = {id(part): part for part in network.buffers()}
    for part in network.parameters():
        kept[id(part)] = nn.Parameter(torch.empty(0, dtype=part.dtype), part.requires_grad)
    return copy.deepcopy(network, kept)


@contextlib.contextmanager
def filled(network: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[nn.Module]:
    """Give a network of `without_weights` whole weights for a while. Every rank has to ask.

    Args:
        network: see there.
        weights: sharded, by the names of the network's parameters.
    """
    own = dict(network.named_parameters())
    try:
        for name, part in weights.items():
            own[name].data = whole(part)
        yield network
    finally:
        for part in own.values():
            part.data = torch.empty(0, dtype=part.dtype)


def whole(part: Tensor) -> Tensor:
    """Return a tensor that is sharded in one piece; another one as it is."""
    return part.full_tensor().detach() if is_sharded(part) else part.detach()


def is_sharded(part: Tensor) -> "TypeGuard[DTensor]":
    """Return whether other processes hold some of a tensor."""
    return hasattr(part, "device_mesh")


def own_part(part: Tensor) -> Tensor:
    """Return what this process holds of a tensor."""
    return part.to_local() if is_sharded(part) else part


def like(value: Tensor, target: Tensor) -> Tensor:
    """Return `value`, whole and the same in all processes, sharded as `target` is."""
    if not is_sharded(target) or value.shape != target.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    value = value.to(target.device)
    return distribute_tensor(value, target.device_mesh, target.placements, src_data_rank=None)


@torch.no_grad()
def put_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load whole weights into a network, sharded or not.

    Raises:
        RuntimeError: they are not those of this network.
    """
    own = network.state_dict()
    if not any(map(is_sharded, own.values())):
        network.load_state_dict(weights)
        return
    if own.keys() != weights.keys():
        raise RuntimeError("other names: " + ", ".join(sorted(own.keys() ^ weights.keys())))
    for name, part in own.items():
        part.copy_(like(weights[name], part))


def _size(module: nn.Module) -> int:
    return sum(part.numel() for part in module.parameters())


def _occurrences(module: nn.Module) -> Counter[int]:
    parts: Iterable[tuple[str, nn.Parameter]] = module.named_parameters(remove_duplicate=False)
    return Counter(id(part) for _name, part in parts)
