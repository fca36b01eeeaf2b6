"""The states of a run, from frozen to ended. No torch."""

from enum import StrEnum
from typing import Any

from srwizard.base.i18n import translate as _


class RunState(StrEnum):
    """Where a run stands, as `status.json` and `srwizard status --json` spell it."""

    FROZEN = "frozen"
    """Not trained yet."""
    QUEUED = "queued"
    """Its job waits in Slurm's queue."""
    RUNNING = "running"
    STOPPING = "stopping"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    """Its process is gone and has not said why."""


AT_WORK = (RunState.RUNNING, RunState.STOPPING)
ENDED = (RunState.COMPLETED, RunState.FAILED, RunState.STOPPED)
FOLLOWED = (RunState.QUEUED, *AT_WORK)
"""The states that something comes after by itself."""


def state_title(state: Any) -> str:
    """Return a state in the user's language; what is none, of a damaged record, as it is."""
    titles = {
        RunState.FROZEN: _("not trained yet"),
        RunState.QUEUED: _("waiting in the queue"),
        RunState.RUNNING: _("running"),
        RunState.STOPPING: _("stopping"),
        RunState.COMPLETED: _("completed"),
        RunState.FAILED: _("failed"),
        RunState.STOPPED: _("stopped"),
        RunState.INTERRUPTED: _("interrupted: its process is gone"),
    }
    return titles[state] if state in list(RunState) else str(state)
