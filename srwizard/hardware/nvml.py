"""GPUs as NVML reports them, through its official binding, nvidia-ml-py."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import psutil
import pynvml

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _

T = TypeVar("T")

BUSY_UTILISATION = 10
"""Percent of use from which a GPU is called busy."""
BUSY_SHARE = 0.25
"""Share of the memory in use from which it is, too: in a container nobody's processes are seen."""
PARTS_FROM = 100
"""A part of a partitioned GPU is numbered so many times its GPU's number plus one, plus its own."""
VENDOR_PREFIXES = ("NVIDIA GeForce ", "NVIDIA ")
ComputeMode = Literal["default", "exclusive", "prohibited"]
COMPUTE_MODES: dict[int, ComputeMode] = {
    pynvml.NVML_COMPUTEMODE_DEFAULT: "default",
    pynvml.NVML_COMPUTEMODE_EXCLUSIVE_THREAD: "exclusive",
    pynvml.NVML_COMPUTEMODE_PROHIBITED: "prohibited",
    pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS: "exclusive",
}

REASONS = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: N_(
        "no NVIDIA driver is installed (libnvidia-ml.so.1 is not found)"
    ),
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: N_(
        "the NVIDIA driver is installed but not loaded; a restart of the machine may load it"
    ),
    pynvml.NVML_ERROR_NO_PERMISSION: N_(
        "you have no permission; ask the administrator of this machine"
    ),
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: N_(
        "the NVIDIA driver was updated while it was loaded, and its library and kernel module "
        "differ in version; restart the machine"
    ),
    pynvml.NVML_ERROR_GPU_IS_LOST: N_("the GPU is lost, it no longer answers; restart the machine"),
    pynvml.NVML_ERROR_RESET_REQUIRED: N_(
        "the GPU must be reset; ask the administrator of this machine"
    ),
}


@dataclass(frozen=True)
class GPUProcess:
    """Somebody's process on a GPU; who and how much are not always told ("?", None)."""

    pid: int
    user: str
    memory_bytes: int | None


@dataclass(frozen=True)
class GPU:
    """A GPU that can be chosen, in bytes and percent; `parent` is set for a part of one (MIG).

    What the driver does not tell is None.

    Args:
        capability: the compute capability, as (8, 9).
        compute_mode: whether it computes for several processes, one, or none.
        memory_errors: how many errors of its memory could not be corrected since it was reset.
    """

    index: int
    uuid: str
    name: str
    total_bytes: int
    free_bytes: int
    utilisation: int | None = None
    processes: tuple[GPUProcess, ...] | None = ()
    parent: int | None = None
    capability: tuple[int, int] | None = None
    compute_mode: ComputeMode | None = None
    memory_errors: int | None = None

    @property
    def busy(self) -> bool:
        """Whether somebody is computing on it."""
        held = self.total_bytes - self.free_bytes
        return (
            bool(self.processes)
            or (self.utilisation or 0) >= BUSY_UTILISATION
            or held > BUSY_SHARE * self.total_bytes
        )

    @property
    def short_name(self) -> str:
        """The name without its maker's."""
        return _short(self.name)


@dataclass(frozen=True)
class PartitionedGPU:
    """A GPU in MIG mode: only its parts can be chosen, if it has any."""

    index: int
    uuid: str
    name: str
    parts: tuple[int, ...] = ()
    parent: None = None

    @property
    def short_name(self) -> str:
        """The name without its maker's."""
        return _short(self.name)


@dataclass(frozen=True)
class Fault:
    """What NVML refused, for one GPU or (index None) for all; `code` is NVML's own."""

    index: int | None
    code: int
    error: str
    parent: int | None = None

    @property
    def reason(self) -> str:
        """What that means, in the user's language."""
        known = REASONS.get(self.code)
        return self.error if known is None else _(known)


@dataclass(frozen=True)
class Seen:
    """All that NVML reports; without a driver, nothing but the fault that says why."""

    gpus: tuple[GPU, ...] = ()
    partitioned: tuple[PartitionedGPU, ...] = ()
    faults: tuple[Fault, ...] = ()
    driver: str | None = None
    cuda: str | None = None


def look() -> Seen:
    """Ask NVML for the GPUs. Never raises: what it refuses stands in `faults`."""
    # NVML is left open: without persistence mode, closing it powers the GPUs down, and the next
    # look would wait seconds for each of them.
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        return Seen(faults=(_fault(None, error),))
    found: list[GPU | PartitionedGPU | Fault] = []
    for index in range(count):
        try:
            found.extend(_device(index))
        except pynvml.NVMLError as error:
            found.append(_fault(index, error))
    return Seen(
        gpus=tuple(item for item in found if isinstance(item, GPU)),
        partitioned=tuple(item for item in found if isinstance(item, PartitionedGPU)),
        faults=tuple(item for item in found if isinstance(item, Fault)),
        driver=_told(lambda: str(pynvml.nvmlSystemGetDriverVersion())),
        cuda=_told(_cuda_version),
    )


def _device(index: int) -> list[GPU | PartitionedGPU | Fault]:
    """Return one GPU, or a partitioned one with its parts."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    if not _told(lambda: pynvml.nvmlDeviceGetMigMode(handle)[0]):
        return [_gpu(handle, index)]
    parts = list(_parts(handle, index))
    whole = PartitionedGPU(
        index,
        str(pynvml.nvmlDeviceGetUUID(handle)),
        str(pynvml.nvmlDeviceGetName(handle)),
        tuple(part.index for part in parts if isinstance(part, GPU)),
    )
    return [whole, *parts]


def _parts(whole: Any, parent: int) -> Iterator[GPU | Fault]:
    """Return the parts of a GPU in MIG mode."""
    for place in range(_told(lambda: int(pynvml.nvmlDeviceGetMaxMigDeviceCount(whole))) or 0):
        index = PARTS_FROM * (parent + 1) + place
        try:
            handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(whole, place)
            yield _gpu(handle, index, parent)
        except pynvml.NVMLError_NotFound:
            continue  # a place that could hold a part, and holds none
        except pynvml.NVMLError as error:
            yield _fault(index, error, parent)


def _gpu(handle: Any, index: int, parent: int | None = None) -> GPU:
    name = str(pynvml.nvmlDeviceGetName(handle))
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return GPU(
        index=index,
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
        name=name,
        total_bytes=int(memory.total),
        free_bytes=int(memory.free),
        utilisation=_told(lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)),
        processes=_processes(handle),
        parent=parent,
        capability=_told(lambda: _capability(handle)),
        compute_mode=_compute_mode(handle),
        memory_errors=_told(lambda: _memory_errors(handle)),
    )


def _capability(handle: Any) -> tuple[int, int]:
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return int(major), int(minor)


def _compute_mode(handle: Any) -> ComputeMode | None:
    number = _told(lambda: int(pynvml.nvmlDeviceGetComputeMode(handle)))
    return None if number is None else COMPUTE_MODES.get(number)


def _memory_errors(handle: Any) -> int:
    kinds = pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC
    return int(pynvml.nvmlDeviceGetTotalEccErrors(handle, *kinds))


def _processes(handle: Any) -> tuple[GPUProcess, ...] | None:
    """Return who computes on a GPU, directly or through its MPS server; None if not told."""
    direct = _first_told(
        handle,
        pynvml.nvmlDeviceGetComputeRunningProcesses_v3,
        pynvml.nvmlDeviceGetComputeRunningProcesses_v2,
    )
    shared = _first_told(
        handle,
        pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v3,
        pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v2,
    )
    if direct is None and shared is None:
        return None
    found = {process.pid: process for process in (*(direct or []), *(shared or []))}
    return tuple(
        GPUProcess(process.pid, _user(process.pid), _bytes(process.usedGpuMemory))
        for process in found.values()
    )


def _first_told(handle: Any, *calls: Callable[[Any], Any]) -> list[Any] | None:
    """Return the answer to the newest call that the driver knows."""
    for call in calls:
        try:
            return list(call(handle))
        except pynvml.NVMLError_FunctionNotFound:
            continue  # an older driver
        except pynvml.NVMLError:
            break
    return None


def _told(call: Callable[[], T]) -> T | None:
    """Return what a call answers, or None where the card or the driver does not tell."""
    try:
        return call()
    except pynvml.NVMLError:
        return None


def _bytes(count: int | None) -> int | None:
    return None if count is None else int(count)


def _user(pid: int) -> str:
    try:
        return psutil.Process(pid).username()
    except psutil.Error:
        return "?"


def _short(name: str) -> str:
    for prefix in VENDOR_PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _cuda_version() -> str:
    """Return what the driver's library runs that programs find: a newer one may be beside it."""
    found = _told(pynvml.nvmlSystemGetCudaDriverVersion_v2)
    version = int(found or pynvml.nvmlSystemGetCudaDriverVersion())
    return f"{version // 1000}.{version % 1000 // 10}"


def _fault(index: int | None, error: Any, parent: int | None = None) -> Fault:
    return Fault(index, int(error.value), str(error), parent)
