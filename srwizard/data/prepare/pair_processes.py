"""The other processes that make pairs: started, asked, and ended.

Each has a pipe of its own, at which a thread waits. The queues of `multiprocessing` have semaphores
with names, which would be left in /dev/shm where all processes are killed at once.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from srwizard.base import i18n
from srwizard.base.child_process import end_with_parent
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.prepare.handing_over import SharedFields
from srwizard.data.prepare.pairs import PairMaker, Pairs, Recipe, Task

Ask = Callable[[Task | None], "Future[Any]"]
"""Has one of them make the pairs of a task; None is answered as soon as one is there."""


@contextmanager
def other_processes(count: int, recipe: Recipe, rooms: Sequence[SharedFields]) -> Iterator[Ask]:
    """Start processes that make pairs, and end them, whatever they are doing.

    Args:
        count: how many.
        recipe: how pairs are made.
        rooms: where they put fields that they do not write.

    Raises:
        UsageError: by what is asked for: one of them was killed.
    """
    # Not forked: the HDF5 library does not bear it.
    spawning = multiprocessing.get_context("spawn")
    idle: SimpleQueue[Connection] = SimpleQueue()

    def answer(task: Task | None) -> Any:
        link = idle.get()
        try:
            link.send(task)
            found = link.recv()
        except (EOFError, ConnectionError) as error:
            raise UsageError(
                _("One of the {jobs} processes was killed, perhaps because memory ran out.",
                  jobs=count + 1),
                _("Use fewer of them: --jobs 1"),
            ) from error  # fmt: skip
        finally:
            idle.put(link)
        if isinstance(found, Exception):
            raise found
        return found

    with ExitStack() as started:
        threads = started.enter_context(ThreadPoolExecutor(count))
        for _each in range(count):
            here, there = spawning.Pipe()
            process = spawning.Process(
                target=_serve, args=(there, recipe, i18n.language(), rooms), daemon=True
            )
            with there:
                process.start()
            started.callback(process.join)
            started.callback(process.terminate)
            idle.put(here)
        try:
            yield lambda task: threads.submit(answer, task)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _serve(link: Connection, recipe: Recipe, language: str, rooms: Sequence[SharedFields]) -> None:
    # Ctrl-C reaches the whole group; the process that began it ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    end_with_parent(None if parent is None else parent.pid)
    i18n.set_language(language)
    with PairMaker(recipe) as maker:
        while True:
            try:
                task = link.recv()
            except EOFError:
                return
            link.send(None if task is None else _result(maker, task, rooms))


def _result(maker: PairMaker, task: Task, rooms: Sequence[SharedFields]) -> Pairs | Exception:
    """Make the pairs of a task; what lies where the other process finds it is not sent besides."""
    try:
        pairs = maker.make(task)
        if not pairs.written:
            rooms[task.room].put(pairs.hr)
            return replace(pairs, hr=())
    except Exception as error:  # raised again where the pairs are waited for
        return error
    return replace(pairs, hr=(), lr=(), means=() if maker.recipe.regrid is None else pairs.means)
