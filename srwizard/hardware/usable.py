"""On which of the GPUs that NVML shows the installed torch can compute, and why not on others."""

from dataclasses import dataclass
from typing import Literal

import psutil

from srwizard.base.i18n import translate as _
from srwizard.hardware.nvml import GPU, GPUProcess, Seen
from srwizard.hardware.torch_build import TorchBuild, major

Why = Literal["torch_without_cuda", "driver_too_old", "gpu_too_old", "prohibited", "taken"]
LEAST_CAPABILITY = {11: (3, 5), 12: (5, 0), 13: (7, 5)}
"""The oldest cards that each major version of CUDA compiles for (its release notes). What a build
of torch leaves out of these is not written in its files: the dry run meets it."""

MPS_SERVER = "nvidia-cuda-mps"
"""How its program is named, which the kernel cuts off after 15 letters."""


@dataclass(frozen=True)
class Unusable:
    """A GPU that is there and cannot be computed on now.

    Args:
        gpu: which one.
        why: for programs.
        reason: for people, in the user's language.
    """

    gpu: GPU
    why: Why
    reason: str

    @property
    def index(self) -> int:
        """The number of the GPU."""
        return self.gpu.index

    @property
    def holds_for_all(self) -> bool:
        """Whether torch or the driver is the reason, not the card."""
        return self.why in ("torch_without_cuda", "driver_too_old")


def why_not(gpu: GPU, seen: Seen, torch: TorchBuild | None) -> Unusable | None:
    """Return why torch cannot compute on a GPU now, None where nothing is known against it.

    Args:
        gpu: one of those in `seen`.
        seen: what NVML reports.
        torch: what is installed, None: not known.
    """
    if torch is not None and torch.cuda is None:
        reason = _(
            "this torch was built without CUDA; install a torch build for CUDA (see pytorch.org)"
        )
        return Unusable(gpu, "torch_without_cuda", reason)
    # Within a major version, a newer CUDA runs on an older driver, too.
    if torch is not None and seen.cuda is not None and major(seen.cuda) < torch.cuda_major:
        reason = _(
            "the NVIDIA driver {driver} is too old: it runs CUDA {there} at most, and this torch "
            "needs CUDA {needed}; update the driver, or install a torch build for CUDA {there}",
            driver=seen.driver,
            there=seen.cuda,
            needed=torch.cuda,
        )
        return Unusable(gpu, "driver_too_old", reason)
    least = LEAST_CAPABILITY.get(torch.cuda_major) if torch is not None else None
    if torch is not None and least and gpu.capability is not None and gpu.capability < least:
        reason = _(
            "it is too old for this torch: it has compute capability {there}, and CUDA {cuda} "
            "needs {needed}; install a torch build for an older CUDA",
            there=_dotted(gpu.capability),
            cuda=torch.cuda,
            needed=_dotted(least),
        )
        return Unusable(gpu, "gpu_too_old", reason)
    if gpu.compute_mode == "prohibited":
        reason = _("its compute mode is set to prohibited; ask the administrator of this machine")
        return Unusable(gpu, "prohibited", reason)
    holder = next((one for one in gpu.processes or () if _keeps_others_out(one)), None)
    if gpu.compute_mode == "exclusive" and holder is not None:
        reason = _(
            "it is in exclusive mode, and {user} (process {pid}) is computing on it",
            user=holder.user,
            pid=holder.pid,
        )
        return Unusable(gpu, "taken", reason)
    return None


def _keeps_others_out(process: GPUProcess) -> bool:
    """Return whether a process has an exclusive GPU for itself, as far as can be told.

    The server of MPS shares it with others, and may be any of those whose program is not told.
    """
    try:
        return not psutil.Process(process.pid).name().startswith(MPS_SERVER)
    except psutil.Error:
        return False


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
