"""Weights that others have published, made into a file that a run can begin from.

docs/importing-weights.md says which layouts are known and what is changed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.models import build, load_reference, own_checkpoint
from srwizard.models.card import resolve_parameters, saved_parameters
from srwizard.models.catalog import card
from srwizard.models.channel_adaptation import with_channels, with_range
from srwizard.models.reference_names import denoiser_weights, network_in, without_prefix
from srwizard.models.weights_file import WeightsDescription
from srwizard.models.weights_reading import read_weights

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
LEFT_OUT = re.compile(r"(sub_mean|add_mean)\..*|relative_position_index_(SA|OCA)")
"""The mean shift of RGB images, as normalised fields have no mean; the position indices of HAT."""
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
    own = _own_checkpoint(source, model, scale)
    weights = read_weights(source) if own is None else own_checkpoint.weights_in(source)
    _require_numbers(source, weights)
    skipped = all(name.startswith("net.") for name in weights)
    own_diffusion = any(name.startswith("denoiser.") for name in weights)
    beside = {} if not own_diffusion else {
        name: value for name, value in weights.items() if not name.startswith("denoiser.")
    }  # fmt: skip
    if skipped or own_diffusion:  # of a run of srwizard
        weights = without_prefix(weights, "net." if skipped else "denoiser.")
    chosen = card(model)
    given = dict(params) if own is None else {**own.params, **params}
    if chosen.family == "diffusion" and not own_diffusion:
        published = {
            parameter.name: AS_PUBLISHED[parameter.name]
            for parameter in chosen.parameters
            if AS_PUBLISHED.get(parameter.name) in (parameter.choices or ())
        }
        given = published | given
    given = saved_parameters(chosen, given)
    net = build(
        model,
        in_channels=in_channels,
        out_channels=out_channels,
        scale=scale,
        params=given,
        global_skip=skipped,
    )
    weights = with_usual_names(model, weights)
    if chosen.family == "diffusion":
        weights = denoiser_weights(weights)
    network = network_in(net)
    weights, notices = with_channels(network, weights, in_channels, out_channels)
    if img_range != 1.0:
        weights = with_range(network, weights, img_range)  # refuses where it cannot
        notices.append(
            _("The range of {range} is part of the first and the last layer now.", range=img_range)
        )
    load_reference(net, weights)
    notices += _load_beside(net, beside)
    described = WeightsDescription(
        model=chosen.name,
        params=resolve_parameters(chosen, given),
        in_channels=in_channels,
        out_channels=out_channels,
        scale=scale,
        global_skip=skipped,
        skip=None if own is None else own.skip,
    )
    return net, described, notices


def _load_beside(net: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Load what a run has learnt outside of its denoiser; return a notice of what does not fit.

    Its buffers are measured again when training begins.
    """
    own = net.state_dict()
    fitting = {
        name: value
        for name, value in weights.items()
        if name in own and own[name].shape == value.shape
    }
    net.load_state_dict(fitting, strict=False)
    learnt = {name for name, _parameter in net.named_parameters()}
    lost = sorted((learnt & weights.keys()) - fitting.keys())
    if not lost:
        return []
    return [_("Not taken, as it is for other channels: {names}.", names=", ".join(lost))]


def _own_checkpoint(source: Path, model: str, scale: int) -> WeightsDescription | None:
    """Return what a checkpoint of a run of srwizard is for, None of another file.

    Raises:
        UsageError: it is of another model, or for another scale.
    """
    try:
        own = own_checkpoint.description_in(source)
    except ValueError:
        return None
    if (own.model, own.scale) != (card(model).name, scale):
        raise UsageError(
            _("{path} is the checkpoint of a run: {model}, scale {scale}",
              path=source, model=own.model, scale=own.scale),
            _("Give these with --model and --scale."),
        )  # fmt: skip
    if own.guides:
        raise UsageError(
            _(
                "{path} is the checkpoint of a run with guides, which cannot be imported",
                path=source,
            ),
            _("To train from it with the same guides, name it in the answers file: model.weights"),
        )
    return own


def _require_numbers(source: Path, weights: Mapping[str, Tensor]) -> None:
    """Refuse weights that are whole numbers, as quantized ones are, or not finite.

    Raises:
        UsageError: there are such.
    """
    for name, weight in weights.items():
        # What layers count, and the places of windows, are whole numbers.
        if name.endswith((".weight", ".bias")) and not (
            weight.is_floating_point() or weight.is_complex()
        ):
            kind = str(weight.dtype).removeprefix("torch.")
            raise UsageError(
                _("{path}: {name} is of type {kind}", path=source, name=name, kind=kind),
                _("Give weights in floating point: those of a quantized network do not train."),
            )
        if not bool(weight.isfinite().all()):
            raise UsageError(
                _("{path}: {name} holds values that are not finite", path=source, name=name),
                _("The training that they come from has failed: take an earlier checkpoint."),
            )


def write_weights(net: nn.Module, described: WeightsDescription, target: Path) -> None:
    """Write the weights of a network as .safetensors, what it is in the header.

    Raises:
        UsageError: the file cannot be written.
    """
    tensors = {name: value.contiguous().clone() for name, value in net.state_dict().items()}
    try:
        files.write_bytes(target, save(tensors, metadata=described.metadata()))
    except OSError as error:
        raise UsageError(
            _("{path} cannot be written: {reason}", path=target, reason=reason_of(error))
        ) from None


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
