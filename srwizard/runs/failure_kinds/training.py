"""Failures of the network and of its optimization."""

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.runs.failure_kinds.kind import INSPECT, Advice, Kind
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy


def _a_tenth_of_lr(answers: Answers) -> Remedy:
    lower = float(f"{answers.training.lr / 10:.3g}")
    return Remedy(
        {"training.lr": lower},
        _("Learning rate {before:g} → {lower:g}", before=answers.training.lr, lower=lower),
        _("each epoch makes less progress"),
    )


def _clipped_gradients(answers: Answers) -> Remedy | None:
    if answers.training.clip_grad_norm is not None:
        return None
    return Remedy(
        {"training.clip_grad_norm": 1.0},
        _("Largest norm of the gradient: never limited → 1"),
        _("hardly any"),
    )


def _in_32_bits(answers: Answers) -> Remedy | None:
    if not answers.memory.use_amp:
        return None
    return Remedy(
        {"memory.use_amp": False},
        _("Mixed precision: yes → no (computes in 32 bits)"),
        _("more memory, and slower on most devices"),
    )


KINDS = (
    Kind(
        "loss_not_finite",
        N_("The loss is not a finite number."),
        causes=(
            N_("the learning rate is too high"),
            N_("mixed precision overflows in this model"),
            N_("the data holds extreme values"),
        ),
        advice=(
            Advice(N_("lower training.lr, for example to a tenth"), _a_tenth_of_lr),
            Advice(N_("set training.clip_grad_norm, for example to 1"), _clipped_gradients),
            Advice(N_("turn off memory.use_amp"), _in_32_bits),
            Advice(N_("check the value range: srwizard inspect")),
            Advice(
                N_(
                    "if it fails again immediately, training had diverged before its last "
                    "checkpoint: remove {run_dir}/checkpoints/last* to continue from best.pt"
                )
            ),
        ),
        pattern=r"NonFiniteLossError",
    ),
    Kind(
        "shape_mismatch",
        N_("Two arrays that belong together have different shapes."),
        causes=(
            N_("the model cannot work with fields of this size, or with these parameters"),
            N_("a file of the dataset has a different shape from the others"),
        ),
        advice=(
            INSPECT,
            Advice(N_("take the default model.params, or another model")),
            Advice(N_("set memory.patch_size to a multiple of what the model needs")),
        ),
        pattern=r"shapes cannot be multiplied|[Ss]izes? of tensor|must match the size of tensor|"
        r"[Ee]xpected input.* to have \d+ channels|shape '.*' is invalid for input of size|"
        r"size mismatch for |Given groups=|could not broadcast|has shape \[.*\] instead of|"
        r"stack expects each tensor to be",
    ),
    Kind(
        "network_output",
        N_("The network does not give SR of the shape of HR."),
        causes=(
            N_("the forward method of the model keeps another promise than the documented one"),
            N_("the model cannot work with fields of this size, or with these parameters"),
        ),
        advice=(
            Advice(N_("see what a network promises: docs/adding-a-model.md")),
            Advice(N_("take the default model.params, or another model")),
        ),
        pattern=r"NetworkOutputError",
    ),
    Kind(
        "unused_parameters",
        N_("Some parameters of the network have no part in the loss."),
        causes=(N_("a layer of the model is made, but not used, or its output is not"),),
        advice=(
            Advice(N_("remove these layers, or their weights, from the model")),
            Advice(N_("train in one process, where they do no harm: devices.processes: 1")),
        ),
        pattern=r"find_unused_parameters",
    ),
    Kind(
        "weights_used_elsewhere",
        N_("The weights of this model cannot be sharded."),
        causes=(
            N_("a part of the network uses weights of another part, or calls layers in it"),
            N_("a parameter of the network is a single number"),
        ),
        advice=(
            Advice(N_("set memory.shard to false")),
            Advice(N_("name those layers in called_apart: docs/adding-a-model.md")),
        ),
        pattern=r"mixed torch\.Tensor and DTensor|memory\.shard: the parameter",
    ),
)
