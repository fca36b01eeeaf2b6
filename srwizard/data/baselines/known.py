"""What was found of a variable already in this process, by what it depends on.

Its outliers, and what was settled of the simple methods.

A dataset that is looked at again is mostly the same.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from srwizard.data.baselines.choice import Choice

# What settles takes NumPy and SciPy: imported once they are wanted.
if TYPE_CHECKING:
    from srwizard.data.baselines.settle import Settled
    from srwizard.data.outliers import Outliers


@dataclass(frozen=True)
class Identity:
    """The data of one variable: a directory, digests of what is read, the rule for outliers."""

    root: str
    variable: str
    scale: int
    periodic: bool | None
    digests: tuple[tuple[str, str], ...]
    outliers: str = "refuse"


Settings = tuple[str, Choice | None]
"""The normalization, and the method that is wanted; None: the best."""
_known: "dict[Identity, dict[Settings, Settled]]" = {}
_outliers: "dict[Identity, Outliers]" = {}


def settled_of(identity: Identity) -> "dict[Settings, Settled]":
    """Return what is known of the data of a variable, for all settings."""
    return _known.get(identity, {})


def is_any_known(root: str, variable: str) -> bool:
    """Return whether anything is, of this data or what it was before."""
    return any(one.root == root and one.variable == variable for one in _known)


def note(identity: Identity, normalization: str, wanted: Choice | None, found: "Settled") -> None:
    """Remember what was settled; of another dataset, and of what this one was, nothing is kept."""
    for other in {*_known, *_outliers}:
        before = other.variable == identity.variable and other != identity
        if other.root != identity.root or before:
            _known.pop(other, None)
            _outliers.pop(other, None)
    for choice in (wanted, found.learnt.choice):
        _known.setdefault(identity, {})[normalization, choice] = found


def outliers_of(identity: Identity) -> "Outliers | None":
    """Return the outliers of a variable; None where its values were not looked at."""
    return _outliers.get(identity)


def note_outliers(identity: Identity, found: "Outliers") -> None:
    """Remember which outliers there are."""
    _outliers[identity] = found


def forget() -> None:
    """Forget everything."""
    _known.clear()
    _outliers.clear()
