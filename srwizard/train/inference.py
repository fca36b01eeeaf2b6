"""A network applied to normalized fields: whole or by tiles, one answer or one of many."""

import torch
from torch import Tensor, nn

from srwizard.models.padding import across, within
from srwizard.models.tf32 import tf32
from srwizard.train.sampling import draw, draws_samples
from srwizard.train.tiling import super_resolve_tiled


@tf32(allowed=False)
def apply_network(
    network: nn.Module,
    lr: Tensor,
    noise: list[torch.Generator] | None = None,
    *,
    scale: int,
    patch: int | None,
    steps: int | None = None,
    seam: int = 0,
    mask: Tensor | None = None,
) -> Tensor:
    """Return normalized SR `[B, C, H, W]` of normalized `lr` `[B, C, h, w]`, in float32.

    Args:
        network: from `srwizard.models.build`.
        lr: see above.
        noise: of a diffusion model, one generator for each sample; None: torch's own.
        scale: HR/LR.
        patch: side of the tiles in HR points; None: the whole field at once.
        steps: of a diffusion model, calls of the network, if not its own.
        seam: LR columns by which a field that goes round the globe is widened; see `seam`.
        mask: `[B, C, H, W]`, False where there will be no SR; only some models look at it.
    """
    wide = across(lr, seam)
    if draws_samples(network):
        shown = None if mask is None else across(mask, seam * scale)
        sr = draw(
            network, wide, noise, scale=scale, patch=patch, steps=steps, mask=shown, seam=seam
        )
    elif patch is None:
        sr = network(wide).float()
    else:
        sr = super_resolve_tiled(network, wide, scale, patch // scale)
    return within(sr, seam * scale)
