"""All figures of a run: drawn, saved under plots/, and described for those who cannot see them."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from srwizard.base.files import write_bytes
from srwizard.base.i18n import translate as _
from srwizard.report.breakdown import latitude_figure, month_figure, spectrum_figure
from srwizard.report.maps import domain_figure, ensemble_figure, sample_figure
from srwizard.report.plots import (
    figure_style,
    loss_figure,
    lr_range_figure,
    png,
    rate_figure,
    validation_figure,
)
from srwizard.report.records import Breakdown, Run, Samples


@dataclass(frozen=True)
class Picture:
    """A figure as the page holds it."""

    title: str
    alternative: str
    source: str
    width: int
    height: int


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
        rates = rate_figure(epochs)
        if rates is not None:
            pictures.append(
                _picture(
                    run,
                    "learning_rate.png",
                    rates,
                    _("Learning rate"),
                    _("Learning rate at the end of each epoch."),
                )
            )
        lr_range = (run.dry_run or {}).get("lr_range")
        if lr_range and lr_range["lr"]:
            pictures.append(
                _picture(
                    run,
                    "lr_range.png",
                    lr_range_figure(lr_range),
                    _("Learning-rate range test"),
                    _(
                        "Loss of the range test by learning rate, divided by that of an output of "
                        "zero; the proposed rate as a line."
                    ),
                )
            )
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


def domain(run: Run) -> list[Picture]:
    """Draw where the data are: one HR field of each variable."""
    if run.samples is None:
        return []
    samples = _with_units(run, run.samples)
    with figure_style():
        return [
            _picture(
                run,
                f"data_{index + 1:02d}_{_file_word(variable)}.png",
                domain_figure(samples, index),
                _("{variable} in the dataset", variable=variable),
                _(
                    "Map of the high-resolution {variable} at {step}, with land in grey.",
                    variable=variable,
                    step=samples.names[0],
                ),
            )
            for index, variable in enumerate(samples.variables)
        ]


def maps(run: Run) -> list[Picture]:
    """Draw every variable of every sample."""
    if run.samples is None:
        return []
    with figure_style():
        return list(_maps(run, _with_units(run, run.samples)))


def _with_units(run: Run, samples: Samples) -> Samples:
    units = run.units()
    return replace(samples, units=[units.get(name, "") for name in samples.variables])


def _maps(run: Run, samples: Samples) -> Iterator[Picture]:
    for step, when in enumerate(samples.names):
        for index, variable in enumerate(samples.variables):
            place = f"{step + 1:02d}_{index + 1:02d}_{_file_word(variable)}"
            yield _picture(
                run,
                f"map_{place}.png",
                sample_figure(samples, step, index),
                _("{variable}, {step}", variable=variable, step=when),
                _(
                    "Maps of {variable} at {step}: low-resolution input, bicubic, super-resolved, "
                    "high-resolution truth, and the errors of bicubic and of the model.",
                    variable=variable,
                    step=when,
                ),
            )
            if {"member", "spread"} <= samples.fields.keys():
                yield _picture(
                    run,
                    f"ensemble_{place}.png",
                    ensemble_figure(samples, step, index),
                    _("Ensemble of {variable}, {step}", variable=variable, step=when),
                    _(
                        "Maps of {variable} at {step}: mean of the ensemble, one member, the "
                        "error of the mean without its sign, and the spread.",
                        variable=variable,
                        step=when,
                    ),
                )


def errors(run: Run) -> list[Picture]:
    """Draw the errors of the test split by month and by latitude, and the power spectra."""
    if run.breakdown is None:
        return []
    with figure_style():
        return list(_errors(run, run.breakdown))


def _errors(run: Run, found: Breakdown) -> Iterator[Picture]:
    units, scale = run.units(), run.section("data").get("scale")
    lat = run.samples.lat if run.samples is not None else None
    for index, variable in enumerate(found.variables):
        word = f"{index + 1:02d}_{_file_word(variable)}"
        unit = units.get(variable, "")
        for name, figure, title, alternative in (
            (
                "month",
                month_figure(found, index, unit),
                _("RMSE of {variable} by month", variable=variable),
                _("Bars of the RMSE of {variable} in each month, the model beside bicubic.",
                  variable=variable),
            ),
            (
                "latitude",
                latitude_figure(found, index, unit, lat),
                _("RMSE of {variable} by latitude", variable=variable),
                _("Curves of the RMSE of {variable} along latitude, the model beside bicubic.",
                  variable=variable),
            ),
            (
                "spectrum",
                spectrum_figure(found, index, scale if isinstance(scale, int) else None),
                _("Power spectrum of {variable}", variable=variable),
                _("Radial power spectra of {variable}: truth, bicubic and model, and below the "
                  "ratio of the latter two to the truth in decibels.", variable=variable),
            ),
        ):  # fmt: skip
            if figure is not None:
                yield _picture(run, f"{name}_{word}.png", figure, title, alternative)


def _picture(run: Run, name: str, figure: Figure, title: str, alternative: str) -> Picture:
    content = png(figure)
    directory: Path = run.directory / "plots"
    directory.mkdir(exist_ok=True)
    write_bytes(directory / name, content)
    encoded = base64.b64encode(content).decode("ascii")
    # Known beforehand, so that the page does not jump while it is loaded.
    width, height = (int.from_bytes(content[start : start + 4], "big") for start in (16, 20))
    return Picture(title, alternative, f"data:image/png;base64,{encoded}", width, height)


def _file_word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60]
