"""One model trained, applied and judged as a user would do it, by the program's own commands."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.base.visible import in_shell
from srwizard.data.dataset import Dataset
from srwizard.models.card import ModelCard
from srwizard.runs.records import measured, test_scores
from srwizard.runs.run_state import RunState
from srwizard.runs.skill import simple_methods
from srwizard.runs.status import status_of
from srwizard.selfcheck.commands import srwizard
from srwizard.selfcheck.dataset import VARIABLE, unwritable, write_dataset
from srwizard.selfcheck.device import Device
from srwizard.selfcheck.fields import GaussianFields
from srwizard.selfcheck.optimum import Optimum
from srwizard.selfcheck.recipes import Recipe
from srwizard.selfcheck.verdict import Judged, judge
from srwizard.settings import run_config, yaml_file

FIELDS = {"standard": GaussianFields(), "diffusion": GaussianFields(size=32)}
"""Those of the command, by the family of the model; tests take smaller ones. Samples take so long
to draw that diffusion models are checked on a quarter of the area."""


@dataclass(frozen=True)
class Place:
    """Where a self-check works, and how.

    Args:
        directory: everything is written there.
        device: what it computes on.
        to_stderr: what the commands print goes to standard error.
    """

    directory: Path
    device: Device
    to_stderr: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of one model.

    Args:
        model: its name.
        bound: the least possible RMSE, exact.
        judged: how its prediction of the test split compares with the best possible one.
        simple: method -> its RMSE on the same fields.
        epochs: how many were trained.
        seconds: of this self-check: training, prediction and all.
        run_dir: the run.
    """

    model: str
    bound: float
    judged: Judged
    simple: dict[str, float]
    epochs: int
    seconds: float
    run_dir: Path

    @property
    def passed(self) -> bool:
        """Whether the model keeps to all its limits."""
        return all(check.passed for check in self.judged.checks)

    def as_json(self) -> dict[str, Any]:
        """Return what `srwizard selfcheck --json` prints of it."""
        return {
            "model": self.model,
            "rmse": self.judged.rmse,
            "bound": self.bound,
            "best_possible": self.judged.best,
            "simple": self.simple,
            "checks": [check.as_json() for check in self.judged.checks],
            "passed": self.passed,
            "epochs": self.epochs,
            "seconds": round(self.seconds, 1),
            "run_dir": str(self.run_dir),
        }


def check(model: ModelCard, recipe: Recipe, optimum: Optimum, place: Place) -> Outcome:
    """Train a model, predict the test split, and hold that against the optimum.

    What is there of an earlier, interrupted check in the same directory is gone on with.

    Raises:
        UsageError: the dataset cannot be written.
        CommandFailedError: a command failed.
        InterruptedByUserError: interrupted.
    """
    started = time.monotonic()
    root = place.directory / f"data-{model.family}"
    run_dir = place.directory / f"{model.name}-{place.device.name.replace(':', '')}"
    write_dataset(root, optimum.fields, recipe.steps)
    _train(model, recipe, root, run_dir, place)
    predicted = _predict(recipe, root, run_dir, place)
    scores = test_scores(run_dir)[VARIABLE]
    return Outcome(
        model.name,
        optimum.rmse,
        judge(optimum, Dataset(root).contents, predicted, recipe.limits),
        {name: scores[name]["rmse"] for name in simple_methods(scores)},
        len(measured(run_dir).epochs),
        time.monotonic() - started,
        run_dir,
    )


def answers(
    model: ModelCard, recipe: Recipe, root: Path, run_dir: Path, device: Device
) -> dict[str, Any]:
    """Return the answers that train a model by its recipe."""
    return {
        "data": {"root": str(root)},
        "output": {"dir": str(run_dir)},
        "model": {"name": model.name, "size": recipe.size, "params": dict(recipe.params)},
        "training": dict(recipe.training),
        "devices": {"gpus": list(device.gpus)},
        "memory": {"use_amp": False, "gradient_checkpointing": False, "when_tight": "accept"},
        "confirm": True,
    }


def _train(model: ModelCard, recipe: Recipe, root: Path, run_dir: Path, place: Place) -> None:
    """Freeze, measure and train, or go on where that was interrupted."""
    if not (run_dir / run_config.FILE_NAME).exists():
        file = place.directory / f"{run_dir.name}.yaml"
        said = yaml_file.dump(answers(model, recipe, root, run_dir, place.device))
        try:
            files.write_text(file, said)
        except OSError as error:
            raise unwritable(file, error) from None
        _run(place, "--answers", str(file))
    elif (status_of(run_dir) or {}).get("state") != RunState.COMPLETED:
        _run(place, "train", str(run_dir), "--dry-run-first")


def _predict(recipe: Recipe, root: Path, run_dir: Path, place: Place) -> Path:
    predicted = run_dir / "selfcheck.nc"
    members = [] if recipe.members is None else ["--members", str(recipe.members)]
    device = "cuda" if place.device.gpus else "cpu"
    _run(
        place, "predict", str(run_dir), str(root), "-o", str(predicted), "--overwrite",
        "--device", device, *members,
    )  # fmt: skip
    return predicted


def _run(place: Place, *arguments: str) -> None:
    # Sessions of a self-check are of no use to anybody else.
    state = {"XDG_STATE_HOME": str(place.directory / "state")}
    typed = in_shell("srwizard", *arguments)
    print(f"$ {typed}", file=sys.stderr if place.to_stderr else sys.stdout, flush=True)
    srwizard(
        *arguments,
        environment=place.device.environment | state,
        directory=place.directory,
        to_stderr=place.to_stderr,
    )
