"""How soon the first question stands on the screen, against `python -c "import torch"`.

All are timed in the same run, interleaved, medians of several rounds; ratios are what counts.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pexpect

PROGRAM = str(Path(sys.executable).with_name("srwizard"))
ROUNDS = 7
LIMITS = {"first question": 0.35, "srwizard models": 0.25, "srwizard --help": 0.25}


def import_torch() -> None:
    subprocess.run([sys.executable, "-c", "import torch"], check=True)


def first_question() -> None:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "XDG_STATE_HOME": home, "LANG": "C.UTF-8", "TERM": "xterm"}
        child = pexpect.spawn(PROGRAM, env=environment, dimensions=(24, 80), timeout=30)
        child.expect_exact("Dataset directory")
        child.close(force=True)


def command(*arguments: str) -> Callable[[], None]:
    def run() -> None:
        subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.DEVNULL)

    return run


def main() -> None:
    """Time everything and print the ratios."""
    cases: dict[str, Callable[[], None]] = {
        "import torch": import_torch,
        "first question": first_question,
        "srwizard models": command("models"),
        "srwizard --help": command("--help"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        case()  # fills the file cache
    for _ in range(ROUNDS):
        for name, case in cases.items():
            started = time.perf_counter()
            case()
            seconds[name].append(time.perf_counter() - started)
    reference = statistics.median(seconds["import torch"])
    print(f"{'':18} {'median':>8} {'ratio':>7} {'goal':>6}")
    for name, values in seconds.items():
        median = statistics.median(values)
        goal = f"{LIMITS[name]:.2f}" if name in LIMITS else ""
        print(f"{name:18} {median:7.3f}s {median / reference:7.2f} {goal:>6}")


if __name__ == "__main__":
    main()
