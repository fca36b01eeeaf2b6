"""How a person walks through the wizard: what stands on the screen in each state, what is typed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e.terminal import CTRL_U, DOWN, ENTER, Terminal

PROMPTS: dict[str, Sequence[str]] = {
    "data": ("Dataset directory",),
    "output": ("Run directory",),
    "model": ("Model", "Parameters of"),
    "training": ("Epochs", "The other training parameters"),
    "devices": ("Where to train", "Processes on the CPU"),
    "memory": ("Memory options",),
    "review": ("Go ahead?",),
}
"""The questions of each state, in order."""
SHOWN = {"frozen": "Frozen:", "dry_run": "Dry run: a few", "launch": "Training in"}
"""What the states that ask nothing show while they work."""
STATES = (*PROMPTS, *SHOWN)


class Walk:
    """A walk through one terminal; answers every question it has not answered yet."""

    def __init__(
        self, terminal: Terminal, *, root: Path, answered: Mapping[str, object] | None = None
    ) -> None:
        """Begin at a fresh wizard, or at one that resumes with sections `answered`."""
        self.terminal = terminal
        answered = answered or {}
        # A resumed session offers the earlier answers as defaults.
        self._typed = {"Epochs": CTRL_U + "2"}
        if "data" not in answered:
            self._typed["Dataset directory"] = str(root)
        # EDSR stands below SwinIR, which is the default.
        self._chosen = {} if "model" in answered else {"Model": 1}

    def to(self, state: str, *, begin: str = "data") -> None:
        """Answer everything before `state`, and read until it stands on the screen."""
        names = list(STATES)
        for name in names[names.index(begin) : names.index(state)]:
            for prompt in PROMPTS.get(name, ()):
                self._answer(prompt)
        self.terminal.wait_for(PROMPTS[state][0] if state in PROMPTS else SHOWN[state])

    def _answer(self, prompt: str) -> None:
        self.terminal.wait_for(f"? {prompt}")
        self.terminal.send(DOWN * self._chosen.get(prompt, 0))
        self.terminal.send(self._typed.get(prompt, "") + ENTER)
