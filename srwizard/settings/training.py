"""The options on training. The run config takes over those that training needs, resolved."""

from typing import Annotated

from pydantic import Field, field_validator

from srwizard.base.choices import Value
from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import seconds_in
from srwizard.data.normalization_methods import NORMALIZATIONS
from srwizard.settings.methods import LOSSES, OPTIMIZERS, SCHEDULES
from srwizard.settings.model import STANDARD_ONLY, is_diffusion
from srwizard.settings.option import Condition, Option, Section

TRACKERS = (
    Value("tensorboard", title="TensorBoard"),
    Value("wandb", title=N_("Weights & Biases, offline")),
)
WITH_LATITUDES = Condition(
    N_("Only for data with the static field lat."),
    lambda at: any(name.endswith("_lat") for name in at.static_fields),
)


RECIPES = (
    Value("default", title=N_("the defaults")),
    Value("recommended", title=N_("what suits the model and the data, as srwizard recommend says")),
)


MOST_EPOCHS = 1_000_000


class FrozenTraining(Section):
    """What the run config takes over."""

    recipe: Annotated[
        str,
        Option(
            N_("Recipe"),
            N_("Source of the values that you do not set."),
            asked="never",
            choices=RECIPES,
        ),
    ] = "default"
    epochs: Annotated[
        int,
        Field(ge=1, le=MOST_EPOCHS),
        Option(
            N_("Epochs"),
            N_("Number of passes over the training split."),
            asked="always",
            example=100,
        ),
    ] = 500
    lr: Annotated[
        float,
        Field(gt=0, le=10),
        Option(
            N_("Learning rate"),
            N_("The optimizer's step at the start; 0.001 suits most models here."),
            asked="common",
            example=0.0005,
        ),
    ] = 0.001
    batch_size: Annotated[
        int,
        Field(ge=1),
        Option(
            N_("Batch size"),
            N_("Number of samples each GPU (or CPU process) computes at once."),
            asked="common",
            example=8,
        ),
    ] = 16
    grad_accumulation: Annotated[
        int,
        Field(ge=1),
        Option(
            N_("Gradient accumulation"),
            N_("Number of batches whose gradients are summed before each optimizer step."),
            example=2,
        ),
    ] = 1
    normalization: Annotated[
        str,
        Option(
            N_("Normalization"),
            N_("How values are scaled; the statistics come from the training split only."),
            asked="common",
            choices=NORMALIZATIONS,
        ),
    ] = "PGN"
    loss: Annotated[
        str,
        Option(
            N_("Loss function"),
            N_("What training minimizes, over the points with a value; land never counts."),
            choices=LOSSES,
            when=STANDARD_ONLY,
            reviewed=True,
        ),
    ] = "L1"
    area_weights: Annotated[
        bool,
        Option(
            N_("Weight the loss by area"),
            N_(
                "By the cosine of latitude: grid points near the poles are small. Scores, by which "
                "checkpoints are chosen, count every point alike."
            ),
            when=WITH_LATITUDES,
        ),
    ] = False
    optimizer: Annotated[
        str,
        Option(
            N_("Optimizer"),
            N_("How a gradient becomes a step."),
            choices=OPTIMIZERS,
            reviewed=True,
        ),
    ] = "AdamW"
    momentum: Annotated[
        float,
        Field(ge=0, lt=1),
        Option(
            N_("Momentum"), N_("Share of the previous update that is carried into the next one.")
        ),
    ] = 0.9
    weight_decay: Annotated[
        float,
        Field(ge=0, le=1),
        Option(N_("Weight decay"), N_("Pulls the weights towards zero, against overfitting.")),
    ] = 0.0001
    clip_grad_norm: Annotated[
        float | None,
        Field(gt=0),
        Option(
            N_("Largest norm of the gradient"),
            N_("Gradients with a larger norm are scaled down to it."),
            none=N_("never"),
            example=1.0,
        ),
    ] = None
    scheduler: Annotated[
        str,
        Option(
            N_("Learning-rate schedule"),
            N_("How the learning rate changes from epoch to epoch."),
            choices=SCHEDULES,
            reviewed=True,
        ),
    ] = "StepLR"
    step_size: Annotated[
        int,
        Field(ge=1),
        Option(
            N_("StepLR: epochs between two reductions"),
            N_("Number of epochs after which the learning rate is multiplied by gamma."),
        ),
    ] = 200
    gamma: Annotated[
        float,
        Field(gt=0, le=1),
        Option(
            N_("Factor of each reduction"),
            N_("The factor by which each reduction multiplies the learning rate."),
        ),
    ] = 0.5
    plateau_patience: Annotated[
        int,
        Field(ge=1),
        Option(
            N_("Plateau: patience"),
            N_(
                "Number of validations without a better RMSE after which the learning rate is "
                "lowered."
            ),
        ),
    ] = 10
    warmup_epochs: Annotated[
        int,
        Field(ge=0),
        Option(
            N_("Epochs of warm-up"),
            N_("Epochs in which the learning rate rises from almost zero."),
            example=5,
        ),
    ] = 0
    min_lr: Annotated[
        float,
        Field(ge=0),
        Option(
            N_("Lowest learning rate"),
            N_("Lowest value to which the schedule reduces the learning rate."),
            example=1e-5,
        ),
    ] = 0.0
    ema_decay: Annotated[
        float | None,
        Field(gt=0, lt=1),
        Option(
            N_("Moving average of the weights: decay"),
            N_("Scores averaged weights, for example with 0.999."),
            none=N_("the weights themselves"),
            # Samples are drawn with averaged weights, as in the papers.
            diffusion=0.999,
            example=0.999,
        ),
    ] = None
    lr_range_test: Annotated[
        bool,
        Option(
            N_("Learning-rate range test"),
            N_(
                "The dry run also takes 100 steps with a rising learning rate, shows how the "
                "loss responds, and proposes a learning rate; the weights are thrown away."
            ),
        ),
    ] = False
    patience: Annotated[
        int | None,
        Field(ge=1),
        Option(
            N_("Early stopping: patience"),
            N_("Number of validations without a better RMSE after which training stops."),
            none=N_("never"),
            # Theirs come every ten epochs.
            diffusion=10,
            reviewed=True,
        ),
    ] = 40
    augment: Annotated[
        bool | None,
        Option(
            N_("Flips and rotations"),
            N_(
                "Training samples are flipped at random, north to south and west to east, and "
                "rotated by 90 degrees where the grid spacing is the same in both directions: "
                "useful with few fields. Vector components change their sign accordingly."
            ),
            none=N_("if the network does not start from a climatology"),
        ),
    ] = None
    eval_freq: Annotated[
        int,
        Field(ge=1),
        Option(
            N_("Epochs between two validations"),
            N_("A validation scores the whole validation split."),
            # To draw the samples takes as long as many steps of training.
            diffusion=10,
            reviewed=True,
            example=5,
        ),
    ] = 1
    num_workers: Annotated[
        int | None,
        Field(ge=0, le=64),
        Option(
            N_("Loader processes"),
            N_("Processes that read the data."),
            none=N_("0 on a CPU, 4 for each GPU"),
            example=4,
        ),
    ] = None
    seed: Annotated[
        int,
        Field(ge=0, le=2**32 - 1),
        Option(
            N_("Seed"),
            N_("The same seed gives the same run."),
            reviewed=True,
            example=7,
        ),
    ] = 42
    trackers: Annotated[
        list[str],
        Option(
            N_("Where else metrics are logged"),
            N_("They are always in metrics.jsonl and in the report."),
            choices=TRACKERS,
        ),
    ] = Field(default_factory=list)


class TrainingAnswers(FrozenTraining):
    time_budget: Annotated[
        str | None,
        Field(min_length=1),
        Option(
            N_("Time budget"),
            N_(
                "How long the whole training may take, such as 90 min, 8 h or 2 d. If the dry run "
                "predicts more, you are asked before anything is launched; with an answers file, "
                "the program stops and lists what would shorten the training."
            ),
            none=N_("no limit"),
            example="8 h",
        ),
    ] = "24 h"

    @field_validator("time_budget")
    @classmethod
    def _is_a_duration(cls, text: str | None) -> str | None:
        if text is not None and not seconds_in(text):
            raise ValueError(
                _("{text} is not a duration; write it as 90 min, 8 h or 2 d", text=text)
            )
        return text


def training_defaults(model: str | None) -> TrainingAnswers:
    """Return the training parameters that a model has where nothing else is decided."""
    if not is_diffusion(model):
        return TrainingAnswers()
    own = {
        name: part.diffusion
        for name, field in TrainingAnswers.model_fields.items()
        for part in field.metadata
        if isinstance(part, Option) and part.diffusion is not None
    }
    return TrainingAnswers(**own)
