"""How much of a network's correction is taken: what `gain` fits and what applies it.

A prediction is skip + gain * correction. For an ensemble the correction is that of its mean: all
members are moved by the same field, so that their spread, and what they look like, stay as drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor


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


def moved(members: Sequence[Tensor], without: Tensor, factor: Tensor) -> list[Tensor]:
    """Return members whose mean is `without` plus `factor` times its correction.

    Args:
        members: each `[B, C, H, W]`.
        without: `[B, C, H, W]`, what a prediction would be without the network.
        factor: `[C, 1, 1]`.
    """
    total = members[0].clone()
    for one in members[1:]:
        total += one
    shift = (factor - 1) * (total / len(members) - without)
    return [one + shift for one in members]
