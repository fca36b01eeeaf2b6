"""Intervals of any score that follows from sums over steps; see `runs.intervals`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.runs.intervals import drawn_sums, interval_of, intervals
from srwizard.train.diagnostics.diagnostic import METHODS
from srwizard.train.simple_methods import BEST

Array = npt.NDArray[np.float64]
Scores = Callable[[Tensor], Mapping[str, Tensor]]
"""Scores `[...]` from sums `[..., S]`, of one set of steps or of many at once."""


def rmse_of(sums: Tensor) -> dict[str, Tensor]:
    """Return the root of the mean square from sums `[..., 2]`: squared errors, and points."""
    squared, points = sums.unbind(-1)
    return {"rmse": (squared / points).sqrt()}


def totals_of(sums: Tensor, scores: Scores) -> dict[str, dict[str, float]]:
    """Return the scores over all steps by method and name; see `intervals_of`."""
    return {
        method: {name: float(value) for name, value in scores(part.sum(dim=0)).items()}
        for method, part in zip(METHODS, sums, strict=True)
    }


def intervals_of(sums: Tensor, scores: Scores) -> dict[str, Any]:
    """Return the intervals of scores, by the block bootstrap.

    Args:
        sums: `[M, N, S]` of each of `METHODS` in each step, in order of time. The first of `S` are
            squared errors, whose autocorrelation decides on the blocks, the second the points that
            these are summed over; steps without a point are left out.
        scores: what the sums of several steps say.

    Returns:
        `steps` and length of the `block`, and `scores` by method and name: low and high. None in
        the place of `scores` where there are too few independent steps.
    """
    points = sums[0, :, 1].numpy()
    squared = {name: part[:, 0].numpy() for name, part in zip(METHODS, sums, strict=True)}
    found = intervals(squared, points, BEST)
    told: dict[str, Any] = {"steps": found.steps, "block": found.block, "scores": None}
    if found.rmse is None:
        return told
    there = torch.from_numpy(points > 0)
    return told | {
        "scores": {
            name: drawn_intervals(part[there], found.block, found.blocks, scores)
            for name, part in zip(METHODS, sums, strict=True)
        }
    }


def errors_of(
    squared: Mapping[str, Array], points: Array, autocorrelation: float | None = None
) -> dict[str, Any]:
    """Return the RMSE of each method over some steps, with its interval.

    Args:
        squared: of each of `METHODS`, the sum of the squared errors of each step `[N]`.
        points: how many points these are over `[N]`.
        autocorrelation: of the errors, where more steps than these tell it.
    """
    total = points.sum()
    told: dict[str, Any] = {
        method: {"rmse": float(np.sqrt(values.sum() / total))} for method, values in squared.items()
    }
    found = intervals(squared, points, BEST, autocorrelation)
    return told | {"points": float(total), "interval": found.as_json()}


def drawn_intervals(
    sums: Tensor, block: int, blocks: float, scores: Scores
) -> dict[str, tuple[float, float]]:
    """Return the interval of each score of one method from blocks of so many steps.

    Args:
        sums: `[N, S]`, of each step.
        block: length of the blocks, in steps.
        blocks: how many independent pieces the steps are.
        scores: what the sums of several steps say.
    """
    drawn = scores(torch.from_numpy(drawn_sums(sums.numpy(), block)))
    return {name: interval_of(part.numpy(), blocks, name) for name, part in drawn.items()}
