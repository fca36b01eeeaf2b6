"""From the steps of a source to HR fields and their block means, in one process or several.

What one process makes for another to write, or to look at, is handed over in files: in those of the
dataset, where each step has one, and else in memory that both share.
"""

import multiprocessing
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from srwizard.base import i18n
from srwizard.base.choices import method_named
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.fields import FloatField
from srwizard.data.lr_methods import METHODS
from srwizard.data.prepare.grid import Window, block_mean
from srwizard.data.prepare.handing_over import SharedFields
from srwizard.data.prepare.reading import StepReader
from srwizard.data.prepare.regrid import Regrid
from srwizard.data.prepare.source import SourceField, Step
from srwizard.data.prepare.statistics import FieldStatistics
from srwizard.data.prepare.units import Conversion
from srwizard.data.prepare.write import save_npy
from srwizard.data.undeclared import far_values

WAITING_PER_JOB = 2
"""How many windows of steps may be read ahead for each process: memory stays bounded."""


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
    method: str = METHODS[0].name
    regrid: Regrid | None = None

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


@dataclass(frozen=True)
class Pairs:
    """HR `[N, H, W]`, LR `[N, h, w]`, the statistics of each HR field, and what was doubtful.

    Args:
        hr, lr, statistics: of each step; HR lasts until the next pairs are asked for.
        means: HR's block means where LR is of its own; else LR.
        written: whether the fields are in the files of the task.
        far: value in the sources that stands far outside all others -> cells that have it.
        outside: how many values lay outside of the valid range that the sources declare.
    """

    hr: Sequence[FloatField]
    lr: Sequence[FloatField]
    statistics: tuple[FieldStatistics, ...]
    means: Sequence[FloatField]
    far: Counter[float]
    outside: int
    written: bool


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
        with StepReader(recipe.window) as reader, StepReader() as lr_reader:
            for task in tasks:
                yield _make(recipe, reader, lr_reader, task)
        return
    with ExitStack() as opened:
        # One for each task that waits, and one for that whose pairs are being used.
        rooms = [
            opened.enter_context(closing(SharedFields(recipe.window.shape)))
            for _room in range(WAITING_PER_JOB * jobs + 1)
        ]
        # Not forked: the HDF5 library does not bear it.
        pool = ProcessPoolExecutor(
            jobs, multiprocessing.get_context("spawn"), _begin, (recipe, i18n.language(), rooms)
        )
        try:
            yield from _in_order(pool, iter(tasks), rooms)
        except BrokenProcessPool as error:
            raise UsageError(
                _("One of the {jobs} processes was killed, perhaps because memory ran out.",
                  jobs=jobs),
                _("Use fewer of them: --jobs 1"),
            ) from error  # fmt: skip
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, tasks: Iterator[Task], rooms: Sequence[SharedFields]
) -> Iterator[Pairs]:
    numbers = cycle(range(len(rooms)))
    placed = (replace(task, room=room) for task, room in zip(tasks, numbers, strict=False))
    waiting: deque[tuple[Task, Future[Pairs]]] = deque()
    for task in islice(placed, len(rooms) - 1):
        waiting.append((task, pool.submit(_work, _without_times(task))))
    while waiting:
        task, begun = waiting.popleft()
        done = begun.result()
        for following in islice(placed, 1):
            waiting.append((following, pool.submit(_work, _without_times(following))))
        yield _looked_up(done, task, rooms[task.room])


def _looked_up(pairs: Pairs, task: Task, room: SharedFields) -> Pairs:
    """Return the pairs with the fields that another process has made, which are not read yet."""
    if not pairs.written:
        return replace(pairs, hr=list(room.get(len(task.steps))))
    hr, lr = (
        [np.asarray(np.load(path, mmap_mode="r")) for path in paths]
        for paths in zip(*task.files, strict=True)
    )
    return replace(pairs, hr=hr, lr=lr, means=pairs.means or lr)


def _without_times(task: Task) -> Task:
    """Leave out the times of the whole record, which no process needs to be sent."""
    light: dict[int, SourceField] = {}

    def lightened(step: Step) -> Step:
        source = step.source
        if id(source) not in light:
            time = replace(source.axes.time, moments=None)
            light[id(source)] = replace(source, axes=replace(source.axes, time=time))
        return replace(step, source=light[id(source)])

    return replace(
        task,
        steps=tuple(map(lightened, task.steps)),
        partners=tuple(map(lightened, task.partners)),
    )


def _make(recipe: Recipe, reader: StepReader, lr_reader: StepReader, task: Task) -> Pairs:
    before = reader.outside
    hr = np.ascontiguousarray(reader.read(task.steps))
    far: Counter[float] = sum((far_values(field) for field in hr), Counter())
    if task.conversion is not None:
        hr = task.conversion(hr)
    lr = np.stack([recipe.low_resolution(field) for field in hr])
    means = lr
    if recipe.regrid is not None:
        lr = np.stack([recipe.regrid(field) for field in lr_reader.fields(task.partners)])
        if task.lr_conversion is not None:
            lr = task.lr_conversion(lr)
    for (hr_file, lr_file), hr_field, lr_field in zip(task.files, hr, lr, strict=bool(task.files)):
        for path, field in ((hr_file, hr_field), (lr_file, lr_field)):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_npy(path, field)
    statistics = tuple(FieldStatistics.of(field) for field in hr)
    return Pairs(
        list(hr), list(lr), statistics, list(means), far, reader.outside - before, bool(task.files)
    )


# Of one process of the pool, from its beginning to its end.
_equipment: list[tuple[Recipe, StepReader, StepReader, Sequence[SharedFields]]] = []


def _begin(recipe: Recipe, language: str, rooms: Sequence[SharedFields]) -> None:
    import signal

    from srwizard.base.child_process import end_with_parent

    # Ctrl-C reaches the whole group; the process that began it ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    end_with_parent(None if parent is None else parent.pid)
    i18n.set_language(language)
    _equipment[:] = [(recipe, StepReader(recipe.window), StepReader(), rooms)]


def _work(task: Task) -> Pairs:
    """Make the pairs of a task; what lies where the other process finds it is not sent besides."""
    recipe, reader, lr_reader, rooms = _equipment[0]
    pairs = _make(recipe, reader, lr_reader, task)
    if not pairs.written:
        rooms[task.room].put(pairs.hr)
        return replace(pairs, hr=())
    return replace(pairs, hr=(), lr=(), means=() if recipe.regrid is None else pairs.means)


def as_tasks(
    windows: Iterable[Sequence[Step]],
    conversion: Conversion | None,
    partners: Sequence[Step] = (),
    lr_conversion: Conversion | None = None,
    files: Sequence[tuple[Path, Path]] = (),
) -> Iterator[Task]:
    """Return a task for each window of steps, with the partners and files of all in their order."""
    done = 0
    for steps in windows:
        part = slice(done, done + len(steps))
        yield Task(
            tuple(steps), conversion, tuple(partners[part]), lr_conversion, tuple(files[part])
        )
        done = part.stop
