"""Where and when the errors of a split are: by row of the grid, by step, by wavenumber."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.base import files
from srwizard.train.distributed import Place, add_over_ranks
from srwizard.train.metrics import SUMS
from srwizard.train.simple_methods import BEST

MODEL = 0
"""The place of the model among the methods."""


@dataclass
class Breakdown:
    """Sums of the squared errors, in physical units, that are filled while a split is scored.

    Args:
        methods: the simple methods that stand beside the model, each by variable.
        rows: `[M, C, H]`, over steps and columns, of the model and of the methods.
        row_points: `[C, H]`, how many points they are over.
        steps: `[M, C, N]`, over rows and columns.
        step_points: `[C, N]`.
        spectra: `[M + 1, C, K]`, radial power of the model, of the methods and of the truth.
    """

    methods: Sequence[Sequence[str]]
    rows: Tensor
    row_points: Tensor
    steps: Tensor
    step_points: Tensor
    spectra: Tensor

    @classmethod
    def empty(cls, methods: Sequence[Sequence[str]], height: int, count: int) -> "Breakdown":
        """Return one for `count` steps of fields with `height` rows."""
        shape = 1 + len(methods), len(methods[0])
        rows, steps = (torch.zeros(*shape, size).double() for size in (height, count))
        return cls(methods, rows, rows[0].clone(), steps, steps[0].clone(), torch.zeros(*shape, 0))

    def add_model(self, indices: Sequence[int], sr: Tensor, truth: Tensor, mask: Tensor) -> None:
        """Add a batch `[B, C, H, W]` of the steps `indices`, in physical units."""
        self.row_points += mask.sum(dim=(0, 3)).cpu()
        self.step_points[:, list(indices)] += mask.sum(dim=(2, 3)).T.double().cpu()
        self._add(MODEL, range(len(self.row_points)), indices, sr, truth, mask)

    def add_method(
        self, name: str, indices: Sequence[int], found: Tensor, truth: Tensor, mask: Tensor
    ) -> None:
        """Add what a simple method makes of the same batch, where it stands beside the model."""
        for place, names in enumerate(self.methods, start=1):
            channels = [channel for channel, wanted in enumerate(names) if wanted == name]
            if channels:
                self._add(place, channels, indices, found, truth, mask)

    def _add(
        self,
        place: int,
        channels: Sequence[int],
        indices: Sequence[int],
        field: Tensor,
        truth: Tensor,
        mask: Tensor,
    ) -> None:
        for channel in channels:
            missed = field[:, channel] - truth[:, channel]
            squared = torch.where(mask[:, channel], missed, 0.0).double().square()
            self.rows[place, channel] += squared.sum(dim=(0, 2)).cpu()
            self.steps[place, channel, list(indices)] += squared.sum(dim=(1, 2)).cpu()

    def complete(self, place: Place, model: Tensor, simple: Mapping[str, Tensor]) -> None:
        """Add up what the ranks have, and take the spectra out of sums that are added up already.

        Args:
            place: of this rank.
            model: `[C, S]` over all ranks, from `metrics.sample_sums`.
            simple: the same of the simple methods by name.
        """
        self.rows, self.row_points = (
            add_over_ranks(place, part) for part in (self.rows, self.row_points)
        )
        self.steps, self.step_points = (
            add_over_ranks(place, part) for part in (self.steps, self.step_points)
        )
        ours, truth = model[:, len(SUMS) :].chunk(2, dim=1)
        theirs = [
            torch.stack([simple[name][channel] for channel, name in enumerate(names)])
            for names in self.methods
        ]
        powers = [sums[:, len(SUMS) :].chunk(2, dim=1)[0] for sums in theirs]
        self.spectra = torch.stack([ours, *powers, truth])

    def save(
        self,
        path: Path,
        variables: Sequence[str],
        names: Sequence[str],
        best: Sequence[str],
        others: Mapping[str, npt.NDArray[np.generic]],
    ) -> None:
        """Write the sums as `.npz`, with the names of the variables, of the steps and methods.

        Args:
            path: of the file.
            variables: the channels.
            names: of the steps.
            best: what the best simple method of each variable is called.
            others: arrays that are kept with them.
        """
        arrays: dict[str, Any] = {
            name: values.numpy() for name, values in vars(self).items() if name != "methods"
        }
        arrays |= {**others, "variables": np.array(variables), "names": np.array(names)}
        arrays["methods"] = np.array(
            [
                ["model"] * len(best),
                *(
                    [
                        called if name == BEST else name
                        for name, called in zip(row, best, strict=True)
                    ]
                    for row in self.methods
                ),
            ]
        )
        path.parent.mkdir(exist_ok=True)
        files.write_with(path, lambda stream: np.savez_compressed(stream, **arrays))
