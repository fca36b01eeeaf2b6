"""`srwizard status`: where runs stand."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.text import Text

from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_one_line
from srwizard.commands.options import PATH, as_json_option, command, console, print_json
from srwizard.runs.run_state import FOLLOWED, RunState

WATCH_SECONDS = 2.0
STYLES = {
    RunState.FROZEN: "dim",
    RunState.QUEUED: "blue",
    RunState.RUNNING: "green",
    RunState.STOPPING: "green",
    RunState.COMPLETED: "cyan",
    RunState.FAILED: "red",
    RunState.STOPPED: "yellow",
    RunState.INTERRUPTED: "red",
}


@command(_("Show the state of runs. [default: all known runs]"))
@click.argument("run_dirs", nargs=-1, type=PATH, metavar="[RUN_DIR]…")
@click.option("--watch", is_flag=True, help=_("Keep refreshing until no run is running."))
@as_json_option
def status(run_dirs: tuple[Path, ...], watch: bool, as_json: bool) -> None:
    from srwizard.runs import known_runs
    from srwizard.runs.status import status_in, status_of

    given = [path.absolute() for path in run_dirs]

    def look() -> list[dict[str, Any]]:
        found = [status_of(path) for path in given or known_runs.known(Path.cwd())]
        return [run_status for run_status in found if run_status is not None]

    first = [status_in(path) for path in given] or look()
    if watch:
        _watch(look, first, as_json=as_json)
    elif as_json:
        print_json(first)
    elif first:
        console.print(_as_text(first), soft_wrap=not console.is_terminal)
    else:
        print(_("No runs are known. Begin one with: srwizard"))


def _watch(
    look: Callable[[], list[dict[str, Any]]], found: list[dict[str, Any]], *, as_json: bool
) -> None:
    if console.is_terminal and not console.is_dumb_terminal and not as_json:
        _watch_in_place(look, found)
        return
    while True:
        if as_json:
            print(json.dumps(found, ensure_ascii=False), flush=True)
        else:
            console.print(_as_text(found), soft_wrap=True)
        if not _any_at_work(found):
            return
        time.sleep(WATCH_SECONDS)
        found = look()


def _watch_in_place(look: Callable[[], list[dict[str, Any]]], found: list[dict[str, Any]]) -> None:
    from rich.live import Live

    with Live(_as_text(found), console=console, auto_refresh=False) as live:
        while _any_at_work(found):
            try:
                time.sleep(WATCH_SECONDS)
            except KeyboardInterrupt:  # who has seen enough; the run goes on
                return
            found = look()
            live.update(_as_text(found), refresh=True)


def _any_at_work(found: Sequence[dict[str, Any]]) -> bool:
    return any(run_status["state"] in FOLLOWED for run_status in found)


def _as_text(found: Sequence[dict[str, Any]]) -> Group:
    columns = console.width - 1 if console.is_terminal else 10_000
    return Group(*(line for run_status in found for line in _lines(run_status, columns)))


def _lines(run_status: dict[str, Any], columns: int) -> Iterator[Text]:
    """Yield the lines of one run: its directory, its state, its figures, what to do."""
    from srwizard.base.text_width import packed, wrapped
    from srwizard.runs.status import advice, figure_parts, score_lines, state_text

    yield Text(in_one_line(run_status["run_dir"]), style="bold", overflow="fold")
    state = Text("  " + state_text(run_status), style=STYLES[run_status["state"]])
    yield state
    room = max(columns - 2, 2)
    for line in packed(list(figure_parts(run_status)), " · ", room):
        yield Text("  " + line)
    for line in score_lines(run_status):
        yield from (Text("  " + part) for part in wrapped(line, room))
    for line in advice(run_status):
        yield from (Text("  " + part) for part in wrapped(line, room, words_whole=True))
