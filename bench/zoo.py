"""Every model on two real datasets, trained for the same short budget: `python -m bench zoo`.

Both come with the package iris-sample-data; `srwizard prepare` makes them, `srwizard --answers`
freezes the runs, and the training core trains them in this process, on one thread, so that the
processor time of a step does not depend on what else the machine does. With a directory as argument
the runs are kept there, and those that are complete are not trained again; with --write the table
goes to docs/zoo.md. Names of models and datasets choose among them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import iris_sample_data
import torch

from srwizard.base.sizes_and_times import bytes_text
from srwizard.memory.tracker import StorageTracker
from srwizard.models.catalog import ModelCard, cards
from srwizard.runs.records import Records
from srwizard.settings import run_config, yaml_file
from srwizard.train.dataset import verified
from srwizard.train.distributed import Place
from srwizard.train.loop import Callbacks, epoch_steps, optimizer_step
from srwizard.train.loop import train as training_loop
from srwizard.train.resuming import load_best
from srwizard.train.scoring import score
from srwizard.train.setup import Training, load_statistics, set_up, steps_per_epoch

DOCUMENT = Path(__file__).parent.parent / "docs" / "zoo.md"
BEGIN, END = "<!-- zoo: begin -->", "<!-- zoo: end -->"
EPOCHS = {"standard": 4, "diffusion": 8}
"""A step of a diffusion model sees a single level of noise, of which there are many."""
TRAINING: dict[str, Any] = {
    "lr": 0.002,
    "scheduler": "OneCycle",
    "clip_grad_norm": 1.0,
    "normalization": "GN",
    "eval_freq": 4,
}
DIFFUSION_TRAINING = {"lr": 0.001, "ema_decay": 0.98, "eval_freq": 8}
DIFFUSION_PARAMETERS = {"sampling_steps": 4, "ensemble_members": 8}
MODES = {"MWT2d": {"modes": 2}}
"""The fields are small: theirs are the modes that the finest wavelets have."""
STEPS = 4


@dataclass(frozen=True)
class Dataset:
    """A file of iris-sample-data and what is made of it."""

    name: str
    file: str
    variable: str
    scale: int
    batch_size: int


DATASETS = (
    Dataset("OSTIA", "ostia_monthly.nc", "surface_temperature", 2, 1),
    Dataset("HadGEM2", "E1_north_america.nc", "air_temperature", 3, 4),
)


@dataclass(frozen=True)
class Row:
    """What came of one model on one dataset."""

    model: str
    parameters: int
    step_seconds: float
    peak_bytes: int
    rmse: float
    skill: float

    def text(self) -> str:
        """Return a row of the table."""
        return (
            f"| {self.model} | {self.parameters / 1e6:.2f} M | {self.step_seconds:.2f} | "
            f"{bytes_text(self.peak_bytes)} | {self.rmse:.4f} | {self.skill:+.3f} |"
        )


def prepare(dataset: Dataset, work: Path) -> Path:
    """Make the dataset directory, unless it is there."""
    root = work / dataset.name / "data"
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        source = Path(iris_sample_data.path) / dataset.file
        srwizard(
            "prepare", str(source), "--variable", dataset.variable, "--name", "temp",
            "--scale", str(dataset.scale), "-o", str(root),
        )  # fmt: skip
    return root


def answers(model: ModelCard, dataset: Dataset, root: Path, run_dir: Path) -> dict[str, Any]:
    """Return the answers of a run: those of all models, but for what diffusion needs."""
    diffusion = model.family == "diffusion"
    return {
        "data": {"root": str(root)},
        "output": {"dir": str(run_dir)},
        "model": {
            "name": model.name,
            "size": "tiny",
            "params": DIFFUSION_PARAMETERS if diffusion else MODES.get(model.name, {}),
        },
        "training": TRAINING
        | (DIFFUSION_TRAINING if diffusion else {})
        | {"epochs": EPOCHS[model.family], "batch_size": dataset.batch_size},
        "devices": {"gpus": [], "processes": 1},
        "memory": {"use_amp": False, "gradient_checkpointing": False, "when_tight": "accept"},
        "confirm": True,
    }


def train(model: ModelCard, dataset: Dataset, work: Path) -> Row:
    """Train a model on a dataset, unless that is done, and say what came of it."""
    run_dir = work / dataset.name / model.name
    if not (run_dir / "run.yaml").exists():
        root = prepare(dataset, work)
        file = work / dataset.name / f"{model.name}.yaml"
        file.write_text(yaml_file.dump(answers(model, dataset, root, run_dir)), encoding="utf-8")
        srwizard("--answers", str(file), "--stop-after", "frozen")
    parameters, seconds, peak = step_figures(made_ready(run_dir))
    kept = run_dir / "scores.json"
    if not kept.exists():
        kept.write_text(json.dumps(scores_after_training(run_dir)), encoding="utf-8")
    scores = json.loads(kept.read_text(encoding="utf-8"))["temp"]
    return Row(model.name, parameters, seconds, peak, scores["model"]["rmse"], scores["skill"])


def made_ready(run_dir: Path) -> Training:
    """Set a frozen run up in this process, as its worker would."""
    run = run_config.load(run_dir)
    contents = verified(run).contents
    found = load_statistics(run, run_dir, contents)
    return set_up(run, contents, found, Place(0, 1, torch.device("cpu")))


def scores_after_training(run_dir: Path) -> dict[str, Any]:
    """Train a run to its end and score the test split with its best checkpoint."""
    training = made_ready(run_dir)
    training_loop(training, run_dir, Records(run_dir), Callbacks())
    load_best(training, run_dir)
    return score(training, "test").variables


def step_figures(training: Training) -> tuple[int, float, int]:
    """Return parameters, processor time of a training step, and the peak of its live tensors."""
    plan = epoch_steps(training)[: STEPS + 2]
    batches = training.batches("train", steps_per_epoch(plan))
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


def srwizard(*arguments: str) -> None:
    """Run the command; end with what it says where it fails."""
    command = [sys.executable, "-m", "srwizard", *arguments]
    environment = os.environ | {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")


def table(dataset: Dataset, work: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the table of one dataset, each once it is known."""
    yield f"### {dataset.name}: {dataset.file}, {dataset.variable}, scale {dataset.scale}"
    yield ""
    yield "| model (tiny) | parameters | CPU s / step | peak memory | RMSE (K) | skill |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for model in cards().values():
        if not names or model.name in names:
            yield train(model, dataset, work).text()
    yield ""


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, and write them to docs/zoo.md if asked."""
    torch.set_num_threads(1)
    named = [item for item in arguments if not item.startswith("--")]
    names = [item for item in named if item in cards()]
    wanted = [item for item in DATASETS if item.name in named] or DATASETS
    places = [item for item in named if item not in {*cards(), *(d.name for d in DATASETS)}]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(places[0] if places else temporary).absolute()
        lines = []
        for dataset in wanted:
            for line in table(dataset, work, names):
                print(line, flush=True)
                lines.append(line)
    if "--write" in arguments:
        before, _begin, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        body = "\n".join(lines).rstrip()
        DOCUMENT.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
