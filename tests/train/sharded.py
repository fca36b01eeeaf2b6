"""One rank of several trainings, one after the other: `-m tests.train.sharded RUN_DIR…`.

Under torchrun. Each run directory is trained as the worker does, from its checkpoint on, without
what comes after the last epoch. Each rank writes how high its memory rose to `peak{RANK}.json`.
"""

import json
from pathlib import Path

import psutil
import torch.distributed as dist

from srwizard.runs.records import Records
from srwizard.settings import run_config
from srwizard.train.dataset import verified
from srwizard.train.distributed import Place, joined, wait_for_all
from srwizard.train.loop import Callbacks, train
from srwizard.train.peak import peak_resident
from srwizard.train.processes import run_and_leave
from srwizard.train.resuming import begin_from_weights, resume
from srwizard.train.setup import load_statistics, set_up


def main(arguments: list[str]) -> int:
    directories = [Path(argument) for argument in arguments]
    with joined(run_config.load(directories[0]).devices) as place:
        for run_dir in directories:
            _train(run_dir, place)
            dist.barrier()
    return 0


def _train(run_dir: Path, place: Place) -> None:
    run = run_config.load(run_dir)
    Path("/proc/self/clear_refs").write_text("5")
    before = psutil.Process().memory_info().rss
    contents = verified(run).contents
    training = set_up(run, contents, load_statistics(run, run_dir, contents), place)
    loaded = resume(training, run_dir)
    if loaded is None:
        begin_from_weights(training)
    records = Records(run_dir)
    if place.is_first:
        records.drop_from(training.progress.epoch if loaded else 0)
    wait_for_all(place)
    train(training, run_dir, records, Callbacks())
    found = {
        "rose_by": (peak_resident() or 0) - before,
        "notices": list(loaded.notices) if loaded else None,
    }
    (run_dir / f"rank{place.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    run_and_leave(main)
