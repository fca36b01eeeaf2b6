"""Time of a validation against one plain forward pass: `python -m bench.validation`.

Eight fields of HR [128, 256] at scale 4, two variables, land in a corner; EDSR and SwinIR as they
are trained on patches of 64 in batches of 4. A validation reads, super-resolves and scores them;
the reference hands the same fields to the network, one by one, and does nothing else. Both are
timed in turns, medians of several rounds. The last column has tiles as large as the patches.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from bench.memory import write_dataset
from srwizard.data import normalization
from srwizard.data.samples import Key
from srwizard.train.dataset import contents_for
from srwizard.train.distributed import Place
from srwizard.train.scoring import score
from srwizard.train.setup import set_up
from tests.configs import cpu_run, data_of, frozen

HR_SHAPE = (128, 256)
PATCH, BATCH = 64, 4
ROUNDS = 7
LARGEST_RATIO = 1.3
NETWORKS: dict[str, dict[str, Any]] = {
    "EDSR": {"num_features": 64, "num_blocks": 16},
    "SwinIR": {"embed_dim": 120, "depths": [6] * 4, "num_heads": [6] * 4},
}


def main(_arguments: Sequence[str] = ()) -> None:
    """Print a row for each network."""
    print("| network | plain pass, s | validation, s | ratio | goal | by tiles of a patch, s |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="srwizard-bench-") as name:
        root = Path(name) / "data"
        write_dataset(root, HR_SHAPE)
        for model, params in NETWORKS.items():
            plain, ours, tiled = times(root, Path(name) / model, model, params)
            print(
                f"| {model} | {plain:.2f} | {ours:.2f} | {ours / plain:.2f} | <= {LARGEST_RATIO} "
                f"| {tiled:.2f} |",
                flush=True,
            )


def times(root: Path, run_dir: Path, model: str, params: dict[str, Any]) -> list[float]:
    """Return the seconds of a plain pass, of a validation, and of one by small tiles."""
    run = frozen(cpu_run(data_of(root), run_dir, model, params, patch_size=PATCH, batch_size=BATCH))
    contents = contents_for(run)
    found = normalization.statistics(contents, run.data.variables, run.training.normalization)
    training = set_up(run, contents, found, Place(0, 1, torch.device("cpu")))
    eight = [Key(index) for index in range(len(training.splits["valid"]))]
    fields = [training.splits["valid"][key]["lr"][None] for key in eight]

    @torch.no_grad()
    def plain() -> None:
        for field in fields:
            training.bare(field)

    def validation(tile: int | None) -> Callable[[], None]:
        memory = run.memory.model_copy(update={"tile_size": tile})

        def scored() -> None:
            training.run = run.model_copy(update={"memory": memory})
            score(training, "valid")

        return scored

    runs = [plain, validation(run.memory.tile_size), validation(None)]
    rounds = [[seconds(work) for work in runs] for _ in range(ROUNDS + 1)][1:]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def seconds(work: Callable[[], None]) -> float:
    """Return how long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
