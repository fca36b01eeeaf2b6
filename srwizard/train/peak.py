"""The most memory that a training has had so far."""

from pathlib import Path

import torch

from srwizard.train.distributed import Place, from_all_ranks


def peak_bytes(place: Place) -> int | None:
    """Return the peak over the ranks: on GPUs that of the fullest, on a CPU the sum of all.

    On a GPU it is what torch has reserved, on a CPU the resident set. None where the system does
    not say. Every rank has to ask.
    """
    if place.device.type == "cuda":
        reserved = int(torch.cuda.max_memory_reserved(place.device))
        return max(map(int, from_all_ranks(place, reserved)))
    found = [peak for peak in from_all_ranks(place, peak_resident()) if peak is not None]
    return sum(found) if len(found) == place.world else None


def peak_resident(pid: int | str = "self") -> int | None:
    """Return the largest resident set of a process so far, None where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in lines.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
