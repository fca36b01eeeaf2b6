"""What memory a training has in use, counted as the dry run counts its peak."""

import contextlib
import functools
import os
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from srwizard.runs.records import dry_run_of
from srwizard.train.distributed import Place
from srwizard.train.peak import peak_resident


@dataclass(frozen=True)
class Measured:
    """The peak that a dry run has found, and what it found on a GPU beside torch's allocator."""

    peak_bytes: int | None = None
    outside_bytes: int = 0


def measured_peak(run_dir: Path, digest: str, place: Place) -> Measured:
    """Return the measured peak of a run: of all processes on a CPU, of this one on a GPU."""
    try:
        found = dry_run_of(run_dir, digest)
        if place.device.type != "cuda":
            return Measured(found["peak_bytes"])
        mine = next(figures for figures in found["ranks"] if figures["rank"] == place.rank)
        peak = int(mine["peak_bytes"])
        return Measured(peak, max(peak - int(mine["reserved_bytes"]), 0))
    except (ValueError, KeyError, TypeError, StopIteration):
        return Measured()


def memory_in_use(place: Place, outside_bytes: int = 0) -> tuple[int, int]:
    """Return the bytes in use now and the most that were so far.

    On a GPU those of this process. On a CPU the resident sets of all processes of this machine,
    with what their loaders hold for themselves.

    Args:
        place: the device.
        outside_bytes: on a GPU, beside torch's allocator.
    """
    if place.device.type == "cuda":
        now, peak = torch.cuda.memory_reserved(), torch.cuda.max_memory_reserved()
        return now + outside_bytes, peak + outside_bytes
    now = peak = 0
    for process in _ranks(place):
        with contextlib.suppress(psutil.Error):
            resident = int(process.memory_info().rss)
            loaders = sum(_own_bytes(loader) for loader in process.children())
            now += resident + loaders
            peak += max(peak_resident(process.pid) or 0, resident) + loaders
    return now, peak


def _ranks(place: Place) -> list[psutil.Process]:
    """Return the processes of the training on this machine: torchrun's children."""
    me = psutil.Process()
    if place.world == 1 or os.getppid() != _launcher():  # one that has lost torchrun is adopted
        return [me]
    torchrun = me.parent()
    return [me] if torchrun is None else torchrun.children()


@functools.cache
def _launcher() -> int:
    """Return the process that has started this one, asked while that lives."""
    return os.getppid()


def _own_bytes(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_full_info().uss)
    return 0
