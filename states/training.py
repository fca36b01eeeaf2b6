"""training: epochs, learning rate, batch, and the rest by default unless asked for."""

from collections.abc import Iterator

from srwizard.answers import TrainingAnswers, key_problem
from srwizard.conversation import Conversation, Maker
from srwizard.i18n import translate as _
from srwizard.prompts import Choice, Question

COMMON = ("lr", "batch_size", "normalization")
OTHERS = (
    "grad_accumulation", "loss", "weight_decay", "scheduler", "step_size", "gamma",
    "patience", "eval_freq", "num_workers", "seed",
)  # fmt: skip


def run(conversation: Conversation) -> str:
    """Ask for the epochs, then for as much of the rest as the user wants."""
    extent = "none"

    def ask_extent() -> Question:
        return Question(
            key="",
            text=_("The other training parameters"),
            kind="one",
            default="none",
            help=_("Now: {parameters}", parameters=", ".join(_current(conversation))),
            choices=(
                Choice("none", _("all by default, as shown")),
                Choice("common", _("ask for learning rate, batch size, normalization")),
                Choice("all", _("ask for every one")),
            ),
            check=note_extent,
        )

    def note_extent(value: str) -> str | None:
        nonlocal extent
        extent = value
        return None

    def if_wanted(name: str, extents: tuple[str, ...]) -> Maker:
        return lambda: question(name) if extent in extents else None

    conversation.ask_in_turn(
        [
            lambda: question("epochs"),
            ask_extent,
            *(if_wanted(name, ("common", "all")) for name in COMMON),
            *(if_wanted(name, ("all",)) for name in OTHERS),
        ]
    )
    return "next"


def _current(conversation: Conversation) -> Iterator[str]:
    for name in (*COMMON, "optimizer", "scheduler", "seed"):
        yield f"{name} {conversation.session.answers.get(f'training.{name}')}"


def question(name: str) -> Question:
    """Return the question for one training parameter; default and limits are the schema's."""
    default = getattr(TrainingAnswers(), name)
    key = f"training.{name}"
    choices = {
        "normalization": (
            Choice("PGN", _("PGN: mean and standard deviation of each grid point")),
            Choice("GN", _("GN: mean and standard deviation of each variable")),
        ),
        "loss": (Choice("L1", "L1"), Choice("L2", "L2")),
        "scheduler": (
            Choice("StepLR", _("StepLR: lower the rate every few epochs")),
            Choice("none", _("none: keep the rate")),
        ),
    }
    if name in choices:
        return Question(key, _titles()[name], "one", default, _helps()[name], choices=choices[name])
    return Question(
        key,
        _titles()[name],
        "float" if isinstance(default, float) else "int",
        default,
        _helps()[name],
        check=lambda value: key_problem(key, value),
        optional=default is None,
    )


def _titles() -> dict[str, str]:
    return {
        "epochs": _("Epochs"),
        "lr": _("Learning rate"),
        "batch_size": _("Batch size"),
        "normalization": _("Normalization"),
        "grad_accumulation": _("Gradient accumulation"),
        "loss": _("Loss function"),
        "weight_decay": _("Weight decay"),
        "scheduler": _("Learning-rate schedule"),
        "step_size": _("StepLR: epochs between two reductions"),
        "gamma": _("StepLR: factor of each reduction"),
        "patience": _("Early stopping: patience"),
        "eval_freq": _("Epochs between two validations"),
        "num_workers": _("Loader processes"),
        "seed": _("Seed"),
    }


def _helps() -> dict[str, str]:
    return {
        "epochs": _("How often the whole training split is gone through."),
        "lr": _("The optimizer's step at the start; 0.001 suits most models here."),
        "batch_size": _("Samples that one process holds in memory at once."),
        "normalization": _("Statistics come from the training split only."),
        "grad_accumulation": _("Batches whose gradients are added up before one optimizer step."),
        "loss": _("Taken over the points that have a value; land never counts."),
        "weight_decay": _("AdamW's decoupled weight decay."),
        "scheduler": _("How the learning rate changes from epoch to epoch."),
        "step_size": _("After so many epochs the learning rate is multiplied by gamma."),
        "gamma": _("The factor by which StepLR multiplies the learning rate."),
        "patience": _("Validations without a better RMSE until training stops; empty: never."),
        "eval_freq": _("A validation scores the whole validation split."),
        "num_workers": _("Processes that read data; empty: 0 on a CPU, 4 beside each GPU."),
        "seed": _("The same seed gives the same run."),
    }
