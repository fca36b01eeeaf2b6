"""The dataset that was chosen: inspected once, known by its fingerprint, shown as a table."""

from functools import lru_cache
from pathlib import Path

from rich.table import Table
from rich.text import Text

from srwizard.base.i18n import translate as _
from srwizard.data.fingerprint import fingerprint
from srwizard.data.inspect import (
    DatasetSummary,
    VariableSummary,
    describe_problems,
    inspect,
    scale_of,
)
from srwizard.data.layout import scan
from srwizard.data.statics import used_files
from srwizard.prompts.question import expand
from srwizard.wizard.conversation import Conversation


def chosen_dataset(conversation: Conversation) -> DatasetSummary:
    """Return the summary of the dataset that was answered."""
    root = conversation.session.answers.data.root
    assert root is not None
    return _inspected(expand(root))


def chosen_variables(conversation: Conversation, summary: DatasetSummary) -> list[VariableSummary]:
    """Return the variables to train on."""
    names = conversation.session.answers.data.variables
    return [item for item in summary.variables if names is None or item.name in names]


@lru_cache(maxsize=4)
def _inspected(root: Path) -> DatasetSummary:
    return inspect(root)


def inspect_again() -> None:
    """Inspect a dataset again when it is asked for next."""
    _inspected.cache_clear()


def chosen_fingerprint(conversation: Conversation) -> dict[str, str]:
    """Take the fingerprint of what was chosen of the dataset."""
    summary = chosen_dataset(conversation)
    names = [variable.name for variable in chosen_variables(conversation, summary)]
    contents = scan(summary.root)
    chosen = conversation.session.answers.data.static_variables
    return fingerprint(contents, names, used_files(contents, chosen, area_weights=False))


def summary_table(summary: DatasetSummary) -> Table:
    """Return the dataset as a table: steps, variables, shapes, scale, land, range, problems."""
    table = Table(title=_("Dataset"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row(_("Directory"), Text(str(summary.root)))
    if any(summary.steps.values()):
        table.add_row(_("Layout"), summary.layout)
        steps = " / ".join(str(count) for count in summary.steps.values())
        table.add_row(_("Steps"), f"{steps}  (train / valid / test)")
    for variable in summary.variables:
        table.add_row(_("Variable"), Text(_variable_text(variable)))
    if summary.statics:
        table.add_row(_("Static fields"), Text(", ".join(summary.statics)))
    fatal = [problem for problem in summary.problems if problem.fatal]
    others = [problem for problem in summary.problems if not problem.fatal]
    for line in describe_problems(fatal):
        table.add_row(Text(_("Problem"), style="red"), Text(line))
    for line in describe_problems(others):
        table.add_row(Text(_("Warning"), style="yellow"), Text(line))
    if not summary.problems:
        table.add_row(_("Problems"), _("none"))
    return table


def _variable_text(variable: VariableSummary) -> str:
    scale = scale_of(variable.hr_shape, variable.lr_shape)
    return _(
        "{name}: HR {hr}, LR {lr}, scale {scale}x, land {land:.1f} %, "
        "values {low:.4g} to {high:.4g}",
        name=variable.name,
        hr=list(variable.hr_shape),
        lr=list(variable.lr_shape),
        scale=scale if scale is not None else "?",
        land=100 * variable.land_share,
        low=variable.minimum,
        high=variable.maximum,
    )
