"""Optimizers: functions `(parameters, settings)`, with an entry in `OPTIMIZERS`."""

from collections.abc import Sequence

import torch
from torch import nn

from srwizard.base.choices import method_named
from srwizard.models.eager import eager
from srwizard.settings.methods import OPTIMIZERS
from srwizard.settings.training import FrozenTraining
from srwizard.train.sharding import is_sharded

Parameters = Sequence[nn.Parameter]


def build_optimizer(network: nn.Module, settings: FrozenTraining) -> torch.optim.Optimizer:
    """Return the optimizer of a run over the parameters of `network`."""
    build = method_named(OPTIMIZERS, settings.optimizer).function()
    optimizer: torch.optim.Optimizer = build(list(network.parameters()), settings)
    return optimizer


def fused(parameters: Sequence[nn.Parameter]) -> bool | None:
    """Return True where torch has one kernel for a step, else None, which leaves it to torch.

    On a GPU it goes through many parameters, and can pass over a step without asking the host. On a
    CPU it goes once over each, and takes a third of the time of operator after operator.
    """
    kinds = {part.device.type for part in parameters}
    return True if kinds in ({"cpu"}, {"cuda"}) else None


def adamw(parameters: Parameters, settings: FrozenTraining) -> torch.optim.Optimizer:
    """Return AdamW, whose weight decay is decoupled from the gradient."""
    return eager(torch.optim.AdamW)(
        parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=fused(parameters)
    )


def adam(parameters: Parameters, settings: FrozenTraining) -> torch.optim.Optimizer:
    """Return Adam, whose weight decay is an L2 penalty."""
    return eager(torch.optim.Adam)(
        parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=fused(parameters)
    )


def sgd(parameters: Parameters, settings: FrozenTraining) -> torch.optim.Optimizer:
    """Return SGD, with Nesterov momentum if there is any."""
    whole = not any(is_sharded(part) for part in parameters)  # torch has no kernel for shards
    at_once = fused(parameters) if whole else None
    optimizer = eager(torch.optim.SGD)(
        parameters,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        fused=at_once,
    )
    if at_once and settings.momentum > 0:
        # The kernel takes a first step's momentum as it finds it; a scaler of losses may have
        # passed over that step, and then nobody has written it.
        for part in parameters:
            optimizer.state[part]["momentum_buffer"] = torch.zeros_like(part)
    return optimizer
