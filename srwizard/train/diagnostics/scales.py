"""Which scales are right: spectra of fields and of errors, and the effective resolution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.metrics import power_spectrum, wavenumbers

HALF = 0.5
TRUTH = "truth"


@dataclass
class Scales(Diagnostic):
    """Radial power spectra, added up over the steps; see `metrics.power_spectrum`.

    Args:
        variables: names of the channels.
        shorter: points along the shorter side, which a wavenumber counts waves along.
        cell_km: the side of a mean cell; None where there are no coordinates.
        fields: `[M, C, K]`, power of the fields.
        errors: `[M, C, K]`, power of field - truth.
        truth: `[C, K]`.
    """

    variables: Sequence[str]
    shorter: int
    cell_km: float | None
    fields: Tensor
    errors: Tensor
    truth: Tensor

    @classmethod
    def of(
        cls,
        variables: Sequence[str],
        shape: tuple[int, int],
        cell_km: float | None,
    ) -> "Scales":
        """Return one for fields of `shape` `[H, W]`."""
        truth = torch.zeros(len(variables), wavenumbers(shape), dtype=torch.float64)
        fields, errors = (truth.repeat(len(METHODS), 1, 1) for _ in range(2))
        return cls(variables, min(shape), cell_km, fields, errors, truth)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        self.truth += power_spectrum(torch.where(at.mask, at.truth, 0.0), at.mask).cpu()
        for place, name in enumerate(METHODS):
            field = torch.where(at.mask, at.fields[name], 0.0)
            error = torch.where(at.mask, at.fields[name] - at.truth, 0.0)
            self.fields[place] += power_spectrum(field, at.mask).cpu()
            self.errors[place] += power_spectrum(error, at.mask).cpu()

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the effective resolution of each method."""
        found: dict[str, dict[str, Any]] = {}
        for channel, variable in enumerate(self.variables):
            told = {}
            for place, method in enumerate(METHODS):
                waves = resolved_wavenumber(
                    self.errors[place, channel].numpy(), self.truth[channel].numpy()
                )
                cells = None if waves is None else self.shorter / waves
                told[method] = {
                    "cells": cells,
                    "km": None if cells is None or self.cell_km is None else cells * self.cell_km,
                }
            found[variable] = {"effective_resolution": told}
        return found

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the spectra, with the names of the methods."""
        return {
            "scales_methods": np.array(METHODS),
            "scales_fields": self.fields.numpy(),
            "scales_errors": self.errors.numpy(),
            "scales_truth": self.truth.numpy(),
        }


def resolved_wavenumber(
    error: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]
) -> float | None:
    """Return up to which wavenumber the error holds less than half of the variance of the truth.

    Between two wavenumbers it is interpolated in the logarithms of both. Where even the shortest
    waves are resolved, the last wavenumber is returned; None where not even the longest are.

    Args:
        error, truth: power `[K]` at the wavenumbers 1 ... K.
    """
    there = truth > 0
    if not there.any():
        return None
    waves = np.flatnonzero(there) + 1.0
    ratio = error[there] / truth[there]
    above = np.flatnonzero(ratio >= HALF)
    if not len(above):
        return float(waves[-1])
    place = int(above[0])
    if place == 0:
        return None
    (low, high), (near, far) = ratio[place - 1 : place + 1], waves[place - 1 : place + 1]
    if low <= 0:
        return float(near)
    share = math.log(HALF / low) / math.log(high / low)
    return float(near * (far / near) ** share)
