"""The live view of a training: two bars, and below them what there is to know. No torch."""

from collections.abc import Iterator
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress_bar import ProgressBar
from rich.text import Text

from srwizard.base.console import Table
from srwizard.base.i18n import labelled
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import bytes_text, duration_text
from srwizard.base.text_width import packed
from srwizard.data.baselines.choice import BICUBIC, MODEL
from srwizard.runs.phases import phase_text
from srwizard.runs.progress import Figures
from srwizard.runs.skill import beside

FEWEST_BAR_COLUMNS = 6
MOST_BAR_COLUMNS = 60


class View:
    """Draws the figures anew each time, for the screen as wide and high as it is then."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # The last column is left free: some terminals break the line there.
        columns, rows = max(options.max_width - 1, 2), max(options.size.height - 1, 1)
        lines = list(text_lines(self._figures, columns))
        yield Group(*bars(self._figures, columns)[:rows])
        yield Text("\n".join(lines[: max(rows - 2, 0)]))


def bars(figures: Figures, columns: int) -> list[Table]:
    """Return the bar of all epochs and that of the steps of this one, in so many columns."""
    rows = (
        (
            _("epoch {epoch}/{epochs}", epoch=_epoch(figures), epochs=figures.epochs),
            figures.done,
        ),
        (
            _("step {step}/{steps}", step=figures.step_in_epoch, steps=figures.steps_in_epoch),
            figures.samples_in_epoch / figures.samples,
        ),
    )
    label = max(cell_len(text) for text, _share in rows)
    room = min(columns - label - len("  100 %  "), MOST_BAR_COLUMNS)
    return [_bar(text, share, label, room) for text, share in rows]


def _epoch(figures: Figures) -> int:
    return min(figures.epoch, figures.epochs)


def _bar(text: str, share: float, label: int, room: int) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_column(width=label, no_wrap=True, overflow="crop")
    parts: list[str | ProgressBar] = [text]
    if room >= FEWEST_BAR_COLUMNS:
        row.add_column(width=room)
        parts.append(ProgressBar(total=1.0, completed=min(share, 1.0), width=room))
    row.add_column(justify="right", width=len("100 %"), no_wrap=True, overflow="crop")
    row.add_row(*parts, f"{100 * share:.0f} %")
    return row


def text_lines(figures: Figures, columns: int) -> Iterator[str]:
    """Yield the other figures as lines no wider than `columns`."""
    yield from packed(list(_parts(figures)), " · ", columns)
    if figures.validation is not None:
        for name, scores in figures.validation["variables"].items():
            yield from packed(score_parts(name, scores), " · ", columns)


def _parts(figures: Figures) -> Iterator[str]:
    if figures.phase != "training":
        yield phase_text(figures.phase)
    if figures.loss is not None:
        yield _("loss {loss:.4g}", loss=figures.loss)
    if figures.samples_per_second is not None:
        yield _("{speed:.1f} samples/s", speed=figures.samples_per_second)
    if figures.seconds_left is not None:
        yield _("{time} left", time=duration_text(figures.seconds_left))
    if figures.overfitting_since is not None:
        yield _("overfitting since epoch {epoch}", epoch=figures.overfitting_since)
    if figures.memory_bytes is not None:
        yield memory_text(figures.memory_bytes, figures.measured_peak_bytes)


def memory_text(now: int, measured: int | None) -> str:
    """Return the memory in use beside the measured peak, if that is known."""
    if measured is None:
        return _("memory {now}", now=bytes_text(now))
    return _("memory {now} (dry run: {peak})", now=bytes_text(now), peak=bytes_text(measured))


def score_parts(name: str, scores: dict[str, Any]) -> list[str]:
    """Return what the last validation found for a variable."""
    skill = scores["skill"]
    if scores["rmse"] is None or scores["bicubic_rmse"] is None:
        return [_("{name}: no value to measure", name=name)]
    best = scores.get("best", BICUBIC)
    found = {MODEL: {"rmse": scores["rmse"]}, BICUBIC: {"rmse": scores["bicubic_rmse"]}}
    figures = beside({best: {"rmse": scores.get("best_rmse")}, **found, "best": best})
    parts = [labelled(name, figures)]
    if skill is not None:
        parts.append(_("skill {skill:+z.1f} %", skill=100 * skill))
    return parts
