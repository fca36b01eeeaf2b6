"""`srwizard models`: list them, or import published weights."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.commands.options import (
    PATH,
    WholeNumber,
    as_json_option,
    command,
    console,
    out_option,
    print_json,
    scale_option,
)


@command(_("List the models, or import published weights."))
@as_json_option
@click.option(
    "--import-weights",
    "source",
    type=PATH,
    metavar="FILE",
    help=_("Published weights: .pth, .pt, .safetensors or .npz. The options below apply to it."),
)
@click.option("--model", metavar="NAME", help=_("Model these weights belong to."))
@scale_option
@click.option(
    "--size",
    type=click.Choice(["tiny", "base", "large"]),
    help=_("Size that the weights were trained with."),
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    help=_("Parameter that the weights were trained with; repeatable."),
)
@click.option(
    "--in-channels",
    type=WholeNumber(),
    default=1,
    show_default=True,
    metavar="N",
    help=_("Input channels of the run: variables and static fields."),
)
@click.option(
    "--out-channels",
    type=WholeNumber(),
    default=1,
    show_default=True,
    metavar="N",
    help=_("Output channels of the run: variables."),
)
@click.option(
    "--img-range",
    type=float,
    default=1.0,
    show_default=True,
    metavar="X",
    help=_("What the code of the weights multiplies images by; 255 for EDSR."),
)
@out_option("OUT", _("File to write, for the answer model.weights."))
def models(as_json: bool, source: Path | None, **options: Any) -> None:
    if source is not None:
        _import_weights(source, as_json=as_json, **options)
    elif as_json:
        from srwizard.models.table import models_json

        print_json(models_json())
    else:
        from srwizard.models.table import models_text

        columns = console.width if console.is_terminal else None
        console.print(models_text(columns), soft_wrap=True)


def _import_weights(
    source: Path,
    *,
    as_json: bool,
    model: str | None,
    scale: int,
    size: str | None,
    overrides: tuple[str, ...],
    in_channels: int,
    out_channels: int,
    img_range: float,
    out: Path | None,
) -> None:
    if model is None or out is None:
        raise UsageError(
            _("--import-weights needs --model and -o"),
            _(
                "For example: srwizard models --import-weights FILE --model SwinIR --scale 4 "
                "-o weights.safetensors"
            ),
        )
    if min(in_channels, out_channels) < 1 or not img_range > 0:
        raise UsageError(
            _("--in-channels and --out-channels must be at least 1, --img-range more than 0")
        )
    from srwizard.models.catalog import card, size_parameters
    from srwizard.settings import yaml_file

    params = size_parameters(card(model), size) if size else {}
    params |= yaml_file.assignments(overrides)
    from srwizard.models.importing import import_weights, write_weights

    net, described, notices = import_weights(
        source,
        model,
        in_channels=in_channels,
        out_channels=out_channels,
        scale=scale,
        params=params,
        img_range=img_range,
    )
    write_weights(net, described, out)
    if as_json:
        report = {"file": str(out), **asdict(described), "notices": notices}
        print_json(report)
        return
    for notice in notices:
        print(notice)
    print(_("Written: {path}. In the answers file: model.weights: {path}", path=out))
