"""All figures of a run: drawn, saved under plots/, and described for those who cannot see them."""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from srwizard.base.files import write_bytes
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.data.baselines.choice import method_title
from srwizard.report.breakdown import (
    latitude_figure,
    latitudes_of_rows,
    month_figure,
    spectrum_figure,
)
from srwizard.report.maps import domain_figure, ensemble_figure, sample_figure
from srwizard.report.plots import (
    figure_style,
    loss_figure,
    lr_range_figure,
    png,
    rate_figure,
    validation_figure,
)
from srwizard.report.proof_figures import (
    Diagnostics,
    calibration_figure,
    coast_figure,
    error_maps_figure,
    error_spectrum_figure,
    read_diagnostics,
)
from srwizard.report.records import Breakdown, Evaluation, Run, Samples


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
                        "Validation metrics of {variable} by epoch, the model next to bicubic and "
                        "the best simple method.",
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
    if run.samples is None or run.metrics.test is None:  # they may be of other weights
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
                    "Maps of {variable} at {step}: low-resolution input, {methods}, "
                    "super-resolved, high-resolution truth, and the errors.",
                    variable=variable,
                    step=when,
                    methods=_names(name for name, _field in samples.simple_methods(step, index)),
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
    if run.breakdown is None or run.metrics.test is None:
        return []
    with figure_style():
        return list(_errors(run, run.breakdown))


def _errors(run: Run, found: Breakdown) -> Iterator[Picture]:
    units, scale = run.units(), run.section("data").get("scale")
    known = run.samples.lat if run.samples is not None else None
    lat = latitudes_of_rows(known, found.rows.shape[2])
    told = run.metrics.test.told if run.metrics.test is not None else {}
    for index, variable in enumerate(found.variables):
        bands = told.get(variable, {}).get("latitude") or []
        by_latitude = lat is not None or bool(bands)
        word = f"{index + 1:02d}_{_file_word(variable)}"
        unit = units.get(variable, "")
        methods = _names(name for _place, name in found.shown(index))
        for name, figure, title, alternative in (
            (
                "month",
                month_figure(found, index, unit, told.get(variable, {}).get("month") or []),
                _("RMSE of {variable} by month", variable=variable),
                _("Bars of the RMSE of {variable} in each month: {methods}.",
                  variable=variable, methods=methods),
            ),
            (
                "latitude",
                latitude_figure(found, index, unit, lat, bands),
                _("RMSE of {variable} by latitude", variable=variable)
                if by_latitude
                else _("RMSE of {variable} by row of the grid", variable=variable),
                _("Curves of the RMSE of {variable} along latitude: {methods}.",
                  variable=variable, methods=methods)
                if by_latitude
                else _("Curves of the RMSE of {variable} along the rows of the grid: {methods}.",
                       variable=variable, methods=methods),
            ),
            (
                "spectrum",
                spectrum_figure(found, index, scale if isinstance(scale, int) else None),
                _("Power spectrum of {variable}", variable=variable),
                _("Radial power spectra of {variable}: the truth, {methods}; below, their ratio to "
                  "the truth in decibels.", variable=variable, methods=methods),
            ),
        ):  # fmt: skip
            if figure is not None:
                yield _picture(run, f"{name}_{word}.png", figure, title, alternative)


def proof(run: Run) -> list[Picture]:
    """Draw errors by scale, near the coast and on maps, and how honest an ensemble is."""
    test, found = run.metrics.test, read_diagnostics(run.directory)
    if test is None:
        return []
    with figure_style():
        return list(_proof(run, test, found))


def _proof(run: Run, test: Evaluation, found: Diagnostics | None) -> Iterator[Picture]:
    units, samples = run.units(), run.samples
    lon, lat = (None, None) if samples is None else (samples.lon, samples.lat)
    for index, (variable, told) in enumerate(test.told.items()):
        word, unit = f"{index + 1:02d}_{_file_word(variable)}", units.get(variable, "")
        best = test.variables[variable].best_name
        figures: list[tuple[str, Figure | None, str, str]] = []
        if found is not None and index < len(found.truth):
            figures += [
                (
                    "error_spectrum",
                    error_spectrum_figure(
                        found, index, best, told.get("effective_resolution") or {}
                    ),
                    _("Spectra of {variable} and of the errors", variable=variable),
                    _("Radial power spectra of {variable}: HR, the model, the simple methods, and "
                      "the errors.", variable=variable),
                ),
                (
                    "error_maps",
                    error_maps_figure(found, index, best, unit, lon, lat),
                    _("Errors of {variable} at each point", variable=variable),
                    _("Maps of mean error and RMSE of {variable} over the test split, the model "
                      "next to the best simple method.", variable=variable),
                ),
            ]  # fmt: skip
        figures.append(
            (
                "coast",
                coast_figure(list(told.get("coast") or []), best, unit),
                _("RMSE of {variable} by distance from the coast", variable=variable),
                _("Bars of the RMSE of {variable} by distance from the coast.", variable=variable),
            )
        )
        if told.get("calibration"):
            figures.append(
                (
                    "calibration",
                    calibration_figure(told["calibration"], unit),
                    _("Calibration of {variable}", variable=variable),
                    _("Rank histogram of {variable}, and the error of the ensemble mean against "
                      "its spread.", variable=variable),
                )
            )  # fmt: skip
        for name, figure, title, alternative in figures:
            if figure is not None:
                yield _picture(run, f"{name}_{word}.png", figure, title, alternative)


def _names(methods: Iterable[str]) -> str:
    return listed(method_title(name) for name in methods)


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
