"""The simple methods by name, and what they are called; without NumPy, for the wizard and runs/."""

from dataclasses import dataclass
from typing import Literal, get_args

from srwizard.base.i18n import translate as _

Method = Literal["bicubic", "climatology", "linear", "climatology+linear"]
METHODS: tuple[Method, ...] = get_args(Method)
BICUBIC: Method = "bicubic"
MODEL = "model"
"""Stands among the methods where scores are told."""


@dataclass(frozen=True)
class Choice:
    """Which method, and how much of the climatology it takes: from 0 to 1, 0 if it takes none."""

    method: Method
    weight: float

    @property
    def name(self) -> str:
        """The method's name; with how much of the climatology it takes, if that is not all."""
        if self.weight in (0.0, 1.0):
            return self.method
        return self.method.replace("climatology", f"climatology({self.weight:g})")

    @property
    def filter(self) -> Literal["bicubic", "linear"]:
        """Which filter enlarges."""
        return "linear" if "linear" in self.method else "bicubic"


STANDARD = tuple(Choice(method, float("climatology" in method)) for method in METHODS)
"""The four methods as they are known, with the whole of the climatology or none."""


def method_title(name: str) -> str:
    """Return what a method, or the model, is called in the user's language."""
    titles = {
        MODEL: _("model"),
        BICUBIC: _("bicubic"),
        "climatology": _("climatology"),
        "linear": _("linear filter"),
        "climatology+linear": _("climatology + linear filter"),
    }
    if name in titles:
        return titles[name]
    # "climatology(0.5)+linear": a part of the climatology.
    start, _open, rest = name.partition("(")
    share, _close, end = rest.partition(")")
    return _("{method} (weight {share})", method=titles.get(start + end, name), share=share)
