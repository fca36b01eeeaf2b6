"""What several processes of this machine measure: one rank, started by torchrun.

`python -m bench._ranks exchange OUT SIZE...` times all-reduces over all ranks, and over the first
two; `python -m bench._ranks steps OUT RUN_DIR` times optimizer steps with and without the exchange.
Rank 0 writes seconds to the JSON file OUT.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist

from srwizard.settings import run_config
from srwizard.train.dataset import verified
from srwizard.train.distributed import Place, from_all_ranks
from srwizard.train.loop import epoch_steps
from srwizard.train.order import Step
from srwizard.train.setup import Training, load_statistics, micro_batches_of, set_up
from srwizard.train.step import optimizer_step

ROUNDS = 9
SMALL, LARGE = 8, 64 * 2**20
"""Bytes of the two all-reduces that give latency and bandwidth."""


def exchange(place: Place, sizes: list[int]) -> dict[str, Any]:
    """Return median seconds of all-reduces: of two ranks, small and large; of all, each size."""
    two = dist.new_group([0, 1])
    everyone = dist.group.WORLD
    cases: list[tuple[str, int, Any, bool]] = [
        ("small", SMALL, two, place.rank < 2),
        ("large", LARGE, two, place.rank < 2),
        *((f"{count} {size}", size, group, place.rank < count or count > 2)
          for count, group in ((2, two), (place.world, everyone)) for size in sizes),
    ]  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name, *_rest in cases}
    for _round in range(ROUNDS):
        for name, size, group, takes_part in cases:
            values = torch.ones(size // 4)  # zeros would be pages that are made on first use
            dist.barrier()
            if takes_part:
                seconds[name].append(timed(partial(dist.all_reduce, values, group=group)))
    return {name: median(found[1:]) for name, found in seconds.items() if found}


def steps(place: Place, run_dir: Path) -> dict[str, Any]:
    """Return seconds of optimizer steps, alone and with the exchange, and an all-reduce's.

    All ranks compute at once, so that they share cores and memory in both.
    """
    run = run_config.load(run_dir)
    contents = verified(run).contents
    training = set_up(run, contents, load_statistics(run, run_dir, contents), place)
    alone = replace(
        training,
        objective=training.objective.module,  # type: ignore[arg-type]
        place=Place(0, 1, place.device),
    )
    step = replace(epoch_steps(training)[0], global_samples=run.training.batch_size)
    batch = next(training.batches("train", micro_batches_of([step])))
    parts: dict[str, tuple[Training, Step]] = {
        "alone": (alone, step),
        "together": (training, replace(step, global_samples=place.world * step.global_samples)),
    }
    found: dict[str, list[float]] = {"alone": [], "together": [], "small": [], "large": []}
    for number in range(ROUNDS):
        for name, (side, plan) in parts.items():
            dist.barrier()
            source = itertools.repeat(batch)
            seconds = timed(partial(optimizer_step, side, plan, source))
            if number:  # the first makes buckets and moments
                found[name] += from_all_ranks(place, seconds)
        for name, size in (("small", SMALL), ("large", LARGE)):
            values = torch.ones(size // 4)
            dist.barrier()
            found[name].append(timed(partial(dist.all_reduce, values)))
    parameters = sum(p.numel() for p in training.bare.parameters() if p.requires_grad)
    return found | {"parameters": parameters, "batch": run.training.batch_size}


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(arguments: list[str]) -> None:
    """Join the others, measure, write what rank 0 has found."""
    kind, out, *rest = arguments
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    place = Place(dist.get_rank(), dist.get_world_size(), torch.device("cpu"))
    found = (
        exchange(place, [int(size) for size in rest])
        if kind == "exchange"
        else steps(place, Path(rest[0]))
    )
    if place.is_first:
        Path(out).write_text(json.dumps(found), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1:])
