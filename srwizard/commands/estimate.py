"""`srwizard estimate`: predict the peak memory of a run, or of any torch module."""

from pathlib import Path

import click

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.commands.options import (
    PATH,
    as_json_option,
    command,
    console,
    override_option,
    print_json,
)


@command(_("Predict the peak memory of a run, or of any torch module; no GPU is needed."))
@click.argument("run_dir", type=PATH, required=False, metavar="[RUN_DIR]")
@click.option(
    "--answers",
    type=PATH,
    metavar="FILE",
    help=_("Estimate from an answers file instead of a frozen run."),
)
@override_option
@click.option("--gpu", metavar="GPU", help=_('A GPU by name ("RTX 3090") or size (24GiB).'))
@click.option(
    "--batch-sizes", default="", metavar="8,16", help=_("More batch sizes, separated by commas.")
)
@click.option(
    "--fit",
    type=click.Choice(["batch_size"]),
    help=_("Find the largest that fits, with at most 3 dry runs; with --gpu by prediction alone."),
)
@click.option(
    "--module",
    metavar="PACKAGE:FUNCTION",
    help=_("Estimate a training step of any torch module instead of a run."),
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="2,3,256,256",
    help=_("With --module: the shape of an input (more inputs: repeat it; type: 2,77:int64)."),
)
@click.option(
    "--target",
    metavar="2,1,256,256",
    help=_("With --module: the shape of what its output is compared with, if it returns no loss."),
)
@click.option("--amp", is_flag=True, help=_("With --module: in mixed precision (bfloat16)."))
@click.option(
    "--checkpointing", is_flag=True, help=_("With --module: with gradient checkpointing.")
)
@as_json_option
def estimate(
    run_dir: Path | None,
    answers: Path | None,
    overrides: tuple[str, ...],
    gpu: str | None,
    batch_sizes: str,
    fit: str | None,
    module: str | None,
    inputs: tuple[str, ...],
    target: str | None,
    amp: bool,
    checkpointing: bool,
    as_json: bool,
) -> None:
    of_module = inputs or target is not None or amp or checkpointing
    if module is not None:
        if run_dir or answers or overrides or batch_sizes or fit or not inputs:
            raise UsageError(
                _("--module needs --input, and goes with --target, --amp, --checkpointing, --gpu "
                  "and --json alone"),
                _("For example: {example}",
                  example="srwizard estimate --module package:function --input 2,3,256,256"),
            )  # fmt: skip
        _estimate_module(module, inputs, target, amp, checkpointing, gpu, as_json)
        return
    if of_module:
        raise UsageError(
            _("--input, --target, --amp and --checkpointing need --module"),
            _("A run has its own: --answers FILE --set memory.use_amp=true"),
        )
    _estimate_run(run_dir, answers, overrides, gpu, batch_sizes, fit, as_json)


def _estimate_module(
    module: str,
    inputs: tuple[str, ...],
    target: str | None,
    amp: bool,
    checkpointing: bool,
    gpu: str | None,
    as_json: bool,
) -> None:
    from srwizard.memory.estimate_table import module_text
    from srwizard.memory.gpu_catalog import capacity

    if gpu is not None:
        capacity(gpu)  # a mistake is told before torch is loaded
    from srwizard.memory.module_step import Asked, estimate_step, parse_shape

    asked = Asked(
        module,
        tuple(parse_shape("--input", text) for text in inputs),
        None if target is None else parse_shape("--target", target),
        use_amp=amp,
        checkpointing=checkpointing,
    )
    found = estimate_step(asked, gpu=gpu)
    if as_json:
        print_json(found)
    else:
        console.print(module_text(found))


def _estimate_run(
    run_dir: Path | None,
    answers: Path | None,
    overrides: tuple[str, ...],
    gpu: str | None,
    batch_sizes: str,
    fit: str | None,
    as_json: bool,
) -> None:
    from srwizard.data.dataset import Dataset
    from srwizard.memory.estimate import estimate as predict
    from srwizard.memory.estimate_table import estimate_text
    from srwizard.memory.gpu_catalog import capacity
    from srwizard.settings import run_config
    from srwizard.wizard.without_asking import run_of_answers

    sizes = _batch_sizes(batch_sizes)
    if (run_dir is None) == (answers is None) or (overrides and answers is None):
        raise UsageError(
            _("estimate takes either a run directory or --answers FILE, the latter with --set"),
            _("For example: srwizard estimate --answers FILE --set training.batch_size=8"),
        )
    if gpu is not None:
        capacity(gpu)  # a mistake is told before anything is read
    if answers is not None:
        run, dataset = run_of_answers(answers, overrides, imagined_gpu=gpu is not None)
    else:
        assert run_dir is not None
        is_file = run_dir.name == run_config.FILE_NAME
        run = run_config.load(run_dir.parent if is_file else run_dir)
        dataset = Dataset(Path(run.data.root), run.data.outliers)
    found = predict(run, dataset, gpu=gpu, batch_sizes=sizes, fit_batch=fit is not None)
    if as_json:
        print_json(found)
    else:
        console.print(estimate_text(found))


def _batch_sizes(given: str) -> list[int]:
    words = [word.strip() for word in given.split(",") if word.strip()]
    wrong = [word for word in words if not word.isdecimal() or int(word) == 0]
    if wrong:
        raise UsageError(
            _(
                "--batch-sizes {given}: {wrong} is not a whole number above 0",
                given=given,
                wrong=wrong[0],
            ),
            _("For example: --batch-sizes 8,16"),
        )
    return [int(word) for word in words]
