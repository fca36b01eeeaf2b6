"""How much of a network's correction is taken: what `gain` fits and what applies it.

A prediction is skip + gain * correction. For an ensemble the correction is that of its mean: all
members are moved by the same field, so that their spread, and what they look like, stay as drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from srwizard.train.conservation import Blocks, conserved


class Gain(NamedTuple):
    """Of one variable: what lowers the error of the mean of `n` members most.

    Attributes:
        told: how much the correction says of what the skip misses, <d, t> / <d, d>, with d the
            correction of one member and t what the skip misses; between 0 and `shared`.
        shared: how much of a member's correction is that of the others, too, <d, d'> / <d, d>;
            1 for a network with one answer.
    """

    told: float
    shared: float = 1.0

    def of(self, members: int) -> float:
        """Return the factor for the mean of so many members: the more, the less of it is noise."""
        size = self.shared + (1 - self.shared) / members
        return self.told / size if size > 0 else 0.0


def gains_from(stored: Mapping[str, Any] | None) -> dict[str, Gain]:
    """Return what a checkpoint says: a number, or two for an ensemble, for each variable."""
    return {
        str(name): Gain(*(float(part) for part in value))
        if isinstance(value, Sequence)
        else Gain(float(value))
        for name, value in (stored or {}).items()
    }


def gains_to(gains: Mapping[str, Gain]) -> dict[str, float | list[float]]:
    """Return what a checkpoint keeps of gains; see `gains_from`."""
    return {name: one.told if one.shared == 1 else [*one] for name, one in gains.items()}


def factors(gains: Mapping[str, Gain], members: int) -> dict[str, float]:
    """Return what corrections are multiplied with, by variable; 1 where there is nothing."""
    return {name: one.of(members) for name, one in gains.items()}


def factor_of(gains: Mapping[str, Gain], variables: Sequence[str], members: int) -> Tensor:
    """Return what corrections are multiplied with, `[C, 1, 1]`."""
    known = factors(gains, members)
    return torch.tensor([known.get(name, 1.0) for name in variables])[:, None, None]


def moved(
    members: Sequence[Tensor],
    gains: Mapping[str, Gain],
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
    factor = factor_of(gains, variables, len(members)).to(without.device)
    total = members[0].clone()
    for one in members[1:]:
        total += one
    shift = (factor - 1) * (total / len(members) - without)
    return [one + shift for one in members]
