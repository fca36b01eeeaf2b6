"""How questions are put: to a person in a terminal, or to an answers file.

Both go through the same question, with the same default and the same validator.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from rich.console import Console, RenderableType
from rich.text import Text

from srwizard.errors import NeedsPersonError, UsageError
from srwizard.i18n import translate as _
from srwizard.yamlfile import Document


class Back(Exception):  # noqa: N818 - a wish, not an error
    """The user wants to return to the question before."""


@dataclass(frozen=True)
class Choice:
    """One thing to choose, under a heading; `disabled` says why it cannot be chosen."""

    value: Any
    title: str
    disabled: str | None = None
    group: str = ""


@dataclass(frozen=True)
class Question:
    """A question with its default, its validator and its help line.

    Args:
        key: the key in the answers file; questions about the conversation itself have none.
        text: the question, in the user's language.
        kind: what is asked for.
        default: taken when the user just presses Enter.
        help: one line that says what the answer does.
        details: more lines, shown on `?`.
        choices: for "one" and "several".
        check: returns what is wrong with a value, or None.
        optional: an empty text means None.
        person_only: an answers file must answer it; no default is taken in its place.
    """

    key: str
    text: str
    kind: Literal["text", "directory", "int", "float", "yes_no", "one", "several"]
    default: Any = None
    help: str = ""
    details: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    check: Callable[[Any], str | None] = lambda _value: None
    optional: bool = False
    person_only: bool = False


class Prompts(Protocol):
    """Somebody who answers questions, and a screen to show things on."""

    interactive: bool

    def ask(self, question: Question, default: Any, given: bool) -> Any:
        """Return a valid answer.

        Args:
            question: what is asked.
            default: the earlier answer, or the question's default.
            given: whether `default` is an earlier answer.

        Raises:
            Back: the user wants to go back.
            KeyboardInterrupt: the user wants to save and quit.
            NeedsPersonError, UsageError: an answers file has no answer, or a wrong one.
        """
        ...

    def show(self, content: RenderableType) -> None:
        """Show something that needs no answer."""
        ...

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Show that something is going on while the block runs."""
        ...


def parse(question: Question, text: str) -> Any:
    """Turn typed text into the value that the question asks for.

    Raises:
        ValueError: it is not such a value; the message says so in the user's language.
    """
    text = text.strip()
    if question.optional and not text:
        return None
    try:
        if question.kind == "int":
            return int(text)
        if question.kind == "float":
            return float(text)
    except ValueError:
        raise ValueError(
            _("please type a whole number") if question.kind == "int" else _("please type a number")
        ) from None
    return text


class AnswersFilePrompts:
    """Takes every answer from the answers file, else the default, and never asks."""

    interactive = False

    def __init__(self, document: Document, console: Console) -> None:
        self._document = document
        self._console = console

    def ask(self, question: Question, default: Any, given: bool) -> Any:
        key = question.key
        if question.person_only and not given:
            raise NeedsPersonError(
                _("stopped: {key} is a decision that only a person may make", key=key),
                _("Put {key} into the answers file, or go on by hand: srwizard resume", key=key),
            )
        problem = question.check(default)
        if problem is not None:
            place = self._document.place(tuple(key.split(".")))
            raise UsageError(
                _("{place}: {key}: {problem}", place=place, key=key, problem=problem),
                question.help,
            )
        return default

    def show(self, content: RenderableType) -> None:
        _show(self._console, content)

    def busy(self, text: str) -> AbstractContextManager[object]:
        self._console.print(text, style="dim", highlight=False, markup=False)
        return nullcontext()


class TerminalPrompts:
    """Asks a person, with questionary. Esc or Ctrl-B goes back, `?` helps, Ctrl-C quits."""

    interactive = True

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, content: RenderableType) -> None:
        _show(self._console, content)

    def busy(self, text: str) -> AbstractContextManager[object]:
        return self._console.status(Text(text, style="dim"))

    def ask(self, question: Question, default: Any, given: bool) -> Any:
        if question.help:
            self._console.print(f"  {question.help}", style="dim", highlight=False, markup=False)
        while True:
            value = self._put(question, default)
            problem = question.check(value)
            if problem is None:
                return value
            # Choices cannot be validated while they are being made.
            self._console.print(f"  {problem}", style="red", highlight=False, markup=False)

    def _put(self, question: Question, default: Any) -> Any:
        if question.kind in ("one", "yes_no"):
            return self._put_one(question, default)
        if question.kind == "several":
            return self._put_several(question, default)
        return self._put_text(question, default)

    def _put_text(self, question: Question, default: Any) -> Any:
        import questionary

        def valid(text: str) -> bool | str:
            try:
                return question.check(parse(question, text)) or True
            except ValueError as error:
                return str(error)

        shown = "" if default is None else str(default)
        if question.kind == "directory":
            prompt = questionary.path(
                question.text,
                default=shown,
                only_directories=True,
                validate=valid,
                # Completion on Tab: a list that opens by itself would swallow Enter.
                complete_while_typing=False,
            )
        else:
            prompt = questionary.text(question.text, default=shown, validate=valid)
        return parse(question, self._run(prompt, question))

    def _put_one(self, question: Question, default: Any) -> Any:
        import questionary

        choices = question.choices
        if question.kind == "yes_no":
            choices = (Choice(True, _("yes")), Choice(False, _("no")))
        offered = [
            questionary.Choice(choice.title, value=index, disabled=choice.disabled)
            for index, choice in enumerate(choices)
        ]
        preset = next(
            (
                shown
                for shown, choice in zip(offered, choices, strict=True)
                if choice.value == default and not choice.disabled
            ),
            None,
        )
        prompt = questionary.select(
            question.text,
            choices=_under_headings(choices, offered),
            default=preset,
            instruction=_("(arrows, Enter)"),
            use_jk_keys=False,
            use_search_filter=len(offered) > 10,
        )
        return choices[self._run(prompt, question)].value

    def _put_several(self, question: Question, default: Any) -> list[Any]:
        import questionary

        offered = [
            questionary.Choice(
                choice.title,
                value=index,
                disabled=choice.disabled,
                checked=choice.value in (default or []) and not choice.disabled,
            )
            for index, choice in enumerate(question.choices)
        ]
        prompt = questionary.checkbox(
            question.text, choices=offered, instruction=_("(Space marks, Enter ends)")
        )
        return [question.choices[index].value for index in self._run(prompt, question)]

    def _run(self, prompt: Any, question: Question) -> Any:
        from prompt_toolkit.application import run_in_terminal
        from prompt_toolkit.filters import Condition
        from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings

        application = prompt.application
        keys = KeyBindings()

        untouched = application.current_buffer.text

        @Condition
        def asks_for_help() -> bool:
            # In a number, or in a text not yet changed, a question mark can mean nothing else.
            numeric = question.kind in ("int", "float")
            return numeric or application.current_buffer.text in ("", untouched)

        @keys.add("escape", eager=True)
        @keys.add("c-b", eager=True)
        def go_back(event: Any) -> None:
            event.app.exit(exception=Back())

        @keys.add("?", eager=True, filter=asks_for_help)
        def show_help(event: Any) -> None:
            run_in_terminal(lambda: self._console.print(self._help(question), style="dim"))

        # A lone Esc is told from an arrow key by the time that passes after it.
        application.ttimeoutlen = 0.05
        application.key_bindings = merge_key_bindings([application.key_bindings, keys])
        return prompt.unsafe_ask()

    def _help(self, question: Question) -> str:
        lines = list(question.details or ((question.help,) if question.help else ()))
        if question.key:
            lines.append(_("Key in the answers file: {key}", key=question.key))
        lines.append(_("Esc or Ctrl-B: back · Ctrl-C: save and quit"))
        return "\n".join(f"  {line}" for line in lines)


def _show(console: Console, content: RenderableType) -> None:
    # Lines are left for the terminal to wrap, so that a path can be copied whole.
    console.print(content, soft_wrap=isinstance(content, Text))


def _under_headings(choices: Sequence[Choice], offered: Sequence[Any]) -> list[Any]:
    """Put a heading before the first choice of each group."""
    import questionary

    shown: list[Any] = []
    group = ""
    for choice, item in zip(choices, offered, strict=True):
        if choice.group != group:
            shown.append(questionary.Separator(f"── {choice.group} ──"))
            group = choice.group
        shown.append(item)
    return shown


def require_terminal() -> None:
    """Make sure that a person can be asked.

    Raises:
        UsageError: there is no terminal, or one that cannot move its cursor.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        reason = _("there is no terminal to ask questions in")
    elif os.environ.get("TERM", "dumb") == "dumb":
        reason = _("this terminal cannot move its cursor (TERM=dumb)")
    else:
        return
    raise UsageError(
        reason,
        _(
            "Answer in a file: {first}, then {second}",
            first="srwizard answers --template > answers.yaml",
            second="srwizard --answers answers.yaml",
        ),
    )


def expand(path: str) -> Path:
    """Return an absolute path, `~` being the user's home directory."""
    return Path(path).expanduser().absolute()
