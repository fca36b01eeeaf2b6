"""Why a training failed: one catalogue of what can happen, its causes and remedies.

The catalogue is data. A failure is recognised by the exception's type and text, or by the
signal that ended the process; the first entry that matches counts.
"""

import contextlib
import json
import re
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srwizard import files
from srwizard.i18n import translate as _
from srwizard.train import whereabouts
from srwizard.train.processes import Ended
from srwizard.train.records import now
from srwizard.units import megabytes_text

FAILURE_FILE = "failure.json"
RANK_FILES = "failure.rank*.json"
DRY_RUN_FILE = "dry_run.json"
PEER_LOST = "peer_lost"
OOM_KILLER = "out_of_memory_killer"
KILLED = "killed"
KILLED_BY_KERNEL = "killed by the kernel for want of memory"
FOR_WANT_OF_MEMORY = ("cuda_out_of_memory", "host_out_of_memory", OOM_KILLER, KILLED)
"""Kinds of failure against which a lower peak helps."""


class NonFiniteLossError(ArithmeticError):
    """The loss, or its gradient, is NaN or infinite."""

    def __init__(
        self, value: float, step: int, epoch: int, *, what: str = "loss", origin: str = ""
    ) -> None:
        where = f"; {origin}" if origin else ""
        super().__init__(f"the {what} is {value} at step {step} (epoch {epoch}){where}")


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
        _("choose a lighter model, or more GPUs"),
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


def record(directory: Path, error: BaseException, rank: int, details: dict[str, Any]) -> None:
    """Write what went wrong in one rank, for the launcher to explain."""
    text = f"{type(error).__name__}: {error}"
    content = {
        "kind": recognise(text).name,
        "error": text,
        "rank": rank,
        "time": now(),
        **details,
        "traceback": traceback.format_exc(),
    }
    with contextlib.suppress(OSError):  # the first error counts, not that there is no room for it
        files.write_json(directory / f"failure.rank{rank}.json", content)


def causes(directory: Path) -> list[dict[str, Any]]:
    """Return the recorded failures that are no mere consequence of another, the first one first."""
    return [failure for failure in _recorded(directory) if failure["kind"] != PEER_LOST]


def _recorded(directory: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in directory.glob(RANK_FILES)]
    return sorted(found, key=lambda failure: str(failure["time"]))


def collect(directory: Path, ended: Ended, digest: str = "") -> dict[str, Any]:
    """Find the failure that came first, write it to failure.json, and return it.

    Args:
        directory: where the ranks wrote theirs.
        ended: how the processes ended.
        digest: of the run config; what its dry run found is told where memory ran out.
    """
    first, *_rest = [
        *causes(directory),
        *([_from_signal(directory, ended)] if ended.signal is not None else []),
        # A rank that lost its peer is a consequence, whenever it noticed.
        *_recorded(directory),
        _from_log(directory, ended),
    ]
    if first["kind"] == KILLED and ended.kills:
        first = first | {"kind": OOM_KILLER}
    if first["kind"] in FOR_WANT_OF_MEMORY:
        first = first | _expected(directory, digest)
    try:
        files.write_json(directory / FAILURE_FILE, first)
    except OSError as error:
        if first["kind"] == UNKNOWN.name:  # nor could whoever failed write down why
            text = f"OSError: {error}"
            first = first | {"kind": recognise(text).name, "error": text}
    clear(directory, keep_result=True)
    return first


def _expected(directory: Path, digest: str) -> dict[str, int | None]:
    """Return what was predicted and measured of the run, and what memory there was, in bytes."""
    try:
        found = json.loads((directory / DRY_RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    known = found if isinstance(found, dict) and digest and found.get("digest") == digest else {}
    return {
        "predicted_bytes": known.get("predicted_bytes"),
        "measured_bytes": known.get("peak_bytes"),
        "capacity_bytes": known.get("capacity_bytes"),
    }


def _from_signal(directory: Path, ended: Ended) -> dict[str, Any]:
    number = ended.signal or 0
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "?"
    # What aborts, says why in the log: "terminate called after throwing … bad_alloc".
    kind = recognise(f"signal {number}\n{ended.log}").name
    text = f"signal {number} ({name})"
    where = whereabouts.last_seen(directory, ended.rank)
    return {"kind": kind, "error": text, "rank": ended.rank, "time": now(), **where}


def _from_log(directory: Path, ended: Ended) -> dict[str, Any]:
    """Make the best of an end that nobody recorded: an import that failed, say."""
    lines = [line.strip() for line in ended.log.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    text = next(iter(errors or lines[-1:]), f"exit code {ended.returncode}")
    where = whereabouts.last_seen(directory, None)
    kind = recognise(ended.log).name
    return {"kind": kind, "error": text, "rank": None, "time": now(), **where}


def clear(run_dir: Path, *, keep_result: bool = False) -> None:
    """Remove the failures of an earlier attempt."""
    for path in run_dir.glob(RANK_FILES):
        path.unlink()
    whereabouts.clear(run_dir)
    if not keep_result:
        (run_dir / FAILURE_FILE).unlink(missing_ok=True)


def phase_text(name: str) -> str:
    """Return what a run was doing in the user's language."""
    titles = {
        "set-up": _("getting ready"),
        "training": _("training"),
        "training step": _("training step"),
        "validation": _("validation"),
        "checkpoint": _("writing a checkpoint"),
        "test": _("scoring the test split"),
    }
    return titles.get(name, name)


def explain(failure: dict[str, Any], *, remedies: bool = True) -> list[str]:
    """Return the failure as lines: what happened, likely causes and, where wanted, remedies."""
    kind = next((item for item in CATALOGUE if item.name == failure["kind"]), UNKNOWN)
    lines = [kind.title(), _("Error: {error}", error=failure["error"])]
    if failure.get("step") is not None:
        lines.append(
            _("At step {step}, epoch {epoch}, while: {phase}",
              step=failure["step"], epoch=failure["epoch"], phase=phase_text(failure["phase"]))
        )  # fmt: skip
    elif failure.get("phase") is not None:
        lines.append(_("While: {phase}", phase=phase_text(failure["phase"])))
    lines += _memory_lines(failure)
    lines.append(_("Likely causes:"))
    lines += [f"  - {cause}" for cause in kind.causes()]
    if remedies:
        lines.append(_("What to change:"))
        lines += [f"  {number}. {text}" for number, text in enumerate(kind.remedies(), start=1)]
    return lines


def _memory_lines(failure: dict[str, Any]) -> list[str]:
    """Return what was known of the memory beforehand, as one line, or none."""
    found = {
        key: megabytes_text(failure[key])
        for key in ("predicted_bytes", "measured_bytes", "capacity_bytes")
        if failure.get(key) is not None
    }
    said = {
        "predicted_bytes": lambda size: _("predicted {size}", size=size),
        "measured_bytes": lambda size: _("measured by the dry run {size}", size=size),
        "capacity_bytes": lambda size: _("there was {size}", size=size),
    }
    figures = ", ".join(said[key](size) for key, size in found.items())
    return [_("Memory: {figures}", figures=figures)] if figures else []
