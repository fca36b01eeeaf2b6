"""What a step asks of a GPU, counted without one: `python -m bench.gpu_counts [MODEL ...]`.

One optimizer step of every model, at its default parameters, goes through the training core on fake
CUDA tensors. Kernels are operators that compute: each launches at least one. A synchronisation is
where the host waits for the card: a value that Python asks for, a copy to main memory, a result
whose size depends on values. Bytes are those of all tensors read or written once, host operations
all that is dispatched. The roofline is the sum over all kernels of the longer of arithmetic and
traffic on a card (`--card`), and beside it what the host takes to launch them, at 5 microseconds
each: the longer of the two is the least that a step takes.

Before and after a change are this table on two checkouts of the repository.
"""

# isort: off
from bench import _fake_cuda  # before torch
# isort: on

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from srwizard.memory.cost import Cost, Machine, is_view
from srwizard.memory.imitation import Imitation
from srwizard.memory.predict import on_gpu
from srwizard.memory.tracker import VALUE_OF, StorageTracker
from srwizard.models.catalog import card, cards, resolve_parameters
from srwizard.settings.run_config import RunConfig, RunData, RunDevices, RunMemory, RunModel
from tests.configs import MADE_UP_DATA, made_up_config

SCALE, HR_SHAPE, BATCH = 4, (256, 512), 4
LAUNCH_SECONDS = 5e-6
TERA, GIGA = 1e12, 1e9


def _card(operations: float, traffic: float) -> Machine:
    # Transforms are as quick as memory is.
    return Machine(operations * TERA, 2.0, traffic * GIGA, transforms=math.inf, call=0.0)


CARDS = {
    "RTX 3090": _card(35.6, 936),
    "RTX 4090": _card(82.6, 1008),
    "A100": _card(156, 1555),
    "H100": _card(495, 3350),
}
"""The makers' figures: TF32 or float32 products, how much faster 16 bits are, memory bandwidth."""

aten = torch.ops.aten
WAITING = frozenset(
    {aten.nonzero.default, aten.masked_select.default, aten._unique2.default, aten.equal.default}
)
"""Whose result has a size, or a value, that the host has to know."""
TENSORS_AT_A_TIME = 30
"""Of a list, that one kernel goes through at least (multi_tensor_apply.cuh, depth 5)."""
NOTHING_COMPUTED = ("aten::empty", "aten::new_empty", "aten::detach", "prim::", "aten::set_")


@dataclass
class Counted:
    """What a step asks for."""

    kernels: int = 0
    synchronisations: int = 0
    bytes_moved: int = 0
    host_operations: int = 0
    roofline_seconds: float = 0.0


class Counter(StorageTracker):
    """Counts what goes to the card; blocks that are alike count as often as they are there.

    Args:
        machine: whose roofline is taken.

    Attributes:
        counted: so far.
        waits: what the host waited for, by operator.
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.counted = Counted()
        self.waits: dict[str, int] = {}
        self._roofline = Cost(machine)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operator and count it."""
        result = super().__torch_dispatch__(func, types, args, kwargs)
        name, times = func._schema.name, self._times
        if name.startswith("prim::"):
            return result
        given = [part for part in tree_leaves((args, kwargs or {})) if isinstance(part, Tensor)]
        made = [part for part in tree_leaves(result) if isinstance(part, Tensor)]
        self.counted.host_operations += times
        if not any(part.device.type == "cuda" for part in (*given, *made)):
            return result
        if _waits(func, given, made, args, kwargs or {}):
            self.counted.synchronisations += times
            self.waits[name] = self.waits.get(name, 0) + times
        if func is VALUE_OF or is_view(func) or name.startswith(NOTHING_COMPUTED):
            return result
        lists = [part for part in args if isinstance(part, list | tuple) and part]
        several = "_foreach" in name or "_fused" in name or "_amp_foreach" in name
        self.counted.kernels += times * (-(-len(lists[0]) // TENSORS_AT_A_TIME) if several else 1)
        moved = sum(part.numel() * part.element_size() for part in (*given, *made))
        self.counted.bytes_moved += times * moved
        self.counted.roofline_seconds += times * self._roofline.add(func, args, kwargs, result)
        return result


def _waits(
    func: Any, given: list[Tensor], made: list[Tensor], args: Any, kwargs: dict[str, Any]
) -> bool:
    """Return whether the host waits for the card."""
    if func is VALUE_OF or func in WAITING:
        return True
    if func is aten.index.Tensor:
        return any(part is not None and part.dtype == torch.bool for part in args[1])
    if func not in (aten._to_copy.default, aten.copy_.default) or kwargs.get("non_blocking"):
        return False
    source, target = (given[0], made[0]) if func is aten._to_copy.default else (given[1], given[0])
    return source.device.type != target.device.type


def run_of(model: str, *, use_amp: bool) -> RunConfig:
    """Return a run of a model at its default parameters on one GPU; there is no dataset."""
    run = made_up_config()
    data = MADE_UP_DATA.model_dump() | {
        "hr_shape": list(HR_SHAPE),
        "lr_shape": [side // SCALE for side in HR_SHAPE],
        "scale": SCALE,
    }
    chosen = card(model)
    network: RunModel = run.model.model_copy(
        update={
            "name": model,
            "params": resolve_parameters(chosen, {}),
            "global_skip": chosen.family == "standard",
        }
    )
    made = run.model_copy(
        update={
            "data": RunData.model_validate(data),
            "model": network,
            "training": run.training.model_copy(
                update={"batch_size": BATCH, "ema_decay": 0.999, "clip_grad_norm": 1.0}
            ),
            "devices": RunDevices(gpus=[], processes=1, nodes=1, backend="gloo"),
            "memory": RunMemory(use_amp=use_amp, gradient_checkpointing=False, patch_size=None),
        }
    )
    return on_gpu(made, "A100")


def counted(run: RunConfig, machine: Machine) -> tuple[Counted, dict[str, int]]:
    """Return what one optimizer step asks for, and what the host waits for in it."""
    counter = Counter(machine)
    with (
        _fake_cuda.card_with_bfloat16(),
        Imitation(run, counter, device=torch.device("cuda", 0)) as imitation,
    ):
        imitation.before_a_step()
        before, counter.waits = replace(counter.counted), {}
        imitation.step()
    after = counter.counted
    return Counted(
        after.kernels - before.kernels,
        after.synchronisations - before.synchronisations,
        after.bytes_moved - before.bytes_moved,
        after.host_operations - before.host_operations,
        after.roofline_seconds - before.roofline_seconds,
    ), counter.waits


def rows(models: Sequence[str], machine: Machine, *, use_amp: bool) -> Iterator[str]:
    """Return the table, a line for each model."""
    yield (
        "| model | kernels | synchronisations | GB moved | host operations | roofline | launches |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for model in models:
        found, waits = counted(run_of(model, use_amp=use_amp), machine)
        said = ", ".join(f"{times} {name}" for name, times in waits.items())
        yield (
            f"| {model} | {found.kernels} | {found.synchronisations}{f' ({said})' if said else ''} "
            f"| {found.bytes_moved / GIGA:.1f} | {found.host_operations} "
            f"| {1e3 * found.roofline_seconds:.1f} ms "
            f"| {1e3 * LAUNCH_SECONDS * found.kernels:.1f} ms |"
        )


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_counts", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="these only")
    parser.add_argument("--card", default="A100", choices=list(CARDS))
    parser.add_argument("--float32", action="store_true", help="without mixed precision")
    options = parser.parse_args(arguments)
    print(
        f"Batch {BATCH}, HR {HR_SHAPE[0]} x {HR_SHAPE[1]}, scale {SCALE}, two variables, "
        f"{'float32' if options.float32 else 'bfloat16'}, {options.card}, torch {torch.__version__}"
    )
    for line in rows(
        options.models or tuple(cards()), CARDS[options.card], use_amp=not options.float32
    ):
        print(line, flush=True)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
