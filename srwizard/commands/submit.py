"""`srwizard submit`: hand a frozen run to Slurm."""

from pathlib import Path

import click

from srwizard.base.i18n import translate as _
from srwizard.commands.options import command, run_directory


@command(_("Submit a frozen run to Slurm, which trains it as a job."))
@run_directory
@click.option("--print", "only_print", is_flag=True, help=_("Only write and print the job script."))
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="KEY=V1,V2,…",
    help=_("Freeze and train one run per value, as a job array; several options are combined."),
)
def submit(run_dir: Path, only_print: bool, sweeps: tuple[str, ...]) -> None:
    from srwizard.runs import submission
    from srwizard.wizard.sweep import DIRECTORY, freeze_all

    run_dir = run_dir.absolute()
    if sweeps:
        runs = freeze_all(run_dir, sweeps)
        prepared = submission.prepare_array(runs, run_dir / DIRECTORY)
    else:
        prepared = submission.prepare(run_dir)
    if only_print:
        print(prepared.script.read_text(encoding="utf-8"), end="")
        return
    for line in submission.hand_over(prepared):
        print(line)
