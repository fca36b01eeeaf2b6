"""The registries of losses, optimizers and learning-rate schedules; without torch, for the wizard.

Each entry names its function in the training core. A test builds every one of them.
"""

from srwizard.base.choices import Method
from srwizard.base.i18n import N_

LOSSES = (
    Method("L1", N_("mean absolute error"), code="srwizard.train.losses:l1"),
    Method(
        "L2", N_("mean squared error, large errors count more"), code="srwizard.train.losses:l2"
    ),
    Method(
        "Charbonnier",
        N_("like L1, smooth around zero"),
        code="srwizard.train.losses:charbonnier",
    ),
    Method(
        "relative_L2",
        N_("error relative to the size of the truth"),
        code="srwizard.train.losses:relative_l2",
    ),
)
"""Functions `(at: Compared) -> [B, C]`, see `srwizard.train.losses`."""

OPTIMIZERS = (
    Method("AdamW", N_("suits nearly every network"), code="srwizard.train.optimizers:adamw"),
    Method("Adam", N_("weight decay as an L2 penalty"), code="srwizard.train.optimizers:adam"),
    Method(
        "SGD",
        N_("with Nesterov momentum"),
        code="srwizard.train.optimizers:sgd",
        parameters=("momentum",),
    ),
)
"""Functions `(parameters, settings) -> torch.optim.Optimizer`."""

SCHEDULES = (
    Method(
        "StepLR",
        N_("lower the rate every few epochs"),
        code="srwizard.train.schedule:step_lr",
        parameters=("step_size", "gamma", "warmup_epochs"),
    ),
    Method(
        "cosine",
        N_("lower the rate along a cosine, down to min_lr"),
        code="srwizard.train.schedule:cosine",
        parameters=("warmup_epochs", "min_lr"),
    ),
    Method(
        "OneCycle",
        N_("up for three tenths of the training, then down"),
        code="srwizard.train.schedule:one_cycle",
    ),
    Method(
        "plateau",
        N_("lower the rate when validation stops improving"),
        code="srwizard.train.schedule:plateau",
        parameters=("gamma", "plateau_patience", "warmup_epochs", "min_lr"),
    ),
    Method(
        "none",
        N_("keep the rate"),
        code="srwizard.train.schedule:constant",
        parameters=("warmup_epochs",),
    ),
)
"""Functions `(settings, epochs_done, reductions)`, see `srwizard.train.schedule`."""
