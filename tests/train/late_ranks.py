"""One rank of two on the CPU that read what has come of a step late, as GPUs do.

`-m tests.train.late_ranks RUN_DIR SPOILT`, under torchrun: the loss of rank 1 is NaN from step
SPOILT on. Each rank writes what it raised, and whether its weights are finite.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from torch import Tensor

from srwizard.runs.failures import NonFiniteLossError
from srwizard.runs.records import Records
from srwizard.settings import run_config
from srwizard.train import loop, optimizers, step
from srwizard.train.dataset import verified
from srwizard.train.distributed import joined
from srwizard.train.objective import Objective
from srwizard.train.processes import run_and_leave
from srwizard.train.setup import load_statistics, set_up


@contextmanager
def read_late() -> Iterator[None]:
    """Let figures be read a step later, by the rules of a GPU."""
    with (
        mock.patch.object(step, "reads_late", lambda _training: True),
        mock.patch.object(loop, "reads_late", lambda _training: True),
        mock.patch.object(step, "_on_its_way", lambda figures: (figures, None)),
        mock.patch.object(optimizers, "fused", lambda _parameters: True),
    ):
        yield


@contextmanager
def spoilt_from(number: int) -> Iterator[None]:
    """Let the loss be NaN from the step of this number on, in this process."""
    forward, seen = Objective.forward, 0

    def spoilt(self: Objective, *parts: Any) -> Tensor:
        nonlocal seen
        seen += self.training
        losses = forward(self, *parts)
        return losses * float("nan") if seen >= number else losses

    with mock.patch.object(Objective, "forward", spoilt):
        yield


def main(arguments: list[str]) -> int:
    run_dir, number = Path(arguments[0]), int(arguments[1])
    run = run_config.load(run_dir)
    contents = verified(run).contents
    statistics = load_statistics(run, run_dir, contents)
    with joined(run.devices) as place, read_late():
        training = set_up(run, contents, statistics, place)
        raised = ""
        with spoilt_from(number if place.rank == 1 else sys.maxsize):
            try:
                loop.train(training, run_dir, Records(run_dir), loop.Callbacks())
            except NonFiniteLossError as error:
                raised = str(error)
        finite = all(bool(part.isfinite().all()) for part in training.bare.parameters())
        found = {"raised": raised, "finite": finite, "steps": training.progress.steps}
        (run_dir / f"found{place.rank}.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    run_and_leave(main)
