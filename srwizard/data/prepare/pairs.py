"""From the steps of a source to HR fields and their block means, in one process or several."""

import multiprocessing
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from srwizard.base import i18n
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.fields import FloatField
from srwizard.data.prepare.grid import Window, block_mean
from srwizard.data.prepare.source import Step, StepReader
from srwizard.data.prepare.statistics import FieldStatistics
from srwizard.data.prepare.undeclared import far_values
from srwizard.data.prepare.units import Conversion

WAITING_PER_JOB = 2
"""How many windows of steps may be read ahead for each process: memory stays bounded."""


@dataclass(frozen=True)
class Recipe:
    """How pairs are made of what the sources hold.

    Args:
        window: the rows and columns that are taken; both are multiples of the scale.
        scale: HR cells of an LR cell along each direction.
        weights: of the HR cells `[H, W]`; None weighs every cell alike.
    """

    window: Window
    scale: int
    weights: npt.NDArray[np.float64] | None


@dataclass(frozen=True)
class Task:
    """Consecutive steps of one source, and what is done to their values."""

    steps: tuple[Step, ...]
    conversion: Conversion | None


@dataclass(frozen=True)
class Pairs:
    """HR `[N, H, W]`, LR `[N, h, w]`, the statistics of each HR field, and what was doubtful.

    Args:
        hr, lr, statistics: of each step.
        far: value in the sources that stands far outside all others -> cells that have it.
        outside: how many values lay outside of the valid range that the sources declare.
    """

    hr: FloatField
    lr: FloatField
    statistics: tuple[FieldStatistics, ...]
    far: Counter[float]
    outside: int


def made_pairs(recipe: Recipe, tasks: Iterable[Task], jobs: int) -> Generator[Pairs, None, None]:
    """Yield the pairs of each task, in order; they do not depend on the number of processes.

    Args:
        recipe: how they are made.
        tasks: what of.
        jobs: processes that read and compute; with 1, this one.

    Raises:
        DatasetError: a source cannot be read, or holds infinite values.
        UsageError: a process was killed.
    """
    if jobs == 1:
        with StepReader(recipe.window) as reader:
            for task in tasks:
                yield _make(recipe, reader, task)
        return
    # Not forked: the HDF5 library does not bear it.
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), _begin, (recipe, i18n.language())
    )
    try:
        yield from _in_order(pool, iter(tasks), WAITING_PER_JOB * jobs)
    except BrokenProcessPool as error:
        raise UsageError(
            _("One of the {jobs} processes was killed, perhaps for want of memory.", jobs=jobs),
            _("Use fewer of them: --jobs 1"),
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, tasks: Iterator[Task], most: int) -> Iterator[Pairs]:
    waiting: deque[Future[Pairs]] = deque()
    for task in islice(tasks, most):
        waiting.append(pool.submit(_work, _without_times(task)))
    while waiting:
        done = waiting.popleft().result()
        for task in islice(tasks, 1):
            waiting.append(pool.submit(_work, _without_times(task)))
        yield done


def _without_times(task: Task) -> Task:
    """Leave out the times of the whole record, which no process needs to be sent."""
    source = task.steps[0].source
    axes = replace(source.axes, time=replace(source.axes.time, moments=None))
    light = replace(source, axes=axes)
    return replace(task, steps=tuple(replace(step, source=light) for step in task.steps))


def _make(recipe: Recipe, reader: StepReader, task: Task) -> Pairs:
    before = reader.outside
    hr = np.ascontiguousarray(reader.read(task.steps))
    far: Counter[float] = sum((far_values(field) for field in hr), Counter())
    if task.conversion is not None:
        hr = task.conversion(hr)
    lr = np.stack(
        [block_mean(field, recipe.scale, recipe.weights).astype(np.float32) for field in hr]
    )
    statistics = tuple(FieldStatistics.of(field) for field in hr)
    return Pairs(hr, lr, statistics, far, reader.outside - before)


# Of one process of the pool, from its beginning to its end.
_equipment: list[tuple[Recipe, StepReader]] = []


def _begin(recipe: Recipe, language: str) -> None:
    import signal

    from srwizard.base.child_process import end_with_parent

    # Ctrl-C reaches the whole group; the process that began it ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    i18n.set_language(language)
    _equipment[:] = [(recipe, StepReader(recipe.window))]


def _work(task: Task) -> Pairs:
    recipe, reader = _equipment[0]
    return _make(recipe, reader, task)


def as_tasks(windows: Iterable[Sequence[Step]], conversion: Conversion | None) -> Iterator[Task]:
    """Return a task for each window of steps."""
    for steps in windows:
        yield Task(tuple(steps), conversion)
