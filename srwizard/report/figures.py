"""All figures of a run: drawn, saved under plots/, and described for those who cannot see them."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from srwizard.files import write_bytes
from srwizard.i18n import translate as _
from srwizard.report.maps import sample_figure
from srwizard.report.plots import figure_style, loss_figure, png, validation_figure
from srwizard.report.records import Run, Samples


@dataclass(frozen=True)
class Picture:
    """A figure as the page holds it."""

    title: str
    alternative: str
    source: str


def best_epoch(run: Run) -> int | None:
    """Return the epoch of the best checkpoint, if a test has named it."""
    test = run.metrics.test
    return test.epoch if test is not None and test.checkpoint == "best" else None


def curves(run: Run) -> list[Picture]:
    """Draw the loss and the validation metrics."""
    epochs = run.metrics.epochs
    if not epochs:
        return []
    with figure_style():
        pictures = [
            _picture(
                run,
                "loss.png",
                loss_figure(epochs, best_epoch(run)),
                _("Loss"),
                _("Training and validation loss by epoch."),
            )
        ]
        units = run.units()
        variables = dict.fromkeys(
            name for epoch in epochs for name, scores in epoch.variables.items() if scores.model
        )
        for number, variable in enumerate(variables, start=1):
            pictures.append(
                _picture(
                    run,
                    f"validation_{number:02d}_{_file_word(variable)}.png",
                    validation_figure(epochs, variable, units.get(variable, "")),
                    _("Validation of {variable}", variable=variable),
                    _(
                        "Validation metrics of {variable} by epoch, the model beside bicubic.",
                        variable=variable,
                    ),
                )
            )
    return pictures


def maps(run: Run) -> list[Picture]:
    """Draw every variable of every sample."""
    if run.samples is None:
        return []
    with figure_style():
        return list(_maps(run, run.samples))


def _maps(run: Run, samples: Samples) -> Iterator[Picture]:
    for step, when in enumerate(samples.names):
        for index, variable in enumerate(samples.variables):
            yield _picture(
                run,
                f"map_{step + 1:02d}_{index + 1:02d}_{_file_word(variable)}.png",
                sample_figure(samples, step, index),
                _("{variable}, {step}", variable=variable, step=when),
                _(
                    "Maps of {variable} at {step}: low-resolution input, bicubic, super-resolved, "
                    "high-resolution truth, and the errors of bicubic and of the model.",
                    variable=variable,
                    step=when,
                ),
            )


def _picture(run: Run, name: str, figure: Figure, title: str, alternative: str) -> Picture:
    content = png(figure)
    directory: Path = run.directory / "plots"
    directory.mkdir(exist_ok=True)
    write_bytes(directory / name, content)
    encoded = base64.b64encode(content).decode("ascii")
    return Picture(title, alternative, f"data:image/png;base64,{encoded}")


def _file_word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60]
