"""The wizard's side of the conversation: ask, remember, show."""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import RenderableType

from srwizard.base.errors import InterruptedByUserError, NeedsPersonError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.locks import held
from srwizard.base.typed_paths import expand
from srwizard.prompts.defaults import DefaultPrompts
from srwizard.prompts.question import Back, Prompts, Question, RestByDefault
from srwizard.wizard.session import Session
from srwizard.wizard.transition_table import ASKING

# What reads data takes numpy, whose import would keep the very first question waiting.
if TYPE_CHECKING:
    from srwizard.data.baselines.beside import Beside
    from srwizard.data.dataset import Dataset
    from srwizard.data.prepare.look import Contents

Maker = Callable[[], Question | None]
"""Makes a question from the answers so far, or None where there is nothing to ask."""


@dataclass
class Conversation:
    """What a state works with: the session, somebody who answers, and where to stop."""

    session: Session
    prompts: Prompts
    stop_after: str | None = None
    detach: bool = False
    """Whether training is to go on in the background."""
    backwards: bool = False
    """Whether the state was entered by going back: it begins at its last question then."""
    resumed: bool = False
    """Whether the state is the one that the session was left in before this process."""
    dataset: "Dataset | None" = None
    """The dataset that was answered, once it was looked at; see `chosen_dataset`."""
    raw_files: "Contents | None" = None
    """What is in the raw files that were named, once they were looked into; see `preparing`."""
    has_asked: bool = False
    """Whether a person was asked anything since the dataset was looked at."""
    simple_methods: "Beside | None" = None
    """What is settled of the simple methods while questions are asked; see `simple_methods`."""
    _background: "subprocess.Popen[bytes] | None" = None
    _held: dict[Path, ExitStack] = field(default_factory=dict)
    _rest: DefaultPrompts | None = None
    """Answers in the person's place, while the defaults are wanted for all that follows."""

    def hold(self, path: Path, what: str) -> None:
        """Hold a lock file from now until the conversation ends, or lets go of it.

        Raises:
            UsageError: another process holds it; says who.
        """
        if path not in self._held:
            stack = ExitStack()
            stack.enter_context(held(path, what))
            self._held[path] = stack

    def release(self, path: Path) -> None:
        """Release a lock file, for a process that this one starts."""
        self._held.pop(path, ExitStack()).close()

    def end(self) -> None:
        """End what works beside the questions, and release everything that is held."""
        self.stop_background()
        if self.simple_methods is not None:
            self.simple_methods.stop()
        for path in reversed(list(self._held)):
            self.release(path)

    def run_in_background(self, process: "subprocess.Popen[bytes] | None") -> None:
        """Let a process work while questions are asked, in the place of an earlier one."""
        self.stop_background()
        self._background = process

    def stop_background(self) -> None:
        """End the process that works beside the questions, if there is one."""
        if self._background is not None:
            self._background.kill()
            self._background.wait()
        self._background = None

    @property
    def runs_in_background(self) -> bool:
        """Whether a process still works beside the questions."""
        return self._background is not None and self._background.poll() is None

    def ask(self, question: Question) -> Any:
        """Put a question and remember the answer on disk before returning it."""
        answers = self.session.answers
        given = bool(question.key) and answers.has(question.key)
        default = answers.get(question.key) if given else question.default
        value = self.put(question, default, given)
        if question.is_path:
            value = str(expand(value))
        if question.key:
            answers.set(question.key, value)
            self.session.save()
        return value

    def put(self, question: Question, default: Any, given: bool) -> Any:
        """Put a question whose answer the caller remembers."""
        self.has_asked = self.has_asked or self.prompts.interactive
        if self._rest is not None:
            try:
                return self._rest.ask(question, default, given)
            except UsageError:
                self.ask_again()  # only a person can answer it
        question = replace(question, rest=self.session.state in ASKING)
        try:
            return self.prompts.ask(question, default, given)
        except RestByDefault as wish:
            self._rest = DefaultPrompts(self.prompts)
            return wish.answer

    def ask_again(self) -> None:
        """Put questions to the person again, whatever was left at its default until now."""
        self._rest = None

    def ask_in_turn(self, makers: Sequence[Maker], *, begin: int = 0) -> None:
        """Put questions one after the other; back returns to the one before.

        Args:
            makers: of the questions.
            begin: which one to put first; those before it count as answered.

        Raises:
            Back: the user went back from the first question.
        """
        place, asked = self._beginning(makers, begin)
        while place < len(makers):
            question = makers[place]()
            if question is None:
                place += 1
                continue
            try:
                self.ask(question)
            except Back:
                if not asked:
                    raise
                place = asked.pop()
                continue
            asked.append(place)
            place += 1

    def _beginning(self, makers: Sequence[Maker], begin: int) -> tuple[int, list[int]]:
        """Return where to begin, and which questions stand before it."""
        if not self.backwards:
            return begin, [place for place in range(begin) if makers[place]() is not None]
        self.backwards = False
        there = [place for place, make in enumerate(makers) if make() is not None]
        return (there[-1], there[:-1]) if there else (0, [])

    def show(self, content: RenderableType) -> None:
        """Show something that needs no answer."""
        self.prompts.show(content)

    def save_and_quit(self) -> NoReturn:
        """Save the session and end the conversation.

        Raises:
            InterruptedByUserError: always; says how to go on.
        """
        self.session.save()
        raise InterruptedByUserError(
            _("the session is saved"), _("Continue with: srwizard resume {id}", id=self.session.id)
        ) from None

    def require_confirmation(self) -> None:
        """Make sure that a person, or the answers file, has agreed to the launch.

        Raises:
            NeedsPersonError: nobody has.
        """
        if self.session.answers.confirm:
            return
        if self.prompts.interactive and self.ask(
            Question("confirm", _("Launch now?"), "yes_no", default=True)
        ):
            return
        raise NeedsPersonError(
            _("stopped before the launch: it is not confirmed"),
            _(
                "Put confirm: true into the answers file, or continue by hand: srwizard resume "
                "{id}",
                id=self.session.id,
            ),
        )
