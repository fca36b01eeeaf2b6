"""Failures of GPUs and their drivers."""

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.runs.failure_kinds.files import without_loaders
from srwizard.runs.failure_kinds.kind import GO_ON, Advice, Kind
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy


def _on_the_cpu(_answers: Answers) -> Remedy:
    return Remedy(
        {"devices.gpus": [], "devices.processes": 1}, _("Train on the CPU"), _("much slower")
    )


def _smaller_batch(answers: Answers) -> Remedy | None:
    batch, steps = answers.training.batch_size // 2, answers.training.grad_accumulation * 2
    if batch < 1:
        return None
    return Remedy(
        {"training.batch_size": batch, "training.grad_accumulation": steps},
        _("batch_size {batch} with grad_accumulation {steps}", batch=batch, steps=steps),
        _("hardly any"),
    )


ON_THE_CPU = Advice(N_("choose the CPU: devices.gpus: []"), _on_the_cpu)
OTHER_GPU = Advice(N_("continue with another GPU: devices.gpus"))
LOOK = Advice(N_("check the GPU: srwizard gpus, nvidia-smi, and dmesg for Xid lines"))

KINDS = (
    Kind(
        "no_cuda",
        N_("torch cannot use the GPUs."),
        causes=(
            N_("this torch was built without CUDA"),
            N_("the NVIDIA driver is too old for this torch"),
            N_("there is no NVIDIA driver, or the container does not see it"),
        ),
        advice=(
            Advice(N_("install a torch build for the driver's CUDA version")),
            ON_THE_CPU,
        ),
        pattern=r"Torch not compiled with CUDA|No CUDA GPUs are available|"
        r"driver on your system is too old|CUDA driver version is insufficient|"
        r"Found no NVIDIA driver|no CUDA-capable device|CUDA driver initialization failed|"
        r"unsupported display driver|forward compatibility was attempted|unsupported toolchain|"
        r"libcuda\.so[.\d]*: cannot open",
    ),
    Kind(
        "gpu_not_supported",
        N_("This build of torch has no kernels for this GPU."),
        causes=(
            N_("the GPU is older than those that this torch was built for"),
            N_("the GPU is newer than this torch"),
        ),
        advice=(
            Advice(N_("install a torch build that supports the GPU")),
            OTHER_GPU,
            ON_THE_CPU,
        ),
        pattern=r"no kernel image is available|device kernel image is invalid|"
        r"_STATUS_ARCH_MISMATCH|not compatible with the current PyTorch installation",
    ),
    Kind(
        "gpu_system_not_ready",
        N_("The GPUs of this machine are not ready (error 802)."),
        causes=(
            N_("the NVIDIA Fabric Manager, which connects them, is not running"),
            N_("the machine has just been started"),
        ),
        advice=(
            Advice(
                N_("ask the administrator of this machine: systemctl status nvidia-fabricmanager")
            ),
            ON_THE_CPU,
        ),
        pattern=r"[Ss]ystem not yet initialized",
    ),
    Kind(
        "gpu_taken",
        N_("The GPU accepts no other program."),
        causes=(
            N_("it is in exclusive mode, and another user is computing on it"),
            N_("its compute mode is set to prohibited"),
            N_("a program that has crashed still holds it"),
        ),
        advice=(Advice(N_("see who uses it: srwizard gpus")), OTHER_GPU),
        pattern=r"devices?(\(s\))? (is/)?are busy or unavailable|exclusive-thread device already",
    ),
    Kind(
        "gpu_not_there",
        N_("There are fewer GPUs than processes that train on them."),
        causes=(
            N_("the batch system, or CUDA_VISIBLE_DEVICES, shows fewer than the run needs"),
            N_("two processes were given the same GPU"),
            N_("a GPU has been lost since the run was frozen"),
        ),
        advice=(
            Advice(N_("list the devices: srwizard gpus")),
            Advice(N_("choose no more GPUs than there are: devices.gpus, devices.gpus_per_node")),
        ),
        pattern=r"invalid device ordinal|Duplicate GPU detected|[Ii]nvalid device id",
    ),
    Kind(
        "tensor_too_large",
        N_("A tensor has more elements than a GPU kernel can count."),
        causes=(N_("a tensor of this batch has 2,147,483,648 values or more"),),
        advice=(
            Advice(
                N_("halve training.batch_size and double training.grad_accumulation"),
                _smaller_batch,
            ),
            Advice(N_("set memory.patch_size, to train on windows")),
        ),
        pattern=r"32-bit index math|canUse32BitIndexMath|"
        r"CUDA error: invalid configuration argument",
    ),
    Kind(
        "cuda_in_loader",
        N_("A loader process has used the GPU, which it cannot share."),
        causes=(N_("a model or a library touches the GPU while samples are read"),),
        advice=(Advice(N_("set training.num_workers to 0"), without_loaders),),
        pattern=r"Cannot re-initialize CUDA in forked|CUDA error: initialization error",
    ),
    Kind(
        "cuda_libraries",
        N_("A library of CUDA cannot be loaded, or does not match."),
        causes=(
            N_("LD_LIBRARY_PATH names other versions than those that torch brought along"),
            N_("the installation of torch is incomplete, or mixed from two"),
        ),
        advice=(
            Advice(N_("unset LD_LIBRARY_PATH, and load no CUDA module")),
            Advice(N_("reinstall torch")),
        ),
        pattern=r"cuDNN version incompatibility|CUDNN_STATUS_\w*VERSION_MISMATCH|"
        r"(Could not load library|Unable to load any of).*lib(cudnn|nvrtc|cu)|"
        r"lib(cudnn|cublas|cufft|nccl|cudart|nvrtc|cusparse|cusolver)\w*\.so[.\d]*: cannot open|"
        r"CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED|undefined symbol: (nccl|cudnn|cublas)",
    ),
    Kind(
        "device_failed",
        N_("The GPU, or its driver, reported a failure."),
        causes=(
            N_("the GPU has fallen off the bus, or its memory has a fault"),
            N_("an earlier failure of another program has left the GPU in a bad state"),
            N_("a fault in a kernel of this torch on this GPU"),
        ),
        advice=(LOOK, OTHER_GPU, GO_ON),
        # Any other error of CUDA, too; those that name a cause of their own stand above.
        pattern=r"CUDA error: |CUDA driver error: |GPU is lost|fallen off the bus|"
        r"Cuda failure \d+ '|CUBLAS_STATUS_|CUDNN_STATUS_|CUFFT_|CUSOLVER_STATUS_|"
        r"CUSPARSE_STATUS_|NVML_|nvmlInit",
    ),
)
