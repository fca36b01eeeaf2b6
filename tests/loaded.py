"""What a process loads, predicts, and makes cheaper, before others are forked from it."""

import base64
import gc
import importlib
import pkgutil
import sys
import typing
import warnings
import weakref
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import ModuleType

from srwizard.settings.run_config import RunData
from tests.configs import cpu_run

LOADED = (
    "torch.distributed.run", "torch.distributed.checkpoint", "torch.distributed.fsdp",
    "torch._dynamo", "torch.distributed.elastic.rendezvous.c10d_rendezvous_backend",
    "torch.utils.serialization", "matplotlib.pyplot", "rich.progress", "encodings.cp437",
)  # fmt: skip
"""These, all of the packages, and what they import."""
PACKAGES = ("srwizard", "srwizard.states", "srwizard.models")
LOADED_ANEW = "srwizard.commands"
"""Here texts are made, and the terminal is looked at, when the modules are loaded."""
GPU_DRIVER = Path("/dev/nvidiactl")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
"""A picture of one white point."""


def load() -> None:
    """Load what the forked processes need."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*LOADED, *chain.from_iterable(map(_modules, PACKAGES))):
            importlib.import_module(name)
    _work_out_shapes()
    _leave_pictures_undrawn(importlib.import_module("srwizard.report"))
    _name_methods_quickly(
        importlib.import_module("torch.distributed.elastic.rendezvous.dynamic_rendezvous")
    )
    # As a process ends, torch would take back its 174 operators one by one; the kernel does it.
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    for name in [name for name in sys.modules if name.startswith(LOADED_ANEW)]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()


def _modules(package: str) -> Iterator[str]:
    """Yield the names of what can be imported of a package, but for what is run."""
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if found.ispkg:
            yield from _modules(found.name)
        elif not found.name.endswith("__main__"):
            yield found.name


def _work_out_shapes() -> None:
    """Predict runs of the kind that most tests measure: what operators return is remembered.

    Left out where there is a GPU: once autograd has looked for it, no forked process can go
    backwards.
    """
    if GPU_DRIVER.exists():
        return
    predict = importlib.import_module("srwizard.memory.predict").predict
    for variables, processes in ((["temp"], 1), (["temp"], 2), (["salt", "temp"], 1)):
        data = RunData(
            root="/data", layout="npy", variables=variables, scale=2, hr_shape=[16, 24],
            lr_shape=[8, 12], steps={"train": 8, "valid": 3, "test": 3}, fingerprint={},
        )  # fmt: skip
        params = {"num_features": 8, "num_blocks": 1}
        predict(cpu_run(data, Path("run"), "EDSR", params, processes=processes, batch_size=4))


class _Undrawn:
    """A figure, and all that is on it, that takes every order and carries none out."""

    def __init__(self, *_arguments: object, **_settings: object) -> None:
        pass

    def __getattr__(self, _name: str) -> "_Undrawn":
        return self

    def __call__(self, *_arguments: object, **_settings: object) -> "_Undrawn":
        return self

    def __getitem__(self, _place: object) -> "_Undrawn":
        return self

    def __iter__(self) -> "Iterator[_Undrawn]":
        yield from (self, self)  # two panels, or what a legend is made of

    def get_xlim(self) -> tuple[float, float]:
        return 0.0, 1.0

    get_ylim = get_xlim


def _leave_pictures_undrawn(report: ModuleType) -> None:
    """Put a pixel in the place of each picture of a report.

    Training ends with a report. To draw its eleven pictures, which are made all the same, takes
    longer than the small trainings of the tests. Where there may be nothing to draw, that is still
    found out.
    """
    blank, drawn = _Undrawn(), report.figures.Figure
    for name, function in list(vars(report.figures).items()):
        if name.endswith("_figure") and typing.get_type_hints(function)["return"] is drawn:
            setattr(report.figures, name, lambda *_arguments: blank)
    for module in (report.breakdown, report.proof_figures):
        module.Figure = _Undrawn
    report.figures.png = lambda _figure: PIXEL


def _name_methods_quickly(rendezvous: ModuleType) -> None:
    """Let torchrun name its methods in events by one frame of the stack.

    It looks up the sources of the whole stack, nine times for each start, among the thousands of
    modules of this process: two seconds.
    """

    def name_of(depth: int = 2) -> str:
        return sys._getframe(depth).f_code.co_name

    rendezvous.get_method_name = name_of  # type: ignore[attr-defined]
