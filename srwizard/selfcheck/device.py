"""The device of a self-check, by its name. Imports no torch."""

import re
from dataclasses import dataclass

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.hardware.devices import find_devices


@dataclass(frozen=True)
class Device:
    """What a self-check computes on.

    Args:
        name: cpu, or cuda:N.
        gpus: the answer to devices.gpus.
        visible: the value of CUDA_VISIBLE_DEVICES that shows this GPU alone; "" on the CPU.
    """

    name: str
    gpus: tuple[int, ...] = ()
    visible: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Let the commands see this GPU alone, as cuda:0."""
        return {"CUDA_VISIBLE_DEVICES": self.visible} if self.gpus else {}


def device_named(name: str | None) -> Device:
    """Return the device that `srwizard predict --device` calls so; None: a GPU if available.

    Raises:
        UsageError: there is none.
    """
    if name == "cpu":
        return Device("cpu")
    number = re.fullmatch(r"cuda(?::(\d+))?", name) if name is not None else None
    if name is not None and number is None:
        raise UsageError(
            _("{name} is not a device", name=name),
            _("Choose cpu, cuda, or a GPU by number: cuda:1"),
        )
    gpus = find_devices().gpus
    if number is not None and number[1] is not None:
        gpus = tuple(gpu for gpu in gpus if gpu.index == int(number[1]))
    if gpus:
        return Device(f"cuda:{gpus[0].index}", (gpus[0].index,), gpus[0].uuid)
    if name is None:
        return Device("cpu")
    raise UsageError(
        _("there is no GPU {name} that torch can use", name=name),
        _("List the devices: srwizard gpus. Or use --device cpu."),
    )
