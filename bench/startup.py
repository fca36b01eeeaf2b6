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
import psutil

from srwizard.data.inspect import inspect
from srwizard.data.layout import scan
from tests.datasets import write_dataset

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


def question_steps(home: Path) -> list[float]:
    """Return the processor time that the wizard takes from each answer to the next question."""
    root = link_dataset(home)
    environment = {**os.environ, "XDG_STATE_HOME": str(home), "XDG_CACHE_HOME": str(home),
                   "LANG": "C.UTF-8", "TERM": "xterm"}  # fmt: skip
    child = pexpect.spawn(PROGRAM, env=environment, cwd=str(home), dimensions=(40, 120), timeout=60)
    process = psutil.Process(child.pid)
    seconds = []
    questions = ("Run directory", "Model ", "Parameters of", "Epochs", "The other",
                 "Where to train", "Processes", "Memory options", "Go ahead")  # fmt: skip
    child.expect_exact("Dataset directory")
    for typed, following in zip((str(root), *[""] * (len(questions) - 1)), questions, strict=True):
        time.sleep(0.5)  # what the last question still draws is not the next one's
        before = sum(process.cpu_times()[:2])
        child.send(typed + "\r")
        child.expect_exact(following)
        time.sleep(0.5)
        seconds.append(sum(process.cpu_times()[:2]) - before)
    child.close(force=True)
    return seconds


def link_dataset(home: Path) -> Path:
    """Make a dataset of 255/55/55 steps, HR [680, 1440], of three fields, linked."""
    originals = write_dataset(home / "few", steps=(3, 1, 1), hr_shape=(680, 1440), scale=4)
    for split, steps in (("train", 255), ("valid", 55), ("test", 55)):
        for level in ("hr", "lr"):
            few = sorted((originals / "train" / level / "temp").glob("*.npy"))
            directory = home / "data" / split / level / "temp"
            directory.mkdir(parents=True)
            for step in range(steps):
                (directory / f"{step:04d}.npy").hardlink_to(few[step % len(few)])
    return home / "data"


def inspection(root: Path) -> float:
    """Return the seconds that the inspection of a dataset takes once its files are cached."""
    inspect(scan(root))
    started = time.perf_counter()
    inspect(scan(root))
    return time.perf_counter() - started


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
    with tempfile.TemporaryDirectory() as home:
        first, *steps = question_steps(Path(home))
        print(f"inspection of 365 steps: {inspection(Path(home) / 'data'):.2f} s, goal 1.00 s")
        print(f"first answer (looks at the data): {first * 1000:.0f} ms of processor time")
        print(f"question to question: {[round(s * 1000) for s in steps]} ms, goal 50 ms")


if __name__ == "__main__":
    main()
