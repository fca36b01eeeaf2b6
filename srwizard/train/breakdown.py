"""Where and when the errors of a split are: by row of the grid, by step, by wavenumber."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srwizard.base import files
from srwizard.data.baselines.choice import BICUBIC, MODEL
from srwizard.train.distributed import Place, add_over_ranks
from srwizard.train.metrics import SUMS

METHODS = (MODEL, BICUBIC)


@dataclass
class Breakdown:
    """Sums of the squared errors, in physical units, that are filled while a split is scored.

    Args:
        rows: `[2, C, H]`, over steps and columns, of the model and of bicubic.
        row_points: `[C, H]`, how many points they are over.
        steps: `[2, C, N]`, over rows and columns.
        step_points: `[C, N]`.
        spectra: `[3, C, K]`, radial power of the model, of bicubic and of the truth.
    """

    rows: Tensor
    row_points: Tensor
    steps: Tensor
    step_points: Tensor
    spectra: Tensor

    @classmethod
    def empty(cls, channels: int, height: int, count: int) -> "Breakdown":
        """Return one for `count` steps of fields with `height` rows."""
        rows, steps = (torch.zeros(2, channels, size).double() for size in (height, count))
        return cls(rows, rows[0].clone(), steps, steps[0].clone(), torch.zeros(3, channels, 0))

    def add(
        self, indices: Sequence[int], sr: Tensor, bicubic: Tensor, truth: Tensor, mask: Tensor
    ) -> None:
        """Add a batch `[B, C, H, W]` of the steps `indices`, in physical units."""
        self.row_points += mask.sum(dim=(0, 3)).cpu()
        self.step_points[:, list(indices)] += mask.sum(dim=(2, 3)).T.double().cpu()
        for place, field in enumerate((sr, bicubic)):
            squared = torch.where(mask, field - truth, 0.0).double().square()
            self.rows[place] += squared.sum(dim=(0, 3)).cpu()
            self.steps[place][:, list(indices)] += squared.sum(dim=(2, 3)).T.cpu()

    def complete(self, place: Place, model: Tensor, bicubic: Tensor) -> None:
        """Add up what the ranks have, and take the spectra out of sums that are added up already.

        Args:
            place: of this rank.
            model, bicubic: `[C, S]` over all ranks, from `metrics.masked_sums`.
        """
        self.rows, self.row_points = (
            add_over_ranks(place, part) for part in (self.rows, self.row_points)
        )
        self.steps, self.step_points = (
            add_over_ranks(place, part) for part in (self.steps, self.step_points)
        )
        ours, truth = model[:, len(SUMS) :].chunk(2, dim=1)
        theirs, _truth = bicubic[:, len(SUMS) :].chunk(2, dim=1)
        self.spectra = torch.stack([ours, theirs, truth])

    def save(self, path: Path, variables: Sequence[str], names: Sequence[str]) -> None:
        """Write the sums with the names of the variables and of the steps as `.npz`."""
        arrays = {name: values.numpy() for name, values in vars(self).items()}
        arrays |= {"variables": np.array(variables), "names": np.array(names)}
        path.parent.mkdir(exist_ok=True)
        files.write_with(path, lambda stream: np.savez_compressed(stream, **arrays))
