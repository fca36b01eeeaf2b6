"""What a process of a training takes before it computes anything. Imports no torch."""

from srwizard.memory.resident import MIB

CUDA_CONTEXT = 450 * MIB
"""The driver's context with the code of torch's kernels: 300 to 600 MiB, depending on the GPU;
see the NVML figure less the reserved one in any dry run."""


def measured_baseline() -> int:
    """Return the resident set of this process with what a training process imports, and no more."""
    import psutil

    import srwizard.memory.rehearsal  # noqa: F401

    return int(psutil.Process().memory_info().rss)
