"""What has the names of the reference implementation: which network, and which weights."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from srwizard.models.diffusion import DiffusionModel
from srwizard.models.global_skip import GlobalSkip
from srwizard.models.guide import Guided

DENOISER = "denoise_fn."
"""What the names of the network begin with in trained SR3 and DDPM."""


def network_in(net: nn.Module) -> nn.Module:
    """Return the network that has reference names within what `build` gives."""
    if isinstance(net, (GlobalSkip, Guided)):
        return network_in(net.net)
    return net.denoiser if isinstance(net, DiffusionModel) else net


def without_prefix(weights: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the weights whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def denoiser_weights(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights of the network of a diffusion model, without a schedule of noise."""
    return without_prefix(weights, DENOISER) or dict(weights)
