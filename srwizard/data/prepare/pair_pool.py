"""Pairs made by several processes, of which this is one, and handed on in their order.

What one process makes for another to write, or to look at, is handed over in files: in those of the
dataset, where each step has one, and else in memory that both share.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path

from srwizard.base.errors import SrwizardError
from srwizard.data.prepare.handing_over import SharedFields
from srwizard.data.prepare.pair_processes import Ask, Others, other_processes
from srwizard.data.prepare.pairs import PairMaker, Pairs, Recipe, Task
from srwizard.data.prepare.read_ahead import fetch_beginning
from srwizard.data.prepare.source import SourceField, Step
from srwizard.data.prepare.write import mapped_npy

TASKS_AHEAD = 4
"""How many windows of steps are known before they are read."""
WAITING_PER_JOB = 2
"""How many windows of steps each other process is given, one that it works at and the next."""


MakePairs = Callable[[Iterable[Task]], Generator[Pairs, None, None]]
"""Yields the pairs of each task, in order; once. Closed, it makes and writes nothing more.

Raises DatasetError where a source cannot be read or holds infinite values, and UsageError where a
process was killed.
"""


@contextmanager
def pair_makers(recipe: Recipe, jobs: int) -> Iterator[MakePairs]:
    """Start what makes pairs, which do not depend on the number of processes.

    The processes are forked, where they can be: lock and open what is to be written afterwards.

    Args:
        recipe: how pairs are made.
        jobs: processes that read and compute, this one among them.
    """
    if jobs == 1:
        yield partial(_made_alone, recipe)
        return
    with ExitStack() as opened:
        rooms = [
            opened.enter_context(closing(SharedFields(recipe.window.shape)))
            for _room in range(WAITING_PER_JOB * (jobs - 1))
        ]
        others = opened.enter_context(other_processes(jobs - 1, recipe, rooms))
        yield partial(_made_together, recipe, others, rooms)


def _made_alone(recipe: Recipe, tasks: Iterable[Task]) -> Generator[Pairs, None, None]:
    with PairMaker(recipe) as maker:
        yield from map(maker.make, _with_files_fetched(tasks))


def _with_files_fetched(tasks: Iterable[Task]) -> Iterator[Task]:
    """Yield the tasks; the next files are fetched from the disk meanwhile."""
    coming: deque[Task] = deque()
    latest: Path | None = None
    for task in tasks:
        path = task.steps[0].source.path
        if path != latest:
            fetch_beginning(path)
            latest = path
        coming.append(task)
        if len(coming) > TASKS_AHEAD:
            yield coming.popleft()
    yield from coming


def _made_together(
    recipe: Recipe, others: Others, rooms: Sequence[SharedFields], tasks: Iterable[Task]
) -> Generator[Pairs, None, None]:
    with ExitStack() as opened:
        opened.callback(others.end)
        maker, tasks = opened.enter_context(PairMaker(recipe)), _with_files_fetched(tasks)
        if not others.at_once:
            yield from _until_they_are_there(others, tasks, maker.make)
        yield from _in_order(others.ask, tasks, rooms, maker.make)


def _until_they_are_there(
    others: Others, tasks: Iterator[Task], make: Callable[[Task], Pairs]
) -> Iterator[Pairs]:
    """Work alone while the others start, which takes as long as hundreds of fields."""
    started = [others.ask(None) for _other in range(others.count)]
    while not any(each.done() for each in started):
        task = next(tasks, None)
        if task is None:
            return
        yield make(task)


def _in_order(
    ask: Ask,
    tasks: Iterator[Task],
    rooms: Sequence[SharedFields],
    make: Callable[[Task], Pairs],
) -> Iterator[Pairs]:
    numbers = cycle(range(len(rooms)))
    # The last says whether another process makes them; then the room of the task is taken.
    waiting: deque[tuple[Task, Future[Pairs], bool]] = deque()
    given = 0
    while True:
        while given < len(rooms) and (task := next(tasks, None)) is not None:
            task = replace(task, room=next(numbers))
            waiting.append((task, ask(_without_times(task)), True))
            given += 1
        if not waiting:
            return
        # This process does not wait for what another has not finished while there is more to do.
        while not waiting[0][1].done() and len(waiting) < len(rooms) + WAITING_PER_JOB:
            task = next(tasks, None)
            if task is None:
                break
            waiting.append((task, _made_here(make, task), False))
        task, begun, elsewhere = waiting.popleft()
        done = begun.result()
        yield done if done.hr else _looked_up(done, task, rooms[task.room])
        given -= elsewhere


def _made_here(make: Callable[[Task], Pairs], task: Task) -> Future[Pairs]:
    """Make pairs; what goes wrong is told when it is their turn."""
    found: Future[Pairs] = Future()
    try:
        found.set_result(make(task).light())  # those that wait take no memory
    except (SrwizardError, OSError) as error:
        found.set_exception(error)
    return found


def _looked_up(pairs: Pairs, task: Task, room: SharedFields) -> Pairs:
    """Return the pairs with their fields, which lie elsewhere and are not read yet."""
    if not pairs.written:
        return replace(pairs, hr=list(room.get(len(task.steps))))
    hr, lr = (list(map(mapped_npy, paths)) for paths in zip(*task.files, strict=True))
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
