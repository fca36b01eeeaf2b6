"""Making a field as large as a network needs it, or as wide as it must see."""

import torch
from torch import Tensor
from torch.nn import functional


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad [B, C, h, w] below and to the right until both sides are multiples of `multiple`.

    By reflection as the authors of SwinIR do; a side too short to be reflected repeats its edge
    instead.
    """
    if torch.compiler.is_exporting():
        return _padded_whatever_the_size(x, multiple)
    height, width = x.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if right:
        x = functional.pad(x, (0, right, 0, 0), "reflect" if right < width else "replicate")
    if below:
        x = functional.pad(x, (0, 0, 0, below), "reflect" if below < height else "replicate")
    return x


def across(values: Tensor, columns: int) -> Tensor:
    """Return `[..., H, W]` widened by `columns` from its other end on each side."""
    if columns == 0:
        return values
    return torch.cat([values[..., -columns:], values, values[..., :columns]], dim=-1)


def within(values: Tensor, columns: int) -> Tensor:
    """Return `[..., H, W]` without the `columns` on each side that `across` has added."""
    return values if columns == 0 else values[..., columns:-columns]


def _padded_whatever_the_size(x: Tensor, multiple: int) -> Tensor:
    """Do the same without a decision that depends on the size: an exported graph has none."""
    for axis in (-2, -1):
        size = x.shape[axis]
        place = torch.arange(size + -size % multiple, device=x.device)
        edge = torch.full_like(place, size - 1)
        too_short = place[-1:] > 2 * edge
        beyond = torch.where(too_short, edge, 2 * edge - place)
        x = x.index_select(axis, torch.where(place < size, place, beyond))
    return x
