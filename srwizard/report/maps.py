"""Maps of one sample: input, simple methods, super-resolved, truth, and the errors."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srwizard.base.i18n import translate as _
from srwizard.report.colours import OUTSIDE, Colours, colours_of, error_colours
from srwizard.report.grid import Grid, grid_of
from srwizard.report.plots import QUIET, figure_text, method_label, with_units
from srwizard.report.records import FloatArray, Samples

Cell = tuple[int, int]
Box = tuple[float, float, float, float]
Limits = tuple[float, float]

# Inches around and between the panels.
LEFT, RIGHT, TOP, BOTTOM = 0.55, 0.12, 0.5, 0.3
COLUMN_GAP, ROW_GAP = 0.14, 0.26
BAR, BAR_GAP, BAR_LABELS = 0.11, 0.12, 0.5


@dataclass(frozen=True)
class Layout:
    """Where the panels stand, and beside or under which of them the two colour bars run.

    Six panels come in the order LR, simple method, SR, HR, error of the method, SR error; eight
    have another method after the first, and its error; four come in the order ensemble mean,
    member, error, spread.
    """

    rows: int
    columns: int
    panel_width: float
    cells: tuple[Cell, ...]
    bars_below: bool
    field_span: tuple[int, int]
    error_span: tuple[int, int]


# A long band is stacked in strips; towers stand side by side; what is between keeps each method
# and its error in one row or one column.
BAND = Layout(6, 1, 7.6, ((0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)), False, (0, 3), (4, 5))
WIDE = Layout(3, 2, 3.9, ((0, 0), (1, 0), (1, 1), (0, 1), (2, 0), (2, 1)), False, (0, 1), (2, 2))
SQUARE = Layout(2, 3, 2.7, ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)), True, (0, 0), (1, 2))
TALL = Layout(1, 6, 1.35, ((0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5)), True, (0, 3), (4, 5))

# With two methods, each error stands beside or under its field.
WIDE_OF_EIGHT = Layout(
    4, 2, 3.9, ((0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 1), (3, 1)), False,
    (0, 1), (2, 3),
)  # fmt: skip
SQUARE_OF_EIGHT = Layout(
    2, 4, 2.05, ((0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3)), True,
    (0, 0), (1, 3),
)  # fmt: skip

QUARTET = Layout(2, 2, 3.9, ((0, 0), (0, 1), (1, 0), (1, 1)), False, (0, 0), (1, 1))
BAND_OF_FOUR = Layout(4, 1, 7.6, ((0, 0), (1, 0), (2, 0), (3, 0)), False, (0, 1), (2, 3))
TALL_OF_FOUR = Layout(1, 4, 2.0, ((0, 0), (0, 1), (0, 2), (0, 3)), True, (0, 1), (2, 3))


def layout_for(aspect: float, methods: int = 1) -> Layout:
    """Choose rows or columns by the height of a panel over its width.

    Where there is no room for two simple methods, the layout is that for one.
    """
    if methods > 1 and 0.3 <= aspect < 1.8:
        return WIDE_OF_EIGHT if aspect < 0.7 else SQUARE_OF_EIGHT
    if aspect < 0.3:
        return BAND
    if aspect < 0.7:
        return WIDE
    return SQUARE if aspect < 1.8 else TALL


@dataclass(frozen=True)
class _Sheet:
    """The paper: turns inches from the lower left into the fractions that figures want."""

    layout: Layout
    panel_height: float

    @property
    def _bars(self) -> float:
        return BAR_GAP + BAR + BAR_LABELS

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        layout = self.layout
        width = layout.columns * (layout.panel_width + COLUMN_GAP) - COLUMN_GAP
        height = layout.rows * (self.panel_height + ROW_GAP) - ROW_GAP
        beside, below = (0.0, self._bars) if layout.bars_below else (self._bars + 0.15, 0.0)
        return LEFT + width + beside + RIGHT, TOP + height + BOTTOM + below

    def panel(self, cell: Cell) -> Box:
        """Return the place of a panel."""
        row, column = cell
        left = LEFT + column * (self.layout.panel_width + COLUMN_GAP)
        top = self.size[1] - TOP - row * (self.panel_height + ROW_GAP)
        return self._fractions(left, top - self.panel_height, left + self.layout.panel_width, top)

    def bar(self, span: tuple[int, int]) -> Box:
        """Return the place of a colour bar along some columns or rows."""
        layout, (first, last) = self.layout, span
        if layout.bars_below:
            step = layout.panel_width + COLUMN_GAP
            left, right = LEFT + first * step, LEFT + last * step + layout.panel_width
            # A bar as long as the page is no easier to read.
            inset = max(0.0, (right - left - 4.2) / 2)
            top = BAR_LABELS + BAR
            return self._fractions(left + inset, top - BAR, right - inset, top)
        step = self.panel_height + ROW_GAP
        top = self.size[1] - TOP - first * step
        bottom = self.size[1] - TOP - last * step - self.panel_height
        left = LEFT + layout.columns * (layout.panel_width + COLUMN_GAP) - COLUMN_GAP + BAR_GAP
        return self._fractions(left, bottom, left + BAR, top)

    def _fractions(self, left: float, bottom: float, right: float, top: float) -> Box:
        width, height = self.size
        return left / width, bottom / height, (right - left) / width, (top - bottom) / height


def sample_figure(samples: Samples, step: int, variable: int) -> Figure:
    """Draw the maps of a variable at a step: beside bicubic and the best simple method.

    Where there is room for one of the two, it is the best.
    """
    lr, sr, hr = (samples.fields[name][step, variable] for name in ("lr", "sr", "hr"))
    methods = samples.simple_methods(step, variable)
    name, units = samples.variables[variable], samples.units[variable]
    grid = grid_of((hr.shape[0], hr.shape[1]), samples.lon, samples.lat)
    layout = layout_for(grid.aspect, len(methods))
    paired = len(layout.cells) == 8
    if not paired:
        methods = methods[-1:]
    sheet = _Sheet(layout, layout.panel_width * grid.aspect)
    figure = Figure(figsize=sheet.size)
    _headline(figure, samples, step, variable, grid)

    colours, errors = colours_of(name, hr), error_colours()
    made = [*methods, ("SR", sr)]
    fields = (lr, *(values for _name, values in made), hr)
    missed = [values - hr for _name, values in made]
    limits, error_limits = colours.limits(*fields), errors.limits(*missed)
    short = layout.panel_width < 2
    titles = (
        f"LR {lr.shape[0]}×{lr.shape[1]}",
        *(method_label(title) for title, _values in made),
        f"HR {hr.shape[0]}×{hr.shape[1]}",
    )
    error_titles = [
        _error_title("" if paired else title, values, short)
        for (title, _field), values in zip(made, missed, strict=True)
    ]
    panels = (
        *((title, values, colours.colormap, limits)
          for title, values in zip(titles, fields, strict=True)),
        *((title, values, errors.colormap, error_limits)
          for title, values in zip(error_titles, missed, strict=True)),
    )  # fmt: skip
    for cell, (title, values, colormap, bounds) in zip(layout.cells, panels, strict=True):
        axes = figure.add_axes(sheet.panel(cell), facecolor=OUTSIDE)
        axes.set_title(title)
        grid.draw(axes, values, colormap, bounds)
        _label_outer(axes, cell, layout, grid, sheet.panel_height)
    bars = (
        (layout.field_span, figure_text(name, _("value")), figure.axes[0], fields),
        (layout.error_span, _("error"), figure.axes[len(fields)], tuple(missed)),
    )
    for span, title, mapped, drawn in bars:
        bar = figure.add_axes(sheet.bar(span))
        _colour_bar(figure, bar, mapped, drawn, with_units(title, units), below=layout.bars_below)
    return figure


def domain_figure(samples: Samples, variable: int) -> Figure:
    """Draw one HR field of a variable, as large as the page: where the data are."""
    hr = samples.fields["hr"][0, variable]
    name, units = samples.variables[variable], samples.units[variable]
    grid = grid_of((hr.shape[0], hr.shape[1]), samples.lon, samples.lat)
    width = min(6.6, 4.2 / grid.aspect)
    height = width * grid.aspect
    figure = Figure(figsize=(LEFT + width + 1.0, TOP + height + BOTTOM))
    _headline(figure, samples, 0, variable, grid)
    wide, high = figure.get_size_inches()
    axes = figure.add_axes((LEFT / wide, BOTTOM / high, width / wide, height / high))
    axes.set_facecolor(OUTSIDE)
    colours = colours_of(name, hr)
    grid.draw(axes, hr, colours.colormap, colours.limits(hr))
    grid.label(axes, width=width, height=height)
    for spine in axes.spines.values():
        spine.set_visible(True)
    bar = figure.add_axes(
        ((LEFT + width + BAR_GAP) / wide, BOTTOM / high, BAR / wide, height / high)
    )
    label = with_units(figure_text(name, _("value")), units)
    _colour_bar(figure, bar, axes, (hr,), label, below=False)
    return figure


def ensemble_figure(samples: Samples, step: int, variable: int) -> Figure:
    """Draw the mean of an ensemble, a member of it, the error of the mean, and the spread."""
    mean, hr, member, spread = (
        samples.fields[name][step, variable] for name in ("sr", "hr", "member", "spread")
    )
    name, units = samples.variables[variable], samples.units[variable]
    grid = grid_of((hr.shape[0], hr.shape[1]), samples.lon, samples.lat)
    layout = layout_for(grid.aspect)
    if layout is SQUARE or layout is WIDE:
        layout = QUARTET
    elif layout is BAND:
        layout = BAND_OF_FOUR
    else:
        layout = TALL_OF_FOUR
    sheet = _Sheet(layout, layout.panel_width * grid.aspect)
    figure = Figure(figsize=sheet.size)
    _headline(figure, samples, step, variable, grid)
    colours, errors = colours_of(name, hr), Colours("amp")
    limits = colours.limits(mean, member)
    size = np.abs(mean - hr)
    error_limits = (0.0, errors.limits(size, spread)[1])
    panels = (
        (_("ensemble mean"), mean, colours.colormap, limits),
        (_("one member"), member, colours.colormap, limits),
        (_("|mean − HR|"), size, errors.colormap, error_limits),
        (_("spread"), spread, errors.colormap, error_limits),
    )
    for cell, (title, values, colormap, bounds) in zip(layout.cells, panels, strict=True):
        axes = figure.add_axes(sheet.panel(cell), facecolor=OUTSIDE)
        axes.set_title(title)
        grid.draw(axes, values, colormap, bounds)
        _label_outer(axes, cell, layout, grid, sheet.panel_height)
    for span, title, mapped, fields in (
        (layout.field_span, figure_text(name, _("value")), figure.axes[0], (mean, member)),
        (layout.error_span, _("error, spread"), figure.axes[2], (size, spread)),
    ):
        bar = figure.add_axes(sheet.bar(span))
        _colour_bar(figure, bar, mapped, fields, with_units(title, units), below=layout.bars_below)
    return figure


def _headline(figure: Figure, samples: Samples, step: int, variable: int, grid: Grid) -> None:
    name = figure_text(samples.variables[variable], _("variable {number}", number=variable + 1))
    when = figure_text(samples.names[step], _("sample {number}", number=step + 1))
    width, height = figure.get_size_inches()
    line = (height - 0.1) / height
    figure.text(LEFT / width, line, f"{name}  ·  {when}", va="top", fontsize=9.5, weight="bold")
    notes = [] if grid.geographic else [_("axes in grid cells")]
    if not 0.99 < grid.stretch < 1.01:
        taller = grid.stretch > 1
        axis, factor = ("y", grid.stretch) if taller else ("x", 1 / grid.stretch)
        notes.append(_("{axis} stretched ×{factor:.1f}", axis=axis, factor=factor))
    note, right = "  ·  ".join(notes), 1 - RIGHT / width
    figure.text(right, line, note, va="top", ha="right", fontsize=7, color=QUIET)


def _error_title(method: str, error: FloatArray, short: bool) -> str:
    """Return the title of an error; it stands beside its field where no method is named."""
    named = _("best") if short and len(method) > 10 else method_label(method)
    what = f"{named} − HR" if method else _("error")
    values = error[np.isfinite(error)]
    if not values.size or short:
        return what
    return f"{what}   RMSE {np.sqrt(np.mean(values**2)):.3g}"


def _label_outer(axes: Axes, cell: Cell, layout: Layout, grid: Grid, height: float) -> None:
    """Number the outer panels only: the others share their axes."""
    grid.label(axes, width=layout.panel_width, height=height)
    row, column = cell
    axes.tick_params(labelbottom=row == layout.rows - 1, labelleft=column == 0)
    for spine in axes.spines.values():
        spine.set_visible(True)


def _colour_bar(
    figure: Figure,
    place: Axes,
    mapped: Axes,
    fields: tuple[FloatArray, ...],
    label: str,
    *,
    below: bool,
) -> None:
    source = (mapped.images or mapped.collections)[0]
    lowest, highest = source.get_clim()
    values = np.concatenate([field[np.isfinite(field)] for field in fields])
    under = values.size > 0 and bool(values.min() < lowest)
    over = values.size > 0 and bool(values.max() > highest)
    figure.colorbar(
        source,
        cax=place,
        orientation="horizontal" if below else "vertical",
        extend={(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[under, over],
        extendfrac=0.03,
        label=label,
    )
    place.locator_params(nbins=5) if not below else place.locator_params(axis="x", nbins=5)
    place.tick_params(length=2)
