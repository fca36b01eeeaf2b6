"""The devices there are: GPUs through NVML, and the CPU with the memory it may use."""

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from srwizard.base.i18n import translate as _
from srwizard.hardware import cgroups, nvml, torch_build
from srwizard.hardware.nvml import GPU, Fault, GPUProcess, PartitionedGPU, Seen
from srwizard.hardware.usable import Unusable, why_not

__all__ = [
    "CPU", "GPU", "Devices", "Fault", "GPUProcess", "PartitionedGPU", "Unusable", "find_devices",
]  # fmt: skip

VISIBLE = "CUDA_VISIBLE_DEVICES"
NUMBER = r"[+-]?0*[0-9]{1,9}(?![0-9])"
"""How an entry begins that may be the number of a GPU."""


@dataclass(frozen=True)
class CPU:
    """Cores and memory that this process may use."""

    cores: int
    total_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class Devices:
    """All devices. `gpus` can be chosen; the rest tells why others cannot.

    Args:
        gpus: what can be chosen, numbered as nvidia-smi does; parts of a GPU (MIG) from 100.
        cpu: what can always be chosen.
        partitioned: GPUs of which only parts can be chosen.
        faults: what NVML refused.
        unusable: GPUs on which the installed torch cannot compute now.
        hidden: numbers of GPUs that CUDA_VISIBLE_DEVICES hides.
        visible: the value of CUDA_VISIBLE_DEVICES, None where it is not set.
        driver: version of the NVIDIA driver.
        cuda: newest version of CUDA that the driver can run.
    """

    gpus: tuple[GPU, ...]
    cpu: CPU
    partitioned: tuple[PartitionedGPU, ...] = ()
    faults: tuple[Fault, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    hidden: tuple[int, ...] = ()
    visible: str | None = None
    driver: str | None = None
    cuda: str | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of the GPUs that cannot be chosen."""
        return tuple(_notices(self))


def find_devices() -> Devices:
    """Look at the machine. Never raises: what is wrong with a GPU stands in `notices`."""
    seen = nvml.look()
    visible = os.environ.get(VISIBLE)
    everything: list[GPU | PartitionedGPU | Fault] = [*seen.gpus, *seen.partitioned, *seen.faults]
    numbers = {item.index for item in everything}
    shown = numbers if visible is None else _with_parts(visible_numbers(visible, seen), everything)
    torch = torch_build.installed() if seen.gpus else None
    unusable = tuple(
        found
        for gpu in seen.gpus
        if gpu.index in shown and (found := why_not(gpu, seen, torch)) is not None
    )
    offered = shown - {found.index for found in unusable}
    return Devices(
        gpus=tuple(gpu for gpu in seen.gpus if gpu.index in offered),
        cpu=cpu(),
        partitioned=tuple(
            replace(whole, parts=tuple(part for part in whole.parts if part in offered))
            for whole in seen.partitioned
            if whole.index in shown
        ),
        faults=tuple(fault for fault in seen.faults if fault.index in {None, *shown}),
        unusable=unusable,
        hidden=tuple(sorted(number for number in numbers - shown if number is not None)),
        visible=visible,
        driver=seen.driver,
        cuda=seen.cuda,
    )


def _with_parts(
    named: set[int], everything: Sequence[GPU | PartitionedGPU | Fault]
) -> set[int | None]:
    """Return the numbers, with those of the parts of what is named, and of what they are part."""
    parents = {item.index: item.parent for item in everything}
    return {
        *named,
        *(parents.get(number) for number in named),
        *(number for number, parent in parents.items() if parent in named),
    }


def visible_numbers(visible: str, seen: Seen) -> set[int]:
    """Return the numbers of what a value of CUDA_VISIBLE_DEVICES names.

    As in CUDA, what follows an entry that names nothing does not count, and nothing is visible
    where an entry stands twice.
    """
    named: set[int] = set()
    for entry in visible.split(","):
        number = _number_of(entry.strip(), seen)
        if number is None:
            break
        if number in named:
            return set()
        named.add(number)
    return named


def _number_of(entry: str, seen: Seen) -> int | None:
    """Return the number of the device that one entry names: a number, or how its uuid begins.

    A number is read as far as it is one, as C's strtoul does and CUDA after it: "1.0" is 1.
    """
    devices: list[GPU | PartitionedGPU] = [*seen.gpus, *seen.partitioned]
    begins = re.match(NUMBER, entry)
    if begins is not None:
        whole: set[int | None] = {item.index for item in devices if item.parent is None}
        whole |= {fault.index for fault in seen.faults if fault.parent is None}
        return int(begins[0]) if int(begins[0]) in whole else None
    if not entry.startswith(("GPU-", "MIG-")):
        return None
    matching = [device.index for device in devices if device.uuid.startswith(entry)]
    return matching[0] if len(matching) == 1 else None


def _notices(found: Devices) -> Iterator[str]:
    for fault in found.faults:
        if fault.index is None:
            yield _("No GPU can be used: {reason}", reason=fault.reason)
        else:
            yield _("GPU {index} cannot be used: {reason}", index=fault.index, reason=fault.reason)
    for reason in dict.fromkeys(one.reason for one in found.unusable if one.holds_for_all):
        yield _("No GPU can be used: {reason}", reason=reason)
    for one in found.unusable:
        if not one.holds_for_all:
            yield _("GPU {index} cannot be used: {reason}", index=one.index, reason=one.reason)
    shown = (*found.gpus, *found.partitioned, *found.faults, *found.unusable)
    if not shown and not found.hidden:
        yield _("The NVIDIA driver is there, but no GPU is.")
    elif not shown:
        yield _("CUDA_VISIBLE_DEVICES={value} hides all GPUs.", value=found.visible)
    elif found.hidden:
        yield _(
            "CUDA_VISIBLE_DEVICES={value}: only what it names is offered, numbered as nvidia-smi "
            "does.",
            value=found.visible,
        )


def devices_json(found: Devices) -> dict[str, Any]:
    """Return what `srwizard gpus --json` prints.

    Sizes are bytes, `utilisation` is percent; what the driver does not tell is null. Notices are
    in the user's language, everything else is for programs. Keys may be added, never changed.
    """
    content = asdict(found)
    for entry, gpu in zip(content["gpus"], found.gpus, strict=True):
        entry["busy"] = gpu.busy
    return {**content, "notices": found.notices}


def cpu() -> CPU:
    """Return cores and memory, the cgroup's limits being respected; a part of a core is one."""
    memory = psutil.virtual_memory()
    limit, available = memory.total, memory.available
    for group_limit, group_used in cgroups.memory_limits():
        limit = min(limit, group_limit)
        available = min(available, group_limit - group_used)
    cores = len(os.sched_getaffinity(0))
    granted = cgroups.cores_granted()
    if granted is not None:
        cores = min(cores, math.ceil(granted))
    return CPU(cores, limit, max(0, available))


def fast_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether this CPU computes in bfloat16 without emulating it."""
    try:
        flags = cpuinfo.read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags
