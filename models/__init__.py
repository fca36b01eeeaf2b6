"""The networks. `catalog` lists them without importing torch; `build` makes one."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import Lines
from srwizard.models import catalog

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["build", "catalog", "load_reference", "set_gradient_checkpointing"]

MOST_NAMES = 20
"""Of weights that do not fit, in one message."""


def build(
    name: str,
    *,
    in_channels: int,
    out_channels: int,
    scale: int,
    guides: int = 0,
    params: Mapping[str, Any] | None = None,
    global_skip: bool = True,
    starts_from_zero: bool = False,
) -> "nn.Module":
    """Return the network `name`, untrained: [B, in_channels, h, w] -> [B, out_channels, H, W].

    Args:
        name: of a card in the catalogue.
        in_channels: the `out_channels` fields to super-resolve come first; any others inform.
        scale: ratio HR/LR.
        guides: fields at HR that inform; their blocks, see `guide`, come as further channels.
        params: parameters of the network; those not given keep their defaults, or what they were
            before there was a choice.
        global_skip: let the network learn what bicubic interpolation misses, see `GlobalSkip`.
            A diffusion model takes no such skip: it models that of itself, see `diffusion`.
        starts_from_zero: what the network gives is added to a skip outside of it: untrained it
            gives 0, and a diffusion model takes what it is shown for what the skip misses.

    Raises:
        UsageError: no such model, or parameters that it cannot work with.
    """
    card = catalog.card(name)
    resolved = catalog.resolve_parameters(card, catalog.saved_parameters(card, params or {}))
    found = catalog.problems(card, resolved, scale, None)
    skipped = global_skip and not starts_from_zero and card.family == "standard"
    if (skipped or card.family == "diffusion") and in_channels < out_channels:
        found.append(
            _(
                "With a global skip or diffusion, the {inputs} input channels must include all "
                "{outputs} output channels.",
                inputs=in_channels,
                outputs=out_channels,
            )
        )
    if found:
        raise UsageError("\n".join(found))
    from srwizard.models.guide import WIDTH, with_guides

    network = getattr(import_module(card.module), card.name)
    net: nn.Module = network(
        in_channels=in_channels + (WIDTH if guides else 0),
        out_channels=out_channels,
        scale=scale,
        **resolved,
    )
    if guides:
        net = with_guides(net, guides, scale)
    if starts_from_zero:
        from srwizard.models.global_skip import start_from_zero

        start_from_zero(net)
        return net
    if not skipped:
        return net
    from srwizard.models.global_skip import GlobalSkip

    return GlobalSkip(net, out_channels=out_channels, scale=scale)


RECOMPUTED = ("attn_mask", "relative_position_index", "mean")
"""How names of buffers end that references keep with the weights, and that follow from the rest."""


def load_reference(net: "nn.Module", state_dict: Mapping[str, Any]) -> None:
    """Load weights under the names of the reference implementation into `net`.

    Args:
        net: from `build`, with or without global skip; or one of its layers. Of a diffusion model
            it is the network, `net.denoiser`, that has reference names.
        state_dict: tensors or arrays by name. Buffers that are computed here rather than loaded
            (attention masks, position indices, RGB means) are passed over; complex weights go
            into pairs of reals. Where there are names that begin with `denoise_fn.`, as in
            trained SR3 and DDPM, these are the network, and the rest is a schedule of noise.

    Raises:
        UsageError: a weight is missing, unexpected or of another shape; `net` is left unchanged.
    """
    import torch

    from srwizard.models.diffusion import DiffusionModel
    from srwizard.models.reference_names import denoiser_weights, network_in

    target = network_in(net)
    if isinstance(net, DiffusionModel):
        state_dict = denoiser_weights(state_dict)
    own = target.state_dict()
    weights: dict[str, Tensor] = {}
    for name, value in state_dict.items():
        if name not in own and name.rpartition(".")[2] in RECOMPUTED:
            continue
        weight = torch.as_tensor(value)
        weights[name] = torch.view_as_real(weight) if weight.is_complex() else weight

    found = [_("missing: {name}", name=name) for name in own if name not in weights]
    found += [_("unexpected: {name}", name=name) for name in weights if name not in own]
    found += [
        _(
            "shape of {name}: {given} given, {expected} expected",
            name=name,
            given=tuple(weight.shape),
            expected=tuple(own[name].shape),
        )
        for name, weight in weights.items()
        if name in own and weight.shape != own[name].shape
    ]
    if found:
        raise UsageError(
            _(
                "These weights do not belong to this {network}:\n{problems}",
                network=type(target).__name__,
                problems=Lines("\n".join(_shortened(found))),
            ),
            hint=_("Build the network with the parameters that the weights were trained with."),
        )
    target.load_state_dict(weights)


def _shortened(lines: list[str]) -> list[str]:
    left = len(lines) - MOST_NAMES
    return lines if left < 2 else [*lines[:MOST_NAMES], _("and {count} more", count=left)]


def set_gradient_checkpointing(net: "nn.Module", enabled: bool) -> bool:
    """Switch gradient checkpointing of all networks within `net`; return whether there is any."""
    networks: list[Any] = [m for m in net.modules() if hasattr(m, "gradient_checkpointing")]
    for network in networks:
        network.gradient_checkpointing = enabled
    return bool(networks)
