"""What can be chosen among: the values that an option allows, what people read of each, its code.

A registry is a tuple of these. What is allowed, offered and explained is read from it, and the
code is reached through it, so that adding an entry is all there is to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from srwizard.base.i18n import labelled
from srwizard.base.i18n import translate as _


@dataclass(frozen=True)
class Value:
    """One value that an option allows.

    Attributes:
        name: as the answers file writes it.
        explanation: what it means, marked with N_; the menu shows it after the name.
        title: what the menu shows in the place of both, marked with N_.
    """

    name: str
    explanation: str = ""
    title: str = ""

    @property
    def text(self) -> str:
        """As the menu shows it, in the user's language."""
        if self.title:
            return _(self.title)
        return labelled(self.name, _(self.explanation))

    @property
    def meaning(self) -> str:
        """As it is explained beside its name, in the user's language."""
        return _(self.title) if self.title else _(self.explanation)


@dataclass(frozen=True, kw_only=True)
class Method(Value):
    """A value that stands for a piece of code, which is imported when it is used first.

    Attributes:
        code: where the function is, "package.module:function".
        parameters: options of the same section that count only with methods that name them.
    """

    code: str
    parameters: tuple[str, ...] = ()

    def function(self) -> Any:
        """Import and return the function."""
        module, _colon, name = self.code.partition(":")
        return getattr(import_module(module), name)


M = TypeVar("M", bound=Method)


def method_named(registry: Sequence[M], name: str) -> M:
    """Return the entry of a registry.

    Raises:
        KeyError: there is no such entry.
    """
    return {method.name: method for method in registry}[name]
