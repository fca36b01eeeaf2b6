"""training: epochs, learning rate, batch, and the rest by default unless asked for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, get_args, get_origin

from srwizard.base.i18n import translate as _
from srwizard.models.catalog import card
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import TrainingAnswers, key_problem, training_defaults
from srwizard.train import trackers
from srwizard.wizard.chosen_dataset import chosen_dataset
from srwizard.wizard.conversation import Conversation, Maker
from srwizard.wizard.resolve import resolved_training

COMMON = ("lr", "batch_size", "normalization")
OTHERS = (
    "grad_accumulation", "loss", "area_weights", "optimizer", "momentum", "weight_decay",
    "clip_grad_norm", "scheduler", "step_size", "gamma", "plateau_patience", "warmup_epochs",
    "min_lr", "ema_decay", "patience", "eval_freq", "num_workers", "seed", "trackers",
)  # fmt: skip
MATTERS_FOR: dict[str, tuple[str, tuple[str, ...]]] = {
    "momentum": ("optimizer", ("SGD",)),
    "step_size": ("scheduler", ("StepLR",)),
    "gamma": ("scheduler", ("StepLR", "plateau")),
    "plateau_patience": ("scheduler", ("plateau",)),
    "warmup_epochs": ("scheduler", ("StepLR", "cosine", "plateau", "none")),
    "min_lr": ("scheduler", ("cosine", "plateau")),
}
"""Parameters that count only where another one has one of these values."""


def run(conversation: Conversation) -> str:
    """Ask for the epochs, then for as much of the rest as the user wants."""
    extent = "none"
    model = conversation.session.answers.model.name

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
        return lambda: (
            question(name, model) if extent in extents and _matters(name, conversation) else None
        )

    conversation.ask_in_turn(
        [
            lambda: question("epochs", model),
            ask_extent,
            *(if_wanted(name, ("common", "all")) for name in COMMON),
            *(if_wanted(name, ("all",)) for name in OTHERS),
        ]
    )
    return "next"


def _current(conversation: Conversation) -> Iterator[str]:
    shown = resolved_training(conversation.session.answers)
    averaged = ("ema_decay",) if shown.ema_decay is not None else ()
    for name in (*COMMON, "optimizer", "scheduler", *averaged, "eval_freq", "seed"):
        yield f"{title_of(name)} {getattr(shown, name)}"


def _matters(name: str, conversation: Conversation) -> bool:
    """Tell whether a parameter counts, given the answers to the others."""
    if name == "area_weights":
        return any(stem.endswith("_lat") for stem in chosen_dataset(conversation).statics)
    if name == "loss":  # a diffusion model has its own
        return card(conversation.session.answers.model.name or "").family == "standard"
    if name not in MATTERS_FOR:
        return True
    other, values = MATTERS_FOR[name]
    return conversation.session.answers.get(f"training.{other}") in values


def question(name: str, model: str | None = None) -> Question:
    """Return the question for one training parameter; limits and default are the schema's.

    Some models have defaults of their own.
    """
    default = getattr(training_defaults(model), name)
    key = f"training.{name}"
    if name == "trackers":
        return _trackers_question(key)
    annotation = TrainingAnswers.model_fields[name].annotation
    if get_origin(annotation) is Literal:
        titles = _choices()
        choices = tuple(Choice(value, titles.get(value, value)) for value in get_args(annotation))
        return Question(key, _titles()[name], "one", default, _helps()[name], choices=choices)
    if annotation is bool:
        return Question(key, _titles()[name], "yes_no", default, _helps()[name])
    return Question(
        key,
        _titles()[name],
        "float" if float in (annotation, *get_args(annotation)) else "int",
        default,
        _helps()[name],
        check=lambda value: key_problem(key, value),
        optional=getattr(TrainingAnswers(), name) is None,
    )


def _trackers_question(key: str) -> Question:
    offered = (
        Choice("tensorboard", "TensorBoard"),
        Choice("wandb", _("Weights & Biases, offline")),
    )
    choices = tuple(
        choice
        if trackers.is_installed(choice.value)
        else replace(choice, disabled=trackers.missing_text(choice.value))
        for choice in offered
    )
    return Question(
        key, _titles()["trackers"], "several", [], _helps()["trackers"], choices=choices
    )


def _choices() -> dict[str, str]:
    return {
        "PGN": _("PGN: mean and standard deviation of each grid point"),
        "GN": _("GN: mean and standard deviation of each variable"),
        "L1": _("L1: mean absolute error"),
        "L2": _("L2: mean squared error, large errors count more"),
        "Charbonnier": _("Charbonnier: like L1, smooth around zero"),
        "relative_L2": _("relative_L2: error relative to the size of the truth"),
        "AdamW": _("AdamW: suits nearly every network"),
        "Adam": _("Adam: weight decay as an L2 penalty"),
        "SGD": _("SGD: with Nesterov momentum"),
        "StepLR": _("StepLR: lower the rate every few epochs"),
        "cosine": _("cosine: lower the rate along a cosine, down to min_lr"),
        "OneCycle": _("OneCycle: up for three tenths of the training, then down"),
        "plateau": _("plateau: lower the rate when validation gets no better"),
        "none": _("none: keep the rate"),
    }


def title_of(name: str) -> str:
    """Return what a training parameter is called in the user's language."""
    return _titles()[name]


def _titles() -> dict[str, str]:
    return {
        "epochs": _("Epochs"),
        "lr": _("Learning rate"),
        "batch_size": _("Batch size"),
        "normalization": _("Normalization"),
        "grad_accumulation": _("Gradient accumulation"),
        "loss": _("Loss function"),
        "area_weights": _("Weight the loss by area"),
        "optimizer": _("Optimizer"),
        "momentum": _("Momentum"),
        "clip_grad_norm": _("Largest norm of the gradient"),
        "plateau_patience": _("Plateau: patience"),
        "warmup_epochs": _("Epochs of warm-up"),
        "min_lr": _("Lowest learning rate"),
        "ema_decay": _("Moving average of the weights: decay"),
        "weight_decay": _("Weight decay"),
        "scheduler": _("Learning-rate schedule"),
        "step_size": _("StepLR: epochs between two reductions"),
        "gamma": _("Factor of each reduction"),
        "patience": _("Early stopping: patience"),
        "eval_freq": _("Epochs between two validations"),
        "num_workers": _("Loader processes"),
        "seed": _("Seed"),
        "trackers": _("Where else the metrics go"),
    }


def _helps() -> dict[str, str]:
    return {
        "epochs": _("How often the whole training split is gone through."),
        "lr": _("The optimizer's step at the start; 0.001 suits most models here."),
        "batch_size": _("Samples that one process holds in memory at once."),
        "normalization": _("Statistics come from the training split only."),
        "grad_accumulation": _("Batches whose gradients are added up before one optimizer step."),
        "loss": _("Taken over the points that have a value; land never counts."),
        "area_weights": _("By the cosine of latitude: grid points near the poles are small."),
        "optimizer": _("How a gradient becomes a step."),
        "momentum": _("How much of the earlier steps is kept in the next one."),
        "clip_grad_norm": _("A longer gradient is shortened to this; empty: never."),
        "plateau_patience": _("Validations without a better RMSE until the rate is lowered."),
        "warmup_epochs": _("Epochs in which the learning rate rises from almost zero."),
        "min_lr": _("The schedule lowers the learning rate no further than this."),
        "ema_decay": _("Score averaged weights, for example 0.999; empty: the weights themselves."),
        "weight_decay": _("Pulls the weights towards zero, against overfitting."),
        "scheduler": _("How the learning rate changes from epoch to epoch."),
        "step_size": _("After so many epochs the learning rate is multiplied by gamma."),
        "gamma": _("The factor by which each reduction multiplies the learning rate."),
        "patience": _("Validations without a better RMSE until training stops; empty: never."),
        "eval_freq": _("A validation scores the whole validation split."),
        "num_workers": _("Processes that read data; empty: 0 on a CPU, 4 beside each GPU."),
        "seed": _("The same seed gives the same run."),
        "trackers": _("They are always in metrics.jsonl and in the report; mark none for no more."),
    }
