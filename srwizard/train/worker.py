"""One process of a training: `python -m srwizard.train.worker RUN_DIR`, alone or under torchrun.

Exit codes: 0 complete, 130 stopped on request with the checkpoint saved, 5 failed.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

if __name__ == "__main__":
    # What follows takes seconds, and a traceback from amidst it tells nobody anything.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from srwizard.base import i18n, terminal_loss
from srwizard.base.child_process import end_with_parent
from srwizard.base.errors import EXIT_INTERRUPTED
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.visible import Lines
from srwizard.data.layout import Contents
from srwizard.runs import checkpoint_files, failures
from srwizard.runs.last_phase import LastPhase
from srwizard.runs.progress import BEHIND_TRAINING, epoch_of
from srwizard.runs.records import Records
from srwizard.runs.run_state import RunState
from srwizard.runs.skill import gain_lines
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.train import trackers
from srwizard.train.checkpoint import BEST
from srwizard.train.dataset import contents_for
from srwizard.train.detach import CONSOLE_FILE
from srwizard.train.distributed import Place, any_rank, joined, wait_for_all
from srwizard.train.final_scores import save_examples, score_test
from srwizard.train.gain import fit_gain
from srwizard.train.loaders import STOP_SIGNALS
from srwizard.train.loop import Callbacks, patience_exhausted, train
from srwizard.train.preflight import call_the_roll
from srwizard.train.process_environment import launched_together
from srwizard.train.processes import run_and_leave
from srwizard.train.resuming import Loaded, begin_from_weights, load_best, resume
from srwizard.train.sampling import members_of
from srwizard.train.screen import Screen
from srwizard.train.setup import Training, keep_dataset_facts, load_statistics, set_up
from srwizard.train.simple_methods import load_learnt

EXAMPLES_FILE = Path("plots") / "samples.npz"
BREAKDOWN_FILE = Path("plots") / "breakdown.npz"


class StopRequest:
    """Ctrl-C, SIGTERM or SIGUSR1: training stops after the step, or the batch that is scored.

    All else stops at once; a second Ctrl-C does not wait for the step either.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._deferred = False
        self._stopping = False
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Only note the request, for the training loop to look at."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def begin_to_stop(self) -> None:
        """Note that training has stopped: what is asked for again must not cut off its end."""
        self._stopping = True

    def _note(self, number: int, _frame: FrameType | None) -> None:
        again, self.wanted = self.wanted, True
        heard = self._deferred or self._stopping
        if not heard or (again and number == signal.SIGINT):
            raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Run this process's part of a training."""
    stop = StopRequest()
    end_with_parent()
    run_dir = Path(arguments[0])
    terminal_loss.write_on_to(run_dir / CONSOLE_FILE)
    run = run_config.load(run_dir)
    i18n.set_language(i18n.language_from_environment())
    try:
        with joined(run.devices) as place:
            where = LastPhase(run_dir, place.rank)
            try:
                notices = call_the_roll(place, run, run_dir, "train")
                return _work(run, run_dir, place, stop, where, notices)
            except Exception as error:
                failures.record(run_dir, error, place.rank, where.now)
                raise
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _work(
    run: RunConfig,
    run_dir: Path,
    place: Place,
    stop: StopRequest,
    where: LastPhase,
    notices: Iterable[str],
) -> int:
    contents = contents_for(run)
    statistics = load_statistics(run, run_dir, contents)
    learnt = load_learnt(run, run_dir, contents)
    training = set_up(run, contents, statistics, place, learnt=learnt)
    records = Records(run_dir)
    resumed = resume(training, run_dir)
    if resumed is None:
        begin_from_weights(training)
    if place.is_first:
        keep_dataset_facts(run, run_dir, contents)
        checkpoint_files.remove_unfinished(run_dir)
        records.drop_from(training.progress.epoch if resumed else 0)
        _say(records, [*_restarted(run_dir), *notices])
        if not resumed:
            records.log(_("started"))
            if run.model.weights is not None:
                _say(records, [_("Begins from the weights {path}", path=run.model.weights.path)])
        if resumed:
            _say(
                records, [_going_on(training, resumed.path.relative_to(run_dir)), *resumed.notices]
            )
    with ExitStack() as stack:
        screen = stack.enter_context(Screen(training, run_dir, records, enabled=place.is_first))
        if place.is_first:
            first = training.progress.epoch
            records.trackers = stack.enter_context(
                trackers.opened(run, run_dir, first, complain=screen.say)
            )

        def note_phase(at: Training, phase: str) -> None:
            ended = phase in BEHIND_TRAINING
            epoch = epoch_of(at.progress) if ended else at.progress.epoch
            where.note(phase, at.progress.steps, epoch)
            screen.phase(phase)

        def note_step(at: Training, loss: float, samples: int) -> None:
            where.note("training", at.progress.steps, at.progress.epoch)
            screen.step(loss, samples)

        callbacks = Callbacks(note_step, note_phase, screen.epoch, lambda: stop.wanted)
        with stop.deferred():
            trained = train(training, run_dir, records, callbacks)
            # It may have been asked for after the loop looked last. What follows ends at once.
            complete = trained and not any_rank(place, stop.wanted)
            if complete:  # noted while no request ends the process
                note_phase(training, "gain")
            else:
                stop.begin_to_stop()  # a reminder must let no rank leave the others behind
        if complete:
            if place.is_first and patience_exhausted(training):
                screen.say(_stopped_early(training))
            loaded = load_best(training, run_dir)
            if loaded is not None and loaded.name == BEST:
                fit_gain(training, run_dir)
            if place.is_first:
                for line in loaded.notices if loaded else ():
                    screen.say(line)
                members = members_of(training.bare, "test")
                for line in gain_lines(training.gain, members):
                    records.log(line)  # on the screen at the end, with the scores
            note_phase(training, "test")
            _evaluate(training, contents, run_dir, records, loaded)
            with training.whole() as own:
                if place.is_first:
                    save_examples(own, contents, run_dir / EXAMPLES_FILE)
    if not complete:
        if place.is_first:
            records.set_status(RunState.STOPPING)
            records.log(
                _("stopped on request; the checkpoint is saved")
                if training.progress.steps
                else _("stopped on request, before the first step")
            )
        wait_for_all(place)
        # torchrun would report a failure, and start the processes again where it may.
        return EXIT_INTERRUPTED if place.world == 1 else 0
    if place.is_first:
        records.log(_("completed"))
    return 0


def _restarted(run_dir: Path) -> Iterator[str]:
    """Say so if torchrun has started the processes anew, and let go of what they failed of.

    torchrun does not count where it hears of the restart of another machine before it has noticed
    that its own process has failed; but that process has said so, or at least that it was training.
    """
    times = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))
    if not times and (failures.file_of(run_dir, rank=0).exists() or _has_trained(run_dir)):
        times = 1
    if times:
        causes = [*failures.causes(run_dir), {"error": _("a process, or a machine, was lost")}]
        failures.clear(run_dir)
        yield _(
            "Restarted by torchrun (restart {times}) after: {error}",
            times=times,
            error=Lines(causes[0]["error"]),
        )


def _has_trained(run_dir: Path) -> bool:
    """Return whether the status is one of training, though the launcher has just begun with it."""
    status = Records(run_dir).status()
    training = status.get("phase") not in (None, "set-up")
    return launched_together() and status.get("state") == RunState.RUNNING and training


def _stopped_early(training: Training) -> str:
    progress = training.progress
    if progress.best_epoch == 0:
        return _("No epoch was better on the validation split than the starting point; training "
                 "stops.")  # fmt: skip
    return _("Validation was best at epoch {epoch}; training stops.", epoch=progress.best_epoch)


def _say(records: Records, lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
        records.log(line)


def _going_on(training: Training, path: Path) -> str:
    epochs = training.run.training.epochs
    if training.progress.epoch > epochs:
        return _n(
            "The only epoch is done; only the test split is scored.",
            "All {epochs} epochs are done; only the test split is scored.",
            epochs,
            epochs=epochs,
        )
    return _(
        "Continuing from {path}, at epoch {epoch} of {epochs}.",
        path=path,
        epoch=training.progress.epoch,
        epochs=epochs,
    )


def _evaluate(
    training: Training, contents: Contents, run_dir: Path, records: Records, loaded: Loaded | None
) -> None:
    """Score the test split with the checkpoint that was loaded."""
    result = score_test(training, run_dir / BREAKDOWN_FILE, contents)
    progress, of_best = training.progress, loaded is None or loaded.name == BEST
    if training.place.is_first:
        records.append(
            {
                "event": "test",
                "checkpoint": loaded.name if loaded else None,
                "epoch": progress.best_epoch if of_best else epoch_of(progress),
                "loss": result.loss,
                "members": result.members,
                "gain": training.gain,
                "variables": result.variables,
                "vectors": result.vectors,
            }
        )


if __name__ == "__main__":
    run_and_leave(main)
