"""Remedies: changes of the answers against a failure or a want of memory, and what each costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.settings.answers import Answers


@dataclass(frozen=True)
class Remedy:
    """A change of answers.

    Args:
        changes: the answers to set, by key.
        title: what is changed.
        cost: what it changes in the result.
        key: names the kind of change, for programs.
    """

    changes: dict[str, Any]
    title: str
    cost: str
    key: str = ""


def combined(parts: Sequence[Remedy]) -> Remedy:
    """Return several remedies as one; of two that set the same, the later counts."""
    changes: dict[str, Any] = {}
    for part in parts:
        changes |= part.changes
    costs = _("; ").join(dict.fromkeys(part.cost for part in parts))
    keys = "+".join(part.key for part in parts)
    return Remedy(changes, _("; ").join(part.title for part in parts), costs, keys)


def go_together(one: Remedy, other: Remedy) -> bool:
    """Return whether two remedies change different things."""
    return not one.changes.keys() & other.changes.keys()


def apply(answers: Answers, remedy: Remedy) -> None:
    """Make the changes of a remedy in the answers."""
    for key, value in remedy.changes.items():
        answers.set(key, value)
