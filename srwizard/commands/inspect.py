"""`srwizard inspect`: show what is in a dataset directory, or in raw files."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srwizard.base.errors import EXIT_DATASET
from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_shell
from srwizard.commands.options import PATH, as_json_option, command, console, print_json

if TYPE_CHECKING:
    from srwizard.data.prepare.look import Contents


@command(_("Show what is in a dataset directory, or in NetCDF files and Zarr stores."))
@click.argument("roots", nargs=-1, required=True, type=PATH, metavar="ROOT|FILE…")
@as_json_option
def inspect(roots: tuple[Path, ...], as_json: bool) -> None:
    from srwizard.data.raw_files import names_raw_files

    if len(roots) == 1 and not names_raw_files(shlex.quote(str(roots[0]))):
        show_dataset(roots[0], as_json=as_json)
        return
    _show_raw_files([str(root) for root in roots], as_json=as_json)


def show_dataset(root: Path, *, as_json: bool = False) -> None:
    """Print what is in a dataset directory; exit with 3 where it cannot be used."""
    from srwizard.base.typed_paths import expand
    from srwizard.data.dataset import Dataset
    from srwizard.prompts.progress import shown
    from srwizard.wizard.chosen_dataset import summary_table

    dataset = Dataset(expand(str(root)))
    with shown(console, _("Checking the dataset …"), transient=True) as progress:
        dataset.scan(progress)
        summary = dataset.summary
    if as_json:
        print_json(asdict(summary))
    else:
        console.print(summary_table(summary))
    if not summary.usable:
        raise click.exceptions.Exit(EXIT_DATASET)


def _show_raw_files(named: Sequence[str], *, as_json: bool) -> None:
    """Print what is in raw files, and how a dataset is made of them.

    Raises:
        UsageError, DatasetError: they cannot be read, or hold no field.
    """
    from srwizard.data.prepare.look import look
    from srwizard.data.raw_files import find_sources
    from srwizard.prompts.progress import shown
    from srwizard.wizard.contents_table import contents_table
    from srwizard.wizard.preparing import usual_variables, variables_problem

    with shown(console, _("Inspecting the files …"), transient=True) as progress:
        contents = look(find_sources(named), progress)
    if as_json:
        print_json(asdict(contents))
        return
    console.print(contents_table(contents))
    names = usual_variables(contents)
    problem = variables_problem(contents, names)
    if problem is not None:
        print(_("One dataset cannot be made of all these files: {problem}", problem=problem))
        if len(contents.opened) < len(contents.paths):
            print(_("Give only the files that hold {variable}.", variable=" / ".join(names)))
            return
        having = {place for name in names if (one := contents.named(name)) for place in one.sources}
        named = [str(path) for place, path in enumerate(contents.opened) if place in having]
    proposed = _prepare_command(named, names, contents)
    if any(one.time_problem for name in names if (one := contents.named(name))):
        print(_("Once the times are mended, make a dataset from it: {command}", command=proposed))
    else:
        print(_("Make a dataset from it: {command}", command=proposed))


def _prepare_command(named: Sequence[str], names: Sequence[str], contents: "Contents") -> str:
    from srwizard.wizard.preparing import usual_output, usual_scale

    first = contents.named(names[0])
    assert first is not None and first.shape is not None
    scale = usual_scale(first.shape)
    words = ["srwizard", "prepare", *named]
    for name in names:
        words += ["--variable", name]
    if first.depths:
        words += ["--depth", f"{min(first.depths):g}"]
    return in_shell(*words, "--scale", str(scale), "-o", usual_output(contents, scale))
