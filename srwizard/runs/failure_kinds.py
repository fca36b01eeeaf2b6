"""What can make a training fail: one catalogue, with likely causes and remedies.

The catalogue is data. A failure is recognised by the exception's type and text, or by the
signal that ended the process; the first entry that matches counts. Imports no torch.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from srwizard.base.i18n import translate as _

PEER_LOST = "peer_lost"
NODE_LOST = "node_lost"
OOM_KILLER = "out_of_memory_killer"
KILLED = "killed"
KILLED_BY_KERNEL = "killed by the kernel for want of memory"
FOR_WANT_OF_MEMORY = ("cuda_out_of_memory", "host_out_of_memory", OOM_KILLER, KILLED)
"""Kinds of failure against which a lower peak helps."""


@dataclass(frozen=True)
class Kind:
    """One kind of failure: how it is recognised, likely causes, what to change."""

    name: str
    pattern: str
    title: Callable[[], str]
    causes: Callable[[], list[str]]
    remedies: Callable[[], list[str]]


def _memory_remedies() -> list[str]:
    return [
        _("turn on memory.use_amp and memory.gradient_checkpointing"),
        _("halve training.batch_size and double training.grad_accumulation"),
        _("set memory.patch_size, to train on windows"),
        _("choose a lighter model, or more GPUs; with several, memory.shard"),
    ]


CATALOGUE: tuple[Kind, ...] = (
    Kind(
        "cuda_out_of_memory",
        r"OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|_STATUS_ALLOC_FAILED",
        lambda: _("The GPU ran out of memory (CUDA out of memory)."),
        lambda: [
            _("the batch, the field or the model is too large for this GPU"),
            _("somebody else has begun to use the same GPU"),
        ],
        _memory_remedies,
    ),
    Kind(
        "host_out_of_memory",
        r"MemoryError|can't allocate memory|[Cc]annot allocate memory|bad_alloc|"
        r"failed to map segment|can't start new thread|could not create a (primitive|memory)",
        lambda: _("The machine's memory is exhausted."),
        lambda: [_("the batch, the field or the model is too large for this machine")],
        _memory_remedies,
    ),
    Kind(
        OOM_KILLER,
        rf"^{KILLED_BY_KERNEL}$",
        lambda: _("The kernel's out-of-memory killer ended the process (signal 9)."),
        lambda: [
            _("the batch, the field or the model is too large for this machine"),
            _("other processes under the same memory limit have grown"),
        ],
        _memory_remedies,
    ),
    Kind(
        KILLED,
        r"^signal 9$|killed by signal: Killed",
        lambda: _("The process was killed (signal 9), most likely because memory ran out."),
        lambda: [
            _("the kernel's out-of-memory killer ended it"),
            _("somebody, or a batch system, killed it"),
        ],
        _memory_remedies,
    ),
    Kind(
        "shared_memory",
        r"out of shared memory|shared memory object|killed by signal: Bus error",
        lambda: _("The loader processes ran out of shared memory (/dev/shm)."),
        lambda: [_("a container grants little of it, often 64 MB")],
        lambda: [
            _("set training.num_workers to 0"),
            _("give the container more, for example docker run --shm-size=8g"),
        ],
    ),
    Kind(
        "loss_not_finite",
        r"NonFiniteLossError",
        lambda: _("The loss is not a finite number."),
        lambda: [
            _("the learning rate is too high"),
            _("mixed precision overflows in this model"),
            _("the data holds extreme values"),
        ],
        lambda: [
            _("lower training.lr, for example to a tenth"),
            _("turn off memory.use_amp"),
            _("look at the value range: srwizard inspect"),
        ],
    ),
    Kind(
        "disk_full",
        r"No space left on device|\[Errno 2[78]\]|Disk quota exceeded",
        lambda: _("The disk is full. Earlier checkpoints are whole."),
        lambda: [_("checkpoints or the log found no room")],
        lambda: [_("make room, then go on: srwizard train RUN_DIR")],
    ),
    Kind(
        "checkpoint_unusable",
        r"^(Damaged)?CheckpointError",
        lambda: _("There is a checkpoint that training cannot go on from."),
        lambda: [
            _("the file was damaged after it was written"),
            _("it was written by a run with another model, dataset or seed"),
        ],
        lambda: [
            _("choose another output.dir"),
            _("remove the checkpoint to begin anew"),
        ],
    ),
    Kind(
        "data_unreadable",
        r"DatasetError|^signal 7$|FileNotFoundError|mmap length|cannot reshape|[Tt]runcated|"
        r"Unable to (synchronously )?open|Can't (synchronously )?read data|No data left in file|"
        r"EOF: reading array|PermissionError|EOFError",
        lambda: _("A data file vanished, or cannot be read any more."),
        lambda: [_("the dataset was moved or changed while training ran")],
        lambda: [
            _("look at the dataset: srwizard inspect"),
            _("bring the files back, then go on: srwizard train RUN_DIR"),
        ],
    ),
    Kind(
        "port_in_use",
        r"EADDRINUSE|Address already in use",
        lambda: _("The port for the processes to meet is taken."),
        lambda: [_("another training took it at the same moment")],
        lambda: [_("start again: srwizard train RUN_DIR")],
    ),
    Kind(
        "no_cuda",
        r"Torch not compiled with CUDA|No CUDA GPUs are available|driver on your system is too old|"
        r"CUDA driver version is insufficient",
        lambda: _("torch cannot use the GPUs."),
        lambda: [
            _("this torch was built without CUDA"),
            _("the NVIDIA driver is too old for this torch"),
        ],
        lambda: [
            _("install a torch build for the driver's CUDA version"),
            _("choose the CPU: devices.gpus: []"),
        ],
    ),
    Kind(
        "device_failed",
        r"CUDA error: (an illegal memory access|unspecified launch failure|misaligned address|"
        r"device-side assert|uncorrectable ECC|the launch timed out|unknown error)|"
        r"GPU is lost|CUBLAS_STATUS_EXECUTION_FAILED|CUDNN_STATUS_EXECUTION_FAILED|"
        r"CUBLAS_STATUS_NOT_INITIALIZED",
        lambda: _("The GPU, or its driver, reported a failure."),
        lambda: [
            _("the GPU has fallen off the bus, or its memory has a fault"),
            _("an earlier failure of another program has left the GPU in a bad state"),
            _("a fault in a kernel of this torch on this GPU"),
        ],
        lambda: [
            _("look at the GPU: srwizard gpus, nvidia-smi, and dmesg for Xid lines"),
            _("go on with another GPU: devices.gpus"),
            _("go on from the last checkpoint: srwizard train RUN_DIR"),
        ],
    ),
    Kind(
        "shape_mismatch",
        r"shapes cannot be multiplied|[Ss]izes? of tensor|must match the size of tensor|"
        r"[Ee]xpected input.* to have \d+ channels|shape '.*' is invalid for input of size|"
        r"size mismatch for |Given groups=|could not broadcast|stack expects each tensor to be",
        lambda: _("Two arrays that belong together have different shapes."),
        lambda: [
            _("the model cannot work with fields of this size, or with these parameters"),
            _("a file of the dataset has another shape than the others"),
        ],
        lambda: [
            _("look at the dataset: srwizard inspect"),
            _("take the default model.params, or another model"),
            _("set memory.patch_size to a multiple of what the model needs"),
        ],
    ),
    Kind(
        "weights_used_elsewhere",
        r"mixed torch\.Tensor and DTensor|memory\.shard: the parameter",
        lambda: _("The weights of this model cannot be sharded."),
        lambda: [
            _("a part of the network uses weights of another part, or calls layers in it"),
            _("a parameter of the network is a single number"),
        ],
        lambda: [
            _("set memory.shard to false"),
            _("name those layers in called_apart: docs/adding-a-model.md"),
        ],
    ),
    Kind(
        "loader_died",
        r"DataLoader worker .*(exited unexpectedly|is killed by signal)",
        lambda: _("A loader process ended unexpectedly."),
        lambda: [
            _("a library that reads the data crashed"),
            _("somebody, or a batch system, killed it"),
        ],
        lambda: [
            _("set training.num_workers to 0: the error then shows where it arises"),
            _("look at the dataset: srwizard inspect"),
        ],
    ),
    Kind(
        NODE_LOST,
        r"has given no sign of life",
        lambda: _("One of the machines was lost."),
        lambda: [
            _("it was switched off, or ran out of memory as a whole"),
            _("the network, or the file system that the machines share, failed"),
            _("somebody, or a batch system, killed srwizard there"),
        ],
        lambda: [
            _("look at that machine; then go on from the last checkpoint: srwizard train RUN_DIR"),
            _("go on with fewer machines"),
        ],
    ),
    Kind(
        "machines_differ",
        r"^MachinesDifferError",
        lambda: _("The machines cannot train this run together."),
        lambda: [_("they have other software, another run directory, or another command")],
        lambda: [
            _("install the same versions of srwizard and torch on all of them"),
            _("put the run directory on a file system that all of them share"),
            _("give the same command on each of them"),
        ],
    ),
    Kind(
        "nobody_joined",
        r"RendezvousTimeoutError|RendezvousClosedError",
        lambda: _("Not all machines came together in time."),
        lambda: [
            _("the command was not given on all of them, or failed there at once"),
            _("their --nnodes or --rdzv-endpoint differ"),
            _("a firewall lets them not reach the endpoint"),
        ],
        lambda: [
            _("look what the command says on the other machines"),
            _("give the same command on each of them, within the time of --join-timeout"),
        ],
    ),
    Kind(
        "endpoint_unreachable",
        r"RendezvousConnectionError|client socket has (timed out|failed)|"
        r"[Tt]he connection to the C10d store has failed|No route to host|"
        r"Name or service not known|[Tt]emporary failure in name resolution",
        lambda: _("The place where the machines meet cannot be reached."),
        lambda: [
            _("--rdzv-endpoint names no machine of the run, or its port is closed"),
            _("a firewall lets them not reach the endpoint"),
            _("the machine that it names has not begun yet, or has ended"),
        ],
        lambda: [
            _("name one of the machines by an address that the others can reach"),
            _("begin on that machine first"),
        ],
    ),
    Kind(
        PEER_LOST,
        r"Connection closed by peer|Connection reset by peer|NCCL|gloo|DistBackendError|"
        r"DistStoreError|Broken pipe|Timed out waiting",
        lambda: _("The processes lost touch with each other."),
        lambda: [
            _("one of them ended; its own failure is the cause"),
            _("the network or the GPU link failed"),
        ],
        lambda: [_("read the log of the run for the first error"), _("train on one device")],
    ),
)

UNKNOWN = Kind(
    "unknown",
    "",
    lambda: _("Training ended with an error that is not in the catalogue."),
    lambda: [_("see the error and train.log")],
    lambda: [_("change what the error names, then start again: srwizard train RUN_DIR")],
)


def recognise(text: str) -> Kind:
    """Return the kind of failure that `text` (type and message, or "signal N") stands for."""
    for kind in CATALOGUE:
        if re.search(kind.pattern, text, re.MULTILINE):
            return kind
    return UNKNOWN
