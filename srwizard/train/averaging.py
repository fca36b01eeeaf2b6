"""A moving average of the weights, which often scores better than the weights themselves."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from srwizard.train.sharding import own_part

Averaged = dict[str, Tensor]
"""The averages of a network's parameters, by their names and in their order."""


def start(network: nn.Module) -> Averaged:
    """Return averages that begin at the network's parameters."""
    return {name: part.detach().clone() for name, part in network.named_parameters()}


@torch.no_grad()
def update(averaged: Averaged, network: nn.Module, decay: float, steps: int) -> None:
    """Let the averages follow the parameters.

    The first steps count for more, else the untrained weights would weigh on the average of a
    short training: the decay is at most (1 + steps) / (10 + steps), as in TensorFlow's
    ExponentialMovingAverage.

    Args:
        averaged: changed in place.
        network: after its optimizer step.
        decay: share of the old average that is kept.
        steps: optimizer steps taken before this one.
    """
    kept = min(decay, (1 + steps) / (10 + steps))
    parts = [own_part(part.detach()) for part in network.parameters()]
    # All at once: on a GPU a few kernels instead of one for each parameter.
    torch._foreach_lerp_(list(map(own_part, averaged.values())), parts, 1 - kept)


@contextlib.contextmanager
def in_place_of_weights(averaged: Averaged | None, network: nn.Module) -> Iterator[None]:
    """Let the network compute with the averages; None leaves it as it is."""
    if averaged is None:
        yield
        return
    _exchange(averaged, network)
    try:
        yield
    finally:
        _exchange(averaged, network)


def _exchange(averaged: Averaged, network: nn.Module) -> None:
    for name, part in zip(averaged, network.parameters(), strict=True):
        averaged[name], part.data = part.data, averaged[name]
