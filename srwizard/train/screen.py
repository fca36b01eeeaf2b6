"""What a training shows: bars in a terminal, plain lines elsewhere, and the log."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from srwizard.i18n import translate as _
from srwizard.train.records import Records
from srwizard.train.setup import Training

STATUS_SECONDS = 2.0


class Screen:
    """Shows epoch, loss, speed and time left, and writes the same to the log."""

    def __init__(self, training: Training, records: Records, *, enabled: bool) -> None:
        self._training = training
        self._records = records
        self._enabled = enabled
        self._live = enabled and sys.stdout.isatty()
        self._samples = 0
        self._started = self._last_status = time.monotonic()
        epochs, samples = training.run.training.epochs, len(training.splits["train"])
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=Console(),
            disable=not self._live,
            transient=True,
        )
        done = (training.progress.epoch - 1) * samples + training.progress.samples_in_epoch
        self._task = self._bar.add_task("", total=epochs * samples, completed=done, figures="")

    def __enter__(self) -> Self:
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._bar.stop()

    def step(self, loss: float, samples: int) -> None:
        """Note one optimizer step."""
        if not self._enabled:
            return
        self._samples += samples
        elapsed = time.monotonic() - self._started
        run, progress = self._training.run, self._training.progress
        self._bar.update(
            self._task,
            advance=samples,
            description=_(
                "epoch {epoch}/{epochs}", epoch=progress.epoch, epochs=run.training.epochs
            ),
            figures=_(
                "loss {loss:.4g} · {speed:.1f} samples/s",
                loss=loss,
                speed=self._samples / max(elapsed, 1e-9),
            ),
        )
        if time.monotonic() - self._last_status > STATUS_SECONDS:
            self._last_status = time.monotonic()
            self._records.set_status(
                "running", epoch=progress.epoch, step=progress.steps, loss=loss
            )

    def epoch(self, event: dict[str, Any]) -> None:
        """Note one epoch: a line on the screen and in the log."""
        if not self._enabled:
            return
        line = epoch_line(event, self._training.run.training.epochs)
        self._records.log(line)
        if self._live:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, flush=True)


def epoch_line(event: dict[str, Any], epochs: int) -> str:
    """Return an epoch's figures as one line."""
    line = _(
        "epoch {epoch}/{epochs}  loss {loss:.4g}  {speed:.1f} samples/s",
        epoch=event["epoch"],
        epochs=epochs,
        loss=event["train_loss"],
        speed=event["samples_per_second"],
    )
    if event["valid"] is not None:
        for name, found in event["valid"]["variables"].items():
            line += _(
                "  {name}: RMSE {ours:.4g} (bicubic {theirs:.4g})",
                name=name,
                ours=found["model"]["rmse"],
                theirs=found["bicubic"]["rmse"],
            )
    return line
