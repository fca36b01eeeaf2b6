"""`srwizard export`: a run's model as a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import at_home
from srwizard.base.visible import in_one_line
from srwizard.commands.options import (
    BEST_OR_LAST,
    checkpoint_option,
    command,
    out_option,
    overwrite_option,
    run_directory,
)

if TYPE_CHECKING:
    from srwizard.use.weights import Name


@command(_("Write a run's model as a bundle to share: safetensors, config, ONNX."))
@run_directory
@out_option("DIR", _("Directory to create. [default: export in the run directory]"))
@checkpoint_option(BEST_OR_LAST)
@click.option("--onnx", is_flag=True, help=_("Also as ONNX; convolutional models only."))
@overwrite_option(_("Replace the bundle that is there."))
def export(
    run_dir: Path, out: Path | None, checkpoint: "Name | None", onnx: bool, overwrite: bool
) -> None:
    from srwizard.train.process_environment import set_threads_of_this_process

    set_threads_of_this_process()
    from srwizard.use.export import export as work
    from srwizard.use.run import load_run

    run = load_run(run_dir, checkpoint=checkpoint, device="cpu")
    for note in run.notices:
        print(note, flush=True)
    target = at_home(out or run.directory / "export").absolute()
    for line in work(run, target, onnx=onnx, overwrite=overwrite):
        print(in_one_line(line))
