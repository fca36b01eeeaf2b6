"""One process of a training: `python -m srwizard.train.worker RUN_DIR`, alone or under torchrun.

Exit codes: 0 complete, 130 stopped on request with the checkpoint saved, 5 failed.
"""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from srwizard import i18n, runconfig
from srwizard.errors import EXIT_INTERRUPTED, EXIT_TRAINING
from srwizard.i18n import translate as _
from srwizard.runconfig import RunConfig
from srwizard.train import failures
from srwizard.train.distributed import Place, joined
from srwizard.train.loop import Callbacks, load_best, resume, train
from srwizard.train.records import Records
from srwizard.train.scoring import save_examples, score
from srwizard.train.screen import Screen
from srwizard.train.setup import Training, load_statistics, set_up

EXAMPLES_FILE = Path("plots") / "samples.npz"


class StopRequest:
    """Set by Ctrl-C, SIGTERM or SIGUSR1; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.wanted = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.wanted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.wanted = True


def main(arguments: list[str]) -> int:
    """Run this process's part of a training."""
    run_dir = Path(arguments[0])
    run = runconfig.load(run_dir)
    i18n.set_language(run.language)
    stop = StopRequest()
    with joined(run.devices) as place:
        where: dict[str, Any] = {"phase": "set-up", "step": None, "epoch": None}
        try:
            return _work(run, run_dir, place, stop, where)
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        except Exception as error:
            failures.record(run_dir, error, place.rank, where)
            raise


def _work(
    run: RunConfig, run_dir: Path, place: Place, stop: StopRequest, where: dict[str, Any]
) -> int:
    contents = runconfig.verify_dataset(run)
    training = set_up(run, contents, load_statistics(run, run_dir, contents), place)
    records = Records(run_dir)
    resumed = resume(training, run_dir)
    if place.is_first:
        records.drop_from(training.progress.epoch)
        records.log(_("resumed") if resumed else _("started"))
    with Screen(training, records, enabled=place.is_first) as screen:

        def note_step(at: Training, loss: float, samples: int) -> None:
            where.update(phase="training", step=at.progress.steps, epoch=at.progress.epoch)
            screen.step(loss, samples)

        callbacks = Callbacks(note_step, screen.epoch, lambda: stop.wanted)
        where.update(phase="training", step=training.progress.steps, epoch=training.progress.epoch)
        complete = train(training, run_dir, records, callbacks)
    if not complete:
        if place.is_first:
            records.set_status("stopping")
            records.log(_("stopped on request; the checkpoint is saved"))
        return EXIT_INTERRUPTED
    where.update(phase="test")
    _evaluate(training, run_dir, records)
    if place.is_first:
        save_examples(training, contents, run_dir / EXAMPLES_FILE)
        records.log(_("completed"))
    return 0


def _evaluate(training: Training, run_dir: Path, records: Records) -> None:
    """Score the test split with the best checkpoint."""
    name = load_best(training, run_dir)
    result = score(training, "test")
    if training.place.is_first:
        records.append(
            {
                "event": "test",
                "checkpoint": name,
                "epoch": training.progress.best_epoch,
                "loss": result.loss,
                "variables": result.variables,
            }
        )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Exception:
        import traceback

        traceback.print_exc()
        sys.exit(EXIT_TRAINING)
