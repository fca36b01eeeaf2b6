"""Asks one question of each kind in the terminal that it is run in, and prints the answer."""

import json
import sys
import time
from pathlib import Path

from rich.console import Console

from srwizard.base import i18n
from srwizard.prompts.question import Back, Choice, Question
from srwizard.prompts.terminal import TerminalPrompts

LONG = "what is said of it is longer than the line of a narrow terminal has columns"
BEGAN = time.monotonic()
GROUPED = (
    Choice("unet", "旧的 U-Net", group="diffusion", disabled="no weights"),
    Choice("swin", "SwinIR", group="standard"),
    Choice("edsr", "EDSR", group="standard", note=lambda: f"{time.monotonic() - BEGAN:.0f} s"),
    Choice("fno", "FNO2d, 傅里叶神经算子", group="operators", details=lambda: [LONG, "the end"]),
    Choice("mwt", "M2NO2d", group="operators"),
)
HOSTILE = "te\nFAKE\r\t\x1b[2J\u202e\u200bmp"
NAMES = (
    Choice("v", HOSTILE, group=HOSTILE, note=lambda: HOSTILE, details=lambda: [HOSTILE],
           summary=HOSTILE),
    Choice("w", HOSTILE, group=HOSTILE, disabled=HOSTILE),
)  # fmt: skip
MANY = tuple(Choice(number, f"number {number}") for number in range(40))


def check_directory(path: str) -> str | None:
    """Say what is wrong with a path, or return None."""
    return None if Path(path).is_dir() else f"there is no directory {path}; {LONG}"


QUESTIONS = {
    "one": Question("", "Model", "one", "edsr", choices=GROUPED),
    "several": Question("", "Models", "several", ["edsr", "unet"], choices=GROUPED),
    "names": Question("", "Variables", "several", ["v"], choices=NAMES),
    "many": Question("", "Number", "one", 0, choices=MANY),
    "yes_no": Question("", "Go on", "yes_no", True),
    "int": Question("training.epochs", "Epochs", "int", 500),
    "text": Question("", "Name", "text", "run", details=(LONG,)),
    "kept": Question("", "Name", "text", HOSTILE),
    "directory": Question("", "Directory", "directory", "", check=check_directory),
}


def main() -> None:
    """Ask the question that is named on the command line."""
    i18n.set_language(i18n.language_from_environment())
    question = QUESTIONS[sys.argv[1]]
    try:
        answer = TerminalPrompts(Console()).ask(question, question.default, given=False)
    except (Back, KeyboardInterrupt) as left:
        answer = type(left).__name__
    print("Answer:", json.dumps(answer))


if __name__ == "__main__":
    main()
