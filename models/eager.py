"""Training in eager mode, without the machinery of torch.compile.

The first optimizer, checkpointed block or DDP of a process imports `torch._dynamo`, only to have a
compiler pass over them: with sympy 829 modules, 80 MiB in every rank, and as much processor time
as `import torch`. Where nothing is compiled nothing has to be passed over. Who does compile, or
shards weights, gets the whole of it, by importing it or by asking for anything else in it.
"""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.utils import checkpoint

COMPILER = "torch._dynamo"


class _StandIn:
    """Answers for a module of the compiler, until somebody imports the compiler."""

    def __init__(self, module: str, answers: dict[str, Any]) -> None:
        vars(self).update(_module=module, _answers=answers)

    def __getattr__(self, name: str) -> Any:
        if COMPILER not in sys.modules and name in self._answers:
            return self._answers[name]
        return getattr(importlib.import_module(self._module), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(importlib.import_module(self._module), name, value)


def _as_it_is(function: Callable[..., Any], *_how: object, **_named: object) -> Callable[..., Any]:
    return function


_WHAT_TRAINING_ASKS = {
    "disable": _as_it_is,
    "config": _StandIn(f"{COMPILER}.config", {"error_on_nested_fx_trace": True}),
    "utils": _StandIn(f"{COMPILER}.utils", {"get_optimize_ddp_mode": lambda: "ddp_optimizer"}),
}
"""With the compiler's own defaults."""


def _passed_over() -> list[Callable[..., Any]]:
    """Return what a training calls of torch that has itself passed over, at the first call."""
    return [
        Optimizer.add_param_group,
        Optimizer.zero_grad,
        Optimizer.state_dict,
        Optimizer.load_state_dict,
        DistributedDataParallel._inside_ddp_forward,
        checkpoint.checkpoint,
        checkpoint._run_fn_with_dynamo_disabled,
    ]


def stay_eager() -> None:
    """Leave the compiler out of this process, unless it is there already."""
    if COMPILER in sys.modules:
        return
    vars(torch)["_dynamo"] = _StandIn(COMPILER, _WHAT_TRAINING_ASKS)
    for function in map(inspect.unwrap, _passed_over()):
        setattr(function, "__dynamo_disable", function)


@functools.cache
def eager(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    """Return an optimizer's class with its step as it is written, which imports no compiler."""
    written = inspect.unwrap(kind.step)

    @functools.wraps(written)
    def step(self: Optimizer, *arguments: Any, **named: Any) -> Any:
        with torch.no_grad():
            return written(self, *arguments, **named)

    made: Callable[..., Optimizer] = type(kind.__name__, (kind,), {"step": step})
    return made
