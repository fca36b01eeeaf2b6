"""What is said of a variable that is not there: what there is, and which of it may be meant."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from srwizard.base.errors import UsageError
from srwizard.base.i18n import in_a_row
from srwizard.base.i18n import translate as _

Descriptions = Mapping[str, Sequence[str]]
"""Variable -> what else it is called: its standard_name and long_name, as far as it has them."""

LEAST_LETTERS = 3
"""Fewer say nothing: `t` is a part of nearly any name."""


class NoSuchVariableError(UsageError):
    """A variable is in none of the sources."""


def no_such_variable(
    variable: str, available: Descriptions, path: Path | None
) -> NoSuchVariableError:
    """Say that a variable is in none of the sources, or not in `path`, and what is."""
    message = (
        _("No source has a variable {variable}.", variable=variable)
        if path is None
        else _("{path} has no variable {variable}.", path=path, variable=variable)
    )
    return NoSuchVariableError(message, available_text(variable, available))


def available_text(variable: str, available: Descriptions) -> str:
    """Return which variables there are, after the one that `variable` may be meant for."""
    listing = _("Available: {names}.", names=", ".join(available) or _("none"))
    meant = meant_variable(variable, available)
    return listing if meant is None else in_a_row([_("Did you mean {name}?", name=meant), listing])


def meant_variable(variable: str, available: Descriptions) -> str | None:
    """Return what was probably meant, by its spelling, by a part of it, or by what it is."""
    wanted = _words(variable.rpartition("/")[2])
    if not wanted:
        return None
    whole = "_".join(wanted)
    by_words = {name: _words(name.rpartition("/")[2]) for name in available}
    described = {name: [_words(text) for text in texts] for name, texts in available.items()}

    def first(fits: Callable[[str], bool]) -> str | None:
        # Of several the shortest: `sst` is rather `analysed_sst` than `analysed_sst_uncertainty`.
        return min(filter(fits, available), key=len, default=None)

    def spelled(cutoff: float) -> str | None:
        spellings = {"_".join(words): name for name, words in by_words.items()}
        near = difflib.get_close_matches(whole, spellings, n=1, cutoff=cutoff)
        return spellings[near[0]] if near else None

    found = first(lambda name: by_words[name] == wanted) or spelled(0.8)
    if len(whole) < LEAST_LETTERS:
        return found
    return (
        found
        or first(lambda name: {*wanted} <= {*by_words[name]})
        or first(lambda name: any({*wanted} <= {*words} for words in described[name]))
        or first(lambda name: any(_initials(words).startswith(whole) for words in described[name]))
        or first(lambda name: whole in "_".join(by_words[name]))
        or spelled(0.5)
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _initials(words: Sequence[str]) -> str:
    """Return what a name is shortened to: `ssh` of sea_surface_height_above_geoid."""
    return "".join(word[0] for word in words)
