"""What to change after a training that failed for another reason than memory."""

from collections.abc import Iterator

from srwizard.base.i18n import translate as _
from srwizard.memory.remedies import Remedy
from srwizard.settings.answers import Answers


def remedies_for(kind: str, answers: Answers) -> list[Remedy]:
    """Return what can be changed after a failure of this kind, the likeliest help first.

    Args:
        kind: as in failure.json.
        answers: the decisions so far.
    """
    found = {
        "loss_not_finite": _against_nan,
        "shared_memory": _without_loaders,
        "loader_died": _without_loaders,
        "no_cuda": _on_the_cpu,
        "peer_lost": _on_one_device,
    }.get(kind)
    return list(found(answers)) if found is not None else []


def _against_nan(answers: Answers) -> Iterator[Remedy]:
    lower = float(f"{answers.training.lr / 10:.3g}")
    yield Remedy(
        {"training.lr": lower},
        _("lr {value}: a tenth", value=lower),
        _("each epoch gets less far"),
    )
    if answers.training.clip_grad_norm is None:
        yield Remedy(
            {"training.clip_grad_norm": 1.0},
            _("clip_grad_norm 1: shorten long gradients"),
            _("hardly any"),
        )
    if answers.memory.use_amp:
        yield Remedy(
            {"memory.use_amp": False},
            _("use_amp off: compute in 32 bits"),
            _("more memory, and slower on most devices"),
        )


def _without_loaders(answers: Answers) -> Iterator[Remedy]:
    yield Remedy(
        {"training.num_workers": 0},
        _("num_workers 0: read data in the training process itself"),
        _("the device may wait for data"),
    )


def _on_the_cpu(answers: Answers) -> Iterator[Remedy]:
    yield Remedy(
        {"devices.gpus": [], "devices.processes": 1}, _("compute on the CPU"), _("much slower")
    )


def _on_one_device(answers: Answers) -> Iterator[Remedy]:
    if answers.devices.processes > 1:
        yield Remedy(
            {"devices.gpus": answers.devices.gpus[:1], "devices.processes": 1},
            _("train on one device"),
            _("slower; nothing can lose touch"),
        )
