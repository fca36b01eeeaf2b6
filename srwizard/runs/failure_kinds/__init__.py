"""What can make a training fail: one catalogue. Imports no torch.

The catalogue is data, cut by subject. An entry holds all there is to say of a kind of failure: how
it is recognised, what happened, likely causes, what to do, and what of that the wizard can change
in the answers. The first entry that matches counts.
"""

from srwizard.base.i18n import N_
from srwizard.runs.failure_kinds import devices, files, limits, machines, memory, training
from srwizard.runs.failure_kinds.kind import Advice, Kind

CATALOGUE: tuple[Kind, ...] = (
    files.TOO_MANY_OPEN,  # also of shared memory, whose words it has
    *limits.KINDS,
    *memory.KINDS,
    *files.KINDS,
    *devices.KINDS,
    *training.KINDS,
    *machines.KINDS,
)

UNKNOWN = Kind(
    "unknown",
    N_("Training ended with an error that is not in the catalogue."),
    causes=(N_("see the error and train.log"),),
    advice=(Advice(N_("change what the error names, then start again: {again}")),),
)


def recognise(text: str) -> Kind:
    """Return the kind of failure that `text` (type and message, or "signal N") stands for."""
    return next((kind for kind in CATALOGUE if kind.matches(text)), UNKNOWN)


def kind_named(name: str) -> Kind:
    """Return the kind of failure of this name; `UNKNOWN` where the catalogue has none."""
    return next((kind for kind in CATALOGUE if kind.name == name), UNKNOWN)


def concerns_gpus(name: str) -> bool:
    """Return whether, on GPUs, the GPUs may be the reason for a failure of this kind."""
    kind = kind_named(name)
    return kind.ran_out_of_memory or kind in devices.KINDS
