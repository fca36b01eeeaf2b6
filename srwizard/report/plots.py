"""The look of all figures, and the curves of a training."""

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.report.fonts import FAMILIES, can_draw, register
from srwizard.report.records import Epoch

INK = "#1f2933"
QUIET = "#7b8794"
MODEL = "#0b5394"
VALID = "#e07b1a"
BICUBIC = "#8a949e"
TRUTH = "#111111"
LINE_COLOURS = (MODEL, VALID, BICUBIC, TRUTH)
"""Of lines that stand in one figure; those who see no red or no green can tell them apart too."""
LOOKS: dict[str, dict[str, Any]] = {
    "model": {"color": MODEL},
    "bicubic": {"color": BICUBIC, "linestyle": "--"},
}
BEST_LOOK: dict[str, Any] = {"color": VALID, "linestyle": "-."}
TRUTH_LOOK: dict[str, Any] = {"color": TRUTH, "label": "HR", "linewidth": 1.0}
DPI = 140
# Beyond this many points the markers would hide the line.
MARKED_POINTS = 40

_STYLE: dict[str, Any] = {
    "font.family": list(FAMILIES),
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.limits": (-4, 5),
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
    "lines.markersize": 3,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
}

METRIC_NAMES = {
    "rmse": "RMSE",
    "mae": "MAE",
    "bias": N_("bias"),
    "psnr": "PSNR",
    "ssim": "SSIM",
    "correlation": N_("correlation"),
    "spectrum_error": N_("spectrum error"),
    "spread": N_("spread"),
    "crps": "CRPS",
}
METRIC_UNITS = {"psnr": "dB", "ssim": "", "correlation": "", "spectrum_error": "dB"}


def look_of(method: str) -> dict[str, Any]:
    """Return how the model or a simple method is drawn, with its name as label."""
    return LOOKS.get(method, BEST_LOOK) | {"label": method_label(method)}


def method_label(method: str) -> str:
    """Return the short name that figures give to the model or to a simple method."""
    words = {
        "model": _("model"),
        "bicubic": _("bicubic"),
        "climatology": _("climatology"),
        "linear": _("linear filter"),
    }
    return re.sub("[a-z]+", lambda word: words.get(word[0], word[0]), method)


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in the report's look, whatever matplotlibrc the user keeps."""
    register()
    # The backend is left out: figures here are saved, never shown, and need no other one.
    settings: Any = {
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if not name.startswith("backend")
    }
    settings.update(_STYLE)
    with matplotlib.rc_context(settings):
        yield


def png(figure: Figure) -> bytes:
    """Return a figure as PNG; equal figures give equal bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return stream.getvalue()


def figure_text(text: str, fallback: str) -> str:
    """Return `text` as matplotlib can draw it, or `fallback` where its fonts lack a letter."""
    if not can_draw(text):
        return fallback
    return text.replace("$", r"\$")


def with_units(text: str, units: str) -> str:
    """Append units in brackets, if there are any."""
    drawn = figure_text(units, "")
    return f"{text} [{drawn}]" if drawn else text


def metric_title(metric: str) -> str:
    """Return what a metric is called in the user's language."""
    known = METRIC_NAMES.get(metric)
    return _(known) if known else metric


def metric_label(metric: str, units: str) -> str:
    """Return the name of a metric with the units it is measured in."""
    name = figure_text(metric_title(metric), _("metric"))
    return with_units(name, METRIC_UNITS.get(metric, units))


def loss_figure(epochs: Sequence[Epoch], best_epoch: int | None) -> Figure:
    """Draw the training and validation loss, and where the best checkpoint was saved."""
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    axes = figure.subplots()
    train = [(epoch.number, epoch.train_loss) for epoch in epochs]
    valid = [(epoch.number, epoch.valid_loss) for epoch in epochs]
    _curve(axes, train, color=MODEL, label=_("training"))
    _curve(axes, valid, color=VALID, label=_("validation"))
    if _spans_decades([value for _, value in train + valid]):
        axes.set_yscale("log")
    if best_epoch is not None:
        axes.axvline(
            best_epoch, color=QUIET, linewidth=0.8, linestyle=":", label=_("best checkpoint")
        )
    axes.set_ylabel(_("loss"))
    _finish_curves(axes)
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def validation_figure(epochs: Sequence[Epoch], variable: str, units: str) -> Figure:
    """Draw every validation metric of a variable, beside bicubic and the best simple method."""
    measured = [(e.number, e.variables[variable]) for e in epochs if variable in e.variables]
    metrics = list(dict.fromkeys(name for _, scores in measured for name in scores.model))
    rows = math.ceil(len(metrics) / 2)
    figure = Figure(figsize=(7.2, 0.4 + 2.1 * rows), layout="constrained")
    grid = figure.subplots(rows, min(len(metrics), 2), squeeze=False)
    for axes in grid.flat[len(metrics) :]:
        axes.remove()
    for axes, metric in zip(grid.flat, metrics, strict=False):
        model = [(number, scores.model.get(metric, math.nan)) for number, scores in measured]
        bicubic = [(number, scores.bicubic.get(metric, math.nan)) for number, scores in measured]
        _curve(axes, model, **look_of("model"))
        _curve(axes, bicubic, **look_of("bicubic"), marker="")
        name = measured[-1][1].best_name
        if name != "bicubic":
            best = [(number, scores.best.get(metric, math.nan)) for number, scores in measured]
            _curve(axes, best, **look_of(name), marker="")
        axes.set_title(metric_label(metric, units))
        _finish_curves(axes)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3)
    return figure


def rate_figure(epochs: Sequence[Epoch]) -> Figure | None:
    """Draw the learning rate at the end of each epoch; None where it is not known."""
    rates = [(epoch.number, epoch.learning_rate) for epoch in epochs]
    if not any(math.isfinite(rate) for _, rate in rates):
        return None
    figure = Figure(figsize=(7.2, 1.9), layout="constrained")
    axes = figure.subplots()
    _curve(axes, rates, color=MODEL, drawstyle="steps-mid", marker="")
    if _spans_decades([rate for _, rate in rates]):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_ylabel(_("learning rate"))
    _finish_curves(axes)
    return figure


def lr_range_figure(found: Mapping[str, Any]) -> Figure:
    """Draw the loss of a learning-rate range test, and the rate that it proposes."""
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(found["lr"], found["loss"], color=QUIET, linewidth=0.6, label=_("each step"))
    axes.plot(found["lr"], found["smoothed"], color=MODEL, label=_("smoothed"))
    if found["proposed"] is not None:
        axes.axvline(found["proposed"], color=QUIET, linestyle=":", label=_("proposed"))
    axes.set_xscale("log")
    fall = found["smoothed"][0] - min(found["loss"])
    if fall > 0:  # how far it flies up in the end tells nothing
        axes.set_ylim(min(found["loss"]) - 0.1 * fall, found["smoothed"][0] + fall)
    axes.set_xlabel(_("learning rate"))
    axes.set_ylabel(_("relative loss"))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", frameon=True, facecolor="white", edgecolor="none")
    return figure


def _curve(axes: Axes, points: Sequence[tuple[int, float]], **look: Any) -> None:
    # Epochs without a measurement are passed over, so that the line joins those that have one.
    drawn = [(number, value) for number, value in points if math.isfinite(value)]
    if not drawn:
        return
    look.setdefault("marker", "o" if len(drawn) <= MARKED_POINTS else "")
    if len(drawn) == 1 and not look["marker"]:
        look |= {"marker": "_", "markersize": 24}
    axes.plot([number for number, _ in drawn], [value for _, value in drawn], **look)


def _spans_decades(values: Sequence[float]) -> bool:
    """Return whether a logarithmic axis shows more: all positive, over a factor of ten apart."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) > 10 * min(finite)


def _finish_curves(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.set_xlabel(_("epoch"))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
