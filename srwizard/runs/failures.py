"""Why a training failed: recorded by each rank, collected by the launcher, explained to the user.

What can happen stands in `failure_kinds`.
"""

import contextlib
import re
import resource
import signal
import socket
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import is_gpu, megabytes_text
from srwizard.base.visible import Lines, in_shell
from srwizard.runs import last_phase
from srwizard.runs.failure_kinds import UNKNOWN, concerns_gpus, kind_named, recognise
from srwizard.runs.failure_kinds.limits import PROCESSOR_TIME
from srwizard.runs.failure_kinds.machines import NODE_LOST, PEER_LOST
from srwizard.runs.failure_kinds.memory import KILLED, OOM_KILLER
from srwizard.runs.phases import phase_text
from srwizard.runs.records import dry_run_of, now
from srwizard.runs.sound_records import sound


@dataclass(frozen=True)
class Ended:
    """How the processes of a run ended.

    Args:
        returncode: 0, or that of the launched process; negative for a signal.
        signal: what killed the first process of the run that was killed, if one was.
        rank: which rank that was, if there are several.
        stop_asked: whether somebody asked to stop.
        log: the last that they wrote to the log.
        kills: how many processes the kernel killed meanwhile for want of memory, None if untold.
    """

    returncode: int
    signal: int | None = None
    rank: int | None = None
    stop_asked: bool = False
    log: str = ""
    kills: int | None = None


FAILURE_FILE = "failure.json"
RANK_FILES = "failure.rank*.json"


class NetworkOutputError(RuntimeError):
    """A network does not give what it promises."""


class NonFiniteLossError(ArithmeticError):
    """The loss, its gradient, or a weight is NaN or infinite.

    Args:
        value: NaN or infinite.
        step: the optimizer step.
        epoch: that it belongs to.
        what: "loss", "gradient" or "weight".
        origin: where that began, in the user's language.
    """

    def __init__(
        self, value: float, step: int, epoch: int, *, what: str = "loss", origin: str = ""
    ) -> None:
        texts = {
            "loss": N_("the loss is {value} at step {step} (epoch {epoch})"),
            "gradient": N_("the gradient is {value} at step {step} (epoch {epoch})"),
            "weight": N_("a weight is {value} after step {step} (epoch {epoch})"),
        }
        message = texts[what]
        text = _(message, value=value, step=step, epoch=epoch)
        super().__init__(_("{what}; {origin}", what=text, origin=origin) if origin else text)


def record(directory: Path, error: BaseException, rank: int, details: dict[str, Any]) -> None:
    """Write what went wrong in one rank, for the launcher to explain."""
    text = _text_of(error)
    content = {
        "kind": recognise(text).name,
        "error": text,
        "rank": rank,
        "host": socket.gethostname(),
        "time": now(),
        **details,
        "traceback": traceback.format_exc(),
    }
    with contextlib.suppress(OSError):  # the first error counts, not that there is no room for it
        files.write_json(file_of(directory, rank), content)


def file_of(directory: Path, rank: int) -> Path:
    """Return where a rank writes what went wrong in it; a launch begins without these."""
    return directory / f"failure.rank{rank}.json"


def _text_of(error: BaseException) -> str:
    """Return type and message; of what a loader process raised, without how it came here."""
    message = str(error)
    if re.match(r"Caught \w+ in DataLoader worker process", message):
        # Behind the frames stands what `traceback` writes: module.Type: message.
        last = re.split(r"\n(?=[\w.]+: )", message.rstrip())[-1]
        name, _colon, message = last.partition(": ")
        return f"{name.rpartition('.')[2]}: {message}"
    return f"{type(error).__name__}: {message}"


def causes(directory: Path) -> list[dict[str, Any]]:
    """Return the recorded failures that are no mere consequence of another, the first one first."""
    return [failure for failure in _recorded(directory) if failure["kind"] != PEER_LOST]


def _recorded(directory: Path) -> list[dict[str, Any]]:
    read = [sound(files.read_json(path) or {}) for path in directory.glob(RANK_FILES)]
    # One that could not be written whole says nothing; what else is known has to do.
    found = [failure for failure in read if {"kind", "error", "time"} <= failure.keys()]
    return sorted(found, key=lambda failure: str(failure["time"]))


def collect(
    directory: Path,
    ended: Ended,
    digest: str = "",
    others: Sequence[dict[str, Any]] = (),
    gpus: Sequence[str] = (),
) -> dict[str, Any]:
    """Find the failure that came first, write it to failure.json, and return it.

    Args:
        directory: where the ranks wrote theirs.
        ended: how the processes ended.
        digest: of the run config; what its dry run found is told where memory ran out.
        others: how the other machines of the run failed; see `train.heartbeats`.
        gpus: what NVML says of the run's GPUs by now; kept where they have failed.
    """
    lost = [_from_lost_machine(other) for other in others if other.get("lost")]
    first, *_rest = [
        *causes(directory),
        # What is killed here once a machine is lost is a consequence of that.
        *lost,
        *([_from_signal(directory, ended)] if ended.signal is not None else []),
        *(_from_other_machine(directory, other) for other in others if other.get("signal")),
        # A rank that lost its peer is a consequence, whenever it noticed.
        *_recorded(directory),
        _from_log(directory, ended),
    ]
    if others:
        first = first | {"machines": 1 + len(others)}
    if first["kind"] == KILLED and ended.kills:
        first = first | {"kind": OOM_KILLER}
    if kind_named(first["kind"]).ran_out_of_memory:
        first = first | _expected(directory, digest)
    if gpus and concerns_gpus(first["kind"]):
        first = first | {"gpus": list(gpus)}
    try:
        files.write_json(directory / FAILURE_FILE, first)
    except OSError as error:
        if first["kind"] == UNKNOWN.name:  # nor could whoever failed write down why
            text = f"OSError: {error}"
            first = first | {"kind": recognise(text).name, "error": text}
    clear(directory, keep_result=True)
    return first


def _expected(directory: Path, digest: str) -> dict[str, Any]:
    """Return what was predicted and measured of the run, and what memory there was, in bytes."""
    known = dry_run_of(directory, digest)
    return {
        "predicted_bytes": known.get("predicted_bytes"),
        "measured_bytes": known.get("peak_bytes"),
        "capacity_bytes": known.get("capacity_bytes"),
        "device": known.get("device"),
    }


def _from_signal(directory: Path, ended: Ended) -> dict[str, Any]:
    number = ended.signal or 0
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "?"
    # What aborts, says why in the log: "terminate called after throwing … bad_alloc".
    kind = recognise(f"signal {number}\n{ended.log}").name
    if kind == KILLED and not ended.kills and _processor_time_is_used_up():
        kind = PROCESSOR_TIME
    text = f"signal {number} ({name})"
    where = last_phase.last_seen(directory, ended.rank)
    return {"kind": kind, "error": text, "rank": ended.rank, "time": now(), **where}


def _processor_time_is_used_up() -> bool:
    """Return whether a child can have reached the limit at which the kernel kills it."""
    _soft, limit = resource.getrlimit(resource.RLIMIT_CPU)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return limit != resource.RLIM_INFINITY and used.ru_utime + used.ru_stime >= limit


def _from_lost_machine(other: dict[str, Any]) -> dict[str, Any]:
    text = f"{other['host']} has given no sign of life since"
    return {"kind": NODE_LOST, "error": text, "rank": None, "time": now(), "host": other["host"]}


def _from_other_machine(directory: Path, other: dict[str, Any]) -> dict[str, Any]:
    """Return the failure of a machine whose processes were killed: only it has seen how."""
    there = Ended(int(other["returncode"] or 1), other["signal"], other.get("rank"))
    return _from_signal(directory, there) | {"host": other["host"]}


def _from_log(directory: Path, ended: Ended) -> dict[str, Any]:
    """Make the best of an end that nobody recorded: an import that failed, say."""
    lines = [line.strip() for line in ended.log.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    text = next(iter(errors or lines[-1:]), f"exit code {ended.returncode}")
    where = last_phase.last_seen(directory, None)
    kind = recognise(ended.log).name
    return {"kind": kind, "error": text, "rank": None, "time": now(), **where}


def recorded_failure(run_dir: Path) -> dict[str, Any] | None:
    """Return what failure.json holds, None where it is missing or damaged."""
    found = sound(files.read_json(run_dir / FAILURE_FILE) or {})
    return found if {"kind", "error"} <= found.keys() else None


def clear(run_dir: Path, *, keep_result: bool = False) -> None:
    """Remove the failures of an earlier attempt."""
    for path in run_dir.glob(RANK_FILES):
        path.unlink()
    last_phase.clear(run_dir)
    if not keep_result:
        (run_dir / FAILURE_FILE).unlink(missing_ok=True)


def explain(
    failure: dict[str, Any], run_dir: Path, *, advice: bool = True, again: str | None = None
) -> list[str]:
    """Return a failure as lines: what happened, likely causes and, where wanted, advice.

    Args:
        failure: as in failure.json.
        run_dir: of the run, which the advice names.
        advice: whether to say what can be done.
        again: the command to run again; None: to train the run.
    """
    kind = kind_named(failure["kind"])
    lines = [_(kind.title), _("Error message: {error}", error=Lines(failure["error"]))]
    if (failure.get("machines") or 1) > 1 and failure.get("host") is not None:
        lines.append(_("On machine: {host}", host=failure["host"]))
    if all(failure.get(key) is not None for key in ("step", "epoch", "phase")):
        lines.append(
            _("After step {step}, in epoch {epoch}, while: {phase}",
              step=failure["step"], epoch=failure["epoch"], phase=phase_text(failure["phase"]))
        )  # fmt: skip
    elif failure.get("phase") is not None:
        lines.append(_("While: {phase}", phase=phase_text(failure["phase"])))
    lines += _memory_lines(failure)
    lines += _gpu_lines(failure)
    lines.append(_("Likely causes:"))
    lines += [f"  - {_(cause)}" for cause in kind.causes]
    if advice:
        lines.append(_("Suggested changes:"))
        place = in_shell(run_dir)
        again = again or f"srwizard train {place}"
        lines += [
            f"  {n}. {_(item.text, run_dir=place, again=again)}"
            for n, item in enumerate(kind.advice, start=1)
        ]
    return lines


def _gpu_lines(failure: dict[str, Any]) -> list[str]:
    """Return what was seen of the GPUs right after the failure."""
    seen = failure.get("gpus")
    return [str(line) for line in seen] if isinstance(seen, list) else []


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
    if not figures:
        return []
    if is_gpu(failure.get("device") or ""):
        return [_("GPU memory: {figures}", figures=figures)]
    return [_("Memory: {figures}", figures=figures)]
