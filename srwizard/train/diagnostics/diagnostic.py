"""What every diagnostic of a test split is: filled batch by batch, added up over ranks, told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from srwizard.data.baselines.choice import BICUBIC, MODEL
from srwizard.train.distributed import Place, add_over_ranks
from srwizard.train.simple_methods import BEST

METHODS = (MODEL, BEST, BICUBIC)
"""What is compared: the network, each variable's best simple method, bicubic interpolation."""


@dataclass(frozen=True)
class Scored:
    """A batch of test fields in physical units.

    Attributes:
        indices: of the steps.
        fields: of each of `METHODS`, `[B, C, H, W]`.
        truth: `[B, C, H, W]`; what stands under the mask does not matter.
        mask: `[B, C, H, W]`, True where the truth has a value.
        lr: `[B, C, h, w]`, NaN in gaps.
        sums: of each of `METHODS`, `[B, C, sums_length]`, from `metrics.sample_sums`.
        members: of an ensemble, `[M, B, C, H, W]`; None of a single field.
        ensemble_sums: of an ensemble, `[B, C, 3]`, from `ensembles.ensemble_sums`.
    """

    indices: Sequence[int]
    fields: Mapping[str, Tensor]
    truth: Tensor
    mask: Tensor
    lr: Tensor
    sums: Mapping[str, Tensor]
    members: Tensor | None = None
    ensemble_sums: Tensor | None = None


@dataclass
class Diagnostic:
    """Fields that are tensors are sums, which the ranks add up; everything else is the same on all.

    A step is on one rank alone: what belongs to steps is 0 on the others.
    """

    def add(self, at: Scored) -> None:
        """Add a batch."""
        raise NotImplementedError

    def numbers(self) -> Mapping[str, Mapping[str, Any]]:
        """Return figures for JSON by variable, from what all ranks have added up."""
        return {}

    def arrays(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """Return arrays for the report, by name."""
        return {}


def add_up(place: Place, diagnostic: Diagnostic) -> None:
    """Add up what the ranks have, on all of them."""
    for part in fields(diagnostic):
        value = getattr(diagnostic, part.name)
        if isinstance(value, Tensor):
            setattr(diagnostic, part.name, add_over_ranks(place, value))
