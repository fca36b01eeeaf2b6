"""A stand-in for the GPUs that torch does not have here, met by the child processes of a run.

With this directory on PYTHONPATH, a dry run reports the peaks that STAND_IN_PEAKS names (MiB by
"batch_size use_amp"), and a training runs out of memory as torch does on a GPU where the batch is
larger than STAND_IN_LARGEST_BATCH, at once or after STAND_IN_FAILS_AFTER steps, and else runs on
the CPU. With STAND_IN_SAYS they fail with that error of CUDA instead: the dry run, or the training
after STAND_IN_FAILS_AFTER steps; NVML then reports what the file STAND_IN_WORLD_AFTER says, if
there is one. The wizard itself is left as it is, but for the CUDA that torch passes for built for.
"""

import json
import os
import runpy
import socket
import sys
from pathlib import Path
from typing import Any

REHEARSAL, WORKER = "srwizard.memory.rehearsal", "srwizard.train.worker"


def module() -> tuple[str, list[str]]:
    """Return what `python -m` runs, and its arguments."""
    words = sys.orig_argv
    if "-m" not in words:
        return "", []
    place = words.index("-m")
    return words[place + 1], words[place + 2 :]


def rehearse(run_dir: Path, out_dir: Path, *capacities: int) -> None:
    """Write what the rehearsal would, with the peak of the stand-in."""
    from srwizard.base import files
    from srwizard.settings import run_config

    if "STAND_IN_SAYS" in os.environ and "STAND_IN_FAILS_AFTER" not in os.environ:
        from srwizard.runs import failures

        failures.record(out_dir, RuntimeError(os.environ["STAND_IN_SAYS"]), 0, {})
        os._exit(5)
    run = run_config.load(run_dir)
    peaks = json.loads(os.environ["STAND_IN_PEAKS"])
    key = f"{run.training.batch_size} {str(run.memory.use_amp).lower()}"
    rank = int(os.environ.get("RANK", 0))
    figures = {
        "rank": rank, "host": socket.gethostname(), "capacity_bytes": capacities[rank],
        "baseline_rss_bytes": 0, "peak_bytes": peaks[key] * 2**20,
        "step_seconds": 0.5, "steps": 3,
    }  # fmt: skip
    files.write_json(out_dir / f"rank{rank}.json", figures)


def train_on_cpu(run_dir: Path) -> None:
    """Let the worker compute on the CPU, or run out of memory as a GPU would."""
    import torch

    from srwizard.runs import failures
    from srwizard.settings import run_config
    from srwizard.train import distributed

    run = run_config.load(run_dir)
    error: Exception = torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 1.21 GiB. GPU 0 has a total capacity of "
        "23.60 GiB of which 512.00 MiB is free."
    )
    if "STAND_IN_SAYS" in os.environ:
        error = RuntimeError(os.environ["STAND_IN_SAYS"])
    too_large = run.training.batch_size > int(os.environ["STAND_IN_LARGEST_BATCH"])
    steps = os.environ.get("STAND_IN_FAILS_AFTER")
    if too_large and steps is not None:
        fail_after(int(steps), error)
    elif too_large:
        failures.record(run_dir, error, 0, {"phase": "training", "step": 7, "epoch": 1})
        os._exit(5)
    original = distributed.joined

    def joined(devices: Any, *rest: Any) -> Any:
        return original(devices.model_copy(update={"gpus": [], "backend": "gloo"}), *rest)

    distributed.joined = joined


def fail_after(steps: int, error: Exception) -> None:
    """Let the training loop run out of memory once it has taken so many steps."""
    from srwizard.train import loop

    original = loop.begin_step

    def begin_step(training: Any, *rest: Any, **named: Any) -> Any:
        if training.progress.steps >= steps:
            if "STAND_IN_WORLD_AFTER" in os.environ:
                Path(os.environ["STAND_IN_WORLD_AFTER"]).replace(os.environ["NVML_WORLD"])
            raise error
        return original(training, *rest, **named)

    loop.begin_step = begin_step


if "STAND_IN_TORCH_CUDA" in os.environ:
    hardware = Path(__file__).parents[2] / "hardware"
    runpy.run_path(str(hardware / "nvml" / "built_for_cuda" / "sitecustomize.py"))
NAME, ARGUMENTS = module()
if NAME == REHEARSAL:
    rehearse(Path(ARGUMENTS[0]), Path(ARGUMENTS[1]), *map(int, ARGUMENTS[2:]))
    os._exit(0)
elif NAME == WORKER:
    train_on_cpu(Path(ARGUMENTS[0]))
