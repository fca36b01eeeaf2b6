"""`srwizard prepare`: make a dataset directory."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.control import Control
from rich.segment import ControlType

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.commands.options import (
    PATH,
    Number,
    WholeNumber,
    command,
    console,
    missing_value_option,
    out_option,
    overwrite_option,
    scale_option,
)
from srwizard.data.lr_methods import METHODS, REGRIDDING
from srwizard.data.split_names import split_label

if TYPE_CHECKING:
    from srwizard.base.console import Table
    from srwizard.data.layout import Layout
    from srwizard.data.prepare import EmptySteps, Manifest


@command(_("Make a dataset directory from NetCDF files or Zarr stores, or directories of them."))
@click.argument("sources", nargs=-1, required=True, type=PATH, metavar="SOURCE…")
@click.option(
    "--variable",
    multiple=True,
    required=True,
    metavar="NAME",
    help=_("Variable in the files; repeatable."),
)
@out_option("ROOT", _("Dataset directory to create."), required=True)
@click.option(
    "--name",
    multiple=True,
    metavar="NAME",
    help=_("Name in the dataset; give one for each --variable."),
)
@scale_option
@click.option(
    "--split",
    default="0.7/0.15/0.15",
    show_default=True,
    metavar="A/B/C",
    help=_("Shares of train/valid/test, in order of time."),
)
@click.option(
    "--gap",
    type=WholeNumber(),
    default=0,
    show_default=True,
    metavar="N",
    help=_("Steps left out between two splits."),
)
@click.option(
    "--lon", metavar="A:B", help=_("Region, from west to east; 170:-170 crosses the date line.")
)
@click.option("--lat", metavar="A:B", help=_("Region, from south to north."))
@click.option(
    "--time", metavar="A:B", help=_("Range of times, e.g. 2000-01:2010-12, both included.")
)
@click.option(
    "--depth",
    metavar="D[,D…]",
    help=_(
        "Take the level nearest to a depth, in metres or the unit of the vertical coordinate; with "
        "several depths, each becomes a variable."
    ),
)
@click.option(
    "--units",
    multiple=True,
    metavar="NAME=UNITS",
    help=_("Convert a variable, e.g. temp=degC; repeatable."),
)
@click.option(
    "--static",
    "statics",
    multiple=True,
    metavar="FILE:VARIABLE",
    help=_("Further static field, e.g. bathymetry; repeatable."),
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["npy", "h5", "nc"]),
    default="npy",
    show_default=True,
    help=_("Layout to write."),
)
@click.option(
    "--area-weights", is_flag=True, help=_("Weight the block mean by the cosine of latitude.")
)
@click.option(
    "--lr-method",
    type=click.Choice([method.name for method in METHODS]),
    default=METHODS[0].name,
    show_default=True,
    help=_("How LR is made from HR; only mean conserves the mean of each LR cell exactly."),
)
@click.option(
    "--lr-source",
    "lr_sources",
    multiple=True,
    type=PATH,
    metavar="SOURCE",
    help=_("Take LR from this product, matched by time; repeatable."),
)
@click.option(
    "--lr-variable",
    multiple=True,
    metavar="NAME",
    help=_("Name in the LR product; give one for each --variable."),
)
@click.option(
    "--lr-regrid",
    type=click.Choice([value.name for value in REGRIDDING]),
    default=REGRIDDING[0].name,
    show_default=True,
    help=_("How the LR product is brought onto the grid of HR/scale."),
)
@click.option(
    "--lr-tolerance",
    type=Number(),
    metavar="HOURS",
    help=_("How far apart in time LR and HR may be. [default: half of HR's step]"),
)
@missing_value_option(_("Value that marks missing data, in the units of the files; repeatable."))
@click.option(
    "--mask-variable",
    metavar="[FILE:]NAME",
    help=_("Variable that marks where there is no water."),
)
@click.option(
    "--mask-value",
    type=float,
    multiple=True,
    metavar="V",
    help=_("Value of the mask where there is no water; repeatable. [default: 0]"),
)
@click.option(
    "--empty-steps",
    type=click.Choice(["drop", "keep"]),
    default="drop",
    show_default=True,
    help=_("What to do with steps in which a variable has no value at all."),
)
@click.option(
    "--jobs",
    type=WholeNumber(),
    default=1,
    show_default=True,
    metavar="N",
    help=_("Processes that read the files."),
)
@overwrite_option(_("Replace what is in the directory."))
def prepare(
    sources: tuple[Path, ...],
    variable: tuple[str, ...],
    out: Path,
    name: tuple[str, ...],
    scale: int,
    split: str,
    gap: int,
    lon: str | None,
    lat: str | None,
    time: str | None,
    depth: str | None,
    units: tuple[str, ...],
    statics: tuple[str, ...],
    fmt: "Layout",
    area_weights: bool,
    lr_method: str,
    lr_sources: tuple[Path, ...],
    lr_variable: tuple[str, ...],
    lr_regrid: str,
    lr_tolerance: float | None,
    missing: tuple[float, ...],
    mask_variable: str | None,
    mask_value: tuple[float, ...],
    empty_steps: "EmptySteps",
    jobs: int,
    overwrite: bool,
) -> None:
    from srwizard.data import prepare as preparing
    from srwizard.data.raw_files import find_sources

    names = list(name) or preparing.usual_names(variable)
    if len(names) != len(variable):
        raise UsageError(
            _("{count} --variable but {names} --name", count=len(variable), names=len(names)),
            _("Give one --name for each --variable, or none."),
        )
    manifest = preparing.prepare(
        find_sources([str(source) for source in sources]),
        variables=preparing.named(variable, names),
        scale=scale,
        split=preparing.parse_split(split),
        out=out,
        fmt=fmt,
        area_weights=area_weights,
        lr_method=lr_method,
        lr_source=preparing.LrSource(
            tuple(find_sources([str(source) for source in lr_sources])),
            lr_variable,
            lr_regrid,
            lr_tolerance,
        )
        if lr_sources
        else None,
        selection=preparing.Selection(
            None if lon is None else preparing.parse_longitudes(lon),
            None if lat is None else preparing.parse_latitudes(lat),
            None if time is None else preparing.parse_times(time),
        ),
        depths=() if depth is None else preparing.parse_depths(depth),
        units=preparing.parse_units(units),
        statics=[preparing.parse_static(text) for text in statics],
        gap=gap,
        jobs=jobs,
        overwrite=overwrite,
        masking=preparing.masking_of(missing, mask_variable, mask_value),
        empty_steps=empty_steps,
        progress=_progress_line if console.is_terminal else None,
    )
    for note in manifest.notes:
        print(note)
    from srwizard.commands.inspect import show_dataset

    show_dataset(out)
    console.print(_splits_table(manifest))


def _progress_line(stage: str, done: int, total: int) -> None:
    from srwizard.wizard.preparing import stage_text

    end = "\n" if done == total else ""
    console.control(Control(ControlType.CARRIAGE_RETURN))
    print(f"{stage_text(stage)}: {done}/{total}", end=end, flush=True)


def _splits_table(manifest: "Manifest") -> "Table":
    """Return the statistics of the HR fields of each split."""
    from rich import box
    from rich.text import Text

    from srwizard.base.console import Table

    table = Table(title=_("Splits"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in (_("Split"), _("From")):
        table.add_column(heading, no_wrap=True)
    table.add_column(_("Variable"), overflow="fold")
    for heading in (_("Mean"), _("Std"), _("Min"), _("Max"), _("Observed")):
        table.add_column(heading, justify="right")
    for split, prepared in manifest.splits.items():
        for place, (name, found) in enumerate(prepared.statistics.items()):
            units = manifest.variables[name].attributes.get("units")
            begin = ("", "") if place else (split_label(split), prepared.first[:10])
            table.add_row(
                *begin,
                Text(f"{name} [{units}]" if units else name),
                *(f"{value:.4g}" for value in (found.mean, found.std, found.min, found.max)),
                f"{100 * found.observed_share:.1f} %",
            )
    return table
