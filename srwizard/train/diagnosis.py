"""Where a NaN or an infinity came from: found by going through the step once more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from srwizard.base.i18n import translate as _
from srwizard.train.conservation import blocks_of
from srwizard.train.distributed import any_rank, from_all_ranks
from srwizard.train.order import Step
from srwizard.train.setup import Training
from srwizard.train.sharding import own_part


def origin_of_non_finite(training: Training, step: Step) -> str:
    """Return the layer or field that a NaN or an infinity first appeared in, "" if none is found.

    Every rank calls this after the same step and gets the same answer. Nothing is changed.

    Args:
        training: its loss was not finite, or the gradient of that.
        step: the step in which that was so.
    """
    with training.whole(averaged=False) as own:  # from here on each rank goes its own way
        found = from_all_ranks(training.place, _origin_here(training, own, step))
    return next((origin for origin in found if origin), "")


def spoilt_weight(training: Training) -> str:
    """Return the layer that has a weight that is NaN or infinite, "" if none has.

    Every rank has to ask, and gets the same answer.
    """
    here = _spoilt_here(training)
    if not any_rank(training.place, bool(here)):
        return ""
    found: list[str] = from_all_ranks(training.place, here)
    return next(name for name in found if name)


def _spoilt_here(training: Training) -> str:
    """Return the first layer of which this process holds a weight that is not finite, or ""."""
    parts = dict(training.bare.named_parameters())
    # All at once: a GPU is waited for only once.
    finite = torch.stack([own_part(part).isfinite().all() for part in parts.values()]).tolist()
    return next((_layer(name) for name, fine in zip(parts, finite, strict=True) if not fine), "")


def _origin_here(training: Training, own: Training, step: Step) -> str:
    layer = _spoilt_here(training)
    if layer and training.progress.steps == 0:
        return _("the weights of layer {layer} are not finite from the start", layer=layer)
    if layer:
        return _("the step before made weights of layer {layer} not finite", layer=layer)
    origin = _in_forward_pass(own, step)
    if origin:
        return origin
    for name, part in training.bare.named_parameters():
        if part.grad is not None and not _is_finite(own_part(part.grad)):
            return _("the gradient of layer {layer} is not finite", layer=_layer(name))
    return ""


@torch.no_grad()
def _in_forward_pass(training: Training, step: Step) -> str:
    objective = getattr(training.objective, "module", training.objective)
    for batch in training.batches("train", list(step.micro_batches)):
        for key in ("lr", "hr"):
            for index, field in zip(batch["index"], batch[key], strict=True):
                if not _is_finite(field):
                    name = training.splits["train"].steps[int(index)]
                    return _("{level} field {step} is not finite", level=key.upper(), step=name)
        with _first_spoilt_layer(training.bare) as spoilt, training.autocast():
            objective(batch["lr"], batch["hr"], batch["mask"], batch.get("area"), blocks_of(batch))
        if spoilt:
            return _("the output of layer {layer} is the first that is not finite", layer=spoilt[0])
    return ""


@contextmanager
def _first_spoilt_layer(network: nn.Module) -> Iterator[list[str]]:
    """Collect the names of the layers whose output is not finite, in the order of computing."""
    spoilt: list[str] = []

    def watch(name: str) -> Any:
        def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not _is_finite(output):
                spoilt.append(name)

        return note

    hooks = [
        module.register_forward_hook(watch(_layer(name + ".")))
        for name, module in network.named_modules()
        if name
    ]
    try:
        yield spoilt
    finally:
        for hook in hooks:
            hook.remove()


def _layer(name: str) -> str:
    """Return the layer that a parameter belongs to, without the global skip around it."""
    return name.rpartition(".")[0].removeprefix("net.")


def _is_finite(values: Tensor) -> bool:
    return bool(values.isfinite().all())
