"""A run that is to be trained for more epochs than it was frozen with: a new revision of it.

Imports no torch.
"""

import math
from pathlib import Path
from typing import Literal

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.locks import held
from srwizard.base.os_errors import reason_of
from srwizard.runs.process_identity import LOCK_FILE
from srwizard.runs.progress import Progress, is_out_of_patience, note_validation
from srwizard.runs.records import Measured, measured
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.settings.training import MOST_EPOCHS

Schedule = Literal["continued", "restarted"]
OVER_THE_WHOLE = ("cosine", "OneCycle")
"""Schedules whose learning rate depends on how many epochs there are to be."""


def with_epochs(run_dir: Path, epochs: int, schedule: Schedule = "continued") -> RunConfig:
    """Write a new revision of a run config that has more epochs, and return it.

    One that has so many already is returned as it is: a command that was interrupted can be given
    again.

    Args:
        run_dir: the run directory.
        epochs: all together, those that are done included.
        schedule: "continued": the learning rate is that of a run of so many epochs; "restarted":
            it begins again, over the epochs to come, and early stopping counts anew.

    Raises:
        UsageError: no run directory, a config that was edited, one that is in use; it has more
            epochs already, or has stopped early and would do so again at once.
    """
    if not 1 <= epochs <= MOST_EPOCHS:
        raise UsageError(_("--epochs must be 1 to {most}", most=MOST_EPOCHS))
    if run_config.load(run_dir).training.epochs != epochs:
        with held(run_dir / LOCK_FILE, _("the run directory {path}", path=run_dir)):
            _write_revision(run_dir, epochs, schedule)
    return run_config.load(run_dir)


def _write_revision(run_dir: Path, epochs: int, schedule: Schedule) -> None:
    run = run_config.load(run_dir)
    if epochs == run.training.epochs:  # another machine has written it meanwhile
        return
    if epochs < run.training.epochs:
        raise UsageError(
            _n(
                "--epochs {epochs}: {run_dir} has {present} epoch already",
                "--epochs {epochs}: {run_dir} has {present} epochs already",
                run.training.epochs,
                epochs=epochs,
                run_dir=run_dir,
                present=run.training.epochs,
            ),
            _("Give the number of all epochs together, those that are done included."),
        )
    recorded = measured(run_dir)
    done = max((event["epoch"] for event in recorded.epochs), default=0)
    if schedule == "continued" and _has_no_patience_left(run, recorded):
        raise UsageError(
            _n(
                "{run_dir} has stopped early, at epoch {epoch}: the last validation had not "
                "improved, and more epochs would end at once",
                "{run_dir} has stopped early, at epoch {epoch}: validation had not improved for "
                "{patience} validations, and more epochs would end at once",
                run.training.patience or 0,
                run_dir=run_dir,
                epoch=done,
                patience=run.training.patience,
            ),
            _(
                "Add --schedule restarted: the learning rate begins again, and early stopping "
                "counts from zero."
            ),
        )
    begun = done if schedule == "restarted" else run.training.schedule_from
    training = run.training.model_copy(update={"epochs": epochs, "schedule_from": begun})
    longer = run.model_copy(update={"revision": run.revision + 1, "training": training})
    try:
        run_config.write(run_config.seal(longer), run_dir)
    except OSError as error:
        raise UsageError(
            _("cannot write the run config to {path}: {reason}",
              path=run_dir, reason=reason_of(error)),
            _("Free some space or get write permission there."),
        ) from None  # fmt: skip


def schedule_line(run: RunConfig) -> str:
    """Say what becomes of the learning rate of a run that has got more epochs."""
    settings = run.training
    if settings.schedule_from:
        return _(
            "The learning rate begins again at epoch {epoch}, as if training began there.",
            epoch=settings.schedule_from + 1,
        )
    if settings.scheduler in OVER_THE_WHOLE:
        return _(
            "The learning rate continues along {scheduler} over {epochs} epochs: higher than it "
            "was at the end. The result is not that of a run frozen with {epochs} epochs, whose "
            "earlier epochs have other rates.",
            scheduler=settings.scheduler,
            epochs=settings.epochs,
        )
    return _(
        "The learning rate continues as in a run frozen with {epochs} epochs.",
        epochs=settings.epochs,
    )


def _has_no_patience_left(run: RunConfig, recorded: Measured) -> bool:
    """Return whether early stopping has ended the training, or would have after its last epoch."""
    settings, progress = run.training, Progress()
    for event in [*recorded.start, *recorded.epochs]:
        if event["epoch"] > settings.schedule_from:
            progress.enter_schedule(settings.schedule_from)
        if (scores := event.get("valid")) is not None:
            error = scores.get("error")
            note_validation(progress, math.nan if error is None else error, event["epoch"])
    progress.enter_schedule(settings.schedule_from)
    return is_out_of_patience(progress, settings.patience)
