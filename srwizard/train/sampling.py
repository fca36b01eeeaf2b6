"""Drawing fields from a diffusion model: seeded by sample, whole or by tiles."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srwizard.data.split_names import SPLITS
from srwizard.settings.run_config import VALIDATION_MEMBERS
from srwizard.settings.tiles import OVERLAP
from srwizard.train.tiling import MARGIN, super_resolve_tiled


def draws_samples(network: nn.Module) -> bool:
    """Return whether a network is a diffusion model, whose output is one of many."""
    return hasattr(network, "training_loss") and hasattr(network, "sample")


def uses_mask(network: nn.Module) -> bool:
    """Return whether a diffusion model wants to know where there is land when it draws a field."""
    return bool(getattr(network, "uses_mask", False))


def members_of(network: nn.Module, split: str) -> int:
    """Return how many samples are drawn of each field, whose mean is scored."""
    if split == "train" or not draws_samples(network):
        return 1
    members = int(getattr(network, "ensemble_members", 1))
    return members if split == "test" else min(members, VALIDATION_MEMBERS)


def noise_of(seed: int, split: str, indices: Sequence[int], member: int) -> list[torch.Generator]:
    """Return the generator of noise for each of some samples of a split.

    It follows from the sample and the number of the member alone: scores depend neither on the
    batch size nor on the number of processes.
    """
    generators = []
    for index in indices:
        sequence = np.random.SeedSequence([seed, SPLITS.index(split), index, member])
        generators.append(torch.Generator().manual_seed(int(sequence.generate_state(1)[0])))
    return generators


def draw(
    network: Any,
    lr: Tensor,
    noise: list[torch.Generator] | None,
    *,
    scale: int,
    patch: int | None,
    steps: int | None = None,
    mask: Tensor | None = None,
    seam: int = 0,
) -> Tensor:
    """Draw one normalized field `[B, C, H, W]` for each of `lr` `[B, C, h, w]`.

    Args:
        network: the diffusion model.
        lr: normalized.
        noise: from `noise_of`; None: torch's own generator.
        scale: HR/LR.
        patch: side of the HR windows of training; the network is then applied tile by tile in
            every step, to one field of noise. None: it is applied to the whole field.
        steps: calls of the network; None: the model's own.
        mask: `[B, C, H, W]`, False on land, for a model that looks at it; None: there is none.
        seam: LR columns on either side that were added, see `seam`.
    """
    options: dict[str, Any] = {}
    if mask is not None and uses_mask(network):
        options["mask"] = mask
    if seam:
        options["seam"] = seam * scale
    if patch is not None:
        options["tiled"] = partial(
            super_resolve_tiled,
            scale=1,  # the network of a diffusion model computes in HR points
            tile=patch,
            overlap=OVERLAP * scale,
            margin=MARGIN * scale,
        )
    drawn: Tensor = network.sample(lr, steps, noise, **options)
    return drawn.float()
