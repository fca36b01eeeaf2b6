"""What was settled of the simple methods already in this process, by what it depends on.

A dataset that is looked at again is mostly the same.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from srwizard.data.baselines.choice import Choice

# What settles takes NumPy and SciPy: imported once they are wanted.
if TYPE_CHECKING:
    from srwizard.data.baselines.settle import Settled


@dataclass(frozen=True)
class Identity:
    """The data of one variable: a directory, and digests of what is read of it."""

    root: str
    variable: str
    scale: int
    periodic: bool | None
    digests: tuple[tuple[str, str], ...]


Settings = tuple[str, Choice | None]
"""The normalization, and the method that is wanted; None: the best."""
_known: "dict[Identity, dict[Settings, Settled]]" = {}


def settled_of(identity: Identity) -> "dict[Settings, Settled]":
    """Return what is known of the data of a variable, for all settings."""
    return _known.get(identity, {})


def is_any_known(root: str, variable: str) -> bool:
    """Return whether anything is, of this data or what it was before."""
    return any(one.root == root and one.variable == variable for one in _known)


def note(identity: Identity, normalization: str, wanted: Choice | None, found: "Settled") -> None:
    """Remember what was settled; of another dataset, and of what this one was, nothing is kept."""
    for other in list(_known):
        before = other.variable == identity.variable and other != identity
        if other.root != identity.root or before:
            del _known[other]
    for choice in (wanted, found.learnt.choice):
        _known.setdefault(identity, {})[normalization, choice] = found


def forget() -> None:
    """Forget everything."""
    _known.clear()
