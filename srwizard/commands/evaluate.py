"""`srwizard evaluate`: how good a run is."""

from pathlib import Path
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.commands.options import (
    as_json_option,
    checkpoint_option,
    command,
    console,
    print_json,
    run_directory,
    split_option,
)


@command(_("Score a split with a checkpoint, beside bicubic interpolation."))
@run_directory
@split_option(_("Split to score."), "test")
@checkpoint_option(_("That of the best validation, or the last one."), "best")
@as_json_option
def evaluate(run_dir: Path, split: Any, checkpoint: Any, as_json: bool) -> None:
    from srwizard.runs import checkpoint_files
    from srwizard.runs.records import null_to_nan
    from srwizard.runs.skill import gain_lines
    from srwizard.states.done import (
        certainty_lines,
        consistency_lines,
        ensemble_lines,
        scores_table,
        warnings,
    )
    from srwizard.train.evaluation import evaluate as score
    from srwizard.train.evaluation import file_of
    from srwizard.wizard.chosen_dataset import split_title

    run_dir = run_dir.absolute()
    if not as_json:
        file = checkpoint_files.where(run_dir, checkpoint).relative_to(run_dir)
        print(_("Scoring the {split} split with {file} …", split=split, file=file), flush=True)
    result = score(run_dir, split, checkpoint)
    if as_json:
        print_json(result)
        return
    scores = null_to_nan(result["variables"])
    console.print(scores_table(scores, console.width, title=split_title(split), skill=True))
    for line in (
        *certainty_lines(scores),
        *ensemble_lines(scores),
        *consistency_lines(scores),
        *gain_lines(result["gain"]),
        *warnings(scores, run_dir),
    ):
        print(line)
    print(_("Written to {path}", path=file_of(run_dir, split, checkpoint)))
