"""`srwizard predict`: super-resolve fields with a trained run."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.typed_paths import at_home
from srwizard.base.visible import in_shell
from srwizard.commands.options import (
    BEST_OR_LAST,
    PATH,
    WholeNumber,
    checkpoint_option,
    command,
    console,
    missing_value_option,
    out_option,
    overwrite_option,
    run_directory,
    split_option,
)
from srwizard.prompts.progress import shown

if TYPE_CHECKING:
    from srwizard.use.weights import Name


@command(_("Super-resolve low-resolution fields into a NetCDF file."))
@run_directory
@click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="INPUT…")
@out_option("OUT.nc", _("NetCDF file to write."), required=True)
@checkpoint_option(BEST_OR_LAST)
@click.option(
    "--variable",
    multiple=True,
    metavar="NAME=NAME_IN_FILE",
    help=_("What a variable or guide of the run is called in the input; repeatable."),
)
@click.option(
    "--guide",
    "guide_files",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help=_(
        "Runs with guides of every step: a file that holds them at high resolution; repeatable."
    ),
)
@missing_value_option(
    _(
        "Value that marks missing data in NetCDF files and Zarr stores; repeatable. "
        "[default: as the dataset was prepared]"
    )
)
@split_option(_("Split to predict when INPUT is a dataset directory. [default: test]"))
@click.option(
    "--members",
    type=WholeNumber(),
    metavar="N",
    help=_(
        "Diffusion models: number of ensemble members to draw; they are written along with "
        "their mean and spread."
    ),
)
@overwrite_option(_("Replace OUT.nc."))
@click.option("--amp", is_flag=True, help=_("Compute in 16 bits: faster on a GPU, but rounded."))
@click.option(
    "--device",
    metavar="DEVICE",
    help=_("cpu, cuda or cuda:N. [default: a GPU if available]"),
)
def predict(
    run_dir: Path,
    inputs: tuple[Path, ...],
    out: Path,
    checkpoint: "Name | None",
    variable: tuple[str, ...],
    guide_files: tuple[Path, ...],
    missing: tuple[float, ...],
    split: str | None,
    members: int | None,
    overwrite: bool,
    amp: bool,
    device: str | None,
) -> None:
    from srwizard.train.process_environment import set_threads_of_this_process
    from srwizard.use.bundle import config_in, facts_in
    from srwizard.use.dataset_input import is_dataset, masked_points
    from srwizard.use.inputs import names_in_input, open_input
    from srwizard.use.targets import check_target

    out = at_home(out).absolute()
    sources = list(dict.fromkeys(at_home(path).absolute() for path in inputs))  # each once
    beside = [at_home(path).absolute() for path in guide_files]
    check_target(out, overwrite=overwrite, inputs=[*sources, *beside])
    directory = at_home(run_dir).absolute()
    config = config_in(directory)
    facts = facts_in(directory, config)
    there = names_in_input(variable, config.data.described)
    names = {name: there[name] for name in config.data.variables}
    outliers = masked_points(config.data, sources[0])
    if not missing and not is_dataset(sources[0]):
        missing = facts.missing
        if missing:
            print(_("Taken as missing, as when the dataset was prepared: {values}",
                    values=", ".join(f"{value:g}" for value in missing)))  # fmt: skip
    guides = {name: there[name] for name in config.data.varying_guides}
    found = open_input(sources, names, split, guides, beside, outliers, facts.levels, missing)
    for note in found.notes:
        print(note)

    set_threads_of_this_process()
    from srwizard.use.predict import predict as work
    from srwizard.use.run import load_run

    run = load_run(run_dir, checkpoint=checkpoint, device=device, amp=amp)
    for note in run.notices:
        print(note, flush=True)
    with shown(console, _("Steps")) as progress:
        done = work(
            run,
            found,
            out,
            members=members,
            overwrite=overwrite,
            command=in_shell("srwizard", *sys.argv[1:]),
            progress=progress,
        )
    for warning in done.warnings:
        print(warning)
    if done.begun_at:
        print(
            _n(
                "{steps} of the steps was already there from an earlier run of this command.",
                "{steps} of the steps were already there from an earlier run of this command.",
                done.begun_at,
                steps=done.begun_at,
            )
        )
    print(
        _n(
            "{path}: {steps} step of {shape}, {name}.pt of epoch {epoch}",
            "{path}: {steps} steps of {shape}, {name}.pt of epoch {epoch}",
            done.steps,
            path=done.path,
            steps=done.steps,
            shape=list(done.shape),
            name=run.checkpoint.name,
            epoch=run.checkpoint.epoch,
        )
    )
