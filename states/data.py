"""data: which dataset or raw files, which variables."""

import shlex
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from srwizard.base.errors import DatasetError, SrwizardError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import expand
from srwizard.data.near import dataset_near
from srwizard.data.raw_files import SUFFIXES, find_sources, names_raw_files, words
from srwizard.prompts.question import Back, Choice, Question
from srwizard.settings.answers import Preparation
from srwizard.wizard.conversation import Conversation, Maker
from srwizard.wizard.option_questions import question, questions
from srwizard.wizard.preparing import contents_of, is_prepared, raw_files_of
from srwizard.wizard.vector_questions import vector_questions

# What reads data takes numpy, whose import would keep the very first question waiting: the
# functions below import it once there is something to read.
if TYPE_CHECKING:
    from srwizard.data.inspect import DatasetSummary

COORDINATES = {"lon", "lat"}
ASKED_APART = ("root", "variables", "static_variables", "guides", "prepare")
"""Options whose questions depend on what the dataset holds."""


def run(conversation: Conversation) -> str:
    """Ask for a dataset or raw files until usable ones are given, show them, choose variables."""
    if not conversation.prompts.interactive and _is_to_be_made(conversation):
        return "next"
    if not (conversation.backwards and _has_more_to_ask(conversation)):
        conversation.backwards = False
        _choose_root(conversation)
    while not raw_files_of(conversation.session.answers):
        try:
            conversation.ask_in_turn(further_questions(conversation))
        except Back:
            _choose_root(conversation)
            continue
        settle(conversation)
        break
    return "next"


def _is_to_be_made(conversation: Conversation) -> bool:
    """Return whether an answers file has the dataset made of raw files.

    Raises:
        UsageError: it does not say of which.
    """
    answers = conversation.session.answers
    if answers.data.prepare is not None and not raw_files_of(answers):
        raise UsageError(
            _("data.prepare names no sources"),
            _(
                "For example: {example}; or leave data.prepare out.",
                example="data: {prepare: {sources: [sst.nc]}}",
            ),
        )
    return answers.data.prepare is not None


def settle(conversation: Conversation) -> None:
    """Note what follows from the dataset and the variables that were chosen."""
    _settle_scale(conversation)
    _note_stamps(conversation)
    _settle_simple_methods(conversation)


def _choose_root(conversation: Conversation) -> None:
    """Ask for the directory, or raw files, until what is in it can be used.

    Raises:
        DatasetError, UsageError: that of an answers file cannot.
    """
    while True:
        before = conversation.session.answers.data.root
        _ask_root(conversation)
        try:
            if raw_files_of(conversation.session.answers):
                _show_raw_files(conversation)
            else:
                forget_what_depended_on(before, conversation)
                show_dataset(conversation)
                if not is_taken_as_it_is(conversation):
                    continue
            return
        except (DatasetError, UsageError) as error:
            if not conversation.prompts.interactive:
                raise
            conversation.show(Text(_what_is_new(error), style="red"))


def _what_is_new(error: SrwizardError) -> str:
    """Return what has not been said yet: the table names the problems of a dataset."""
    return error.hint if isinstance(error, DatasetError) else f"{error.message}\n{error.hint}"


def _ask_root(conversation: Conversation) -> None:
    """Ask for the directory or raw files, and note which of them it is."""
    asked, answers = _root_question(conversation), conversation.session.answers
    if not conversation.prompts.interactive:
        conversation.ask(asked)
        _refuse_what_is_near(answers.data.root or "")
        _refuse_raw_files(answers.data.root or "")
        return
    raw = raw_files_of(answers)
    earlier = answers.data.root if not raw else raw[0] if len(raw) == 1 else shlex.join(raw)
    typed: str = conversation.put(asked, earlier, earlier is not None)
    named = words(typed)
    if len(named) == 1:
        named = [_taken_instead(conversation, named[0])]
        typed = shlex.quote(named[0])
    if not names_raw_files(typed):
        answers.forget("data.prepare")
        answers.set("data.root", str(expand(named[0])))
    elif named != raw:
        sources = [str(path) for path in find_sources(named)] if len(named) > 1 else named
        answers.set("data.prepare", Preparation(sources=[str(expand(each)) for each in sources]))
    conversation.session.save()


def _taken_instead(conversation: Conversation, named: str) -> str:
    """Offer the dataset above or below a path that is none, and return what is to be taken.

    Raises:
        Back: the user went back.
    """
    near = dataset_near(expand(named))
    if near is None:
        return named
    taken: str = conversation.put(
        Question(
            key="",
            text=_("This is not a dataset directory, but there is one nearby. Use it?"),
            kind="one",
            choices=(
                Choice(str(near), _("yes: {path}", path=near)),
                Choice(named, _("no: {path}", path=expand(named))),
            ),
        ),
        str(near),
        False,
    )
    return taken


def _refuse_what_is_near(root: str) -> None:
    """Refuse a directory above or below a dataset in the place of the dataset itself."""
    near = dataset_near(expand(root))
    if near is not None:
        raise DatasetError(
            _("data.root: {path} is not a dataset directory", path=root),
            _("Did you mean {path}?", path=near),
        )


def _refuse_raw_files(root: str) -> None:
    """Refuse raw files in the place of the dataset directory of an answers file.

    What is made of them is for whoever wrote it to decide.
    """
    if names_raw_files(shlex.quote(root)):
        raise DatasetError(
            _("data.root: {path} is not a dataset directory but raw data", path=root),
            _("Make a dataset from it; in the place of data.root: {example}",
              example=f"data: {{prepare: {{sources: [{root}]}}}}"),
        )  # fmt: skip


def _show_raw_files(conversation: Conversation) -> None:
    """Look into the raw files that were named, and show what is in them.

    Raises:
        DatasetError, UsageError: they cannot be used.
    """
    from srwizard.wizard import simple_methods
    from srwizard.wizard.contents_table import contents_table

    simple_methods.stop(conversation)
    conversation.raw_files = None  # they may be others by now under the same names
    conversation.show(contents_table(contents_of(conversation)))


def show_dataset(conversation: Conversation) -> None:
    """Look at the dataset that was answered, and show it.

    Raises:
        DatasetError: it cannot be used; the table has named the problems already.
    """
    from srwizard.data.inspect import require_usable
    from srwizard.wizard import simple_methods
    from srwizard.wizard.chosen_dataset import dataset_as_it_is_now, summary_table

    dataset = dataset_as_it_is_now(conversation)
    with conversation.prompts.progress(_("Checking the dataset …")) as progress:
        dataset.scan(progress)
        summary = dataset.summary
    begin_or_stop = simple_methods.begin if summary.usable else simple_methods.stop
    begin_or_stop(conversation)
    names = [one.name for one in summary.variables]
    conversation.show(summary_table(summary, simple_methods.to_beat(conversation, names)))
    require_usable(summary)


def is_taken_as_it_is(conversation: Conversation, known: Collection[float] = ()) -> bool:
    """Ask whether to train on a dataset with values that look as if they stood for none.

    Args:
        conversation: that has chosen the dataset; with an answers file nothing is asked.
        known: values that were asked for already.
    """
    from srwizard.wizard.chosen_dataset import chosen_dataset

    found = {
        value for one in chosen_dataset(conversation).variables for value in one.undeclared
    } - {*known}
    if not found or not conversation.prompts.interactive:
        return True
    asked = Question(
        key="",
        text=_("{values} may stand for points without a value (see the warnings). Train on it as "
               "it is?", values=", ".join(f"{value:g}" for value in sorted(found))),
        help=_("If they do, they must be NaN: prepare the dataset again with --missing-value, or "
               "mend its files."),
        kind="yes_no",
        default=False,
    )  # fmt: skip
    conversation.ask_again()  # no default decides what is land
    try:
        return bool(conversation.put(asked, False, False))
    except Back:
        return False


def further_questions(conversation: Conversation) -> list[Maker]:
    """Return makers of the questions on the dataset; the first asks for its variables."""
    from srwizard.wizard.chosen_dataset import chosen_dataset

    summary = chosen_dataset(conversation)
    return [
        lambda: _variables_question(conversation, summary),
        *vector_questions(conversation, summary),
        lambda: _statics_question(conversation, summary),
        lambda: _guides_question(conversation, summary),
        *questions(conversation, "data", ["always", "common", "on_request"], leave_out=ASKED_APART),
    ]


def _has_more_to_ask(conversation: Conversation) -> bool:
    if raw_files_of(conversation.session.answers):
        return False
    return any(make() is not None for make in further_questions(conversation))


def stale(conversation: Conversation) -> str | None:
    """Say what has become of the dataset since it was chosen, or None if it is the same."""
    from srwizard.data.fingerprint import changed_parts
    from srwizard.wizard.chosen_dataset import (
        chosen_fingerprint,
        chosen_stamps,
        opened_dataset,
        problem_with_choice,
    )

    answers = conversation.session.answers
    if raw_files_of(answers) and not is_prepared(answers):
        return None
    if answers.data.root is None:
        return _("{key} is not answered", key="data.root")
    problem = problem_with_choice(conversation)
    session = conversation.session
    if problem is not None:
        return problem
    if session.stamps is not None:
        changed = changed_parts(session.stamps, chosen_stamps(conversation))
    elif session.fingerprint is not None:  # as older versions have saved it
        changed = changed_parts(session.fingerprint, chosen_fingerprint(conversation))
    else:
        return None
    if changed:
        return _("the dataset {root} has changed", root=opened_dataset(conversation).root)
    return None


def _root_question(conversation: Conversation) -> Question:
    def check(text: str) -> str | None:
        # What is wrong inside the directory is shown after the answer, with room for it.
        if not text:
            return _("please name the dataset directory")
        if not conversation.prompts.interactive:
            return None
        if not names_raw_files(text):
            path = words(text)[0]
            return None if expand(path).is_dir() else _("there is no {path}", path=path)
        try:
            find_sources(words(text))
        except UsageError as error:
            return error.message
        return None

    return replace(
        question(conversation, "data.root"),
        text=_("Dataset directory or raw files"),
        kind="directory",
        check=check,
        person_only=True,
        is_path=True,
        suffixes=SUFFIXES,
    )


def _variables_question(conversation: Conversation, summary: "DatasetSummary") -> Question | None:
    from srwizard.data.selected_fields import selection_problem
    from srwizard.wizard import simple_methods

    names = [variable.name for variable in summary.variables]
    given = conversation.session.answers.data.variables
    if len(names) == 1 and given in (None, names):
        conversation.session.answers.set("data.variables", names)
        return None
    return replace(
        question(conversation, "data.variables"),
        kind="several",
        default=names,
        choices=tuple(
            Choice(name, name, note=partial(simple_methods.text_of, conversation, name))
            for name in names
        ),
        check=lambda chosen: selection_problem(summary, names if chosen is None else chosen),
    )


def _statics_question(conversation: Conversation, summary: "DatasetSummary") -> Question | None:
    from srwizard.data.selected_fields import static_inputs_problem

    # Coordinates alone are no reason to ask: they are nearly always there and rarely help.
    given = conversation.session.answers.has("data.static_variables")
    if not given and set(summary.static_inputs) <= COORDINATES:
        return None
    return replace(
        question(conversation, "data.static_variables"),
        kind="several",
        choices=tuple(Choice(name, name) for name in summary.static_inputs),
        check=lambda chosen: static_inputs_problem(summary, chosen),
    )


def _guides_question(conversation: Conversation, summary: "DatasetSummary") -> Question | None:
    from srwizard.data.guides import gaps_in_guides
    from srwizard.data.selected_fields import guides_problem, possible_guides
    from srwizard.wizard.chosen_dataset import chosen_variables, opened_dataset

    # As of static inputs, coordinates alone are no reason to ask.
    given = conversation.session.answers.has("data.guides")
    names = [variable.name for variable in chosen_variables(conversation, summary)]
    possible = possible_guides(summary, names)
    if not given and set(possible) <= COORDINATES:
        return None
    contents = opened_dataset(conversation).contents
    return replace(
        question(conversation, "data.guides"),
        kind="several",
        choices=tuple(Choice(name, name) for name in possible),
        check=lambda chosen: (
            guides_problem(summary, chosen, names) or gaps_in_guides(contents, names, chosen)
        ),
    )


def forget_what_depended_on(before: str | None, conversation: Conversation) -> None:
    """Another dataset has other variables and another scale."""
    answers = conversation.session.answers
    if before is not None and expand(before) != expand(answers.data.root or ""):
        answers.forget("data.variables")
        answers.forget("data.static_variables")
        answers.forget("data.guides")
        answers.forget("data.scale")
        answers.forget("data.vectors")
        # With it comes what predicts memory; the first question does not wait for that.
        from srwizard.states.output import follow_dataset

        follow_dataset(before, conversation.session)


def _settle_scale(conversation: Conversation) -> None:
    """Take the scale from the data; one that was given must agree."""
    from srwizard.data.inspect import scale_of
    from srwizard.wizard.chosen_dataset import chosen_dataset, chosen_variables

    first = chosen_variables(conversation, chosen_dataset(conversation))[0]
    found = scale_of(first.hr_shape, first.lr_shape)
    given = conversation.session.answers.data.scale
    if given is not None and given != found:
        raise UsageError(
            _("data.scale: {given} was given, but the data has scale {found}",
              given=given, found=found),
            _("Leave data.scale out: it is taken from the data."),
        )  # fmt: skip
    conversation.session.answers.set("data.scale", found)


def _note_stamps(conversation: Conversation) -> None:
    from srwizard.wizard.chosen_dataset import chosen_stamps

    conversation.session.stamps = chosen_stamps(conversation)


def _settle_simple_methods(conversation: Conversation) -> None:
    """Go on in the background with the variables that were chosen, and with no others."""
    from srwizard.wizard import simple_methods

    simple_methods.begin(conversation)
