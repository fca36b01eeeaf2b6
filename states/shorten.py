"""shorten: training would take very long; change the answers, or accept that."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from srwizard.base.errors import NeedsPersonError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.signs import warning
from srwizard.base.sizes_and_times import duration_text
from srwizard.hardware.devices import find_devices
from srwizard.memory.forecast import fits, forecasts
from srwizard.memory.remedies_table import remedies_table
from srwizard.memory.remedy_effects import Offer, RemedyEffect
from srwizard.memory.shorter import Measured, Training, effects_on_time, ways
from srwizard.settings.remedy import Remedy, apply
from srwizard.settings.run_config import RunConfig
from srwizard.states.adjust import choose, surroundings
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.recipe import RECOMMENDED, recommended_here
from srwizard.wizard.resolve import possible, resolve, resolved_training
from srwizard.wizard.time_budget import budget_seconds


def run(conversation: Conversation) -> str:
    """Show what would shorten the training, and how long it would take then; a person decides.

    Raises:
        NeedsPersonError: nobody is there to decide.
    """
    if conversation.prompts.interactive:
        conversation.show(Text(warning(notice(conversation))))
    offered = _effects(conversation)
    if not find_devices().gpus and not conversation.session.answers.devices.on_gpus:
        conversation.show(
            Text(_("On a GPU it would be many times faster; this machine has none. "
                   "devices.launcher: slurm trains on one of a cluster."))
        )  # fmt: skip
    if not conversation.prompts.interactive:
        conversation.show(remedies_table(offered))
        raise NeedsPersonError(
            notice(conversation),
            _(
                "Make one of the changes listed above, or raise training.time_budget (null: no "
                "limit); or decide by hand: srwizard resume {id}",
                id=conversation.session.id,
            ),
        )
    return choose(
        conversation,
        Offer(offered),
        edit=_("Edit the answers myself"),
        accept=_("Launch anyway (about {time})", time=duration_text(_run_seconds(conversation))),
        explained=[_("The limit is training.time_budget in the answers file; null means none.")],
    )


def notice(conversation: Conversation) -> str:
    """Say how long the training would take, and how long it may."""
    return _(
        "Training would take about {time}, which is more than {budget} (training.time_budget).",
        time=duration_text(_run_seconds(conversation)),
        budget=conversation.session.answers.training.time_budget,
    )


def _run_seconds(conversation: Conversation) -> float:
    return _measured(conversation).run


def _measured(conversation: Conversation) -> Measured:
    reason = conversation.session.reason
    assert reason is not None
    run = float(reason.figures["run_seconds"])
    epochs = resolved_training(conversation.session.answers).epochs
    # Sessions of earlier versions know the whole alone.
    return Measured(
        run,
        float(reason.figures.get("epoch_seconds", run / epochs)),
        float(reason.figures.get("validation_seconds", 0.0)),
        int(reason.figures.get("epochs_done", 0)),
    )


def _effects(conversation: Conversation) -> list[RemedyEffect]:
    """Return what would shorten the training, with its predicted time."""
    idle = [gpu.index for gpu in find_devices().gpus if not gpu.busy and gpu.parent is None]
    measured = _measured(conversation)
    with conversation.prompts.busy(_("Predicting what each change would bring …")):
        now = resolve(conversation, conversation.session.answers)
        offered = ways(
            conversation.session.answers,
            surroundings(conversation),
            idle,
            now.training,
            measured,
            budget_seconds(conversation) or measured.run,
            _recipe(conversation),
        )
        then = {
            one: run
            for one in range(len(offered))
            if (run := _changed(conversation, offered[one])) is not None
        }
        present, *changed = _trainings([now, *then.values()])
    return effects_on_time([offered[one] for one in then], present, changed, measured)


def _trainings(runs: Sequence[RunConfig]) -> Iterator[Training]:
    for run, found in zip(runs, forecasts(runs), strict=True):
        yield Training(run, None if found is None else found.epoch_cost(run))


def _changed(conversation: Conversation, remedy: Remedy) -> RunConfig | None:
    answers = conversation.session.answers.model_copy(deep=True)
    apply(answers, remedy)
    return possible(conversation, answers)


def _recipe(conversation: Conversation) -> Remedy | None:
    """Return the remedy that takes what is recommended for the model and the data."""
    if conversation.session.answers.training.recipe == RECOMMENDED:
        return None
    found = {one.key: one.value for one in recommended_here(conversation, fits)}
    return Remedy(
        found,
        _n(
            "The recommended recipe, with {epochs} epoch",
            "The recommended recipe, with {epochs} epochs",
            found["training.epochs"],
            epochs=found["training.epochs"],
        ),
        _("chosen for this model and these data"),
        "recipe",
    )
