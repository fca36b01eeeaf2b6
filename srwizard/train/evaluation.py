"""Scoring a split with a checkpoint of a run, in processes as training has them. No torch."""

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

from srwizard.base import files
from srwizard.base.errors import InterruptedByUserError, TrainingFailedError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.locks import held
from srwizard.base.visible import in_shell
from srwizard.data.dataset import Dataset
from srwizard.runs import checkpoint_files, failures
from srwizard.runs.absent import absent
from srwizard.runs.failures import Ended
from srwizard.runs.process_identity import LOCK_FILE
from srwizard.runs.records import now
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.train import processes
from srwizard.train.dataset import verified

SCORER = "srwizard.train.scorer"
SCRATCH_PREFIX = ".evaluate-"
Split = Literal["train", "valid", "test"]
Name = Literal["best", "last"]


def evaluate(
    run_dir: Path, split: Split, name: Name, dataset: Dataset | None = None
) -> dict[str, Any]:
    """Score a split with a checkpoint and write `evaluation.{split}.{name}.json`.

    With the best checkpoint and the test split, the examples of the report are drawn anew too.

    Args:
        run_dir: the run directory.
        split: to score.
        name: of the checkpoint.
        dataset: that of the run, if this command has looked at it already.

    Returns:
        What was written: `run_dir`, `digest`, `split`, `checkpoint`, `epoch`, `step`, `time`,
        `loss`, `members`, `gain` and `variables`: for each `model`, `bicubic` and `skill`.

    Raises:
        UsageError: no run directory, of another version, at work, or without that checkpoint.
        DatasetError: the dataset is no longer the one that was checked.
        TrainingFailedError: it failed; says why.
        InterruptedByUserError: it was asked to stop; nothing was written.
    """
    run = run_config.load(run_dir)
    _require_checkpoint(run_dir, name)
    dataset = verified(run, dataset)
    in_use = _("the run directory {path}", path=run_dir)
    with (
        held(run_dir / LOCK_FILE, in_use),
        processes.at_work(run_dir) as log,
        # In the run directory, so that what is moved from there arrives whole.
        tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=run_dir) as scratch,
    ):
        arguments = (str(run_dir), scratch, split, name)
        ended = processes.start(run, log, SCORER, *arguments, dataset=dataset)
        if ended.returncode != 0:
            raise _why(run_dir, Path(scratch), ended, split, name)
        return _keep(run, run_dir, Path(scratch), split, name)


def file_of(run_dir: Path, split: Split, name: Name) -> Path:
    """Return where the scores of a split with a checkpoint are kept."""
    return run_dir / f"evaluation.{split}.{name}.json"


def _require_checkpoint(run_dir: Path, name: Name) -> None:
    found = [other for other in checkpoint_files.NAMES if checkpoint_files.exists(run_dir, other)]
    if name in found:
        return
    problem = _(
        "{run_dir} has no checkpoint {file}", run_dir=run_dir, file=f"checkpoints/{name}.pt"
    )
    if found:
        advice = _("There is another one: --checkpoint {name}", name=found[0])
    else:
        advice = _("Train it first: srwizard train {run_dir}", run_dir=in_shell(run_dir))
    raise UsageError(problem, advice)


def _why(
    run_dir: Path, scratch: Path, ended: Ended, split: Split, name: Name
) -> InterruptedByUserError | TrainingFailedError:
    if ended.stop_asked and not failures.causes(scratch):
        return InterruptedByUserError(_("the evaluation was interrupted; nothing was written"))
    failure = failures.collect(scratch, ended)
    if failure["kind"] == "checkpoint_unusable":
        other = "last" if name == "best" else "best"
        return TrainingFailedError(
            failure["error"].partition(": ")[2],
            _("Try the other one: --checkpoint {name}", name=other),
        )
    again = f"srwizard evaluate {in_shell(run_dir)} --split {split} --checkpoint {name}"
    told = failures.explain(failure, run_dir, again=again)
    return TrainingFailedError("\n".join([_("The evaluation failed."), *told]))


def _keep(run: RunConfig, run_dir: Path, scratch: Path, split: Split, name: Name) -> dict[str, Any]:
    found = json.loads((scratch / "scores.json").read_text(encoding="utf-8"))
    result = {
        "run_dir": str(run_dir),
        "digest": run.digest,
        "split": split,
        "checkpoint": name,
        "time": now(),
        **found,
        "absent": [one._asdict() for one in absent(found["variables"], run.model_dump())],
    }
    files.write_json(file_of(run_dir, split, name), result)
    if (split, name) == ("test", "best"):
        plots = run_dir / "plots"
        plots.mkdir(exist_ok=True)
        for file in ("samples.npz", "breakdown.npz"):
            (scratch / file).replace(plots / file)
    return result
