"""Which scales are right: spectra of fields and of errors, and the effective resolution."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.train.diagnostics.bootstrap import intervals_of
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
        of_steps: `[M + 1, C, N, K]`, power of field - truth in each step, and of the truth.
    """

    variables: Sequence[str]
    shorter: int
    cell_km: float | None
    fields: Tensor
    errors: Tensor
    truth: Tensor
    of_steps: Tensor

    @classmethod
    def of(
        cls,
        variables: Sequence[str],
        shape: tuple[int, int],
        cell_km: float | None,
        count: int,
    ) -> "Scales":
        """Return one for `count` fields of `shape` `[H, W]`."""
        truth = torch.zeros(len(variables), wavenumbers(shape), dtype=torch.float64)
        fields, errors = (truth.repeat(len(METHODS), 1, 1) for _ in range(2))
        # In single precision, which intervals do not need more than: there may be many.
        of_steps = torch.zeros(len(METHODS) + 1, len(variables), count, truth.shape[1])
        return cls(variables, min(shape), cell_km, fields, errors, truth, of_steps)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        truth = _spectra(torch.where(at.mask, at.truth, 0.0), at.mask)
        self.truth += truth.sum(dim=1)
        for place, name in enumerate(METHODS):
            field = torch.where(at.mask, at.fields[name], 0.0)
            error = _spectra(torch.where(at.mask, at.fields[name] - at.truth, 0.0), at.mask)
            self.fields[place] += power_spectrum(field, at.mask).cpu()
            self.errors[place] += error.sum(dim=1)
            self.of_steps[place][:, list(at.indices)] += error.float()
        self.of_steps[-1][:, list(at.indices)] += truth.float()

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the effective resolution of each method, and its interval."""
        found: dict[str, dict[str, Any]] = {}
        for channel, variable in enumerate(self.variables):
            told: dict[str, Any] = {}
            for place, method in enumerate(METHODS):
                waves = resolved_wavenumber(
                    self.errors[place, channel].numpy(), self.truth[channel].numpy()
                )
                told[method] = self._lengths(waves)
            told["interval"] = self._intervals(channel)
            found[variable] = {"effective_resolution": told}
        return found

    def _lengths(self, waves: float | None) -> dict[str, float | None]:
        """Return a wavenumber as a wavelength; None where not even the longest wave is resolved."""
        cells = self.shorter / waves if waves else None
        return {"cells": cells, "km": cells and self.cell_km and cells * self.cell_km}

    def _intervals(self, channel: int) -> dict[str, Any]:
        *errors, truth = self.of_steps[:, channel].double()
        there = (truth.sum(dim=1, keepdim=True) > 0).double()
        sums = [
            torch.cat([part.sum(dim=1, keepdim=True), there, part, truth], 1) for part in errors
        ]
        told = intervals_of(torch.stack(sums), _resolved)
        for method, scores in (told["scores"] or {}).items():
            ends = (min(max(end, 0.0), truth.shape[1]) for end in reversed(scores["waves"]))
            shortest, longest = (self._lengths(end) for end in ends)
            told["scores"][method] = {unit: (shortest[unit], longest[unit]) for unit in shortest}
        return told

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the spectra, with the names of the methods."""
        return {
            "scales_methods": np.array(METHODS),
            "scales_fields": self.fields.numpy(),
            "scales_errors": self.errors.numpy(),
            "scales_truth": self.truth.numpy(),
        }


def _spectra(field: Tensor, mask: Tensor) -> Tensor:
    """Return the power `[C, B, K]` of each of `[B, C, H, W]`."""
    steps = range(len(field))
    each = [power_spectrum(field[step : step + 1], mask[step : step + 1]) for step in steps]
    return torch.stack(each, dim=1).cpu()


def _resolved(sums: Tensor) -> dict[str, Tensor]:
    """Return resolved wavenumbers `[D]` from sums `[D, 2 + 2 K]`, 0 where none is."""
    errors, truth = (part.numpy() for part in sums[:, 2:].chunk(2, dim=1))
    return {"waves": torch.from_numpy(resolved_wavenumbers(errors, truth))}


def resolved_wavenumber(
    error: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]
) -> float | None:
    """Return up to which wavenumber waves are resolved; None where not even the longest are.

    Args:
        error, truth: power `[K]` at the wavenumbers 1 ... K.
    """
    return float(resolved_wavenumbers(error[None], truth[None])[0]) or None


def resolved_wavenumbers(
    errors: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return `[D]`, up to where the error holds less than half of the variance of the truth.

    Between two wavenumbers it is interpolated in the logarithms of both. Where even the shortest
    waves are resolved, it is the last wavenumber of which there is any; where not even the longest
    are, it is 0.

    Args:
        errors, truth: power `[D, K]` at the wavenumbers 1 ... K.
    """
    there = truth > 0
    ratio = np.divide(errors, truth, out=np.zeros_like(truth), where=there)
    waves = np.where(there, np.arange(1.0, truth.shape[1] + 1), 0.0)
    # The last one below of which there is any, 0 where there is none.
    below = np.maximum.accumulate(waves, axis=1)
    above = there & (ratio >= HALF)
    found = below[:, -1].copy()
    rows = np.flatnonzero(above.any(axis=1))
    place = above[rows].argmax(axis=1)
    near = np.where(place > 0, below[rows, place - 1], 0.0)
    far, high = waves[rows, place], ratio[rows, place]
    low = np.where(near > 0, ratio[rows, near.astype(int) - 1], 0.0)
    between = low > 0
    share = np.log(HALF / low[between]) / np.log(high[between] / low[between])
    found[rows] = near
    found[rows[between]] = near[between] * (far[between] / near[between]) ** share
    return found
