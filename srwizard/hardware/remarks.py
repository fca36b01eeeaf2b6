"""What one should know of a GPU before, or after, something is computed on it."""

from collections.abc import Iterator

from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import bytes_text
from srwizard.hardware.nvml import GPU


def remarks(gpu: GPU) -> Iterator[str]:
    """Yield what one should know of a GPU: errors of its memory, and who is busy on it."""
    if gpu.memory_errors:
        yield memory_errors_text(gpu.memory_errors)
    yield from _occupants(gpu)


def _occupants(gpu: GPU) -> Iterator[str]:
    for process in gpu.processes or ():
        if process.memory_bytes is None:
            yield _(
                "busy: {user} (process {pid}), memory unknown", user=process.user, pid=process.pid
            )
        else:
            yield _(
                "busy: {user} (process {pid}) holds {memory}",
                user=process.user,
                pid=process.pid,
                memory=bytes_text(process.memory_bytes),
            )
    if gpu.busy and not gpu.processes:
        yield _in_use_text(gpu)


def _in_use_text(gpu: GPU) -> str:
    """Say how a GPU is in use whose processes are not told."""
    held = gigabytes_text(gpu.total_bytes - gpu.free_bytes)
    if gpu.utilisation is None:
        return _("busy: {memory} in use (the driver does not say by whom)", memory=held)
    return _(
        "busy: {memory} in use, utilization {percent} % (the driver does not say by whom)",
        memory=held,
        percent=gpu.utilisation,
    )


def memory_errors_text(count: int) -> str:
    """Say that the memory of a GPU has had errors that could not be corrected."""
    return _(
        "uncorrectable errors of its memory since it was last reset: {count}; results may be "
        "wrong until the administrator resets or replaces it",
        count=count,
    )


def gigabytes_text(count: int) -> str:
    """Return bytes as the size of a GPU's memory."""
    return f"{count / 2**30:.1f}GB"
