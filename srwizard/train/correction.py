"""How much of a network's correction is taken: what `gain` fits and what applies it.

A prediction is skip + gain * correction. For an ensemble the correction is that of its mean: all
members are moved by the same field, so that their spread stays as drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from srwizard.train.conservation import Blocks, conserved


def gains_from(stored: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the gain of each variable that a checkpoint has one for.

    Of ensembles there were two numbers: what a member tells of the truth, and what it shares with
    the others. Their quotient is the gain.
    """
    found = {}
    for name, value in (stored or {}).items():
        told, shared = value if isinstance(value, Sequence) else (value, 1.0)
        if shared > 0:
            found[str(name)] = float(told) / float(shared)
    return found


def factor_of(gains: Mapping[str, float], variables: Sequence[str]) -> Tensor:
    """Return what corrections are multiplied with, `[C, 1, 1]`; 1 where there is nothing."""
    return torch.tensor([gains.get(name, 1.0) for name in variables])[:, None, None]


def moved(
    members: Sequence[Tensor],
    gains: Mapping[str, float],
    variables: Sequence[str],
    blocks: Blocks | None,
) -> list[Tensor]:
    """Return the members of an ensemble with the gain of their mean.

    One alone stays as it is: a model that draws none has its gain already, and a sample is to have
    the variance of the truth.

    Args:
        members: each `[B, C, H, W]`, normalized, with block means as they are conserved.
        gains: by variable.
        variables: the channels.
        blocks: of the batch, where the run conserves; see `conservation`.
    """
    if len(members) == 1 or not gains:
        return list(members)
    without = conserved(torch.zeros_like(members[0]), blocks)
    factor = factor_of(gains, variables).to(without.device)
    total = members[0].clone()
    for one in members[1:]:
        total += one
    shift = (factor - 1) * (total / len(members) - without)
    return [one + shift for one in members]
