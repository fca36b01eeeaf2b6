"""The environment of the processes of a run: devices, threads, allocators.

Imports no torch.
"""

import os

from srwizard.base.i18n import language
from srwizard.hardware.devices import cpu
from srwizard.hardware.numbering import AS_NVIDIA_SMI
from srwizard.models.card import FREED_BLOCK
from srwizard.models.catalog import card
from srwizard.settings.run_config import RunConfig

# With glibc's defaults the resident set holds nearly twice what tensors need, and the measured peak
# would not repeat. 8 MiB stay at the end of the heap, for the pieces that functions compute in.
TRIM_THRESHOLD = {"MALLOC_TRIM_THRESHOLD_": "8388608"}
# Blocks that come fresh from the system for every tensor cost a page fault for each 4 KiB, which
# can take longer than the arithmetic. In huge pages (2 MiB) they halve the time of a step. The
# first setting is PyTorch's, for its tensors; the second glibc's, for what oneDNN allocates, too.
HUGE_PAGES = {"THP_MEM_ALLOC_ENABLE": "1"}
HUGE_PAGES_TUNABLE = "glibc.malloc.hugetlb=1"
# A thread that waits spins for some microseconds, then sleeps: libgomp counts, libomp and MKL's
# libiomp5 have milliseconds. A step of EDSR on two idle cores takes 0.078 s asleep at once, 0.053 s
# with 1000, 0.051 s with 100,000; beside two endless loops 0.164, 0.134 and more than 2 s: a long
# spin keeps a core from the very thread that is waited for. docs/speed.md has more figures.
SPIN = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"}
TORCHRUN_ID = "TORCHELASTIC_RUN_ID"
PLACES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE",
    "ROLE_RANK", "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT", TORCHRUN_ID,
    "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS", "TORCHELASTIC_USE_AGENT_STORE",
)  # fmt: skip
"""Where another launcher has put this process among others; ours puts its own there."""


GPU_ALLOCATOR = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")


def gpu_allocator_settings() -> dict[str, str]:
    """Return the environment of torch's allocator on GPUs; what the user has set stays.

    Segments that grow leave no holes between them that no other block fits into.
    """
    if any(os.environ.get(name) for name in GPU_ALLOCATOR):
        return {}
    return {GPU_ALLOCATOR[0]: "expandable_segments:True"}


def segments_expand() -> bool:
    """Return whether processes on GPUs will have segments that grow."""
    given = [os.environ[name] for name in GPU_ALLOCATOR if os.environ.get(name)]
    return not given or "expandable_segments:true" in given[-1].lower().replace(" ", "")


def inherited() -> dict[str, str]:
    """Return the environment of this process, as its processes inherit it: without a place."""
    return {name: value for name, value in os.environ.items() if name not in PLACES}


def launched_together() -> bool:
    """Return whether torchrun has started this process, and its place among others is its own."""
    return TORCHRUN_ID in os.environ


def settings(run: RunConfig) -> dict[str, str]:
    """Return the environment of every process of the run: its devices, threads, allocator."""
    # On another machine the GPUs are those that a batch system, or that machine, lets be seen.
    named = (
        {}
        if run.devices.gpus_per_node
        else {"CUDA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in run.devices.gpus)}
    )
    return {
        **named,
        **AS_NVIDIA_SMI,
        **thread_settings(run.devices.processes),
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        # The store that torchrun would share keeps, after a restart, the addresses of processes
        # that are gone.
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        # Whatever lies in the user's directory (a models/, a torch.py) is not ours to import.
        "PYTHONSAFEPATH": "1",
        "LANGUAGE": language(),
        **allocator_settings(freed_block(run)),
        **(gpu_allocator_settings() if run.devices.on_gpus else {}),
    }


def thread_settings(processes: int = 1) -> dict[str, str]:
    """Return how many threads each of so many processes has, and how they wait."""
    return {"OMP_NUM_THREADS": str(max(1, cpu().cores // processes)), **waiting_settings()}


def set_threads_of_this_process() -> None:
    """Have torch compute in this process as a run's processes do; to be called before it is loaded.

    Threads that spin as long as they do by default are many times slower beside other programs: to
    draw the members of an ensemble took fifteen times as long. What the user has set stays.
    """
    for name, value in thread_settings().items():
        os.environ.setdefault(name, value)


def waiting_settings() -> dict[str, str]:
    """Return how long threads spin before they sleep; what the user has set stays."""
    if os.environ.get("OMP_WAIT_POLICY"):
        return {}
    return {name: value for name, value in SPIN.items() if not os.environ.get(name)}


def freed_block(run: RunConfig) -> int:
    """Return the size from which on freed blocks of a run's process go back to the system at once.

    One model's takes many blocks of 1 to 4 MiB in turn, and is up to a third slower where each is
    fetched anew; another's would leave holes between them. docs/speed.md has figures. Weights and
    gradients that several processes exchange are such holes: a third of the peak of sharded ones.
    """
    return card(run.model.name).freed_block if run.devices.processes == 1 else FREED_BLOCK


def allocator_settings(freed_block: int = FREED_BLOCK) -> dict[str, str]:
    """Return the environment that decides how a process gets its memory, and gives it back.

    What the user has set stays.

    Args:
        freed_block: blocks of so many bytes and above go back to the system once they are freed.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if HUGE_PAGES_TUNABLE.partition("=")[0] not in tunables:
        tunables = ":".join(filter(None, [tunables, HUGE_PAGES_TUNABLE]))
    ours = {"MALLOC_MMAP_THRESHOLD_": str(freed_block), **TRIM_THRESHOLD, **HUGE_PAGES}
    kept = {name: value for name, value in ours.items() if not os.environ.get(name)}
    return {**kept, "GLIBC_TUNABLES": tunables}
