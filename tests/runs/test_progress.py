"""What the live view of a training shows, and that it fits every screen."""

import io
import re
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from srwizard.base import i18n
from srwizard.runs import progress as figures_module
from srwizard.runs.live_view import View
from srwizard.runs.progress import Figures, Progress, briefly


class Clock:
    """Time that stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(figures_module, "time", made)
    return made


def scores(ours: float, theirs: float) -> dict[str, Any]:
    return {"model": {"rmse": ours}, "bicubic": {"rmse": theirs}, "skill": 1 - ours / theirs}


def epoch_event(number: int) -> dict[str, Any]:
    variables = {"temp": scores(0.04, 0.05), "海表盐度": scores(0.3, 0.2)}
    return {"epoch": number, "train_loss": 0.03589, "samples_per_second": 82.5,
            "valid": {"loss": 0.1, "variables": variables}}  # fmt: skip


def in_the_middle(clock: Clock) -> Figures:
    """Two epochs of 40 samples, ten seconds each with two for a validation, then half of one."""
    figures = Figures(epochs=10, samples=40, batch=4, measured_peak_bytes=400 << 20)
    steps = 0
    for epoch in (1, 2, 3):
        figures.enter("training")
        for step in range(1, 11 if epoch < 3 else 6):
            clock.now += 1
            steps += 1
            figures.note_step(Progress(epoch, 4 * step, steps=steps), 0.04, 4)
        if epoch < 3:
            figures.enter("validation")
            clock.now += 2
            figures.note_epoch(epoch_event(epoch))
    figures.memory_bytes = 350 << 20
    return figures


def shown(figures: Figures, columns: int, rows: int = 24, **options: Any) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=columns, height=rows, **options)
    console.print(View(figures))
    return stream.getvalue().rstrip("\n").split("\n")


def test_where_it_stands(clock: Clock) -> None:
    figures = in_the_middle(clock)
    assert figures.done == pytest.approx(0.25)
    assert (figures.step_in_epoch, figures.steps_in_epoch) == (5, 10)
    assert figures.samples_per_second == pytest.approx(4.0)
    # 96 samples after the first step took 28 seconds, validations included; 300 are left.
    assert figures.seconds_left == pytest.approx(28 * 300 / 96)
    said = figures.for_status()
    assert said["validation"]["epoch"] == 2
    assert said["validation"]["variables"]["temp"]["bicubic_rmse"] == 0.05


def test_nothing_is_foretold_before_the_first_step() -> None:
    figures = Figures(epochs=3, samples=8, batch=2)
    assert figures.seconds_left is None
    assert shown(figures, 60)[0].endswith("0 %")


def test_how_long_a_test_takes_is_not_foretold(clock: Clock) -> None:
    """Neither in the last validation nor after early stopping: no epoch has shown it."""
    figures = in_the_middle(clock)
    figures.enter("test")
    assert figures.seconds_left is None
    figures = in_the_middle(clock)
    figures.enter("validation")
    assert figures.seconds_left is not None
    figures.epoch, figures.samples_in_epoch = figures.epochs, figures.samples
    assert figures.seconds_left is None


def test_what_is_shown(clock: Clock) -> None:
    text = " ".join(shown(in_the_middle(clock), 100))
    for part in ("epoch 3/10", "25 %", "step 5/10", "50 %", "loss 0.04", "4.0 samples/s",
                 "1 min 28 s left", "memory 350 MB (dry run: 400 MB)",
                 "temp: RMSE 0.04 (bicubic 0.05) · skill +20.0 %", "skill -50.0 %"):  # fmt: skip
        assert part in text, part


def test_a_long_validation_is_named(clock: Clock) -> None:
    figures = in_the_middle(clock)
    figures.enter("validation")
    assert "validation" in " ".join(shown(figures, 80))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("columns", [100, 40, 24])
def test_no_line_is_wider_than_the_screen(clock: Clock, language: str, columns: int) -> None:
    i18n.set_language(language)
    lines = shown(in_the_middle(clock), columns, force_terminal=True, no_color=True)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert max(map(cell_len, plain)) < columns
    assert "25 %" in plain[0] and "50 %" in plain[1]
    assert any("海表盐度" in line for line in plain)


def test_no_more_lines_than_the_screen_has(clock: Clock) -> None:
    figures = in_the_middle(clock)
    many = {f"variable_{number}": scores(0.1, 0.2) for number in range(50)}
    figures.validation = {"epoch": 2, "variables": briefly(many)}
    assert len(shown(figures, 80, rows=10)) < 10


def test_no_colour_where_none_is_wanted(clock: Clock) -> None:
    lines = "".join(shown(in_the_middle(clock), 80, force_terminal=True, no_color=True))
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][;m]", lines)


def test_what_cannot_be_measured_is_said() -> None:
    nowhere = {"temp": {"model": {"rmse": float("nan")}, "bicubic": {"rmse": float("nan")}}}
    figures = Figures(epochs=1, samples=1, batch=1)
    figures.validation = {"epoch": 1, "variables": briefly(nowhere)}
    assert "temp: no value to measure" in " ".join(shown(figures, 80))
