"""`srwizard baselines`: what a network has to beat on a dataset."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srwizard.base.console import Console
from srwizard.base.i18n import translate as _
from srwizard.commands.options import PATH, as_json_option, command, console
from srwizard.data.split_names import split_title

if TYPE_CHECKING:
    from srwizard.base.console import Table
    from srwizard.data.baselines.report import VariableBaselines


@command(_("Score the simple methods on a dataset: what a network has to beat."))
@click.argument("root", type=PATH, metavar="ROOT")
@as_json_option
def baselines(root: Path, as_json: bool) -> None:
    from srwizard.base.typed_paths import expand
    from srwizard.data.baselines.report import baselines_of
    from srwizard.data.dataset import Dataset
    from srwizard.data.inspect import require_usable
    from srwizard.prompts.progress import shown
    from srwizard.runs.advice import learning_curve_text

    dataset = Dataset(expand(str(root)))
    require_usable(dataset.summary)
    with shown(Console(stderr=True), _("Steps"), transient=True) as progress:
        found = baselines_of(dataset, progress)
    if as_json:
        print(json.dumps({one.variable: one.as_json() for one in found}, indent=2))
        return
    for one in found:
        console.print(_table(one))
        if one.learning_curve:
            print(learning_curve_text(one.learning_curve))
        if one.note:
            print(one.note)


def _table(found: "VariableBaselines") -> "Table":
    from rich import box
    from rich.text import Text

    from srwizard.base.console import Table
    from srwizard.data.baselines.choice import method_title

    table = Table(
        title=_("{variable}: RMSE of the simple methods", variable=found.variable),
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column(_("Method"))
    for split in found.splits:
        table.add_column(split_title(split), justify="right")
    for name in found.scores:
        best = name == found.best
        figures = [_figure(found.scores[name][split]) for split in found.splits]
        title = method_title(name)
        if best:
            title = _("{method} (best)", method=title)
        table.add_row(*(Text(part, style="bold" if best else "") for part in (title, *figures)))
    return table


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"
