"""What a run writes down while it trains: metrics.jsonl, train.log, status.json."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.base.special_files import require_file
from srwizard.base.visible import visible
from srwizard.runs import checkpoint_files
from srwizard.runs.process_identity import identity_of
from srwizard.runs.run_state import RunState
from srwizard.runs.sound_records import is_event, sound


@dataclass(frozen=True)
class Measured:
    """What metrics.jsonl holds, as events.

    Args:
        epochs: one for each epoch, in order; of an epoch that was repeated, the later counts.
        test: the scores of the test split; None: there are none yet.
        unreadable_lines: how many lines hold no event. A last line that is being written is none.
    """

    epochs: list[dict[str, Any]]
    test: dict[str, Any] | None
    unreadable_lines: int
    start: list[dict[str, Any]] = field(default_factory=list)
    """The validation before training, where there was one."""


def measured(run_dir: Path) -> Measured:
    """Return what training has measured so far."""
    epochs: dict[int, dict[str, Any]] = {}
    start: list[dict[str, Any]] = []
    test: dict[str, Any] | None = None
    unreadable = 0
    for event in _lines(run_dir / METRICS_FILE):
        kind = event["event"] if event is not None else None
        if event is None:
            unreadable += 1
        elif kind == "epoch":
            epochs[event["epoch"]] = event
        elif kind == "start":
            start = [event]
        elif kind == "test":
            test = event
    return Measured([epochs[number] for number in sorted(epochs)], test, unreadable, start)


def epochs_done(run_dir: Path) -> int:
    """Return after how many epochs a training would go on; none without a last checkpoint."""
    if not checkpoint_files.exists(run_dir, checkpoint_files.LAST):
        return 0
    return max((int(event["epoch"]) for event in measured(run_dir).epochs), default=0)


def test_scores(run_dir: Path) -> dict[str, Any]:
    """Return the metrics of the test split by variable, empty where there are none yet."""
    test = measured(run_dir).test
    return null_to_nan(test["variables"]) if test is not None else {}


def null_to_nan(node: Any) -> Any:
    """Return scores as they were before they were written: NaN where nothing could be measured."""
    if isinstance(node, dict):
        # In an interval, null says that there are too few steps for one.
        return {
            key: value if key == "interval" else null_to_nan(value) for key, value in node.items()
        }
    return math.nan if node is None else node


METRICS_FILE = "metrics.jsonl"
LOG_FILE = "train.log"
STATUS_FILE = "status.json"
DRY_RUN_FILE = "dry_run.json"


class Records:
    """The records of one run directory. Lines are on disk when the call returns.

    `trackers` are told of every event that is added to the metrics.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self.trackers: Sequence[Callable[[dict[str, Any]], None]] = ()

    def append(self, event: dict[str, Any]) -> None:
        """Add one event to the metrics; what is not finite becomes null, as JSON demands."""
        line = json.dumps(files.finite_or_null(event), allow_nan=False)
        _append_line(self._run_dir / METRICS_FILE, line)
        for tracker in self.trackers:
            tracker(event)

    def log(self, message: str) -> None:
        """Add one line to the log."""
        stamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        _append_line(self._run_dir / LOG_FILE, f"{stamp}  {visible(message)}")

    def begin_status(self, **details: Any) -> None:
        """Say that a training begins in this process, to which requests to stop are sent."""
        beginning = {"state": RunState.RUNNING, "started": now(), **identity_of(os.getpid())}
        self._write_status(beginning, details)

    def set_status(self, state: str, **details: Any) -> None:
        """Say what the run is doing: running, stopping, stopped, failed, completed.

        What was said before and is not said anew still holds.
        """
        self._write_status(self.status() | {"state": state}, details)

    def _write_status(self, content: dict[str, Any], details: dict[str, Any]) -> None:
        # A full disk is noticed, and told, where it matters: at the checkpoint.
        with contextlib.suppress(OSError):
            files.write_json(self._run_dir / STATUS_FILE, content | {"time": now()} | details)

    def status(self) -> dict[str, Any]:
        """Return what was last said, or an empty dict."""
        return sound(files.read_json(self._run_dir / STATUS_FILE) or {})

    def drop_from(self, epoch: int) -> None:
        """Drop metrics from `epoch` on: training resumes before they were made.

        The starting point has been scored as epoch 0.
        """
        path = self._run_dir / METRICS_FILE
        kept = [
            event
            for event in read_events(path)
            if event.get("event") in ("start", "epoch") and event["epoch"] < epoch
        ]
        files.write_text(path, "".join(json.dumps(event) + "\n" for event in kept))


def dry_run_of(run_dir: Path, digest: str | None) -> dict[str, Any]:
    """Return what a dry run has found of the run config with this digest, empty if nothing."""
    found = sound(files.read_json(run_dir / DRY_RUN_FILE) or {})
    return found if digest and found.get("digest") == digest else {}


def note_in_dry_run(run_dir: Path, digest: str | None, offered: dict[str, Any]) -> None:
    """Add to `dry_run.json` what can be changed, for programs; docs/memory.md describes it.

    Args:
        run_dir: the run directory.
        digest: of the run config; the dry run of another one is left alone.
        offered: what is added, by key.
    """
    found = dry_run_of(run_dir, digest)
    if found:
        with contextlib.suppress(OSError):  # the table on the screen says the same
            files.write_json(run_dir / DRY_RUN_FILE, found | offered)


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a metrics file, as they were written; other lines are left out."""
    return (event for event in _lines(path) if event is not None)


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the event in each line, None where it holds none; a half-written last line is none."""
    if not path.exists():
        return
    *whole, last = require_file(path).read_text(encoding="utf-8", errors="replace").split("\n")
    for line in whole:
        if line.strip():
            yield _event_in(line)
    event = _event_in(last)
    if event is not None:
        yield event


def _event_in(line: str) -> dict[str, Any] | None:
    try:
        event = files.parse_json(line)
    except ValueError:
        return None
    return event if is_event(event) else None


def now() -> str:
    """Return the time as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _append_line(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
        stream.flush()
        os.fsync(stream.fileno())
