"""The memory that there is for a run: on its GPUs, or on the CPU for all of its processes."""

import os
import resource
import sys

from srwizard.hardware.chosen import gpus_of
from srwizard.hardware.devices import cpu, find_devices
from srwizard.settings.run_config import RunConfig

MAPPED = 700 * 2**20
"""Address space that a training process takes beside what it holds in memory: libraries of which
few pages are ever read, stacks and arenas of threads. With the CPU build of torch 2.13; the dry run
measures it."""
WRITER = 80 * 2**20
"""Of that, the thread that writes checkpoints, which a dry run has not: a stack and an arena."""


def capacities_of(run: RunConfig) -> list[int]:
    """Return the free memory of each chosen GPU, or what is available to all on the CPU.

    Raises:
        UsageError: a chosen GPU cannot be used now.
    """
    if not run.devices.on_gpus:
        return [cpu_capacity(run.devices.processes)]
    return [gpu.free_bytes for gpu in gpus_of(run.devices)]


def cpu_capacity(processes: int) -> int:
    """Return the bytes that so many processes may hold on the CPU together.

    That is what the machine and its groups have left, what Slurm grants to the job, and what fits
    into the address space.
    """
    available = min(cpu().available_bytes, _granted_by_slurm())
    return within_address_space(available, processes, MAPPED)


def within_address_space(available: int, processes: int, mapped: int) -> int:
    """Return how much of `available` so many processes can hold together, in bytes.

    Batch systems limit the address space of each (`ulimit -v`), and not all of it is memory.

    Args:
        available: the memory there is.
        processes: that share it.
        mapped: what each takes of its address space beside memory.
    """
    limit = address_space()
    return available if limit is None else min(available, max(0, limit - mapped) * processes)


def address_space() -> int | None:
    """Return the limit of the address space of each process (`ulimit -v`); None: there is none."""
    limit, _hard = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def _granted_by_slurm() -> int:
    """Return what a Slurm job may hold on this machine: not every cluster makes a cgroup of it."""
    for name, times in (("SLURM_MEM_PER_NODE", "1"), ("SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE")):
        megabytes, count = os.environ.get(name, ""), os.environ.get(times, times)
        if megabytes.isdigit() and int(megabytes) and count.isdigit():
            return int(megabytes) * int(count) * 2**20
    return sys.maxsize


def least_capacity(run: RunConfig) -> int | None:
    """Return the memory there is for each process of a run, or for all on the CPU; None: unknown.

    That of the GPU with the least free memory counts; GPUs of another machine are not known.
    """
    if not run.devices.on_gpus:
        return cpu_capacity(run.devices.processes)
    free = {gpu.uuid: gpu.free_bytes for gpu in find_devices().gpus}
    return min((free[gpu.uuid] for gpu in run.devices.gpus if gpu.uuid in free), default=None)
