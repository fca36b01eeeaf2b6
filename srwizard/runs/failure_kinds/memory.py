"""Failures for want of memory: of a GPU, of the machine, shared between processes."""

from srwizard.base.i18n import N_
from srwizard.runs.failure_kinds.files import without_loaders
from srwizard.runs.failure_kinds.kind import Advice, Kind

DOES_NOT_FIT = "does_not_fit"
OOM_KILLER = "out_of_memory_killer"
KILLED = "killed"

TOO_LARGE = N_("the batch, the field or the model is too large for this machine")
ADVICE = (
    Advice(N_("turn on memory.use_amp and memory.gradient_checkpointing")),
    Advice(N_("halve training.batch_size and double training.grad_accumulation")),
    Advice(N_("set memory.patch_size, to train on windows")),
    Advice(N_("choose a lighter model, or more GPUs; with several, memory.shard")),
)

KINDS = (
    Kind(
        "cuda_out_of_memory",
        N_("The GPU ran out of memory (CUDA out of memory)."),
        causes=(
            N_("the batch, the field or the model is too large for this GPU"),
            N_("another user has started to use the same GPU"),
        ),
        advice=ADVICE,
        # Libraries that find no room for a handle or a plan of theirs have words of their own.
        pattern=r"OutOfMemoryError|CUDA out of memory|CUDA (driver )?error: out of memory|"
        r"Cuda failure .*'out of memory'|_STATUS_ALLOC_FAILED|CUFFT_ALLOC_FAILED|"
        r"_DEVICE_ALLOCATION_FAILED|CUBLAS_STATUS_NOT_INITIALIZED when calling .?cublasCreate|"
        r"valid cuDNN algorithm to run convolution|unable to find an engine to execute",
        ran_out_of_memory=True,
    ),
    Kind(
        "host_out_of_memory",
        N_("The machine's memory is exhausted."),
        causes=(TOO_LARGE,),
        advice=ADVICE,
        pattern=r"MemoryError|can't allocate memory|[Cc]annot allocate memory|bad_alloc|"
        r"failed to map segment|can't start new thread|could not create a (primitive|memory)|"
        r"_HOST_ALLOCATION_FAILED",
        ran_out_of_memory=True,
    ),
    Kind(
        OOM_KILLER,
        N_("The kernel's out-of-memory killer ended the process (signal 9)."),
        causes=(TOO_LARGE, N_("other processes under the same memory limit have grown")),
        advice=ADVICE,
        ran_out_of_memory=True,
    ),
    Kind(
        KILLED,
        N_("The process was killed (signal 9), most likely because memory ran out."),
        causes=(
            N_("the kernel's out-of-memory killer ended it"),
            N_("a user or a batch system killed it"),
        ),
        advice=(
            *ADVICE,
            Advice(N_("if somebody ended it, continue from the last checkpoint: {again}")),
        ),
        pattern=r"^signal 9$|killed by signal: Killed",
        ran_out_of_memory=True,
    ),
    Kind(
        DOES_NOT_FIT,
        N_("The dry run of the Slurm job found that the run does not fit in memory."),
        causes=(TOO_LARGE, N_("the job was granted less memory than the run needs")),
        advice=ADVICE,
        ran_out_of_memory=True,
    ),
    Kind(
        "shared_memory",
        N_("The loader processes ran out of shared memory (/dev/shm)."),
        causes=(N_("a container grants little of it, often 64 MB"),),
        advice=(
            Advice(N_("set training.num_workers to 0"), without_loaders),
            Advice(N_("give the container more, for example docker run --shm-size=8g")),
        ),
        pattern=r"out of shared memory|shared memory ?(object|segment|\(shm\))|/dev/shm/|"
        r"killed by signal: Bus error",
    ),
)
