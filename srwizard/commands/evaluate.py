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
from srwizard.commands.print_outcome import print_outcome
from srwizard.data.split_names import split_words
from srwizard.prompts.progress import shown


@command(_("Score a checkpoint on a split, compared with the simple methods."))
@run_directory
@split_option(_("Split to score."), "test")
@checkpoint_option(_("The one with the best validation, or the last one."), "best")
@as_json_option
def evaluate(run_dir: Path, split: Any, checkpoint: Any, as_json: bool) -> None:
    from srwizard.runs import checkpoint_files
    from srwizard.settings import run_config
    from srwizard.train.dataset import verified
    from srwizard.train.evaluation import evaluate as score
    from srwizard.train.evaluation import file_of

    run_dir = run_dir.absolute()
    if not as_json:
        file = checkpoint_files.where(run_dir, checkpoint).relative_to(run_dir)
        print(
            _("Scoring the {split} with {file} …", split=split_words(split), file=file), flush=True
        )
    with shown(console, _("Checking the dataset …"), transient=True) as progress:
        dataset = verified(run_config.load(run_dir), progress=progress)
    result = score(run_dir, split, checkpoint, dataset)
    if as_json:
        print_json(result)
        return
    print_outcome(result, run_dir, skill=True)
    print(_("Written to {path}", path=file_of(run_dir, split, checkpoint)))
