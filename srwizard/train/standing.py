"""Where a run stands, read from its directory: at work, ended, or cut off. Imports no torch.

What `status.json` says holds only as long as its process lives: one that was killed, or whose
machine was restarted, could not say so.
"""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from srwizard import runconfig
from srwizard.i18n import translate as _
from srwizard.train import checkpoint_files
from srwizard.train.identity import whereabouts
from srwizard.train.live import memory_text, phase_text, score_parts
from srwizard.train.records import STOPPING, Records
from srwizard.units import duration_text

RUNNING = "running"
AT_WORK = (RUNNING, STOPPING)
ENDED = ("completed", "failed", "stopped")
FROZEN = "frozen"
INTERRUPTED = "interrupted"
SILENT_SECONDS = 60.0
"""A training gives a sign of life every two seconds: on another machine, no more can be known."""
FIGURES = (
    "phase", "epoch", "epochs", "step", "step_in_epoch", "steps_in_epoch", "progress", "loss",
    "samples_per_second", "seconds_left", "validation", "memory_bytes", "peak_memory_bytes",
    "measured_peak_bytes", "test", "failure",
)  # fmt: skip


def standing_of(run_dir: Path) -> dict[str, Any] | None:
    """Return where a run stands, None where the directory is none.

    docs/runs.md tells what the keys mean. `state` is one of frozen (not trained yet), running,
    stopping, completed, failed, stopped, interrupted (its process is gone and has not said why).
    `alive` is null where nothing can be known of its process, on another machine.
    """
    if not (run_dir / runconfig.FILE_NAME).is_file():
        return None
    status = Records(run_dir).status()
    state, alive = _state(status)
    if state == INTERRUPTED:  # or it has said so, and ended, between the two looks
        status = Records(run_dir).status()
        state, alive = _state(status)
    figures = {key: status.get(key) for key in FIGURES}
    if state not in AT_WORK:
        figures |= {"seconds_left": None, "memory_bytes": None, "samples_per_second": None}
    if state == "completed":
        figures["progress"] = 1.0
    return {
        "run_dir": str(run_dir),
        "state": state,
        "alive": alive,
        "model": _model(run_dir),
        "host": status.get("host"),
        "pid": status.get("pid"),
        "started": status.get("started"),
        "updated": status.get("time"),
        "checkpoint": checkpoint_files.exists(run_dir, checkpoint_files.LAST),
        "report": (run_dir / "report.html").is_file(),
        **figures,
    }


def _state(status: dict[str, Any]) -> tuple[str, bool | None]:
    said = status.get("state")
    if said in ENDED:
        return str(said), False
    if said not in AT_WORK:
        return FROZEN, False
    match whereabouts(status):
        case "here":
            return str(said), True
        case "elsewhere":
            return str(said), None
    return INTERRUPTED, False


def _model(run_dir: Path) -> str | None:
    """Return the model's name, also of a run config of another version, or that was edited."""
    try:
        text = (run_dir / runconfig.FILE_NAME).read_text(encoding="utf-8")
        return str(yaml.safe_load(text)["model"]["name"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None


def state_text(standing: dict[str, Any]) -> str:
    """Return the state in the user's language, with where and at what."""
    titles = {
        FROZEN: _("not trained yet"),
        RUNNING: _("running"),
        STOPPING: _("stopping"),
        "completed": _("completed"),
        "failed": _("failed"),
        "stopped": _("stopped"),
        INTERRUPTED: _("interrupted: its process is gone"),
    }
    parts = [titles[standing["state"]]]
    if standing["model"] is not None:
        parts.append(standing["model"])
    if standing["state"] in AT_WORK:
        if standing["alive"]:
            parts.append(_("process {pid}", pid=standing["pid"]))
        else:
            parts.append(_("on {host}", host=standing["host"]))
            silence = _seconds_since(standing["updated"])
            if silence > SILENT_SECONDS:
                parts.append(_("no sign of life for {time}", time=duration_text(silence)))
        if standing["phase"] is not None:
            parts.append(phase_text(standing["phase"]))
    return " · ".join(parts)


def _seconds_since(time: str | None) -> float:
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(str(time))).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def figure_parts(standing: dict[str, Any]) -> Iterator[str]:
    """Yield the figures that are known of a run, each as a few words."""
    if standing["epoch"] is not None:
        yield _("epoch {epoch}/{epochs}", epoch=standing["epoch"], epochs=standing["epochs"])
    if standing["progress"] is not None:
        yield f"{100 * standing['progress']:.0f} %"
    if standing["seconds_left"] is not None:
        yield _("{time} left", time=duration_text(standing["seconds_left"]))
    if standing["loss"] is not None:
        yield _("loss {loss:.4g}", loss=standing["loss"])
    if standing["samples_per_second"] is not None:
        yield _("{speed:.1f} samples/s", speed=standing["samples_per_second"])
    if standing["memory_bytes"] is not None:
        yield memory_text(standing["memory_bytes"], standing["measured_peak_bytes"])


def score_lines(standing: dict[str, Any]) -> Iterator[str]:
    """Yield the scores of the test split, or else of the last validation."""
    test, validation = standing["test"], standing["validation"]
    if test:
        for name, scores in test.items():
            parts = " · ".join(score_parts(name, scores))
            yield _("test split: {scores}", scores=parts)
    elif validation:
        for name, scores in validation["variables"].items():
            parts = " · ".join(score_parts(name, scores))
            yield _("validation, epoch {epoch}: {scores}", epoch=validation["epoch"], scores=parts)


def advice(standing: dict[str, Any]) -> Iterator[str]:
    """Yield what the user should know or do next."""
    run_dir = standing["run_dir"]
    failure = standing["failure"]
    match standing["state"]:
        case "frozen":
            yield _("Train it with: srwizard train {run_dir}", run_dir=shlex.quote(str(run_dir)))
        case "stopped" | "interrupted":
            yield _("Go on with: srwizard train {run_dir}", run_dir=shlex.quote(str(run_dir)))
        case "failed" if failure:
            yield _("Error: {error}", error=failure["error"])
            yield _("Recorded in {path}", path=f"{run_dir}/failure.json")
        case "completed" if standing["report"]:
            yield _("Report: {path}", path=f"{run_dir}/report.html")
