"""The sums of each step, and what follows from them: intervals of scores, errors by month."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.data.baselines.choice import MODEL
from srwizard.data.months import months_of
from srwizard.runs.intervals import intervals
from srwizard.train.diagnostics.bootstrap import drawn_intervals, errors_of
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.ensembles import SUMS as ENSEMBLE_SUMS
from srwizard.train.ensembles import scores_of as ensemble_scores_of
from srwizard.train.metrics import SUMS, scores_of, spectrum_error, wavenumbers
from srwizard.train.simple_methods import BEST


@dataclass
class Series(Diagnostic):
    """Sums over the points of each step.

    Args:
        variables: names of the channels.
        names: of the steps.
        span: `[C]`, width of the range of each variable in the training split.
        sums: `[M, C, N, S]`, of each of `METHODS`, in the order of `metrics.SUMS`.
        spectra: `[M + 1, C, N, K]`, radial power of each of `METHODS`, then of the truth.
        ensemble: `[C, N, 3]`, in the order of `ensembles.SUMS`; 0 of a model with one answer.
    """

    variables: Sequence[str]
    names: Sequence[str]
    span: npt.NDArray[np.floating[Any]]
    sums: Tensor
    spectra: Tensor
    ensemble: Tensor

    @classmethod
    def of(
        cls,
        variables: Sequence[str],
        names: Sequence[str],
        span: npt.NDArray[np.floating[Any]],
        shape: tuple[int, int],
    ) -> "Series":
        """Return one for the steps `names` of fields of `shape` `[H, W]`."""
        methods, of_each = len(METHODS), (len(variables), len(names))
        sums = torch.zeros(methods, *of_each, len(SUMS), dtype=torch.float64)
        # In single precision, which intervals do not need more than: there may be many.
        spectra = torch.zeros(methods + 1, *of_each, wavenumbers(shape))
        ensemble = torch.zeros(*of_each, len(ENSEMBLE_SUMS), dtype=torch.float64)
        return cls(variables, names, span, sums, spectra, ensemble)

    @property
    def squared(self) -> Tensor:
        """Squared errors `[M, C, N]`."""
        return self.sums[..., SUMS.index("squared")]

    @property
    def points(self) -> Tensor:
        """How many points there are `[C, N]`."""
        return self.sums[0, ..., SUMS.index("points")]

    def add(self, at: Scored) -> None:
        """Add a batch."""
        steps = list(at.indices)
        for place, name in enumerate(METHODS):
            sums = at.sums[name].transpose(0, 1).cpu()
            ours, truth = sums[..., len(SUMS) :].chunk(2, dim=-1)
            self.sums[place][:, steps] += sums[..., : len(SUMS)]
            self.spectra[place][:, steps] += ours.float()
        self.spectra[-1][:, steps] += truth.float()
        if at.ensemble_sums is not None:
            self.ensemble[:, steps] += at.ensemble_sums.transpose(0, 1)

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the intervals of each variable's scores, and its RMSE by month of the year."""
        found: dict[str, dict[str, Any]] = {}
        months = months_of(self.names)
        for channel, name in enumerate(self.variables):
            interval = self._intervals(channel)
            found[name] = {"interval": interval}
            if months is not None:
                like = interval["autocorrelation"]
                found[name]["month"] = list(self._by_month(channel, months, like))
        return found

    def _intervals(self, channel: int) -> dict[str, Any]:
        points = self.points[channel].numpy()
        squared = {
            method: self.squared[place, channel].numpy() for place, method in enumerate(METHODS)
        }
        found = intervals(squared, points, BEST)
        if found.rmse is None:
            return found.as_json() | {"scores": None}
        there = torch.from_numpy(points > 0)
        scores = {}
        for place, method in enumerate(METHODS):
            parts = [self.sums[place], self.spectra[place], self.spectra[-1]]
            if method == MODEL:
                parts.append(self.ensemble)
            sums = torch.cat([part[channel, there].double() for part in parts], dim=-1)
            told = partial(self._scores, float(self.span[channel]))
            scores[method] = drawn_intervals(sums, found.block, found.blocks, told)
        if self.ensemble[channel].any():  # the CRPS of a single field is its mean absolute error
            for method in METHODS[1:]:
                scores[method]["crps"] = scores[method]["mae"]
        return found.as_json() | {"scores": scores}

    def _scores(self, span: float, sums: Tensor) -> dict[str, Tensor]:
        """Return the scores `[...]` of sums `[..., S]` but for the RMSE, see `intervals`."""
        waves = self.spectra.shape[-1]
        fields, ours, truth, ensemble = sums.tensor_split(
            (len(SUMS), len(SUMS) + waves, len(SUMS) + 2 * waves), dim=-1
        )
        found = scores_of(fields, span) | {"spectrum_error": spectrum_error(ours, truth)}
        if ensemble.any():
            found |= ensemble_scores_of(ensemble)
        return {name: values for name, values in found.items() if name != "rmse"}

    def _by_month(
        self, channel: int, months: npt.NDArray[np.int_], autocorrelation: float
    ) -> Iterator[dict[str, Any]]:
        """Yield the scores of each month that has a value.

        How long errors resemble each other is told by all steps, of which a month has few.
        """
        points = self.points[channel].numpy()
        for month in np.unique(months[points > 0]):
            there = (months == month) & (points > 0)
            squared = dict(zip(METHODS, self.squared[:, channel, there].numpy(), strict=True))
            told = errors_of(squared, points[there], autocorrelation)
            yield {"month": int(month), "steps": int(there.sum()), **told}
