"""The simple methods by name; without NumPy, for the wizard."""

from dataclasses import dataclass
from typing import Literal, get_args

Method = Literal["bicubic", "climatology", "linear", "climatology+linear"]
METHODS: tuple[Method, ...] = get_args(Method)


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
