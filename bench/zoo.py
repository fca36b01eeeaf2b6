"""Every model on two real datasets, trained for the same short budget: `python -m bench zoo`.

Both come with the package iris-sample-data; `srwizard prepare` makes them, `srwizard --answers`
trains on them, as a user would. With a directory as argument the runs are kept there, and those
that are complete are not trained again; with --write the table goes to docs/zoo.md.
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

from srwizard import runconfig, yamlfile
from srwizard.models.catalog import ModelCard, cards
from srwizard.train.distributed import Place
from srwizard.train.loop import epoch_steps, optimizer_step
from srwizard.train.records import METRICS_FILE, read_events
from srwizard.train.setup import load_statistics, set_up, steps_per_epoch
from srwizard.units import bytes_text

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
DIFFUSION_TRAINING = {"ema_decay": 0.98, "eval_freq": 8}
DIFFUSION_PARAMETERS = {"sampling_steps": 8, "ensemble_members": 4}
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
    """Train a model on a dataset, unless that is done, and read what came of it."""
    run_dir = work / dataset.name / model.name
    if test_event(run_dir) is None:
        root = prepare(dataset, work)
        file = work / dataset.name / f"{model.name}.yaml"
        file.write_text(yamlfile.dump(answers(model, dataset, root, run_dir)), encoding="utf-8")
        srwizard("--answers", str(file))
    scores = (test_event(run_dir) or {})["variables"]["temp"]
    measured = json.loads((run_dir / "dry_run.json").read_text(encoding="utf-8"))
    parameters, seconds = parameters_and_seconds(run_dir)
    peak, rmse = measured["peak_bytes"], scores["model"]["rmse"]
    return Row(model.name, parameters, seconds, peak, rmse, scores["skill"])


def parameters_and_seconds(run_dir: Path) -> tuple[int, float]:
    """Return the number of parameters, and the processor time of a training step."""
    run = runconfig.load(run_dir)
    contents = runconfig.verify_dataset(run)
    statistics = load_statistics(run, run_dir, contents)
    training = set_up(run, contents, statistics, Place(0, 1, torch.device("cpu")))
    plan = epoch_steps(training)[: STEPS + 1]
    batches = training.batches("train", steps_per_epoch(plan))
    seconds = []
    for step in plan:
        started = time.process_time()
        optimizer_step(training, step, batches)
        seconds.append(time.process_time() - started)
    return sum(part.numel() for part in training.bare.parameters()), median(seconds[1:])


def test_event(run_dir: Path) -> dict[str, Any] | None:
    """Return the scores of the test split, None where training is not complete."""
    path = run_dir / METRICS_FILE
    events = read_events(path) if path.exists() else []
    return next((event for event in events if event.get("event") == "test"), None)


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
