"""From the steps of a source to HR fields and their block means."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from srwizard.base.choices import method_named
from srwizard.data.coordinates import Window, block_mean
from srwizard.data.fields import FloatField
from srwizard.data.lr_methods import MEAN, METHODS
from srwizard.data.prepare.reading import StepReader, infinite_values
from srwizard.data.prepare.regrid import Regrid
from srwizard.data.prepare.source import Step
from srwizard.data.prepare.statistics import FieldStatistics
from srwizard.data.prepare.summary import summed_up
from srwizard.data.prepare.units import Conversion
from srwizard.data.prepare.write import save_npy
from srwizard.data.undeclared import far_values, hold_together


@dataclass(frozen=True)
class Recipe:
    """How pairs are made of what the sources hold.

    Args:
        window: the rows and columns that are taken; both are multiples of the scale.
        scale: HR cells of an LR cell along each direction.
        weights: of the HR cells `[H, W]`, for block means; None weighs every cell alike.
        method: how LR is made of HR, a name of `lr_methods.METHODS`.
        regrid: brings LR of its own onto the grid of HR / scale; None where LR is made of HR.
    """

    window: Window
    scale: int
    weights: npt.NDArray[np.float64] | None
    method: str = MEAN
    regrid: Regrid | None = None

    @property
    def plain_means(self) -> bool:
        """Whether LR is made of HR as means in which each cell counts alike."""
        return self.weights is None and self.method == MEAN

    def low_resolution(self, field: FloatField) -> FloatField:
        """Return LR `[h, w]` of HR `[H, W]`."""
        if self.weights is not None:
            return block_mean(field, self.scale, self.weights).astype(np.float32)
        coarsen = method_named(METHODS, self.method).function()
        found: FloatField = coarsen(field, self.scale).astype(np.float32)
        return found


@dataclass(frozen=True)
class Task:
    """Consecutive steps of one source, and what is done to their values.

    Args:
        steps: of HR.
        conversion: of their values.
        partners: the steps of LR of its own that belong to them.
        lr_conversion: of the values of these.
        files: of HR and of LR of each step, which are written as soon as they are made; none where
            the fields are only handed on.
        room: where another process puts HR, if it is only handed on; a number.
    """

    steps: tuple[Step, ...]
    conversion: Conversion | None
    partners: tuple[Step, ...] = ()
    lr_conversion: Conversion | None = None
    files: tuple[tuple[Path, Path], ...] = ()
    room: int = 0


class _Pair(NamedTuple):
    """What is made of one step; see `Pairs`."""

    hr: FloatField
    lr: FloatField
    statistics: FieldStatistics
    mean: FloatField
    far: Counter[float]
    missing: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """HR `[N, H, W]`, LR `[N, h, w]`, the statistics of each HR field, and what was doubtful.

    Args:
        hr, lr, statistics: of each step; HR lasts until the next pairs are asked for.
        means: HR's block means where LR is of its own; else LR.
        written: whether the fields are in the files of the task.
        lr_empty: whether LR of each step has no value at all.
        far: value in the sources that stands far outside all others -> cells that have it.
        outside: how many values lay outside of the valid range that the sources declare.
        always_missing: the cells `[H, W]` in which no step has a value, as `numpy.packbits` packs
            them.
    """

    hr: Sequence[FloatField]
    lr: Sequence[FloatField]
    statistics: tuple[FieldStatistics, ...]
    means: Sequence[FloatField]
    lr_empty: Sequence[bool]
    far: Counter[float]
    outside: int
    always_missing: npt.NDArray[np.uint8]
    written: bool

    def light(self) -> "Pairs":
        """Return them without the fields that can be looked up in the files of the task."""
        if not self.written:
            return self
        of_their_own = self.means[0] is not self.lr[0]
        return replace(self, hr=(), lr=(), means=self.means if of_their_own else ())


class PairMaker(AbstractContextManager["PairMaker"]):
    """Makes pairs; holds the sources open that it has read from last.

    Args:
        recipe: how they are made.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._hr, self._lr = StepReader(recipe.window), StepReader()

    def __exit__(self, *exception: Any) -> None:
        self._hr.__exit__(*exception)
        self._lr.__exit__(*exception)

    def make(self, task: Task) -> Pairs:
        """Return the pairs of a task, in the files that it names.

        Raises:
            DatasetError: a source cannot be read, or holds infinite values.
        """
        before = self._hr.outside
        # Field by field: the next comes when this one would no longer be in the processor's cache.
        own = self._lr.fields(task.partners)
        made = [self._pair(task, number, field, own)
                for number, field in enumerate(self._hr.read(task.steps))]  # fmt: skip
        hr, lr, statistics, means, far, missing = zip(*made, strict=True)
        return Pairs(
            hr,
            lr,
            statistics,
            means,
            [not np.isfinite(field).any() for field in lr],
            sum(far, Counter()),
            self._hr.outside - before,
            np.packbits(reduce(np.logical_and, missing)),
            bool(task.files),
        )

    def _pair(self, task: Task, number: int, hr: FloatField, own: Iterator[FloatField]) -> _Pair:
        stored = np.ascontiguousarray(hr)
        hr = stored if task.conversion is None else task.conversion(stored)
        found = summed_up(hr, self.recipe.scale if self.recipe.plain_means else None)
        low, high = found.statistics.low, found.statistics.high
        if found.statistics.count and np.isinf([low, high]).any() and np.isinf(stored).any():
            raise infinite_values(task.steps[number])
        mean = self.recipe.low_resolution(hr) if found.mean is None else found.mean
        # In other units neither end stands farther apart, or nearer.
        far = Counter() if hold_together(hr, low, high) else far_values(stored)
        lr = mean
        if self.recipe.regrid is not None:
            its_own = next(own)
            far += far_values(its_own)
            lr = self.recipe.regrid(its_own)
            if task.lr_conversion is not None:
                lr = task.lr_conversion(lr)
        for path, field in zip(task.files[number] if task.files else (), (hr, lr), strict=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_npy(path, field)
        return _Pair(hr, lr, found.statistics, mean, far, found.missing)


def as_tasks(
    windows: Iterable[Sequence[Step]],
    conversion: Conversion | None,
    partners: Iterable[Step] = (),
    lr_conversion: Conversion | None = None,
    files: Iterable[tuple[Path, Path]] = (),
) -> Iterator[Task]:
    """Yield a task for each window of steps, with the partners and files of all in their order."""
    partners, files = iter(partners), iter(files)
    for steps in windows:
        yield Task(
            tuple(steps),
            conversion,
            tuple(islice(partners, len(steps))),
            lr_conversion,
            tuple(islice(files, len(steps))),
        )
