"""Weights that others have published, made into a file that a run can begin from.

docs/importing-weights.md says which layouts are known and what is changed.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.models import build, load_reference
from srwizard.models.card import resolve_parameters
from srwizard.models.catalog import card
from srwizard.models.diffusion import DiffusionModel
from srwizard.models.global_skip import GlobalSkip, HasOutputLayer
from srwizard.models.weights_file import WeightsDescription

NESTS = ("params_ema", "params", "state_dict", "weights", "model")
"""Under which of these keys, the first that is there, checkpoints keep their weights."""
WRAPPERS = ("module.", "_orig_mod.", "netG.", "net_g.", "model.")
"""What stands before every name where the network was saved within another module."""
TAIL = (
    (r"head\.0\.(.*)", r"conv_first.\1"),
    (r"tail\.0\.(\d+)\.(.*)", r"upsample.\1.\2"),
    (r"tail\.1\.(.*)", r"conv_last.\1"),
    (r"body\.(\d+)\.(weight|bias)", r"conv_after_body.\2"),
)
NAMES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "EDSR": (
        *TAIL,
        (r"body\.(\d+)\.body\.0\.(.*)", r"body.\1.conv1.\2"),
        (r"body\.(\d+)\.body\.2\.(.*)", r"body.\1.conv2.\2"),
    ),
    "RCAN": (
        *TAIL,
        (r"body\.(\d+)\.body\.(\d+)\.body\.(0|2)\.(.*)", r"body.\1.residual_group.\2.rcab.\3.\4"),
        (
            r"body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.0\.(.*)",
            r"body.\1.residual_group.\2.rcab.3.attention.1.\3",
        ),
        (
            r"body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.2\.(.*)",
            r"body.\1.residual_group.\2.rcab.3.attention.3.\3",
        ),
        (r"body\.(\d+)\.body\.(\d+)\.(weight|bias)", r"body.\1.conv.\3"),
    ),
}
"""The names of the first authors' own code, where the usual ones are those of BasicSR."""
FIRST_LAYERS = ("conv_first", "patch_embed.proj", "downs.0")
DENOISER_OUTPUT = "final_conv.block.3"
LEFT_OUT = re.compile(r"(sub_mean|add_mean)\..*")
"""The mean shift of RGB images: normalised fields have no mean."""
AS_PUBLISHED = {"schedule": "linear", "prediction": "epsilon", "target": "field"}
"""How the published DDPM and SR3 were trained; the defaults here are others."""


def import_weights(
    source: Path,
    model: str,
    *,
    in_channels: int,
    out_channels: int,
    scale: int,
    params: Mapping[str, Any],
    img_range: float = 1.0,
) -> tuple[nn.Module, WeightsDescription, list[str]]:
    """Read weights into the network that they are for.

    Args:
        source: a file as for `read_weights`.
        model: name of the card.
        in_channels, out_channels: that the network is to have; the weights may have others.
        scale: ratio HR/LR.
        params: that the weights were trained with, where they differ from the defaults.
        img_range: what their code multiplies the input by, and divides the output by.

    Returns:
        The network, what it is, and notices of what was changed.

    Raises:
        UsageError: the file cannot be read, or its weights are of another network.
    """
    weights = read_weights(source)
    skipped = all(name.startswith("net.") for name in weights)
    own_diffusion = any(name.startswith("denoiser.") for name in weights)
    if skipped or own_diffusion:  # of a run of srwizard
        weights = _without_prefix(weights, "net." if skipped else "denoiser.")
    chosen = card(model)
    given = dict(params)
    if chosen.family == "diffusion" and not own_diffusion:
        known = {parameter.name for parameter in chosen.parameters}
        given = {key: value for key, value in AS_PUBLISHED.items() if key in known} | given
    net = build(
        model,
        in_channels=in_channels,
        out_channels=out_channels,
        scale=scale,
        params=given,
        global_skip=skipped,
    )
    weights = with_usual_names(model, weights)
    weights, notices = with_channels(network_in(net), weights, in_channels, out_channels)
    if img_range != 1.0:
        weights = _with_range(network_in(net), weights, img_range)
        notices.append(
            _("The range of {range} is part of the first and the last layer now.", range=img_range)
        )
    load_reference(net, weights)
    described = WeightsDescription(
        model=chosen.name,
        params=resolve_parameters(chosen, given),
        in_channels=in_channels,
        out_channels=out_channels,
        scale=scale,
        global_skip=skipped,
    )
    return net, described, notices


def write_weights(net: nn.Module, described: WeightsDescription, target: Path) -> None:
    """Write the weights of a network as .safetensors, what it is in the header.

    Raises:
        UsageError: the file cannot be written.
    """
    tensors = {name: value.contiguous() for name, value in net.state_dict().items()}
    try:
        files.write_bytes(target, save(tensors, metadata=described.metadata()))
    except OSError as error:
        raise UsageError(
            _("{path} cannot be written: {reason}", path=target, reason=reason_of(error))
        ) from None


def read_weights(source: Path) -> dict[str, Tensor]:
    """Read weights by name; no code in the file is run.

    Args:
        source: .pth or .pt, also nested as in `NESTS`; .safetensors; .npz, also with names that
            begin with "weight:", beside which other arrays may stand.

    Raises:
        UsageError: it cannot be read, or there are no weights in it.
    """
    try:
        found = _content(source)
    except OSError as error:
        raise UsageError(
            _("{path} cannot be read: {reason}", path=source, reason=reason_of(error))
        ) from None
    except (RuntimeError, ValueError, EOFError, KeyError, zipfile.BadZipFile, SafetensorError):
        raise _no_weights(source) from None
    except Exception as error:  # the unpickler of torch refuses with a type of its own
        if type(error).__name__ != "UnpicklingError":
            raise
        raise _no_weights(source) from None
    for nest in NESTS:
        if isinstance(found.get(nest), Mapping):
            found = found[nest]
            break
    weights = {
        str(name): torch.as_tensor(value)
        for name, value in found.items()
        if isinstance(value, Tensor | np.ndarray)
    }
    if not weights:
        raise _no_weights(source)
    for wrapper in WRAPPERS:
        if all(name.startswith(wrapper) for name in weights):
            weights = _without_prefix(weights, wrapper)
    return weights


def _without_prefix(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def _content(source: Path) -> Mapping[str, Any]:
    match source.suffix:
        case ".safetensors":
            return load_file(source)
        case ".npz":
            with np.load(source, allow_pickle=False) as arrays:
                marked = [name for name in arrays.files if name.startswith("weight:")]
                return {name.removeprefix("weight:"): arrays[name] for name in marked or arrays}
    found = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(found, Mapping):
        raise ValueError
    return found


def _no_weights(source: Path) -> UsageError:
    return UsageError(
        _("{path} holds no weights by name that can be read safely", path=source),
        _("Known are .pth and .pt with tensors only, .safetensors and .npz."),
    )


def with_usual_names(model: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under the names that `load_reference` knows, see `NAMES`."""
    patterns = NAMES.get(model, ())
    if not any(name.startswith("head.") for name in weights):
        patterns = ()
    renamed = {}
    for name, value in weights.items():
        if LEFT_OUT.fullmatch(name):
            continue
        for pattern, usual in patterns:
            if re.fullmatch(pattern, name):
                renamed[re.sub(pattern, usual, name)] = value
                break
        else:
            renamed[name] = value
    return renamed


def network_in(net: nn.Module) -> nn.Module:
    """Return the network that has reference names within what `build` gives."""
    if isinstance(net, GlobalSkip):
        return net.net
    return net.denoiser if isinstance(net, DiffusionModel) else net


def with_channels(
    network: nn.Module, weights: Mapping[str, Tensor], in_channels: int, out_channels: int
) -> tuple[dict[str, Tensor], list[str]]:
    """Return weights for the channels that `network` has, and notices of what was changed.

    Where the first layer has other channels, each new one gets the mean over the old ones, so
    scaled that equal channels give what they gave. Where the last one has, each new output is the
    mean of the old ones. A denoiser's first layer takes the condition, then the noisy field; both
    are changed alike.
    """
    prefix = "denoise_fn." if any(name.startswith("denoise_fn.") for name in weights) else ""
    own = {f"{prefix}{name}": value for name, value in network.state_dict().items()}
    changed = dict(weights)
    last = f"{prefix}{_last_layer(network)}"
    old_outputs = _adapt_outputs(changed, own, last, out_channels)
    notices = []
    if old_outputs != out_channels:
        notices.append(
            _(
                "The weights have {old} output channels, the network {new}: each is their mean.",
                old=old_outputs,
                new=out_channels,
            )
        )
    noisy = (old_outputs, out_channels) if last.endswith(DENOISER_OUTPUT) else (0, 0)
    for layer in FIRST_LAYERS:
        name = f"{prefix}{layer}.weight"
        if name not in own or name not in changed or changed[name].ndim != own[name].ndim:
            continue
        old_inputs = changed[name].shape[1] - noisy[0]
        if old_inputs < 1:
            continue
        condition, field = changed[name][:, :old_inputs], changed[name][:, old_inputs:]
        changed[name] = torch.cat([_spread(condition, in_channels), _spread(field, noisy[1])], 1)
        if old_inputs != in_channels:
            notices.append(
                _(
                    "The weights have {old} input channels, the network {new}: each gets the mean "
                    "of {layer}, scaled by {old}/{new}.",
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


def _with_range(
    network: nn.Module, weights: Mapping[str, Tensor], img_range: float
) -> dict[str, Tensor]:
    """Return weights that do themselves what their code does with the range of the images."""
    changed = dict(weights)
    last = _last_layer(network)
    for name, factor in (
        ("conv_first.weight", img_range),
        (f"{last}.weight", 1 / img_range),
        (f"{last}.bias", 1 / img_range),
    ):
        if name in changed:
            changed[name] = changed[name] * factor
    return changed
