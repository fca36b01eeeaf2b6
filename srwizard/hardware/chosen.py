"""The GPUs that were chosen for a run, as they are on this machine now."""

import socket
from collections.abc import Iterator, Sequence
from typing import Protocol

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.hardware.devices import GPU, Devices, find_devices
from srwizard.hardware.remarks import remarks


class Named(Protocol):
    """A GPU as a run config names it."""

    @property
    def index(self) -> int: ...
    @property
    def uuid(self) -> str: ...
    @property
    def name(self) -> str: ...


class Chosen(Protocol):
    """The devices of a run config: GPUs by name, or so many of those that each machine shows."""

    @property
    def gpus(self) -> Sequence[Named]: ...
    @property
    def gpus_per_node(self) -> int: ...


def gpus_of(devices: Chosen) -> list[GPU]:
    """Return the GPUs of a run, in the order of its processes; none on a CPU.

    Raises:
        UsageError: one of them cannot be used now.
    """
    if not (devices.gpus or devices.gpus_per_node):
        return []
    found = find_devices()
    if devices.gpus_per_node:
        return _visible(devices.gpus_per_node, found)
    there = {gpu.uuid: gpu for gpu in found.gpus}
    for gpu in devices.gpus:
        if gpu.uuid not in there:
            raise UsageError(_cannot_be_used(gpu, found), _notices(found))
    return [there[gpu.uuid] for gpu in devices.gpus]


def remarks_on_gpus(devices: Chosen) -> list[str]:
    """Return what NVML says of a run's GPUs that may be why it failed, a line each."""
    if not (devices.gpus or devices.gpus_per_node):
        return []
    found = find_devices()
    if devices.gpus_per_node:
        its = list(found.gpus[: devices.gpus_per_node])
        return [*found.notices, *_remarks(its)]
    uuids = {gpu.uuid for gpu in devices.gpus}
    there = [gpu for gpu in found.gpus if gpu.uuid in uuids]
    gone = uuids - {gpu.uuid for gpu in there}
    return [
        *(_cannot_be_used(gpu, found) for gpu in devices.gpus if gpu.uuid in gone),
        *_remarks(there),
    ]


def _remarks(gpus: list[GPU]) -> Iterator[str]:
    for gpu in gpus:
        for line in remarks(gpu):
            yield f"GPU {gpu.index}: {line}"


def _cannot_be_used(gpu: Named, found: Devices) -> str:
    """Say why a GPU of a run is not among those that can be chosen."""
    reason = _("it is not there any more")
    for fault in found.faults:
        if fault.index in (gpu.index, None):
            reason = fault.reason
    for one in found.unusable:
        if one.gpu.uuid == gpu.uuid:
            reason = one.reason
    if gpu.index in found.hidden:
        reason = _("CUDA_VISIBLE_DEVICES={value} hides it", value=found.visible)
    return _(
        "GPU {index} ({name}) cannot be used: {reason}",
        index=gpu.index,
        name=gpu.name,
        reason=reason,
    )


def _visible(count: int, found: Devices) -> list[GPU]:
    """Return the first GPUs that this machine lets be seen.

    Raises:
        UsageError: there are fewer, or they are parts of a GPU.
    """
    if count > 1 and any(gpu.parent is not None for gpu in found.gpus[:count]):
        raise UsageError(
            _(
                "{host}: the run needs {count} GPUs on each machine, and what is visible are parts "
                "of GPUs (MIG), of which CUDA shows one alone to a process",
                host=socket.gethostname(),
                count=count,
            ),
            _("Set devices.gpus_per_node to 1, or ask for whole GPUs."),
        )
    if len(found.gpus) < count:
        raise UsageError(
            _n(
                "{host}: the run needs {count} GPU on each machine; there are {there}",
                "{host}: the run needs {count} GPUs on each machine; there are {there}",
                count,
                host=socket.gethostname(),
                count=count,
                there=len(found.gpus),
            ),
            _notices(found),
        )
    return list(found.gpus[:count])


def _notices(found: Devices) -> str:
    return "\n".join([*found.notices, _("List the devices: srwizard gpus")])
