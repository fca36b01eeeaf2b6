"""Questions put to a person in a terminal, with questionary."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from srwizard.i18n import translate as _
from srwizard.prompts import Back, Choice, Question, parse, print_whole


class TerminalPrompts:
    """Asks a person, with questionary. Esc or Ctrl-B goes back, `?` helps, Ctrl-C quits."""

    interactive = True

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, content: RenderableType) -> None:
        print_whole(self._console, content)

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
