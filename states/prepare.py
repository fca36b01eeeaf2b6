"""prepare: a dataset is made of raw files."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.typed_paths import expand
from srwizard.prompts.question import Back, Choice, Question
from srwizard.settings.answers import PREPARE, Preparation
from srwizard.settings.options import option_named
from srwizard.states import data, output
from srwizard.states.output import cannot_be_written, nearest_existing
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.defaults import take_defaults
from srwizard.wizard.option_questions import question
from srwizard.wizard.preparing import (
    contents_of,
    is_prepared,
    make,
    raw_files_of,
    request_of,
    scale_problem,
    suspected,
    usual_output,
    usual_scale,
    usual_variables,
    variables_problem,
)
from srwizard.wizard.transition_table import ASKING

if TYPE_CHECKING:
    from srwizard.data.prepare.look import Contents

STATES_BEHIND = ASKING[ASKING.index("prepare") + 1 :]


def run(conversation: Conversation) -> str:
    """Ask what to take of the raw files and where to put the dataset, and make it there."""
    if not raw_files_of(conversation.session.answers):
        return "next"
    try:
        contents = _looked_into(conversation)
    except (UsageError, DatasetError) as error:
        if not conversation.prompts.interactive:
            raise
        conversation.show(Text(f"{error.message}\n{error.hint}", style="red"))
        return "back"
    run_dir = conversation.session.answers.output.dir
    if run_dir and not conversation.prompts.interactive:
        # What would be refused after hours of preparing is refused before them.
        conversation.put(output.directory_question(conversation), run_dir, True)
    made = conversation.resumed and is_prepared(conversation.session.answers)
    while True:
        if not made or conversation.session.editing:
            conversation.ask_in_turn(
                [
                    lambda: _variables_question(conversation, contents),
                    lambda: _depth_question(conversation, contents),
                    lambda: _missing_question(conversation, contents),
                    lambda: _scale_question(conversation, contents),
                    lambda: _output_question(conversation, contents),
                ]
            )
        made = False
        try:
            _make(conversation, contents)
            conversation.ask_in_turn(data.further_questions(conversation)[1:])
            data.settle(conversation)
            return _way_on(conversation)
        except Back:
            conversation.backwards = True  # to the last of the questions above
        except (UsageError, DatasetError) as error:
            if not conversation.prompts.interactive:
                raise
            conversation.show(Text(f"{error.message}\n{error.hint}", style="red"))


def stale(conversation: Conversation) -> str | None:
    """Say that the dataset was not made of the raw files that are named now, or None."""
    answers = conversation.session.answers
    if not raw_files_of(answers) or is_prepared(answers):
        return None
    return _("no dataset has been made of the raw files yet")


def _looked_into(conversation: Conversation) -> "Contents":
    """Return what is in the raw files; shown where the state before has not just done so."""
    from srwizard.wizard.contents_table import contents_table

    known = conversation.raw_files
    contents = contents_of(conversation)
    if contents is not known:
        conversation.show(contents_table(contents))
    return contents


def _given(conversation: Conversation) -> Preparation:
    given = conversation.session.answers.data.prepare
    assert given is not None
    return given


def _asked(conversation: Conversation, name: str) -> Question:
    """Return the question of an option; the default stands there, and an empty line is not one."""
    declared = option_named(f"{PREPARE}.{name}")
    assert declared is not None
    return replace(
        question(conversation, declared.key), optional=False, help=_(declared.option.help)
    )


def _variables_question(conversation: Conversation, contents: "Contents") -> Question | None:
    usual, usable = usual_variables(contents), contents.usable
    given = _given(conversation)
    if given.variables is None:  # also where an answers file says null
        conversation.session.answers.forget("data.prepare.variables")
    if len(usable) == 1 and given.variables in (None, usual):
        conversation.session.answers.set("data.prepare.variables", usual)
        return None

    def check(chosen: list[str]) -> str | None:
        names = given.names
        if names is not None and len(names) != len(chosen):
            return _("variables: {count}, but names: {names}", count=len(chosen), names=len(names))
        return variables_problem(contents, chosen)

    return replace(
        _asked(conversation, "variables"),
        kind="several",
        default=usual,
        choices=tuple(
            Choice(one.name, one.name, note=partial(str, f"{one.long_name} {one.units}".strip()))
            for one in usable
        ),
        check=check,
    )


def _depth_question(conversation: Conversation, contents: "Contents") -> Question | None:
    given = _given(conversation)
    chosen = [contents.named(name) for name in given.variables or ()]
    deep = next((one for one in chosen if one is not None and one.depths), None)
    if deep is None:
        return None
    levels = deep.depths
    if given.depth is None:
        conversation.session.answers.forget("data.prepare.depth")
    return replace(
        _asked(conversation, "depth"),
        kind="several",
        default=[min(levels)],
        choices=tuple(Choice(level, f"{level:g} {deep.depth_units}".rstrip()) for level in levels),
        check=lambda depths: None if depths else _("choose at least one depth"),
    )


def _missing_question(conversation: Conversation, contents: "Contents") -> Question | None:
    """Ask what to do about values that look like undeclared fill values, or like land."""
    given = _given(conversation)
    found = suspected(contents, given.variables or ())
    masked = given.mask_variable is not None
    if not conversation.prompts.interactive or not found or masked:
        return None
    values = sorted({value for each in found.values() for value in each})
    if not conversation.session.answers.has("data.prepare.missing_value"):
        conversation.ask_again()  # no default decides what is land
    return replace(
        _asked(conversation, "missing_value"),
        text=_("{names}: which of these values mark missing data?", names=", ".join(found)),
        help=_("They look like fill values that the files do not declare, or like land; what is "
               "not marked is trained on as it is."),
        kind="several",
        default=values,
        choices=tuple(
            Choice(value, f"{value:g}") for value in sorted({*values, *given.missing_value})
        ),
    )  # fmt: skip


def _scale_question(conversation: Conversation, contents: "Contents") -> Question:
    given = _given(conversation)
    first = contents.named((given.variables or [""])[0])
    assert first is not None
    shape = first.shape
    assert shape is not None
    if given.scale is None:
        conversation.session.answers.forget("data.prepare.scale")
    asked = _asked(conversation, "scale")
    return replace(
        asked,
        default=usual_scale(shape),
        check=lambda scale: asked.check(scale) or scale_problem(shape, scale),
    )


def _output_question(conversation: Conversation, contents: "Contents") -> Question:
    answers, given = conversation.session.answers, _given(conversation)
    if given.output is None:
        answers.forget("data.prepare.output")
    root = None if conversation.prompts.interactive else answers.data.root
    if root is not None and given.output is not None and expand(root) != expand(given.output):
        raise UsageError(
            _("data.root is {root}, but data.prepare.output is {output}",
              root=root, output=given.output),
            _("Leave data.root out: it is where the dataset is put."),
        )  # fmt: skip
    problem = partial(_output_problem, conversation, contents)
    return replace(
        _asked(conversation, "output"),
        default=root or _proposed(usual_output(contents, given.scale or 2), problem),
        check=problem,
        is_path=True,
    )


def _proposed(name: str, problem: "partial[str | None]") -> str:
    """Return the first of NAME, NAME-2, … where a dataset can be put, or lies already."""
    candidates = [name, *(f"{name}-{number}" for number in range(2, 10))]
    return next((each for each in candidates if problem(each) is None), name)


def _output_problem(conversation: Conversation, contents: "Contents", text: str) -> str | None:
    """Say why the dataset cannot be put into a directory, or None where it can."""
    from srwizard.data import prepare as preparing
    from srwizard.data.prepare.target import MANIFEST_NAME, check_target

    if not text:
        return _("please name a directory")
    path = expand(text)
    try:
        if preparing.is_made_of(path, request_of(_given(conversation), contents)):
            return None
        if (path / MANIFEST_NAME).is_file():
            return _("{path} holds a dataset that was made of other files, or in another way; "
                     "name another directory, or remove that one", path=path)  # fmt: skip
        check_target(path, overwrite=False, sources=contents.paths)
        existing = nearest_existing(path)
    except (UsageError, DatasetError) as error:
        return error.message
    except OSError as error:
        return _("{path} cannot be used: {reason}", path=path, reason=reason_of(error))
    return (
        _("{path} is a file", path=existing) if existing.is_file() else cannot_be_written(existing)
    )


def _make(conversation: Conversation, contents: "Contents") -> None:
    """Make the dataset, and take it for the one to train on.

    Raises:
        Back: what it holds makes the user go back.
        UsageError, DatasetError: it could not be made, or cannot be used.
    """
    answers, given = conversation.session.answers, _given(conversation)
    out = Path(given.output or "")
    notes = make(request_of(given, contents), out, given.jobs, conversation.prompts)
    for note in notes:
        conversation.show(Text(note))
    from srwizard.wizard.chosen_dataset import chosen_dataset

    before = answers.data.root
    answers.set("data.root", str(out))
    data.forget_what_depended_on(before, conversation)
    conversation.dataset = None
    conversation.session.save()
    data.show_dataset(conversation)
    asked_for = suspected(contents, given.variables or ())
    if not data.is_taken_as_it_is(
        conversation, {each for one in asked_for.values() for each in one}
    ):
        raise Back
    names = [one.name for one in chosen_dataset(conversation).variables]
    if answers.data.variables is None or not set(answers.data.variables) <= set(names):
        answers.set("data.variables", names)


def _way_on(conversation: Conversation) -> str:
    """Return the trigger: on to the next question or, all else by default, to the summary.

    Raises:
        Back: the user went back.
    """
    if not conversation.prompts.interactive or conversation.session.editing:
        return "next"
    way: str = conversation.ask(
        Question(
            key="",
            text=_("How to continue"),
            kind="one",
            default="defaults",
            choices=(
                Choice("defaults", _("go to the summary: use the defaults for everything else")),
                Choice("next", _("one question after the other")),
            ),
        )
    )
    if way == "defaults" and not take_defaults(conversation, STATES_BEHIND):
        conversation.show(Text(_("Not everything can be left at its default here.")))
        return "next"
    return way
