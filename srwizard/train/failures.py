"""Why a training failed: one catalogue of what can happen, its causes and remedies.

The catalogue is data. A failure is recognised by the exception's type and text, or by the
signal that ended the process; the first entry that matches counts.
"""

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
from srwizard.train.records import LOG_FILE, now

FAILURE_FILE = "failure.json"
RANK_FILES = "failure.rank*.json"
PEER_LOST = "peer_lost"
LOG_TAIL_BYTES = 8192


class NonFiniteLossError(ArithmeticError):
    """The loss is NaN or infinite."""

    def __init__(self, loss: float, step: int, epoch: int) -> None:
        super().__init__(f"the loss is {loss} at step {step} (epoch {epoch})")


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
        r"OutOfMemoryError|CUDA out of memory",
        lambda: _("The GPU ran out of memory (CUDA out of memory)."),
        lambda: [
            _("the batch, the field or the model is too large for this GPU"),
            _("somebody else has begun to use the same GPU"),
        ],
        _memory_remedies,
    ),
    Kind(
        "host_out_of_memory",
        r"MemoryError|can't allocate memory|Cannot allocate memory|bad_alloc",
        lambda: _("The machine's memory is exhausted."),
        lambda: [_("the batch, the field or the model is too large for this machine")],
        _memory_remedies,
    ),
    Kind(
        "killed",
        r"^signal 9$",
        lambda: _("The process was killed (signal 9), most likely because memory ran out."),
        lambda: [
            _("the kernel's out-of-memory killer ended it"),
            _("somebody, or a batch system, killed it"),
        ],
        _memory_remedies,
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
        r"No space left on device|\[Errno 28\]|Disk quota exceeded",
        lambda: _("The disk is full. Earlier checkpoints are whole."),
        lambda: [_("checkpoints or the log found no room")],
        lambda: [_("make room, then go on: srwizard train RUN_DIR")],
    ),
    Kind(
        "data_unreadable",
        r"FileNotFoundError|mmap length|cannot reshape|Unable to (synchronously )?open|"
        r"No data left in file|PermissionError|EOFError",
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
        PEER_LOST,
        r"Connection closed by peer|Connection reset by peer|NCCL|gloo|DistBackendError|"
        r"DistStoreError|Broken pipe",
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


def record(run_dir: Path, error: BaseException, rank: int, details: dict[str, Any]) -> None:
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
    files.write_json(run_dir / f"failure.rank{rank}.json", content)


def collect(directory: Path, returncode: int, run_dir: Path | None = None) -> dict[str, Any]:
    """Find the failure that came first, write it to failure.json, and return it.

    Args:
        directory: where the ranks wrote theirs.
        returncode: of the launched process; negative for a signal.
        run_dir: where the log is, if not in `directory`.
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in directory.glob(RANK_FILES)]
    # A rank that lost its peer is a consequence, whenever it noticed.
    found.sort(key=lambda failure: (failure["kind"] == PEER_LOST, failure["time"]))
    signalled = _ending_signal(returncode, (run_dir or directory) / LOG_FILE)
    if signalled is not None and not [item for item in found if item["kind"] != PEER_LOST]:
        failure = _from_signal(signalled)
    elif found:
        failure = found[0]
    else:
        text = f"exit code {returncode}"
        failure = {"kind": UNKNOWN.name, "error": text, "rank": None, "time": now()}
    files.write_json(directory / FAILURE_FILE, failure)
    clear(directory, keep_result=True)
    return failure


def _ending_signal(returncode: int, log: Path) -> int | None:
    """Return the signal that ended the process, or the first rank under torchrun."""
    if returncode < 0:
        return -returncode
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            tail = stream.read().decode(errors="replace")
    except OSError:
        return None
    ended = re.findall(r"exitcode\s*:\s*-(\d+) \(pid", tail)
    return int(ended[-1]) if ended else None


def _from_signal(number: int) -> dict[str, Any]:
    name = signal.Signals(number).name
    kind = recognise(f"signal {number}").name
    return {"kind": kind, "error": f"signal {number} ({name})", "rank": None, "time": now()}


def clear(run_dir: Path, *, keep_result: bool = False) -> None:
    """Remove the failures of an earlier attempt."""
    for path in run_dir.glob(RANK_FILES):
        path.unlink()
    if not keep_result:
        (run_dir / FAILURE_FILE).unlink(missing_ok=True)


def explain(failure: dict[str, Any]) -> list[str]:
    """Return the failure as lines: what happened, likely causes, what to change."""
    kind = next((item for item in CATALOGUE if item.name == failure["kind"]), UNKNOWN)
    lines = [kind.title(), _("Error: {error}", error=failure["error"])]
    if failure.get("step") is not None:
        lines.append(
            _("At step {step}, epoch {epoch}, while: {phase}",
              step=failure["step"], epoch=failure["epoch"], phase=failure["phase"])
        )  # fmt: skip
    lines.append(_("Likely causes:"))
    lines += [f"  - {cause}" for cause in kind.causes()]
    lines.append(_("What to change:"))
    lines += [f"  {number}. {text}" for number, text in enumerate(kind.remedies(), start=1)]
    return lines
