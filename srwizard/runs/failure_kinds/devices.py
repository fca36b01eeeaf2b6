"""Failures of GPUs and their drivers."""

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.runs.failure_kinds.kind import GO_ON, Advice, Kind
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy


def _on_the_cpu(_answers: Answers) -> Remedy:
    return Remedy(
        {"devices.gpus": [], "devices.processes": 1}, _("Train on the CPU"), _("much slower")
    )


KINDS = (
    Kind(
        "no_cuda",
        N_("torch cannot use the GPUs."),
        causes=(
            N_("this torch was built without CUDA"),
            N_("the NVIDIA driver is too old for this torch"),
        ),
        advice=(
            Advice(N_("install a torch build for the driver's CUDA version")),
            Advice(N_("choose the CPU: devices.gpus: []"), _on_the_cpu),
        ),
        pattern=r"Torch not compiled with CUDA|No CUDA GPUs are available|"
        r"driver on your system is too old|CUDA driver version is insufficient",
    ),
    Kind(
        "device_failed",
        N_("The GPU, or its driver, reported a failure."),
        causes=(
            N_("the GPU has fallen off the bus, or its memory has a fault"),
            N_("an earlier failure of another program has left the GPU in a bad state"),
            N_("a fault in a kernel of this torch on this GPU"),
        ),
        advice=(
            Advice(N_("look at the GPU: srwizard gpus, nvidia-smi, and dmesg for Xid lines")),
            Advice(N_("go on with another GPU: devices.gpus")),
            GO_ON,
        ),
        pattern=r"CUDA error: (an illegal memory access|unspecified launch failure|"
        r"misaligned address|device-side assert|uncorrectable ECC|the launch timed out|"
        r"unknown error)|GPU is lost|CUBLAS_STATUS_EXECUTION_FAILED|"
        r"CUDNN_STATUS_EXECUTION_FAILED|CUBLAS_STATUS_NOT_INITIALIZED",
    ),
)
