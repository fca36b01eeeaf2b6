"""`srwizard recommend`: what suits a model and a dataset, and why."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from srwizard.base.i18n import translate as _
from srwizard.commands.options import PATH, as_json_option, command, console, print_json

if TYPE_CHECKING:
    from srwizard.base.console import Table
    from srwizard.settings.recipe import Recommended


@command(_("Recommend training parameters for a model and a dataset, with reasons."))
@click.argument("root", type=PATH, metavar="ROOT")
@click.option("--model", metavar="MODEL", help=_("Model. [default: the recommended one, SwinIR]"))
@click.option("--size", metavar="SIZE", help=_("Size of the model: tiny, base or large."))
@as_json_option
def recommend(root: Path, model: str | None, size: str | None, as_json: bool) -> None:
    from srwizard.memory import forecast
    from srwizard.models.catalog import card, cards, size_parameters
    from srwizard.settings import yaml_file
    from srwizard.settings.answers import Answers
    from srwizard.wizard.recipe import forget_recipe, recommended_here
    from srwizard.wizard.without_asking import conversation_of, go_through

    name = model or next(one.name for one in cards().values() if one.recommended)
    if size is not None:
        size_parameters(card(name), size)
    answers = Answers.model_validate(
        {
            "data": {"root": str(root)},
            "model": {"name": card(name).name, "size": size},
            "training": {"recipe": "recommended"},
        }
    )
    conversation = conversation_of(answers, yaml_file.Document(str(root), {}))
    go_through(conversation, skip=("output",))
    forget_recipe(conversation)
    found = recommended_here(conversation, forecast.fits)
    if as_json:
        print_json({"model": name} | {"recommended": [one.as_json() for one in found]})
        return
    console.print(_table(name, found))
    print(
        _(
            "To train with these values, put into the answers file: training: {recipe}",
            recipe="{recipe: recommended}",
        )
    )


def _table(model: str, found: "list[Recommended]") -> "Table":
    from rich import box
    from rich.text import Text

    from srwizard.base.console import Table

    table = Table(
        title=_("Recommended for {model} and this data", model=model),
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column(_("Option"), no_wrap=True)
    table.add_column(_("Value"), justify="right", no_wrap=True)
    table.add_column(_("Why"), overflow="fold")
    for one in found:
        table.add_row(Text(one.key), Text(str(one.value)), Text(one.reason))
    return table
