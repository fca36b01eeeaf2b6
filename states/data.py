"""data: which dataset, which variables."""

from functools import lru_cache
from pathlib import Path

from rich.table import Table
from rich.text import Text

from srwizard.conversation import Conversation
from srwizard.data.fingerprint import fingerprint
from srwizard.data.inspect import (
    DatasetSummary,
    VariableSummary,
    describe_problems,
    inspect,
    require_usable,
    scale_of,
    selection_problem,
)
from srwizard.data.layout import scan
from srwizard.errors import DatasetError, UsageError
from srwizard.i18n import translate as _
from srwizard.prompts import Choice, Question, expand


def run(conversation: Conversation) -> str:
    """Ask for the dataset until a usable one is given, show it, choose the variables."""
    conversation.backwards = False
    while True:
        before = conversation.session.answers.data.root
        conversation.ask(_root_question(conversation))
        _forget_what_depended_on(before, conversation)
        summary = chosen_dataset(conversation)
        conversation.show(summary_table(summary))
        try:
            require_usable(summary)
            break
        except DatasetError as error:
            if not conversation.prompts.interactive:
                raise
            # The table has named the problems already.
            conversation.show(Text(error.hint, style="red"))
    conversation.ask_in_turn([lambda: _variables_question(conversation, summary)])
    _settle_scale(conversation, summary)
    conversation.session.fingerprint = _fingerprint(conversation)
    return "next"


def stale(conversation: Conversation) -> str | None:
    """Say what has become of the dataset since it was chosen, or None if it is the same."""
    session = conversation.session
    summary = chosen_dataset(conversation)
    if not summary.usable:
        return _("the dataset {root} can no longer be used", root=summary.root)
    wrong = selection_problem(
        summary, session.answers.data.variables or [item.name for item in summary.variables]
    )
    if wrong:
        return wrong
    if session.fingerprint is not None and session.fingerprint != _fingerprint(conversation):
        return _("the dataset {root} has changed", root=summary.root)
    return None


def _fingerprint(conversation: Conversation) -> dict[str, str]:
    summary = chosen_dataset(conversation)
    names = [variable.name for variable in chosen_variables(conversation, summary)]
    return fingerprint(scan(summary.root), names)


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


def _root_question(conversation: Conversation) -> Question:
    def check(text: str) -> str | None:
        # What is wrong inside the directory is shown after the answer, with room for it.
        if not text:
            return _("please name the dataset directory")
        if conversation.prompts.interactive and not expand(text).is_dir():
            return _("there is no directory {path}", path=text)
        _inspected.cache_clear()
        return None

    return Question(
        key="data.root",
        text=_("Dataset directory"),
        kind="directory",
        help=_("The directory with train/, valid/ and test/ (or train.h5, train.nc, …)."),
        check=check,
        person_only=True,
    )


def _variables_question(conversation: Conversation, summary: DatasetSummary) -> Question | None:
    names = [variable.name for variable in summary.variables]
    given = conversation.session.answers.data.variables
    if len(names) == 1 and given in (None, names):
        conversation.session.answers.set("data.variables", names)
        return None
    return Question(
        key="data.variables",
        text=_("Variables to train on"),
        kind="several",
        default=names,
        help=_("Several variables become channels of one network."),
        choices=tuple(Choice(name, name) for name in names),
        check=lambda chosen: selection_problem(summary, chosen or names),
    )


def _forget_what_depended_on(before: str | None, conversation: Conversation) -> None:
    """Another dataset has other variables and another scale."""
    answers = conversation.session.answers
    if before is not None and before != answers.data.root:
        answers.forget("data.variables")
        answers.forget("data.scale")


def _settle_scale(conversation: Conversation, summary: DatasetSummary) -> None:
    """Take the scale from the data; one that was given must agree."""
    first = chosen_variables(conversation, summary)[0]
    found = scale_of(first.hr_shape, first.lr_shape)
    given = conversation.session.answers.data.scale
    if given is not None and given != found:
        raise UsageError(
            _("data.scale: {given} was given, but the data has scale {found}",
              given=given, found=found),
            _("Leave data.scale out: it is taken from the data."),
        )  # fmt: skip
    conversation.session.answers.set("data.scale", found)


def summary_table(summary: DatasetSummary) -> Table:
    """Return the dataset as a table: steps, variables, shapes, scale, land, range, problems."""
    table = Table(title=_("Dataset"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row(_("Directory"), Text(str(summary.root)))
    table.add_row(_("Layout"), summary.layout)
    steps = " / ".join(str(count) for count in summary.steps.values())
    table.add_row(_("Steps"), f"{steps}  (train / valid / test)")
    for variable in summary.variables:
        table.add_row(_("Variable"), Text(_variable_text(variable)))
    if summary.statics:
        table.add_row(_("Static fields"), Text(", ".join(summary.statics)))
    for line in describe_problems(summary.problems):
        table.add_row(Text(_("Problem"), style="red"), Text(line))
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
