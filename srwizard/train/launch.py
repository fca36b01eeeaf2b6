"""Starting a training in processes of its own, and reading how it ended. Imports no torch."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from srwizard import runconfig
from srwizard.devices import cpu
from srwizard.errors import EXIT_INTERRUPTED, InterruptedByUserError, TrainingFailedError
from srwizard.i18n import translate as _
from srwizard.report import write_report
from srwizard.runconfig import RunConfig
from srwizard.train import failures
from srwizard.train.records import LOG_FILE, METRICS_FILE, Records, read_events

WORKER = "srwizard.train.worker"
# Freed blocks of this size and above go back to the system at once. With glibc's defaults the
# resident set holds nearly twice what tensors need, and the measured peak would not repeat.
MALLOC_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576"}


def command(run: RunConfig, module: str, *arguments: str) -> list[str]:
    """Return the command that starts `module` once for each process of the run."""
    work = ["-m", module, *arguments]
    if run.devices.processes == 1:
        return [sys.executable, *work]
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={run.devices.processes}",
        *work,
    ]


def environment(run: RunConfig) -> dict[str, str]:
    """Return the environment of every process of the run: its devices, threads, allocator."""
    settings = dict(os.environ)
    settings["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.uuid for gpu in run.devices.gpus)
    settings["OMP_NUM_THREADS"] = str(max(1, cpu().cores // run.devices.processes))
    settings["TORCH_CPP_LOG_LEVEL"] = "ERROR"
    settings.update(MALLOC_SETTINGS)
    return settings


def start(run: RunConfig, run_dir: Path, module: str, *arguments: str) -> int:
    """Run `module` as training would run it, its errors going to the log.

    Ctrl-C and SIGTERM are passed on, so that the processes can save before they end.

    Returns:
        The exit code; negative for a signal.
    """
    with (run_dir / LOG_FILE).open("ab") as log:
        child = subprocess.Popen(
            command(run, module, *arguments),
            env=environment(run),
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        with _signals_passed_to(child):
            return child.wait()


def launch(run_dir: Path) -> dict[str, Any]:
    """Train a run to its end and write its report.

    Returns:
        The metrics of the test split, by variable.

    Raises:
        UsageError: no run directory, or a run config that was edited.
        DatasetError: the dataset is no longer the one that was checked.
        TrainingFailedError: training failed; failure.json says why.
        InterruptedByUserError: it was asked to stop; the checkpoint is saved.
    """
    run = runconfig.load(run_dir)
    runconfig.verify_dataset(run)
    failures.clear(run_dir)
    records = Records(run_dir)
    records.set_status("running", epoch=None, step=None)
    returncode = start(run, run_dir, WORKER, str(run_dir))
    if returncode == 0:
        records.set_status("completed")
        write_report(run_dir)
        return test_scores(run_dir)
    if returncode in (EXIT_INTERRUPTED, -signal.SIGINT) or _stopped_on_request(run_dir):
        records.set_status("stopped")
        raise InterruptedByUserError(
            _("training was stopped; the checkpoint is saved"),
            _("Go on with: srwizard train {run_dir}", run_dir=run_dir),
        )
    failure = failures.collect(run_dir, returncode)
    records.set_status("failed", kind=failure["kind"])
    raise TrainingFailedError(
        "\n".join(failures.explain(failure)),
        _("Recorded in {path}", path=run_dir / failures.FAILURE_FILE),
    )


def test_scores(run_dir: Path) -> dict[str, Any]:
    """Return the metrics of the test split by variable, empty where there are none yet."""
    events = [
        event for event in read_events(run_dir / METRICS_FILE) if event.get("event") == "test"
    ]
    return dict(events[-1]["variables"]) if events else {}


def _stopped_on_request(run_dir: Path) -> bool:
    # torchrun turns every exit code of its workers into its own.
    return Records(run_dir).status().get("state") == "stopping"


@contextmanager
def _signals_passed_to(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    def pass_on(number: int, _frame: object) -> None:
        # A terminal sends Ctrl-C to the whole foreground group: the child has it already.
        if number != signal.SIGINT or not sys.stdin.isatty():
            child.send_signal(number)

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    earlier = {number: signal.signal(number, pass_on) for number in wanted}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
