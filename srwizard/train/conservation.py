"""Block means made those of LR, whatever the network gives: `model.conserve`.

SR is base + spread * output, in physical units. Each block of SR is shifted by a number, LR minus
its mean, which in units of the output is that number over the spread.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srwizard.data.block_means import missing_mean
from srwizard.data.fields import FloatField


class Blocks(NamedTuple):
    """What is known of the blocks of a batch.

    Attributes:
        missing: `[B, C, h, w]`, LR minus the block means of the base, NaN where there is nothing
            to conserve: `data.block_means.missing_mean`.
        share: `[B, C, H, W]`, of each point in the mean of its block: `data.block_means`.
        spread: `[B, C, H, W]`, what the output is multiplied with.
    """

    missing: Tensor
    share: Tensor
    spread: Tensor


def blocks_of(batch: Mapping[str, Tensor]) -> Blocks | None:
    """Return the blocks of a batch; None where the run does not conserve."""
    if "missing" not in batch:
        return None
    return Blocks(batch["missing"], batch["share"], batch["spread"])


def blocks_for(lr: FloatField, base: FloatField, spread: FloatField, share: FloatField) -> Blocks:
    """Return the blocks of one step, as a batch of one.

    Args:
        lr: `[C, h, w]` in physical units, NaN in gaps.
        base: `[C, H, W]`, or what stretches over it: what SR is without the network.
        spread: the same: what the output of the network is multiplied with.
        share: `[C, H, W]`, from `data.block_means.block_shares`.
    """
    wide = np.array(np.broadcast_to(spread, share.shape))
    parts = (missing_mean(lr, base, share), share, wide)
    return Blocks(*(torch.from_numpy(part)[None] for part in parts))


def conserved(output: Tensor, blocks: Blocks | None) -> Tensor:
    """Return the output of a network with block means of SR that are those of LR.

    Args:
        output: `[B, C, H, W]`, in units of the spread.
        blocks: of the batch; None: nothing is changed.

    Returns:
        `[B, C, H, W]`; float32 where something was changed.
    """
    if blocks is None:
        return output
    count, channels, height, width = blocks.missing.shape
    scale = output.shape[-1] // width

    def by_blocks(values: Tensor) -> Tensor:
        return values.reshape(count, channels, height, scale, width, scale)

    values = output.float()
    means = by_blocks(blocks.share * blocks.spread * values).sum(dim=(3, 5))
    # Chosen before the arithmetic: a NaN would get into the gradient.
    known = blocks.missing.isfinite()
    shift = torch.where(known, blocks.missing.nan_to_num() - means, 0.0)
    shifted = by_blocks(values) + shift[:, :, :, None, :, None] / by_blocks(blocks.spread)
    return shifted.reshape(values.shape)
