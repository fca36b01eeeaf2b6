"""The options on how a dataset is made of raw files: `data.prepare`."""

from typing import Annotated, Literal

from pydantic import Field

from srwizard.base.choices import Value
from srwizard.base.i18n import N_
from srwizard.data.lr_methods import METHODS, REGRIDDING
from srwizard.settings.option import Option, Section, Text

EMPTY_STEPS = (
    Value("drop", N_("they are left out and counted")),
    Value("keep", N_("they are kept")),
)


class Preparation(Section):
    """As the options of `srwizard prepare`; those that are left out have the same defaults."""

    sources: Annotated[
        list[Text],
        Option(
            N_("Raw files"),
            N_("NetCDF files, Zarr stores, directories of them, or patterns such as sst_*.nc."),
            asked="never",
            example=["sst_*.nc"],
        ),
    ] = Field(default_factory=list)
    variables: Annotated[
        list[Text] | None,
        Option(
            N_("Variables to prepare"),
            N_("Their names in the files; all need the same times and grid."),
            asked="always",
            none=N_("the variable with the most time steps"),
            example=["thetao"],
        ),
    ] = None
    names: Annotated[
        list[Text] | None,
        Option(
            N_("Names in the dataset"),
            N_("One for each variable."),
            asked="never",
            none=N_("as in the files"),
            example=["temp"],
        ),
    ] = None
    depth: Annotated[
        list[Annotated[float, Field(ge=0)]] | None,
        Option(
            N_("Depths"),
            N_(
                "In metres, or in the unit of the vertical coordinate where that is another; the "
                "nearest level to each is taken, and several become several variables."
            ),
            asked="always",
            none=N_("the level nearest to the surface, where there are several"),
            example=[0, 100, 500],
        ),
    ] = None
    scale: Annotated[
        int | None,
        Field(ge=2),
        Option(
            N_("Scale of the dataset"),
            N_("HR cells of an LR cell along each direction."),
            asked="always",
            none=N_("4, or less on a small grid"),
            example=4,
        ),
    ] = None
    output: Annotated[
        Text | None,
        Option(
            N_("Where to put the dataset"),
            N_("A new directory; a dataset made of the same files in the same way is taken as is."),
            asked="always",
            none=N_("in the working directory, named by the first file and the scale"),
            example="sst-x4",
        ),
    ] = None
    missing_value: Annotated[
        list[float],
        Option(
            N_("Values that mark missing data"),
            N_(
                "In the units of the files, where the files do not declare them, e.g. [-999, 1e20]."
            ),
            asked="never",
            example=[-999],
        ),
    ] = Field(default_factory=list)
    mask_variable: Annotated[
        Text | None,
        Option(
            N_("Mask"),
            N_("Variable that marks where there is no water, as NAME or FILE:NAME."),
            asked="never",
            example="mask",
            none=N_("none"),
        ),
    ] = None
    mask_value: Annotated[
        list[float],
        Option(
            N_("Values of the mask on land"),
            N_("Value of the mask where there is no water; [] means 0."),
            asked="never",
            example=[2],
        ),
    ] = Field(default_factory=list)
    empty_steps: Annotated[
        Literal["drop", "keep"],
        Option(
            N_("Steps without any value"),
            N_("What to do with steps in which a variable has no value at all."),
            asked="never",
            choices=EMPTY_STEPS,
        ),
    ] = "drop"
    lr_method: Annotated[
        Text,
        Option(
            N_("How LR is made from HR"),
            N_("Only the block mean conserves the mean over each LR cell exactly."),
            asked="never",
            choices=METHODS,
        ),
    ] = "mean"
    lr_source: Annotated[
        list[Text],
        Option(
            N_("LR product"),
            N_("Take LR from these files, matched by time, instead of making it from HR."),
            asked="never",
            example=["coarse_*.nc"],
        ),
    ] = Field(default_factory=list)
    lr_variables: Annotated[
        list[Text],
        Option(
            N_("Names in the LR product"),
            N_("One for each variable, where they differ from those in HR."),
            asked="never",
            example=["sst"],
        ),
    ] = Field(default_factory=list)
    lr_regrid: Annotated[
        Text,
        Option(
            N_("Regridding of the LR product"),
            N_("How the LR product is brought onto the grid of HR/scale."),
            asked="never",
            choices=REGRIDDING,
        ),
    ] = "conservative"
    lr_tolerance: Annotated[
        float | None,
        Field(ge=0),
        Option(
            N_("Tolerance in time (hours)"),
            N_("How far apart in time a step of the LR product and one of HR may be."),
            asked="never",
            none=N_("half of HR's step"),
            example=12,
        ),
    ] = None
    area_weights: Annotated[
        bool,
        Option(
            N_("Area weights"),
            N_("Weight the block mean by the cosine of latitude."),
            asked="never",
        ),
    ] = False
    split: Annotated[
        Text,
        Option(N_("Split"), N_("Shares of train/valid/test, in order of time."), asked="never"),
    ] = "0.7/0.15/0.15"
    gap: Annotated[
        int,
        Field(ge=0),
        Option(
            N_("Gap"),
            N_("Steps left out between two splits."),
            asked="never",
            example=30,
        ),
    ] = 0
    lon: Annotated[
        Text | None,
        Option(
            N_("Longitudes"),
            N_("Region, from west to east; 170:-170 crosses the date line."),
            asked="never",
            none=N_("all"),
            example="120:240",
        ),
    ] = None
    lat: Annotated[
        Text | None,
        Option(
            N_("Latitudes"),
            N_("Region, from south to north."),
            asked="never",
            none=N_("all"),
            example="-10:45",
        ),
    ] = None
    time: Annotated[
        Text | None,
        Option(
            N_("Times"),
            N_("Range of times, e.g. 2000-01:2010-12, both included."),
            asked="never",
            none=N_("all"),
            example="1993:2018",
        ),
    ] = None
    units: Annotated[
        list[Text],
        Option(
            N_("Units"),
            N_("Convert variables, each as NAME=UNITS, e.g. temp=degC."),
            asked="never",
            example=["temp=degC"],
        ),
    ] = Field(default_factory=list)
    static: Annotated[
        list[Text],
        Option(
            N_("Further static fields"),
            N_("Each as FILE:VARIABLE, e.g. bathymetry.nc:deptho."),
            asked="never",
            example=["bathymetry.nc:deptho=depth"],
        ),
    ] = Field(default_factory=list)
    jobs: Annotated[
        int,
        Field(ge=1),
        Option(
            N_("Processes"),
            N_("Processes that read the files."),
            asked="never",
            example=4,
        ),
    ] = 1
