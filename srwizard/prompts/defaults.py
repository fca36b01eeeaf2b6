"""Questions that nobody is asked: what is left is answered as by one who only presses Enter."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import RenderableType

from srwizard.base.errors import UsageError
from srwizard.prompts.progress import Progress
from srwizard.prompts.question import Prompts, Question


class DefaultPrompts:
    """Takes every default, or earlier answer, and shows nothing."""

    interactive = True

    def __init__(self, person: Prompts) -> None:
        self._person = person
        self._asked: set[tuple[str, str]] = set()

    @property
    def columns(self) -> int:
        return self._person.columns

    def ask(self, question: Question, default: Any, given: bool) -> Any:
        # A question comes again where its answer does not go together with the others.
        again = (question.key, question.text) in self._asked
        problem = question.check(default)
        if again or problem is not None:
            raise UsageError(problem or question.text)
        self._asked.add((question.key, question.text))
        return default

    def show(self, content: RenderableType) -> None:
        pass

    def busy(self, text: str) -> AbstractContextManager[object]:
        return nullcontext()

    def progress(self, text: str) -> AbstractContextManager[Progress]:
        return nullcontext(lambda _done, _total: None)
