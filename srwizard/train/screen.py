"""What a training shows: bars in a terminal, plain lines elsewhere, the log, and its status."""

import contextlib
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from rich.live import Live

from srwizard.base.console import Console
from srwizard.base.i18n import labelled
from srwizard.base.i18n import translate as _
from srwizard.base.text_width import wrapped
from srwizard.runs.live_view import View
from srwizard.runs.overfitting import no_longer_text, overfitting_text
from srwizard.runs.progress import Figures
from srwizard.runs.records import Records, measured
from srwizard.runs.run_state import RunState
from srwizard.runs.skill import beside
from srwizard.train.setup import Training
from srwizard.train.usage import measured_peak, memory_in_use

STATUS_SECONDS = 2.0
REFRESHES_PER_SECOND = 4


class Screen:
    """Shows epoch, loss, speed and time left, and writes the same to the log.

    A thread says in `status.json` every two seconds where training stands, so that also a long
    validation gives a sign of life.
    """

    def __init__(
        self, training: Training, run_dir: Path, records: Records, *, enabled: bool
    ) -> None:
        self._training = training
        self._records = records
        self._enabled = enabled
        self._ended = threading.Event()
        self._pulse = threading.Thread(target=self._keep_status, daemon=True)
        run, progress = training.run, training.progress
        self._measured = measured_peak(run_dir, run.digest, training.place)
        self._figures = Figures(
            epochs=run.training.epochs,
            samples=len(training.splits["train"]),
            batch=run.global_batch,
            epoch=progress.epoch,
            samples_in_epoch=progress.samples_in_epoch,
            step=progress.steps,
            overfitting_since=_said_before(run_dir),
            measured_peak_bytes=self._measured.peak_bytes,
        )
        console = Console()
        self._live: Live | None = None
        if enabled and sys.stdout.isatty() and not console.is_dumb_terminal:
            self._live = Live(
                View(self._figures),
                console=console,
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
                redirect_stderr=False,  # that is the log
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        if self._enabled:
            self._pulse.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        if self._enabled:
            self._ended.set()
            self._pulse.join()
            self._write_status()

    def phase(self, name: str) -> None:
        """Note what training does now."""
        self._figures.enter(name)

    def step(self, loss: float, samples: int) -> None:
        """Note one optimizer step."""
        self._figures.note_step(self._training.progress, loss, samples)

    def epoch(self, event: dict[str, Any]) -> None:
        """Note one epoch: a line on the screen and in the log."""
        if not self._enabled:
            return
        before = self._figures.overfitting_since
        self._figures.note_epoch(event)
        self.say(epoch_line(event, self._training.run.training.epochs))
        since = self._figures.overfitting_since
        if since is not None and before is None:
            self.say(overfitting_text(since))
        elif since is None and before is not None:
            self.say(no_longer_text(event["epoch"]))

    def say(self, line: str) -> None:
        """Show a line, above the bars where there are some, and write it to the log."""
        self._records.log(line)
        if self._live is not None and self._live.console.is_terminal:
            console = self._live.console
            lines = wrapped(line, console.width - 1, words_whole=True)
            console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
        else:
            print(line, flush=True)

    def _keep_status(self) -> None:
        while True:
            self._write_status()
            if self._ended.wait(STATUS_SECONDS):
                return

    def _write_status(self) -> None:
        figures = self._figures
        with contextlib.suppress(psutil.Error, OSError):
            now, peak = memory_in_use(self._training.place, self._measured.outside_bytes)
            figures.memory_bytes = now
            figures.peak_memory_bytes = max(peak, figures.peak_memory_bytes or 0)
        self._records.set_status(RunState.RUNNING, **figures.for_status())


def _said_before(run_dir: Path) -> int | None:
    """Return what an earlier part of the training has last found: it is not said again."""
    epochs = measured(run_dir).epochs
    return epochs[-1].get("overfitting_since") if epochs else None


def epoch_line(event: dict[str, Any], epochs: int) -> str:
    """Return an epoch's figures as one line."""
    figures = {"epoch": event["epoch"], "epochs": epochs, "loss": event["train_loss"]}
    if (speed := event["samples_per_second"]) is None:
        line = _("epoch {epoch}/{epochs}  loss {loss:.4g}", **figures)
    else:
        line = _(
            "epoch {epoch}/{epochs}  loss {loss:.4g}  {speed:.1f} samples/s", **figures, speed=speed
        )
    if event["valid"] is not None:
        for name, found in event["valid"]["variables"].items():
            line += f"  {labelled(name, beside(found))}"
            if found["model"].get("crps") is not None:  # by which ensembles are compared
                line += f"  CRPS {found['model']['crps']:.4g}"
    return line
