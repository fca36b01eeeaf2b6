"""A module of somebody else's, named `package:function`: imported, built, and made of fake tensors.

What it prints, and whatever it raises, is its author's: `run_foreign` keeps both apart.
"""

import contextlib
import difflib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _

EXAMPLE = "torchvision.models:resnet18"
VALUES_ASKED_FOR = (DataDependentOutputException, DynamicOutputShapeException)


def load(name: str) -> Any:
    """Import what `package.module:attribute` names; the working directory is looked through first.

    Raises:
        UsageError: it is not written so, cannot be imported, or is not there.
    """
    package, colon, path = name.partition(":")
    parts = path.split(".")
    if not (colon and all(map(str.isidentifier, [*package.split("."), *parts]))):
        raise UsageError(
            _("--module {name}: expected package.module:function", name=name),
            _("For example: --module {example}", example=EXAMPLE),
        )
    with _working_directory_first(), run_foreign(_("{name} cannot be imported", name=package)):
        found = importlib.import_module(package)
    for part in parts:
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=3)
            raise UsageError(
                _(
                    "--module {name}: {package} has no {part}",
                    name=name,
                    package=package,
                    part=part,
                ),
                _("Similar: {names}.", names=", ".join(near)) if near else "",
            )
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(
            _("--module {name}: {kind} is not a module or a function", name=name,
              kind=type(found).__name__),
            _("Name a torch.nn.Module, a function that returns one, or one that computes."),
        )  # fmt: skip
    return found


def build(name: str, found: Any, mode: FakeTensorMode) -> Callable[..., Any]:
    """Return what computes, its weights being fake tensors of `mode`.

    A class, and a function that needs no arguments, are called for the module; what needs
    arguments computes itself.

    Raises:
        UsageError: it cannot be built, or what it returns is not a module.
    """
    if isinstance(found, nn.Module):
        return _made_fake(found, mode)
    if not inspect.isclass(found) and _needs_arguments(found):
        return found  # type: ignore[no-any-return]
    with run_foreign(_("{name} cannot be built", name=name)):
        try:
            with mode:
                network = found()
        except Exception:  # such as one that reads values: then it is built as it is everywhere
            network = found()
    if not isinstance(network, nn.Module):
        raise UsageError(
            _("{name} returned {kind}, not a torch.nn.Module", name=name,
              kind=type(network).__name__),
            _("A function without arguments has to return the module; one that computes takes "
              "the inputs."),
        )  # fmt: skip
    return _made_fake(network, mode)


@contextlib.contextmanager
def run_foreign(what_fails: str) -> Iterator[None]:
    """Run code of somebody else's: what it prints goes to stderr, what it raises is told.

    Raises:
        UsageError: for anything that is raised, with the line of their code it came from.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, VALUES_ASKED_FOR):
            raise UsageError(
                _("{what}: its shapes, or its course, depend on the values of a tensor{where}",
                  what=what_fails, where=_where(error)),
                _("Tensors have no values here. Leave out what asks for them (.item(), bool(), "
                  "nonzero(), indexing with a mask), or measure a real step."),
            ) from error  # fmt: skip
        if "FakeTensor" in str(error):
            raise UsageError(
                _("{what}: it computes with a tensor that is neither a weight, a buffer nor an "
                  "input{where}", what=what_fails, where=_where(error)),
                _("Keep such tensors with register_buffer, or make them where they are used."),
            ) from error  # fmt: skip
        reason = (f"{type(error).__name__}: {error}".splitlines() or [""])[0]
        raise UsageError(f"{what_fails}: {reason}{_where(error)}") from error


def _where(error: BaseException) -> str:
    """Return the last line of code outside of torch and this program that an error went through."""
    ours = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(ours) and "importlib" not in frame.filename
    ]
    inner = [frame for frame in frames if not frame.filename.startswith(sys.base_prefix + os.sep)]
    return f" ({inner[-1].filename}:{inner[-1].lineno})" if inner else ""


def _needs_arguments(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return True
    except ValueError:  # compiled functions may not tell
        return True
    return False


def _made_fake(network: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """Put fake tensors in the place of all weights and buffers; shared ones stay shared."""
    fakes: dict[int, Tensor] = {}

    def fake(tensor: Tensor) -> Tensor:
        if id(tensor) not in fakes:
            made = mode.from_tensor(tensor.detach())
            is_weight = isinstance(tensor, nn.Parameter)
            fakes[id(tensor)] = (
                nn.Parameter(made, requires_grad=tensor.requires_grad) if is_weight else made
            )
        return fakes[id(tensor)]

    for module in network.modules():
        for kept in (module._parameters, module._buffers):
            for name, tensor in kept.items():
                if tensor is not None and not isinstance(tensor.detach(), FakeTensor):
                    kept[name] = fake(tensor)  # type: ignore[assignment]
    return network


@contextlib.contextmanager
def _working_directory_first() -> Iterator[None]:
    """Let modules of the working directory be found, as `python -m` does."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
