"""The options on what a run writes."""

from typing import Annotated

from srwizard.base.i18n import N_
from srwizard.settings.option import Option, Section, Text


class OutputAnswers(Section):
    dir: Annotated[
        Text | None,
        Option(
            N_("Run directory"),
            N_("Config, checkpoints, metrics and the report are written there."),
            asked="always",
            example="runs/sst-x4",
        ),
    ] = None
