"""Trained weights, made to fit a network with other channels, or images of another range."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.models.global_skip import HasOutputLayer

FIRST_LAYERS = ("conv_first", "patch_embed.proj", "downs.0")
"""Those that the input enters; Swin_Transformer has two of them."""
DENOISER_OUTPUT = "final_conv.block.3"


def with_channels(
    network: nn.Module, weights: Mapping[str, Tensor], in_channels: int, out_channels: int
) -> tuple[dict[str, Tensor], list[str]]:
    """Return weights for the channels that `network` has, and notices of what was changed.

    Where the first layer has other channels, each new one gets the mean over the old ones, so
    scaled that equal channels give what they gave. Where the last one has, each new output is the
    mean of the old ones. A denoiser's first layer takes the condition, then the noisy field; both
    are changed alike.
    """
    own = network.state_dict()
    changed = dict(weights)
    last = _last_layer(network)
    old_outputs = _adapt_outputs(changed, own, last, out_channels)
    notices = []
    if old_outputs != out_channels:
        notices.append(
            _n(
                "The weights have {old} output channel, the network {new}: each is its copy.",
                "The weights have {old} output channels, the network {new}: each is their mean.",
                old_outputs,
                old=old_outputs,
                new=out_channels,
            )
        )
    noisy = (old_outputs, out_channels) if last == DENOISER_OUTPUT else (0, 0)
    for layer in FIRST_LAYERS:
        name = f"{layer}.weight"
        if name not in own or name not in changed or changed[name].ndim != own[name].ndim:
            continue
        old_inputs = changed[name].shape[1] - noisy[0]
        if old_inputs < 1:
            continue
        condition, field = changed[name][:, :old_inputs], changed[name][:, old_inputs:]
        changed[name] = torch.cat([_spread(condition, in_channels), _spread(field, noisy[1])], 1)
        if old_inputs != in_channels:
            notices.append(
                _n(
                    "The weights have {old} input channel, the network {new}: each gets the mean "
                    "of {layer}, scaled by {old}/{new}.",
                    "The weights have {old} input channels, the network {new}: each gets the mean "
                    "of {layer}, scaled by {old}/{new}.",
                    old_inputs,
                    old=old_inputs,
                    new=in_channels,
                    layer=layer,
                )
            )
    return changed, notices


def _adapt_outputs(
    weights: dict[str, Tensor], own: Mapping[str, Tensor], last: str, out_channels: int
) -> int:
    """Make the last layer give `out_channels`, and return how many channels it gave before."""
    old_outputs = out_channels
    for name in (f"{last}.weight", f"{last}.bias"):
        if name not in own or name not in weights or len(weights[name]) == len(own[name]):
            continue
        per_channel = len(own[name]) // out_channels  # with pixelshuffledirect, scale**2
        old_outputs = len(weights[name]) // per_channel
        if old_outputs * per_channel != len(weights[name]):
            return out_channels  # of another network, which `load_reference` will say
        weight = weights[name]
        mean = weight.reshape(old_outputs, per_channel, *weight.shape[1:]).mean(0)
        weights[name] = torch.cat([mean] * out_channels)
    return old_outputs


def _spread(weight: Tensor, channels: int) -> Tensor:
    """Return [F, channels, ...] whose sum over channels is that of `weight` [F, old, ...]."""
    if weight.shape[1] == channels:
        return weight
    mean = weight.sum(1, keepdim=True) / channels
    return mean.expand(-1, channels, *weight.shape[2:])


def _last_layer(network: nn.Module) -> str:
    """Return the name of the layer that the output comes from."""
    if not isinstance(network, HasOutputLayer):
        return DENOISER_OUTPUT
    layer = network.output_layer()
    names: dict[nn.Module, str] = {module: name for name, module in network.named_modules()}
    return names[layer]


def with_range(
    network: nn.Module, weights: Mapping[str, Tensor], img_range: float
) -> dict[str, Tensor]:
    """Return weights that do themselves what their code does with the range of the images.

    Raises:
        UsageError: which layer the images come into is not known.
    """
    changed = dict(weights)
    last = _last_layer(network)
    if "conv_first.weight" not in changed:
        raise UsageError(
            _("--img-range: the first layer of this network is not known"),
            _("Multiply its weights by the range yourself, and divide those of the last one."),
        )
    for name, factor in (
        *((f"{layer}.weight", img_range) for layer in FIRST_LAYERS),
        (f"{last}.weight", 1 / img_range),
        (f"{last}.bias", 1 / img_range),
    ):
        if name in changed:
            changed[name] = changed[name] * factor
    return changed
