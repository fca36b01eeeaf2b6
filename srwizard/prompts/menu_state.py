"""What is highlighted, marked and typed in a menu, and what the keys change of it."""

from collections.abc import Sequence
from typing import Any

from srwizard.prompts.question import Choice


class Menu:
    """Where one is in a menu: what is highlighted, what is marked, what was typed to filter."""

    def __init__(self, choices: Sequence[Choice], chosen: Sequence[Any], *, several: bool) -> None:
        self.choices = choices
        self.several = several
        enabled = [place for place, choice in enumerate(choices) if not choice.disabled]
        self.marked = {place for place in enabled if choices[place].value in chosen}
        first = enabled[0] if enabled else None
        self.highlighted = first if several else min(self.marked, default=first)
        self.typed = ""

    def shown(self, typed: str | None = None) -> list[int]:
        """Return the places of the choices that contain what was typed."""
        wanted = (self.typed if typed is None else typed).casefold()
        return [
            place for place, choice in enumerate(self.choices) if wanted in choice.title.casefold()
        ]

    def enabled(self) -> list[int]:
        """Return the places of the choices that are shown and can be chosen."""
        return [place for place in self.shown() if not self.choices[place].disabled]

    def move(self, steps: int) -> None:
        """Highlight another choice; one step leads around the ends, more stop there."""
        offered = self.enabled()
        if self.highlighted not in offered:
            return
        place = offered.index(self.highlighted) + steps
        if abs(steps) == 1:
            place %= len(offered)
        self.highlighted = offered[min(max(place, 0), len(offered) - 1)]

    def filter(self, typed: str) -> None:
        """Show only what contains `typed`; what is contained nowhere is not taken."""
        offered = [place for place in self.shown(typed) if not self.choices[place].disabled]
        if not offered:
            return
        self.typed = typed
        begins = [
            place
            for place in offered
            if self.choices[place].title.casefold().startswith(typed.casefold())
        ]
        if typed or self.highlighted not in offered:
            self.highlighted = (begins or offered)[0]

    def mark(self) -> None:
        """Mark what is highlighted, or take its mark away."""
        if self.highlighted is not None:
            self.marked ^= {self.highlighted}

    def mark_all(self) -> None:
        """Mark everything that is shown, or take all marks away where everything has one."""
        offered = set(self.enabled())
        self.marked = self.marked - offered if offered <= self.marked else self.marked | offered

    def result(self) -> list[int]:
        """Return the places that are chosen."""
        if self.several:
            return sorted(self.marked)
        return [] if self.highlighted is None else [self.highlighted]

    def details(self) -> list[str]:
        """Return what explains the highlighted choice."""
        details = None if self.highlighted is None else self.choices[self.highlighted].details
        return [] if details is None else list(details())
