"""The peak memory of a training step of any torch module, predicted on fake tensors.

What srwizard's own trainings are predicted with (see `predict`), for a module it knows nothing of:
forward in training mode, loss, backward, AdamW, of one process.
"""

import contextlib
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.memory import foreign_module
from srwizard.memory.available import cpu_capacity
from srwizard.memory.gpu_catalog import capacity
from srwizard.memory.imitation import adam_of_the_largest, cuda_autocast
from srwizard.memory.kernels import (
    Product,
    cpu_scratch,
    cuda_scratch,
    generated,
    noting_products,
)
from srwizard.memory.predict import Phase, of_gpu, reserved_bytes
from srwizard.memory.resident import BASELINE, of_process
from srwizard.memory.tracker import Scratch, StorageTracker
from srwizard.memory.verdict import judge
from srwizard.models.card import FREED_BLOCK
from srwizard.models.checkpointing import run_block

DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")
LARGEST_SIDE = 2**31 - 1
LARGEST_SIZE = 2**50
"""Elements of a tensor; of more torch could not even name the bytes."""


@dataclass(frozen=True)
class Shape:
    """Size and type of a tensor, as `2,3,256,256` or `2,77:int64` on the command line."""

    size: tuple[int, ...]
    dtype: str = "float32"

    def __str__(self) -> str:
        size = ",".join(map(str, self.size))
        return size if self.dtype == "float32" else f"{size}:{self.dtype}"

    def tensor(self) -> Tensor:
        """Return a tensor of this shape, of whatever values."""
        return torch.empty(self.size, dtype=getattr(torch, self.dtype))


@dataclass(frozen=True)
class Asked:
    """A training step: `target` is what a tensor that is not a loss yet is compared with."""

    module: str
    inputs: tuple[Shape, ...]
    target: Shape | None = None
    use_amp: bool = False
    checkpointing: bool = False


def parse_shape(option: str, text: str) -> Shape:
    """Return the shape that an option gives.

    Raises:
        UsageError: it is not a list of whole numbers above 0, or of a type that is not known.
    """
    size, colon, dtype = text.partition(":")
    words = [word.strip() for word in size.split(",")]
    wrong = [word for word in words if not re.fullmatch(r"[0-9]{1,10}", word) or
             not 1 <= int(word) <= LARGEST_SIDE]  # fmt: skip
    if wrong:
        raise UsageError(
            _("{option} {text}: {wrong} is not a whole number above 0", option=option, text=text,
              wrong=wrong[0] or "''"),
            _("For example: {example}", example=f"{option} 2,3,256,256"),
        )  # fmt: skip
    if colon and dtype not in DTYPES:
        raise UsageError(
            _("{option} {text}: {dtype} is not a known type", option=option, text=text,
              dtype=dtype or "''"),
            _("Known: {names}.", names=", ".join(DTYPES)),
        )  # fmt: skip
    sides = tuple(map(int, words))
    if math.prod(sides) > LARGEST_SIZE:
        raise UsageError(
            _("{option} {text}: a tensor of that size is in no memory", option=option, text=text),
            _("For example: {example}", example=f"{option} 2,3,256,256"),
        )
    return Shape(sides, dtype or "float32")


def estimate_step(asked: Asked, *, gpu: str | None) -> dict[str, Any]:
    """Return the prediction as `srwizard estimate --module --json` prints it (docs/estimate.md).

    Args:
        asked: module, inputs and how it is trained.
        gpu: a GPU by name or size; None: the CPU of this machine.

    Raises:
        UsageError: there is no such GPU, or the module cannot be imported, built or computed with
            on fake tensors.
    """
    there_is = capacity(gpu) if gpu is not None else cpu_capacity(1)
    started = time.perf_counter()
    found = foreign_module.load(asked.module)
    products: set[Product] = set()
    scratch: Scratch = cuda_scratch
    if gpu is None:
        scratch = noting_products(partial(cpu_scratch, threads=torch.get_num_threads()), products)
    tracker = StorageTracker(scratch)
    weights, end = _take_step(asked, found, tracker, on_gpu=gpu is not None)
    peak, events = tracker.peak, tracker.events[:end]
    if gpu is not None:
        fixed, held = of_gpu(), reserved_bytes(events, [end])[0]
    else:
        held = peak.total_bytes
        fixed = of_process(
            resident_after_import(asked.module),
            compiler=True,
            loaders=0,
            products=len(products),
            generated=generated(products),
            events=events,
            lasting=end,
            freed_block=FREED_BLOCK,
            statistics=0,
        )
    total = sum(fixed.values()) + held
    least = sum(fixed.values()) + peak.total_bytes
    step = Phase(peak.live_bytes, peak.scratch_bytes, held, peak.operator)
    return {
        "module": asked.module,
        "inputs": [str(shape) for shape in asked.inputs],
        "target": None if asked.target is None else str(asked.target),
        "use_amp": asked.use_amp,
        "checkpointing": asked.checkpointing,
        "device": "cpu" if gpu is None else "cuda",
        "gpu": gpu,
        "parameters": weights,
        "peak_bytes": total,
        "fixed_bytes": fixed,
        "phases": {"step": asdict(step)},
        "capacity_bytes": there_is,
        "share": total / there_is,
        "verdict": judge(total, there_is, least),
        "operators": tracker.operators,
        "seconds": time.perf_counter() - started,
    }


def resident_after_import(module: str) -> int:
    """Return the resident set of a process that has imported torch and the module's package."""
    package = module.partition(":")[0]
    asked = f"import torch, {package}, psutil; print(psutil.Process().memory_info().rss)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    words = done.stdout.split()
    return int(words[-1]) if words and words[-1].isdigit() else BASELINE


def _take_step(
    asked: Asked, found: Any, tracker: StorageTracker, *, on_gpu: bool
) -> tuple[int, int]:
    """Take a step as every one after the first; return how many weights and events there are."""
    tracker.imagines_values = False
    shapes = ", ".join(map(str, asked.inputs))
    with FakeTensorMode() as mode:
        tracker.remember(mode)
    compute = foreign_module.build(asked.module, found, mode)
    network = compute if isinstance(compute, nn.Module) else nn.Module()
    if asked.checkpointing:
        _checkpoint_blocks(asked.module, network)
    trained = [part for part in network.parameters() if part.requires_grad]
    failing = _("{module} cannot compute a step on {shapes}", module=asked.module, shapes=shapes)
    with contextlib.ExitStack() as modes:
        modes.enter_context(mode)
        if on_gpu:
            modes.enter_context(cuda_autocast())
        modes.enter_context(tracker)
        for part in [*network.parameters(), *network.buffers()]:
            tracker.register(part)
        inputs = [shape.tensor() for shape in asked.inputs]
        target = None if asked.target is None else asked.target.tensor()
        optimizer = _optimizer(trained, foreach=True if on_gpu else None)
        network.train()
        tracker.forget_peak()
        with foreign_module.run_foreign(failing):
            if optimizer is not None:
                optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=asked.use_amp):
                loss = _loss(asked, compute(*inputs), target)
            if trained or loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            tracker.imagines_values = True
            if optimizer is not None:
                with mock.patch("torch.optim.adam.adam", adam_of_the_largest):
                    optimizer.step()
        end = len(tracker.events)
    return sum(part.numel() for part in network.parameters()), end


def _optimizer(trained: Sequence[nn.Parameter], foreach: bool | None) -> torch.optim.AdamW | None:
    """Return AdamW with its state, and gradients, as before any step but the first."""
    if not trained:
        return None
    optimizer = torch.optim.AdamW(trained, foreach=foreach)
    for part in trained:
        part.grad = torch.zeros_like(part)
    with mock.patch("torch.optim.adam.adam", lambda *_parts, **_settings: None):
        optimizer.step()
    return optimizer


def _loss(asked: Asked, result: Any, target: Tensor | None) -> Tensor:
    """Return a loss: the result itself if it is one number, its distance to the target, its mean.

    Raises:
        UsageError: the result is not a tensor of numbers, or not of the target's shape.
    """
    if not isinstance(result, Tensor) or not result.is_floating_point():
        kind = result.dtype if isinstance(result, Tensor) else type(result).__name__
        raise UsageError(
            _("{module} returned {kind}; a loss or a tensor of numbers is needed",
              module=asked.module, kind=kind),
            _("Name a function that takes what you need out of it."),
        )  # fmt: skip
    if target is None:
        return result if result.numel() == 1 else result.float().mean()
    if not target.is_floating_point():
        return F.cross_entropy(result, target.long())
    if result.shape != target.shape:
        raise UsageError(
            _("--target {target}: {module} returned a tensor of {shape}", target=asked.target,
              module=asked.module, shape=",".join(map(str, result.shape)))
        )  # fmt: skip
    return F.mse_loss(result, target)


def _checkpoint_blocks(name: str, network: nn.Module) -> None:
    """Let each block be computed again on the way back.

    Blocks are the elements of the network's lists and sequences that have layers of their own, the
    outermost ones.

    Raises:
        UsageError: there are none.
    """
    blocks: list[nn.Module] = []

    def look_into(module: nn.Module) -> None:
        listed = isinstance(module, (nn.ModuleList, nn.Sequential))
        for child in module.children():
            lists = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
            if listed and not isinstance(child, lists) and any(True for _part in child.children()):
                blocks.append(child)
            else:
                look_into(child)

    look_into(network)
    if not blocks:
        raise UsageError(
            _("--checkpointing: {module} has no blocks: no element of its lists and sequences has "
              "layers of its own", module=name),
            _("Leave --checkpointing out, or call torch.utils.checkpoint in the module."),
        )  # fmt: skip
    for block in dict.fromkeys(blocks):
        block.forward = _checkpointed(block.forward)


def _checkpointed(forward: Callable[..., Any]) -> Callable[..., Any]:
    def checkpointed(*inputs: Any, **named: Any) -> Any:
        return run_block(
            partial(forward, **named), *inputs, checkpointed=True, draws_random_numbers=True
        )

    return checkpointed
