"""The memory that there is for a run: on its GPUs, or on the CPU for all of its processes."""

import os
import resource
import socket
import sys

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.hardware.devices import Devices, cpu, find_devices
from srwizard.settings.run_config import RunConfig


def capacities_of(run: RunConfig) -> list[int]:
    """Return the free memory of each chosen GPU, or what is available to all on the CPU.

    Raises:
        UsageError: NVML no longer tells what is free on a chosen GPU.
    """
    if not run.devices.on_gpus:
        return [cpu_capacity(run.devices.processes)]
    found = find_devices()
    if run.devices.gpus_per_node:
        return _visible(run.devices.gpus_per_node, found)
    free = {gpu.uuid: gpu.free_bytes for gpu in found.gpus}
    for gpu in run.devices.gpus:
        if gpu.uuid not in free:
            raise UsageError(
                _(
                    "GPU {index} ({name}) no longer reports its free memory",
                    index=gpu.index,
                    name=gpu.name,
                ),
                "\n".join([*found.notices, _("List the devices: srwizard gpus")]),
            )
    return [free[gpu.uuid] for gpu in run.devices.gpus]


def _visible(count: int, found: Devices) -> list[int]:
    """Return the free memory of the first GPUs that this machine lets be seen.

    Raises:
        UsageError: there are fewer, or they are parts of a GPU.
    """
    if count > 1 and any(gpu.parent is not None for gpu in found.gpus[:count]):
        raise UsageError(
            _n(
                "{host}: the run needs {count} GPU on each machine, and what is visible are parts "
                "of GPUs (MIG), of which CUDA shows one alone to a process",
                "{host}: the run needs {count} GPUs on each machine, and what is visible are parts "
                "of GPUs (MIG), of which CUDA shows one alone to a process",
                count,
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
            "\n".join([*found.notices, _("List the devices: srwizard gpus")]),
        )
    return [gpu.free_bytes for gpu in found.gpus[:count]]


def cpu_capacity(processes: int) -> int:
    """Return the bytes that so many processes may hold on the CPU together.

    That is what the machine and its groups have left, and what Slurm grants to the job; and no
    process can hold more than its address space, which batch systems limit (`ulimit -v`).
    """
    limit, _hard = resource.getrlimit(resource.RLIMIT_AS)
    available = min(cpu().available_bytes, _granted_by_slurm())
    return available if limit == resource.RLIM_INFINITY else min(available, limit * processes)


def _granted_by_slurm() -> int:
    """Return what a Slurm job may hold on this machine: not every cluster makes a cgroup of it."""
    for name, times in (("SLURM_MEM_PER_NODE", "1"), ("SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE")):
        megabytes, count = os.environ.get(name, ""), os.environ.get(times, times)
        if megabytes.isdigit() and int(megabytes) and count.isdigit():
            return int(megabytes) * int(count) * 2**20
    return sys.maxsize


def least_capacity(run: RunConfig) -> int | None:
    """Return the memory there is for each process of a run, or for all on the CPU; None: unknown.

    That of the GPU with the least free memory counts.
    """
    if not run.devices.gpus:
        return cpu_capacity(run.devices.processes)
    free = {gpu.uuid: gpu.free_bytes for gpu in find_devices().gpus}
    return min((free[gpu.uuid] for gpu in run.devices.gpus if gpu.uuid in free), default=None)
