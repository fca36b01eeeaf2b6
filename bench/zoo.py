"""Every model on real datasets with its recommended recipe: `python -m bench zoo`.

Normalized point by point (PGN) and as a whole (GN), in the size tiny. Two of the datasets come with
the package iris-sample-data, the third with Debian's ferret-datasets, if that is installed.
`srwizard prepare` makes them, `srwizard --answers` freezes the runs, and the training core trains
them, on one thread each, so that the processor time of a step does not depend on what else the
machine does. With a directory as argument the runs are kept there, and those that are complete are
not trained again; with --write the table goes to docs/zoo.md. Names of models and datasets choose
among them.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from bench._runs import (
    DATASETS,
    DIFFUSION_PARAMETERS,
    MODES,
    Dataset,
    frozen,
    made_ready,
    prepared,
    print_tables,
    trained,
)
from srwizard.base.sizes_and_times import bytes_text
from srwizard.data.baselines.choice import method_title
from srwizard.data.baselines.report import baselines_of
from srwizard.data.dataset import Dataset as DatasetDirectory
from srwizard.memory.tracker import StorageTracker
from srwizard.models.catalog import ModelCard, card
from srwizard.train.dataset import verified
from srwizard.train.final_scores import score_test
from srwizard.train.gain import fit_gain
from srwizard.train.loop import epoch_steps
from srwizard.train.resuming import load_best
from srwizard.train.setup import Training, micro_batches_of
from srwizard.train.step import optimizer_step

DOCUMENT = Path(__file__).parent.parent / "docs" / "zoo.md"
NORMALIZATIONS = ("PGN", "GN")
STEPS = 4
VARIANTS = {"DDPM-multigrid": ("DDPM", {"denoiser": "multigrid"})}
"""Further rows, by their names: a model, and parameters that make another network of it."""


@dataclass(frozen=True)
class Trained:
    """What came of one model on one dataset with one normalization."""

    parameters: int
    step_seconds: float
    peak_bytes: int
    epochs: int
    best_epoch: int
    scores: Mapping[str, Any]


def run(name: str, dataset: Dataset, normalization: str, work: Path) -> Trained:
    """Train a model on a dataset, unless that is done, and say what came of it."""
    torch.set_num_threads(1)
    run_dir = work / dataset.name / "zoo" / f"{name}-{normalization}"
    kept = run_dir / "zoo.json"
    if not kept.exists():
        base, changes = VARIANTS.get(name, (name, {}))
        model = card(base)
        params = DIFFUSION_PARAMETERS if model.family == "diffusion" else MODES.get(name, {})
        frozen(
            run_dir,
            prepared(dataset, work),
            {"name": base, "size": "tiny", "params": {**params, **changes}},
            {"recipe": "recommended", "normalization": normalization},
        )
        figures = step_figures(made_ready(run_dir))
        training = made_ready(run_dir)
        trained(training, run_dir)
        found = Trained(
            *figures,
            training.run.training.epochs,
            training.progress.best_epoch,
            scores_of(training, run_dir),
        )
        kept.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return Trained(**json.loads(kept.read_text(encoding="utf-8")))


def scores_of(training: Training, run_dir: Path) -> Mapping[str, Any]:
    """Score the test split with the best checkpoint, as the end of a training does."""
    load_best(training, run_dir)
    fit_gain(training, run_dir)
    contents = verified(training.run).contents
    return score_test(training, run_dir / "plots" / "breakdown.npz", contents).variables


def step_figures(training: Training) -> tuple[int, float, int]:
    """Return parameters, processor time of a training step, and the peak of its live tensors."""
    plan = epoch_steps(training)[: STEPS + 2]
    batches = training.batches("train", micro_batches_of(plan))
    seconds = []
    for step in plan[:-1]:
        started = time.process_time()
        optimizer_step(training, step, batches)
        seconds.append(time.process_time() - started)
    resident = sum(part.nbytes for part in training.bare.parameters()) * 3  # with AdamW's moments
    with StorageTracker() as tracker:
        optimizer_step(training, plan[-1], batches)
        peak = tracker.peak.total_bytes
    parameters = sum(part.numel() for part in training.bare.parameters())
    return parameters, median(seconds[1:]), resident + peak


def skill_text(scores: Mapping[str, Any]) -> str:
    """Return by how much the RMSE lies below that of the best simple method, with its interval."""
    parts = []
    for found in scores.values():
        bounds = found["interval"]["skill"]
        sure = "" if bounds is None else f" ({100 * bounds[0]:.1f} to {100 * bounds[1]:.1f})"
        parts.append(f"{100 * found['skill']:+.1f}{sure}")
    return "; ".join(parts)


def row(name: str, found: Mapping[str, Trained]) -> str:
    """Return a row of the table: figures with PGN, skill with both."""
    first = found[NORMALIZATIONS[0]]
    rmse = "; ".join(f"{one['model']['rmse']:.4g}" for one in first.scores.values())
    skills = " | ".join(skill_text(found[name].scores) for name in NORMALIZATIONS)
    epochs = f"{first.best_epoch} / {first.epochs}"
    return (
        f"| {name} | {first.parameters / 1e6:.2f} M | {first.step_seconds:.2f} | "
        f"{bytes_text(first.peak_bytes)} | {epochs} | {rmse} | {skills} |"
    )


def heading(dataset: Dataset, work: Path) -> Iterator[str]:
    """Yield what there is to beat on a dataset, and what its learning curve says."""
    yield f"### {dataset.title}"
    yield ""
    for found in baselines_of(DatasetDirectory(prepared(dataset, work))):
        scores = ", ".join(
            f"{method_title(name)} {one['test']:.4g}" for name, one in found.scores.items()
        )
        curve = ", ".join(f"{error:.4g} with {steps}" for steps, error in found.learning_curve)
        yield (
            f"{found.variable}, RMSE on the test split: {scores}; best on the validation split: "
            f"{method_title(found.best)}. Learning curve of the linear filter: {curve} steps."
        )
        yield ""


def table(dataset: Dataset, models: Sequence[ModelCard], work: Path) -> Iterator[str]:
    """Yield the lines of one dataset, each once it is known."""
    yield from heading(dataset, work)
    yield (
        "| model (tiny) | parameters | CPU s / step | peak memory | best epoch | RMSE | "
        "% below the best simple method, PGN | GN |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    names = [model.name for model in models]
    names += [name for name, (base, _changes) in VARIANTS.items() if base in names]
    with ProcessPoolExecutor(max_workers=2) as pool:
        waiting = {
            name: {one: pool.submit(run, name, dataset, one, work) for one in NORMALIZATIONS}
            for name in names
        }
        for name, by_normalization in waiting.items():
            yield row(name, {one: found.result() for one, found in by_normalization.items()})
    yield ""


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, and write them to the document if asked."""
    print_tables(arguments, DATASETS, table, DOCUMENT)


if __name__ == "__main__":
    main(sys.argv[1:])
