"""One process of an evaluation: `python -m srwizard.train.scorer RUN_DIR OUT_DIR SPLIT NAME`.

Started exactly as training is. Rank 0 writes the scores of checkpoint NAME to `OUT_DIR/scores.json`
and, of the test split, `OUT_DIR/samples.npz` and `OUT_DIR/breakdown.npz` for the report.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from srwizard.base import files, i18n
from srwizard.base.child_process import end_with_parent
from srwizard.runs import failures
from srwizard.runs.progress import epoch_of
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.train.dataset import contents_for
from srwizard.train.distributed import Place, joined
from srwizard.train.final_scores import save_examples, score_test
from srwizard.train.processes import run_and_leave
from srwizard.train.resuming import load_named
from srwizard.train.scoring import score
from srwizard.train.setup import load_statistics, set_up
from srwizard.train.simple_methods import load_learnt

SCORES_FILE = "scores.json"
SAMPLES_FILE, BREAKDOWN_FILE = "samples.npz", "breakdown.npz"
"""Of the test split, for the report; as training writes them to `plots/`."""


def main(arguments: list[str]) -> int:
    """Score this process's part of a split."""
    end_with_parent()
    run_dir, out_dir = (Path(argument) for argument in arguments[:2])
    run = run_config.load(run_dir)
    i18n.set_language(i18n.language_from_environment())
    with joined(run.devices) as place:
        where: dict[str, Any] = {"phase": "set-up", "step": None, "epoch": None}
        try:
            _score(run, run_dir, out_dir, place, *arguments[2:])
        except Exception as error:
            failures.record(out_dir, error, place.rank, where)
            raise
    return 0


def _score(
    run: RunConfig, run_dir: Path, out_dir: Path, place: Place, split: str, name: str
) -> None:
    contents = contents_for(run)
    statistics = load_statistics(run, run_dir, contents)
    learnt = load_learnt(run, run_dir, contents)
    training = set_up(run, contents, statistics, place, learnt=learnt, whole_fields=True)
    progress = load_named(training, run_dir, name)
    if split == "test":
        result = asdict(score_test(training, out_dir / BREAKDOWN_FILE, contents))
    else:
        result = asdict(score(training, split))
    if split == "test":
        with training.whole() as own:
            if place.is_first:
                save_examples(own, contents, out_dir / SAMPLES_FILE)
    if not place.is_first:
        return
    result |= {"epoch": epoch_of(progress), "step": progress.steps, "gain": training.gain}
    files.write_json(out_dir / SCORES_FILE, result)


if __name__ == "__main__":
    run_and_leave(main)
