"""The devices there are: GPUs through NVML, and the CPU with the memory it may use."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from srwizard.i18n import translate as _

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROCESS_CGROUP = Path("/proc/self/cgroup")
BUSY_UTILISATION = 10
"""Percent of use from which a GPU is called busy."""


@dataclass(frozen=True)
class GPUProcess:
    """Somebody's process on a GPU."""

    pid: int
    user: str
    memory_bytes: int


@dataclass(frozen=True)
class GPU:
    """One GPU as NVML reports it, in bytes and percent."""

    index: int
    uuid: str
    name: str
    total_bytes: int
    free_bytes: int
    utilisation: int | None = None
    processes: tuple[GPUProcess, ...] = field(default_factory=tuple)

    @property
    def busy(self) -> bool:
        """Whether somebody is computing on it."""
        return bool(self.processes) or (self.utilisation or 0) >= BUSY_UTILISATION


@dataclass(frozen=True)
class CPU:
    """Cores and memory that this process may use."""

    cores: int
    total_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class Devices:
    """All devices; `notices` says in the user's language why a GPU is missing."""

    gpus: tuple[GPU, ...]
    cpu: CPU
    notices: tuple[str, ...] = ()


def find_devices() -> Devices:
    """Look at the machine. Never raises: what is wrong with a GPU stands in `notices`."""
    gpus, notices = _gpus()
    return Devices(tuple(gpus), cpu(), tuple(notices))


def cpu() -> CPU:
    """Return cores and memory, the cgroup's limits being respected."""
    memory = psutil.virtual_memory()
    limit, available = memory.total, memory.available
    for group_limit, group_used in _cgroup_memory():
        limit = min(limit, group_limit)
        available = min(available, group_limit - group_used)
    return CPU(len(os.sched_getaffinity(0)), limit, max(0, available))


def _cgroup_memory() -> list[tuple[int, int]]:
    """Return (limit, used without page cache) of this process's cgroup v2 and its parents."""
    try:
        lines = PROCESS_CGROUP.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        if not line.startswith("0::"):
            continue
        group = CGROUP_ROOT / line[3:].lstrip("/")
        while group.is_relative_to(CGROUP_ROOT):
            limits = _cgroup_limit(group)
            if limits is not None:
                found.append(limits)
            if group == CGROUP_ROOT:
                break
            group = group.parent
    return found


def _cgroup_limit(group: Path) -> tuple[int, int] | None:
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    cache = int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0))
    return int(limit), max(0, used - cache)


def _gpus() -> tuple[list[GPU], list[str]]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return [], [_("No GPU can be used: {reason}", reason=error)]
    try:
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        return [], [_("The GPUs cannot be counted: {reason}", reason=error)]
    gpus: list[GPU] = []
    notices: list[str] = []
    if count == 0:
        notices.append(_("The NVIDIA driver is there, but no GPU is."))
    for index in range(count):
        try:
            gpus.append(_gpu(pynvml, index))
        except pynvml.NVMLError as error:
            notices.append(_("GPU {index} cannot be used: {reason}", index=index, reason=error))
    return gpus, notices


def _gpu(nvml: Any, index: int) -> GPU:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    try:
        utilisation = int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except nvml.NVMLError:
        utilisation = None  # not every card reports it
    try:
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError:
        running = []
    return GPU(
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(nvml.nvmlDeviceGetName(handle)),
        total_bytes=int(memory.total),
        free_bytes=int(memory.free),
        utilisation=utilisation,
        processes=tuple(
            GPUProcess(process.pid, _user(process.pid), int(process.usedGpuMemory or 0))
            for process in running
        ),
    )


def _user(pid: int) -> str:
    try:
        return psutil.Process(pid).username()
    except psutil.Error:
        return "?"


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def fast_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether this CPU computes in bfloat16 without emulating it."""
    try:
        flags = cpuinfo.read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags
