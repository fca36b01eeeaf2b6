"""The largest batch that fits: found by predictions, confirmed by a few dry runs. No torch."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from srwizard.data.dataset import Dataset
from srwizard.memory.measure import DryRun, dry_run
from srwizard.memory.verdict import FITS_UP_TO
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig

MOST_DRY_RUNS = 3
LINE_AGREEMENT = 0.02
"""By how much, at most, a third batch size may be off the line through two others."""

Predict = Callable[[int], int]
"""Gives the predicted peak in bytes of a batch size."""
Measure = Callable[[int], DryRun]
"""Gives the dry run of a batch size."""


@dataclass(frozen=True)
class Tried:
    """A batch size with what was predicted, and measured where it was."""

    batch_size: int
    predicted_bytes: int
    measured_bytes: int | None = None
    verdict: str | None = None


@dataclass
class Fit:
    """What was found.

    Attributes:
        value: the largest batch that fits; None where not even one sample does.
        limit: larger ones were not looked at: that many samples there are.
        confirmed: whether a dry run has measured that it fits.
        capacity_bytes: what it had to fit into, up to the share that counts as fitting.
        tried: what was measured, in order.
    """

    limit: int
    capacity_bytes: int
    value: int | None = None
    confirmed: bool = False
    tried: list[Tried] = field(default_factory=list)


class Line:
    """Predicted peaks by batch size: two points give a line, a third checks it.

    Memory is linear in the batch. Where the line is more than `LINE_AGREEMENT` off, sizes are
    predicted one by one.
    """

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._known: dict[int, int] = {}

    def peak(self, size: int) -> int:
        """Return the predicted peak of a batch size, from the predictor itself."""
        if size not in self._known:
            self._known[size] = self._predict(size)
        return self._known[size]

    def largest(self, limit: int, bytes_there_are: float) -> int | None:
        """Return the largest batch up to `limit` whose predicted peak is within some bytes."""
        if self.peak(1) > bytes_there_are:
            return None
        if limit == 1 or self.peak(2) > bytes_there_are:
            return 1
        slope = self.peak(2) - self.peak(1)
        guess = limit
        if slope > 0:
            guess = min(limit, 1 + int((bytes_there_are - self.peak(1)) / slope))
        expected = self.peak(1) + slope * (guess - 1)
        if abs(self.peak(guess) - expected) <= LINE_AGREEMENT * expected:
            return self._corrected(guess, limit, bytes_there_are)
        return self._between(2, limit, bytes_there_are)

    def _corrected(self, guess: int, limit: int, bytes_there_are: float) -> int:
        """Move a guess that is nearly right by what the line through it says."""
        slope = (self.peak(guess) - self.peak(1)) / max(guess - 1, 1)
        if slope > 0:
            guess += int((bytes_there_are - self.peak(guess)) // slope)
        guess = max(2, min(guess, limit))
        while guess > 2 and self.peak(guess) > bytes_there_are:
            guess -= 1
        return guess

    def _between(self, fits: int, limit: int, bytes_there_are: float) -> int:
        """Halve the interval between a size that fits and one that does not."""
        if self.peak(limit) <= bytes_there_are:
            return limit
        too_large = limit
        while too_large - fits > 1:
            middle = (fits + too_large) // 2
            if self.peak(middle) <= bytes_there_are:
                fits = middle
            else:
                too_large = middle
        return fits


def largest_batch(
    predict: Predict, measure: Measure | None, *, limit: int, capacity_bytes: int
) -> Fit:
    """Find the largest batch that fits.

    Each dry run tells by how much the predictions are off here; the next batch is chosen with
    that in mind.

    Args:
        predict: gives predicted peaks.
        measure: makes a dry run; None: there is nothing to measure on.
        limit: the largest batch to look at.
        capacity_bytes: the memory there is.
    """
    line, found = Line(predict), Fit(limit, capacity_bytes)
    within = FITS_UP_TO * capacity_bytes
    size = line.largest(limit, within)
    if measure is None:
        found.value = size
        return found
    too_large, off = limit + 1, 1.0
    for _number in range(MOST_DRY_RUNS):
        if size is None or size >= too_large or (found.value is not None and size <= found.value):
            break
        result = measure(size)
        found.tried.append(Tried(size, line.peak(size), result.peak_bytes, result.verdict))
        if result.peak_bytes is not None:
            off = result.peak_bytes / line.peak(size)
        if result.verdict == "fits":
            found.value, found.confirmed = size, True
            following = line.largest(min(limit, too_large - 1), within / off)
        else:
            too_large = size
            lower = line.largest(max(1, too_large - 1), within / off)
            # Where it ran out of memory, nobody knows by how much.
            following = size // 2 if result.peak_bytes is None else lower
            following = following if size > 1 else None
        size = following
    return found


def measured(run: RunConfig, dataset: Dataset) -> DryRun:
    """Make a dry run of a config that is in no run directory, or in another one."""
    with tempfile.TemporaryDirectory(prefix="srwizard-fit-") as name:
        directory = Path(name)
        run_config.write(run_config.seal(run), directory)
        return dry_run(directory, dataset=dataset)
