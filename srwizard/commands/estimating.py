"""`srwizard estimate`: the peak memory of a run, predicted, and the largest batch that fits.

The shape of its JSON stands in docs/memory.md. torch is imported only to predict.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import bytes_text
from srwizard.hardware.devices import find_devices
from srwizard.memory import fit
from srwizard.memory.baseline import measured_baseline
from srwizard.memory.dry_run_table import verdict_text
from srwizard.memory.gpu_catalog import capacity
from srwizard.memory.measure import cpu_capacity
from srwizard.memory.predict import Prediction, on_gpu, predict, predict_batches, with_batch_size
from srwizard.memory.verdict import judge
from srwizard.settings import run_config, yaml_file
from srwizard.settings.answers import parse_answers
from srwizard.settings.run_config import RunConfig
from srwizard.wizard import without_asking
from srwizard.wizard.resolve import resolve


def frozen_run(path: Path) -> RunConfig:
    """Return the run config of a run directory, or of a run.yaml.

    Raises:
        UsageError: there is none, it was edited, or it is of another version.
    """
    return run_config.load(path.parent if path.name == run_config.FILE_NAME else path)


def run_of_answers(path: Path, overrides: Sequence[str], *, imagined_gpu: bool) -> RunConfig:
    """Return the run config that an answers file leads to, without freezing it.

    Args:
        path: of the answers file.
        overrides: KEY=VALUE, as for `srwizard --set`.
        imagined_gpu: whether the run is predicted for GPUs that need not be there.

    Raises:
        UsageError, DatasetError, NeedsPersonError: as in the wizard.
    """
    document = yaml_file.read(path, tuple(overrides))
    answers = parse_answers(document)
    amp_is_decided = answers.has("memory.use_amp")
    if imagined_gpu:
        answers.set("devices.processes", len(answers.devices.gpus) or answers.devices.processes)
        answers.set("devices.gpus", [])
    conversation = without_asking.conversation_of(answers, document)
    without_asking.go_through(conversation, skip=("output",))
    if imagined_gpu and not amp_is_decided:
        answers.set("memory.use_amp", True)  # as by default on a GPU
    return resolve(conversation, answers, digests=conversation.session.fingerprint)


def estimate(
    run: RunConfig, *, gpu: str | None, batch_sizes: Sequence[int], fit_batch: bool
) -> dict[str, Any]:
    """Return the prediction as `srwizard estimate --json` prints it.

    Args:
        run: the run config.
        gpu: a GPU by name or size; None: the devices of the run.
        batch_sizes: further batch sizes to predict.
        fit_batch: whether to look for the largest batch that fits.

    Raises:
        UsageError: there is no such GPU, or the network cannot be built.
    """
    there_is = capacity(gpu) if gpu is not None else _capacity(run)
    run = on_gpu(run, gpu) if gpu is not None else run
    baseline = measured_baseline()
    found = predict(run, baseline_bytes=baseline)
    report = {
        **asdict(found),
        "model": run.model.name,
        "batch_size": run.training.batch_size,
        "gpu": gpu,
        "capacity_bytes": there_is,
        "share": found.peak_bytes / there_is if there_is else None,
        "verdict": None if there_is is None else judge(found.peak_bytes, there_is),
        "batches": predict_batches(run, batch_sizes, baseline_bytes=baseline),
        "fit": None,
    }
    if fit_batch:
        if there_is is None:
            raise UsageError(
                _("the GPUs of this run are not here: there is nothing to fit into"),
                _('Name one: --gpu "RTX 3090", or a size: --gpu 24GiB.'),
            )
        report["fit"] = asdict(_largest_batch(run, found, there_is, baseline, gpu is not None))
    return report


def _capacity(run: RunConfig) -> int | None:
    """Return the memory there is for each process of a run, or for all on the CPU; None: unknown.

    That of the GPU with the least free memory counts.
    """
    if not run.devices.gpus:
        return cpu_capacity(run.devices.processes)
    free = {gpu.uuid: gpu.free_bytes for gpu in find_devices().gpus}
    return min((free[gpu.uuid] for gpu in run.devices.gpus if gpu.uuid in free), default=None)


def _largest_batch(
    run: RunConfig, found: Prediction, there_is: int, baseline: int, imagined: bool
) -> fit.Fit:
    """Look for the largest batch; on devices that are here, dry runs confirm it."""

    def predicted(size: int) -> int:
        if size == run.training.batch_size:
            return found.peak_bytes
        return predict(with_batch_size(run, size), baseline_bytes=baseline).peak_bytes

    together = run.devices.world_size * run.training.grad_accumulation
    return fit.largest_batch(
        predicted,
        None if imagined else lambda size: fit.measured(with_batch_size(run, size)),
        limit=max(1, run.data.steps["train"] // together),
        capacity_bytes=there_is,
    )


def estimate_text(report: dict[str, Any]) -> RenderableType:
    """Return a prediction as people read it."""
    parts: list[RenderableType] = [_summary(report)]
    if report["batches"]:
        parts.append(_batches(report))
    if report["fit"] is not None:
        parts += _fit_text(report["fit"])
    return Group(*parts)


def _summary(report: dict[str, Any]) -> Table:
    table = Table(title=_("Predicted memory"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row(_("Model"), _model_text(report))
    table.add_row(_("Device"), _device_text(report))
    table.add_row(_("Predicted peak"), Text(_share_text(report["peak_bytes"], report)))
    if report["verdict"] is not None:
        table.add_row(_("Verdict"), _colored(report["verdict"]))
    for name, title in _phase_titles().items():
        held = report["phases"][name]["reserved_bytes"]
        table.add_row(title, Text(bytes_text(held)))
    fixed = sum(report["fixed_bytes"].values())
    table.add_row(_("Libraries and the like"), Text(bytes_text(fixed)))
    if report["processes"] > 1 and report["device"] == "cpu":
        table.add_row(_("Of one process"), Text(bytes_text(report["rank_bytes"])))
    return table


def _phase_titles() -> dict[str, str]:
    return {
        "step": _("In a training step"),
        "validation": _("In validation"),
        "checkpoint": _("While a checkpoint is saved"),
    }


def _model_text(report: dict[str, Any]) -> Text:
    return Text(
        _(
            "{model}, {count:,} parameters, batch {batch}",
            model=report["model"],
            count=report["parameters"],
            batch=report["batch_size"],
        )
    )


def _device_text(report: dict[str, Any]) -> Text:
    name = report["gpu"] or ("GPU" if report["device"] == "cuda" else "cpu")
    return Text(f"{name} x {report['processes']}")


def _share_text(peak: int, report: dict[str, Any]) -> str:
    if not report["capacity_bytes"]:
        return bytes_text(peak)
    return _(
        "{peak} of {capacity}, {percent:.1f} %",
        peak=bytes_text(peak),
        capacity=bytes_text(report["capacity_bytes"]),
        percent=100 * peak / report["capacity_bytes"],
    )


def _colored(verdict: str) -> Text:
    styles = {"fits": "green", "tight": "yellow", "does not fit": "red"}
    return Text(verdict_text(verdict), style=styles[verdict])


def _batches(report: dict[str, Any]) -> Table:
    table = Table(title=_("By batch size"), title_justify="left")
    for heading in (_("Batch size"), _("Predicted peak"), _("Verdict")):
        table.add_column(heading, overflow="fold")
    there_is = report["capacity_bytes"]
    for size, peak in report["batches"].items():
        verdict = Text("-") if there_is is None else _colored(judge(peak, there_is))
        table.add_row(str(size), Text(_share_text(peak, report)), verdict)
    return table


def _fit_text(found: dict[str, Any]) -> Iterator[RenderableType]:
    if found["tried"]:
        table = Table(title=_("Dry runs"), title_justify="left")
        for heading in (_("Batch size"), _("Predicted"), _("Measured"), _("Verdict")):
            table.add_column(heading, overflow="fold")
        for item in found["tried"]:
            measured = item["measured_bytes"]
            table.add_row(
                str(item["batch_size"]),
                bytes_text(item["predicted_bytes"]),
                _("out of memory") if measured is None else bytes_text(measured),
                _colored(item["verdict"]),
            )
        yield table
    if found["value"] is None:
        yield Text(_("No batch fits, not even one of a single sample."), style="red")
    elif found["confirmed"]:
        yield Text(_("The largest batch that fits: {batch}", batch=found["value"]), style="bold")
    else:
        yield Text(
            _(
                "The largest batch that is predicted to fit: {batch} (nothing was measured)",
                batch=found["value"],
            ),
            style="bold",
        )
    if found["value"] is not None and found["value"] == found["limit"]:
        yield Text(_("The training split has no more samples for a larger one."))
