"""What a process loads, and makes cheaper, before others are forked from it."""

import base64
import gc
import importlib
import sys
import typing
import warnings
import weakref
from types import ModuleType

LOADED = (
    "torch.distributed.run", "torch.distributed.checkpoint", "torch.distributed.fsdp",
    "torch._dynamo", "srwizard.train.worker", "srwizard.train.scorer",
    "srwizard.memory.rehearsal", "srwizard.memory.forecaster", "srwizard.memory.predict",
    "srwizard.memory.imitation", "srwizard.commands.cli", "srwizard.wizard.machine",
    "srwizard.prompts.terminal", "srwizard.report.page", "matplotlib.pyplot",
)  # fmt: skip
"""These, and what they import."""
LOADED_ANEW = "srwizard.commands"
"""Here texts are made, and the terminal is looked at, when the modules are loaded."""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
"""A picture of one white point."""


def load() -> None:
    """Load what the forked processes need."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LOADED:
            importlib.import_module(name)
    _leave_pictures_undrawn(importlib.import_module("srwizard.report.figures"))
    _name_methods_quickly(
        importlib.import_module("torch.distributed.elastic.rendezvous.dynamic_rendezvous")
    )
    # As a process ends, torch would take back its 174 operators one by one; the kernel does it.
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    for name in [name for name in sys.modules if name.startswith(LOADED_ANEW)]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()


def _leave_pictures_undrawn(figures: ModuleType) -> None:
    """Put a pixel in the place of each picture of a report, and leave what it would show undrawn.

    Training ends with a report. To draw its eleven pictures, which are made all the same, takes
    longer than the small trainings of the tests. Those that there may be nothing to draw for are
    composed nevertheless.
    """
    blank = figures.Figure()
    for name, function in list(vars(figures).items()):
        if name.endswith("_figure") and typing.get_type_hints(function)["return"] is figures.Figure:
            setattr(figures, name, lambda *_arguments: blank)
    figures.png = lambda _figure: PIXEL  # type: ignore[attr-defined]


def _name_methods_quickly(rendezvous: ModuleType) -> None:
    """Let torchrun name its methods in events by one frame of the stack.

    It looks up the sources of the whole stack, nine times for each start, among the thousands of
    modules of this process: two seconds.
    """

    def name_of(depth: int = 2) -> str:
        return sys._getframe(depth).f_code.co_name

    rendezvous.get_method_name = name_of  # type: ignore[attr-defined]
