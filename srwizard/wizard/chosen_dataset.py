"""The dataset that was chosen: inspected once, known by its fingerprint, shown as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text

from srwizard.base.console import Table
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.typed_paths import expand
from srwizard.base.visible import in_one_line
from srwizard.data.dataset import Dataset
from srwizard.data.inspect import (
    DatasetSummary,
    VariableSummary,
    describe_problems,
    scale_of,
)
from srwizard.data.selected_fields import (
    guides_problem,
    selection_problem,
    static_inputs_problem,
)
from srwizard.data.split_names import split_title
from srwizard.data.statics import name_of
from srwizard.settings import run_config
from srwizard.train.dataset import verified
from srwizard.wizard.conversation import Conversation


def chosen_dataset(conversation: Conversation) -> DatasetSummary:
    """Return the summary of the dataset that was answered."""
    return opened_dataset(conversation).summary


def opened_dataset(conversation: Conversation) -> Dataset:
    """Return the dataset that was answered, as it was found when it was looked at last."""
    answered = conversation.session.answers.data
    assert answered.root is not None
    root, present = expand(answered.root), conversation.dataset
    asked = (root, answered.outliers, answered.periodic)
    if present is None or (present.root, present.outliers, present.periodic) != asked:
        conversation.dataset = Dataset(root, answered.outliers, periodic=answered.periodic)
        conversation.has_asked = False
    assert conversation.dataset is not None
    return conversation.dataset


def dataset_as_it_is_now(conversation: Conversation) -> Dataset:
    """Return the dataset that was answered, to freeze or to launch with.

    It is looked at again only if a person was asked something since: that may have taken hours.
    """
    if conversation.has_asked:
        conversation.dataset = None
    return opened_dataset(conversation)


def verified_dataset(conversation: Conversation, run_dir: Path) -> Dataset:
    """Return the dataset to launch a frozen run with; a bar shows how far the check of it is.

    Raises:
        DatasetError: it is not the one that was frozen any more.
    """
    dataset = dataset_as_it_is_now(conversation)
    with conversation.prompts.progress(_("Checking the dataset …")) as progress:
        return verified(run_config.load(run_dir), dataset, progress)


def chosen_variables(conversation: Conversation, summary: DatasetSummary) -> list[VariableSummary]:
    """Return the variables to train on."""
    names = conversation.session.answers.data.variables
    return [item for item in summary.variables if names is None or item.name in names]


def problem_with_choice(conversation: Conversation) -> str | None:
    """Say why what was chosen of the dataset cannot be trained on any more, or None if it can."""
    summary, chosen = chosen_dataset(conversation), conversation.session.answers.data
    if not summary.usable:
        return _("the dataset {root} can no longer be used", root=summary.root)
    names = chosen.variables or [item.name for item in summary.variables]
    return (
        selection_problem(summary, names)
        or static_inputs_problem(summary, chosen.static_variables)
        or guides_problem(summary, chosen.guides, names)
    )


def chosen_fingerprint(conversation: Conversation) -> dict[str, str]:
    """Return the fingerprint of what was chosen of the dataset.

    Raises:
        DatasetError: it cannot be read.
    """
    return opened_dataset(conversation).fingerprint(*_chosen(conversation), area_weights=False)


def chosen_stamps(conversation: Conversation) -> dict[str, str]:
    """Return what a change of any file that was chosen of the dataset shows in.

    Raises:
        DatasetError: it cannot be read.
    """
    return opened_dataset(conversation).stamps(*_chosen(conversation), area_weights=False)


def _chosen(conversation: Conversation) -> tuple[list[str], list[str], list[str]]:
    """Return what was chosen of the dataset: variables, static variables, guides."""
    names = [item.name for item in chosen_variables(conversation, chosen_dataset(conversation))]
    chosen = conversation.session.answers.data
    return names, chosen.static_variables, chosen.guides


def summary_table(summary: DatasetSummary, to_beat: Sequence[str] = ()) -> Table:
    """Return the dataset as a table: steps, variables, shapes, scale, land, range, problems.

    Args:
        summary: the dataset.
        to_beat: what there is to say of the simple methods.
    """
    table = Table(title=_("Dataset"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row(_("Directory"), Text(in_one_line(summary.root)))
    if any(summary.steps.values()):
        table.add_row(_("Layout"), summary.layout)
        for split, count in summary.steps.items():
            table.add_row(
                split_title(split),
                _n("{count} time step", "{count} time steps", count, count=count),
            )
    for variable in summary.variables:
        table.add_row(_("Variable"), Text(in_one_line(_variable_text(variable))))
    if summary.statics:
        # As answers name them: without the number that their files begin with.
        names = dict.fromkeys(name_of(Path(f"{stem}.npy")) for stem in summary.statics)
        table.add_row(_("Static fields"), Text(in_one_line(", ".join(names))))
    for line in to_beat:
        table.add_row(_("To beat"), Text(line))
    fatal = [problem for problem in summary.problems if problem.fatal]
    others = [problem for problem in summary.problems if not problem.fatal]
    for line in describe_problems(fatal):
        table.add_row(Text(_("Problem"), style="red"), Text(line))
    for line in describe_problems(others):
        table.add_row(Text(_("Warning"), style="yellow"), Text(line))
    if not summary.problems:
        table.add_row(_("Problems"), _("none"))
    return table


def steps_text(steps: Mapping[str, int]) -> str:
    """Return how many time steps each split has, in one line."""
    return ", ".join(f"{split_title(split)} {count}" for split, count in steps.items())


def _variable_text(variable: VariableSummary) -> str:
    scale = scale_of(variable.hr_shape, variable.lr_shape)
    return _(
        "{name}: HR shape {hr}, LR shape {lr}, scale {scale}x, land {land:.1f} %, "
        "values {low:.4g} to {high:.4g} in a sample",
        name=variable.name,
        hr=list(variable.hr_shape),
        lr=list(variable.lr_shape),
        scale=scale if scale is not None else "?",
        land=100 * variable.land_share,
        low=variable.minimum,
        high=variable.maximum,
    )
