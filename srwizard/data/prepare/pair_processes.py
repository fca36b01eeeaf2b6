"""The other processes that make pairs: started, asked, and ended.

Each has a pipe of its own, at which a thread waits. The queues of `multiprocessing` have semaphores
with names, which would be left in /dev/shm where all processes are killed at once.
"""

import gc
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, SpawnContext
from queue import SimpleQueue
from typing import Any

import h5py

from srwizard.base import i18n
from srwizard.base.child_process import end_with_parent
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.interrupts import REQUESTS, held_back
from srwizard.data.prepare.handing_over import SharedFields
from srwizard.data.prepare.pairs import PairMaker, Pairs, Recipe, Task

Ask = Callable[[Task | None], "Future[Any]"]
"""Has one of them make the pairs of a task; None is answered as soon as one is there."""


@dataclass(frozen=True)
class Others:
    """The other processes.

    Args:
        count: how many.
        ask: has one of them make pairs; raises UsageError where it was killed.
        at_once: whether they are there already; a fresh interpreter takes half a second.
        end: ends them, whatever they are doing; then they write nothing more.
    """

    count: int
    ask: Ask
    at_once: bool
    end: Callable[[], None]


@contextmanager
def other_processes(count: int, recipe: Recipe, rooms: Sequence[SharedFields]) -> Iterator[Others]:
    """Start processes that make pairs, and end them.

    Args:
        count: how many.
        recipe: how pairs are made.
        rooms: where they put fields that they do not write.
    """
    context = starting_context()
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
        if isinstance(context, ForkContext):
            started.enter_context(_left_alone_by_collections())
        ours: list[Connection] = []
        for _each in range(count):
            here, there = context.Pipe()
            ours.append(here)
            # What is open here is open in a forked process too: at this end nobody else may write.
            inherited = tuple(ours) if isinstance(context, ForkContext) else ()
            process = context.Process(
                target=_serve, args=(there, inherited, recipe, i18n.language(), rooms), daemon=True
            )
            with there, held_back(REQUESTS):
                process.start()
            started.callback(process.join)
            started.callback(process.terminate)
            idle.put(here)
        started.callback(threads.shutdown, wait=False, cancel_futures=True)
        yield Others(
            count,
            lambda task: threads.submit(answer, task),
            isinstance(context, ForkContext),
            started.close,
        )


def starting_context() -> ForkContext | SpawnContext:
    """Return how processes are started: forked where that is safe, else as fresh interpreters.

    A forked process has all that is loaded here; a fresh one loads xarray and pandas again. It also
    has whatever was under way: a lock that another thread held for a moment (that of a bar, of a
    Zarr store) would be locked for ever, and HDF5 files would be written or unlocked by both.
    """
    safe = (
        sys.platform == "linux"
        and threading.active_count() == 1
        and not h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE)
    )
    if safe:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


@contextmanager
def _left_alone_by_collections() -> Iterator[None]:
    """Keep the garbage collection off what there is: memory that it marks is no longer shared.

    A forked process has it frozen too: what was garbage here before is nothing for it to end.
    """
    frozen_before = gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if not frozen_before:
            gc.unfreeze()


def _serve(
    link: Connection,
    inherited: Sequence[Connection],
    recipe: Recipe,
    language: str,
    rooms: Sequence[SharedFields],
) -> None:
    # Ctrl-C and a closed terminal reach the whole group; the process that began it ends the others.
    for number in REQUESTS:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    end_with_parent(None if parent is None else parent.pid)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUESTS)
    for each in inherited:
        each.close()
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
    return pairs.light()
