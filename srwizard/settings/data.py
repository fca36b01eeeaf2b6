"""The options on the dataset."""

from typing import Annotated, Literal

from pydantic import Field

from srwizard.base.choices import Value
from srwizard.base.i18n import N_
from srwizard.settings.option import Option, Section, Text
from srwizard.settings.preparation import Preparation

OUTLIERS = (
    Value("refuse", N_("nothing is trained until the files are repaired")),
    Value("mask", N_("they count as points without a value, everywhere")),
)


class DatasetChoice(Section):
    """Which dataset; the run config says of it what was found."""

    root: Annotated[
        Text | None,
        Option(
            N_("Dataset directory"),
            N_(
                "The directory with train/, valid/ and test/ (or train.h5, train.nc, …). The "
                "wizard also takes raw files to make one from: NetCDF files, a pattern, Zarr "
                "stores, or their directory; an answers file names them in data.prepare."
            ),
            asked="always",
            example="data/sst-x4",
        ),
    ] = None
    variables: Annotated[
        list[Text] | None,
        Option(
            N_("Variables to train on"),
            N_("Several become channels of one network."),
            asked="always",
            none=N_("all"),
            example=["thetao", "so"],
        ),
    ] = None
    scale: Annotated[
        int | None,
        Field(ge=2),
        Option(
            N_("Scale"),
            N_("The ratio of the HR grid to the LR grid; the data must agree."),
            asked="never",
            none=N_("taken from the data"),
            example=4,
        ),
    ] = None
    prepare: Annotated[
        Preparation | None,
        Option(
            N_("Made of raw files"),
            N_(
                "How to make the dataset if it does not exist yet: from which files, and by "
                "which method; see below."
            ),
            asked="never",
            none=N_("the dataset directory already exists"),
            example={"sources": ["sst_*.nc"], "variables": ["sst"], "scale": 4},
        ),
    ] = None


class FrozenData(Section):
    """What the run config takes over as it is answered."""

    static_variables: Annotated[
        list[Text],
        Option(
            N_("Static fields as further inputs"),
            N_("LR fields such as depth or latitude may help the network; none is needed."),
            asked="always",
            example=["depth"],
        ),
    ] = Field(default_factory=list)
    guides: Annotated[
        list[Text],
        Option(
            N_("HR fields as guides"),
            N_(
                "They tell the network where fine scales lie: static HR fields such as bathymetry, "
                "or HR of a further variable, such as SST for sea level; predictions need them too."
            ),
            asked="always",
            example=["depth"],
        ),
    ] = Field(default_factory=list)
    vectors: Annotated[
        list[list[Text]] | None,
        Option(
            N_("Pairs of vector components"),
            N_("The eastward and the northward component of each vector, such as [[u, v]]."),
            asked="never",
            none=N_("known by their names"),
            example=[["uo", "vo"]],
        ),
    ] = None
    outliers: Annotated[
        Literal["refuse", "mask"],
        Option(
            N_("Impossible values"),
            N_(
                "Infinite values, those beyond 1e15, and those more than 50 spreads away from "
                "their neighbours both in space and in time."
            ),
            asked="never",
            choices=OUTLIERS,
        ),
    ] = "refuse"


class DataAnswers(FrozenData, DatasetChoice):
    """All of them; those of the last class come first."""

    periodic: Annotated[
        bool | None,
        Option(
            N_("Round the globe"),
            N_("Whether the last column is the western neighbour of the first."),
            asked="never",
            none=N_("as the longitudes say"),
        ),
    ] = None
