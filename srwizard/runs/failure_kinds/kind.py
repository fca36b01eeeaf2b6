"""What the catalogue says of one kind of failure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from srwizard.base.i18n import N_
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy


def _changes_nothing(_answers: Answers) -> Remedy | None:
    return None


@dataclass(frozen=True)
class Advice:
    """One thing that helps: in words, and as a change of the answers where the wizard can make it.

    Args:
        text: what to do, marked with N_; {again} stands for the command that is to be run again,
            {run_dir} for the directory of the run.
        remedy: makes the change of the answers as they are; None where there is nothing to change.
    """

    text: str
    remedy: Callable[[Answers], Remedy | None] = _changes_nothing


@dataclass(frozen=True)
class Kind:
    """One kind of failure. Texts are marked with N_, and translated where they are shown.

    Args:
        name: as in failure.json.
        title: what happened.
        causes: likely ones, the likeliest first.
        advice: what to do about it, the likeliest help first.
        pattern: what is searched for in the exception's type and text, or in "signal N"; None where
            no text tells, but whoever watched the processes.
        ran_out_of_memory: whether a lower peak helps: then `srwizard.memory.remedies` offers the
            changes, each with its predicted peak.
    """

    name: str
    title: str
    causes: tuple[str, ...]
    advice: tuple[Advice, ...]
    pattern: str | None = None
    ran_out_of_memory: bool = False

    def matches(self, text: str) -> bool:
        """Return whether `text` tells of this kind of failure."""
        return self.pattern is not None and bool(re.search(self.pattern, text, re.MULTILINE))

    def remedies(self, answers: Answers) -> list[Remedy]:
        """Return the changes of these answers that help, the likeliest first."""
        found = (advice.remedy(answers) for advice in self.advice)
        return [remedy for remedy in found if remedy is not None]


INSPECT = Advice(N_("check the dataset: srwizard inspect"))
GO_ON = Advice(N_("continue from the last checkpoint: {again}"))
