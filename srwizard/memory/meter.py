"""What a process of a dry run holds: on its GPU, in the main memory, in shared memory."""

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import psutil
import pynvml
import torch

from srwizard.memory.allocator import CUDA_CONTEXT
from srwizard.train.distributed import Place

SHARED_MEMORY = "/dev/shm"


class Meter:
    """Reads peaks, phase by phase, and remembers the highest of each kind.

    Args:
        place: this process and its device.
        free_before: on a GPU, what was free there before this process began, in bytes.
    """

    def __init__(self, place: Place, free_before: int) -> None:
        self._place = place
        self._on_gpu = place.device.type == "cuda"
        self._free_before = free_before
        self._outside: int | None = None
        self._estimated: int | None = None
        self._allocated = self._workers = self._resident = 0
        self._shared_before, self._shared = _shared_memory_used(), 0

    def clock(self) -> float:
        """Return seconds, once the GPU has done what it was given so far."""
        if self._on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter()

    def forget(self) -> None:
        """Let the next peak be that of the next phase alone."""
        if self._on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        else:
            # Where this is not allowed, the peak is that since the process began.
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> int:
        """Return the peak since it was last forgotten: on a GPU reserved, on a CPU resident."""
        self._resident = max(self._resident, _highest_resident())
        self._workers = max(self._workers, _worker_bytes())
        self._shared = max(self._shared, _shared_memory_used() - self._shared_before)
        if not self._on_gpu:
            return _highest_resident()
        torch.cuda.synchronize()
        self._allocated = max(self._allocated, torch.cuda.max_memory_allocated())
        return torch.cuda.max_memory_reserved() + self.outside_allocator()

    def outside_allocator(self) -> int:
        """Return what this process holds on its GPU beside torch's allocator (context, libraries).

        NVML tells it, and what it told last counts on. In a container it may know this process by
        another number: then it is what is missing of the free memory, which others may have taken
        in the meantime; and an allowance where that is not known either: never nothing.
        """
        reserved = torch.cuda.memory_reserved()
        seen = nvml_bytes()
        if seen is not None:
            self._outside = max(0, seen - reserved)
        if self._outside is not None:
            return self._outside
        missing = self._free_before - _free_now() - reserved
        if missing > 0:
            self._estimated = max(missing, self._estimated or 0)
        return CUDA_CONTEXT if self._estimated is None else self._estimated

    @property
    def mapped_bytes(self) -> int:
        """What this process has taken of its address space beside its memory, at most."""
        return max(0, _from_status("VmPeak") - self._resident)

    @property
    def worker_bytes(self) -> int:
        """The most that the loader processes have held for themselves."""
        return self._workers

    def gpu_figures(self) -> dict[str, Any]:
        """Return what `dry_run.json` tells of a rank on a GPU beside its peaks."""
        if not self._on_gpu:
            return {}
        outside = self.outside_allocator()
        return {
            "allocated_bytes": self._allocated,
            "reserved_bytes": torch.cuda.max_memory_reserved(),
            "least_bytes": self._allocated + outside,
            "nvml_bytes": nvml_bytes(),
            "outside_bytes": outside,
            "outside_is_measured": self._outside is not None,
            "outside_is_estimated": self._outside is None and self._estimated is not None,
            "page_locked_bytes": _page_locked_bytes(),
            "host_peak_bytes": self._resident + self._workers + _page_locked_bytes(),
            "shared_memory_bytes": self._shared,
            "shared_memory_capacity_bytes": _shared_memory_free() + self._shared,
        }


def _highest_resident() -> int:
    return _from_status("VmHWM") or resident_bytes()


def _from_status(name: str) -> int:
    """Return what the kernel tells of this process, in bytes; 0 where it does not."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def resident_bytes() -> int:
    """Return the resident set of this process."""
    return int(psutil.Process().memory_info().rss)


def _worker_bytes() -> int:
    total = 0
    for child in psutil.Process().children():
        try:
            total += child.memory_full_info().uss
        except psutil.Error:
            continue
    return total


def _free_now() -> int:
    return int(torch.cuda.mem_get_info()[0])


def _page_locked_bytes() -> int:
    """Return what torch has locked in main memory for copies; no resident set counts it."""
    stats: dict[str, Any] = getattr(torch.cuda, "host_memory_stats", dict)()
    found = (stats.get(f"{name}.peak") for name in ("reserved_bytes", "allocated_bytes"))
    return next((int(size) for size in found if size), 0)


def _shared_memory_used() -> int:
    """Return what is used of the shared memory, where batches of loader processes lie."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).used
    except OSError:
        return 0


def _shared_memory_free() -> int:
    try:
        return shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return 0


def nvml_bytes() -> int | None:
    """Return what NVML says this process holds on its GPU, None where it does not say."""
    try:
        pynvml.nvmlInit()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        index = torch.cuda.current_device()
        named = visible[index] if index < len(visible) and visible[index] else str(index)
        # Batch systems name GPUs by their numbers.
        handle = (
            pynvml.nvmlDeviceGetHandleByIndex(int(named))
            if named.isdigit()
            else pynvml.nvmlDeviceGetHandleByUUID(named)
        )
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
            if process.pid == os.getpid() and process.usedGpuMemory:
                return int(process.usedGpuMemory)
    except (pynvml.NVMLError, KeyError, IndexError, OSError):
        return None
    return None
