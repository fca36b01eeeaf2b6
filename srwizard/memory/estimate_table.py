"""An estimate as people read it. Imports no torch."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from srwizard.base.console import Table
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import bytes_text
from srwizard.memory.dry_run_table import styled_verdict


def estimate_text(report: dict[str, Any]) -> RenderableType:
    """Return a prediction as people read it."""
    parts: list[RenderableType] = [_summary(report)]
    if report["batches"]:
        parts.append(_batches(report))
    if report["fit"] is not None:
        parts += _fit_text(report["fit"])
    return Group(*parts)


def module_text(report: dict[str, Any]) -> RenderableType:
    """Return the prediction of a module's training step as people read it."""
    table = Table(title=_("Predicted memory"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    module = _("{model}, {count:,} parameters", model=report["module"], count=report["parameters"])
    table.add_row(_("Module"), Text(module))
    table.add_row(_("Inputs"), Text("; ".join(report["inputs"])))
    table.add_row(_("Device"), Text(report["gpu"] or "cpu"))
    table.add_row(_("Predicted peak"), Text(_share_text(report["peak_bytes"], report)))
    table.add_row(_("Verdict"), styled_verdict(report["verdict"]))
    step = report["phases"]["step"]
    table.add_row(_("In a training step"), Text(bytes_text(step["reserved_bytes"])))
    table.add_row(_("Operator at the peak"), Text(step["operator"]))
    fixed = sum(report["fixed_bytes"].values())
    table.add_row(_("Libraries and the like"), Text(bytes_text(fixed)))
    return table


def _summary(report: dict[str, Any]) -> Table:
    table = Table(title=_("Predicted memory"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row(_("Model"), _model_text(report))
    table.add_row(_("Device"), _device_text(report))
    table.add_row(_("Predicted peak"), Text(_share_text(report["peak_bytes"], report)))
    if report["verdict"] is not None:
        table.add_row(_("Verdict"), styled_verdict(report["verdict"]))
    for name, title in _phase_titles().items():
        held = report["phases"][name]["reserved_bytes"]
        table.add_row(title, Text(bytes_text(held)))
    fixed = sum(report["fixed_bytes"].values())
    table.add_row(_("Libraries and the like"), Text(bytes_text(fixed)))
    if report["processes"] > 1 and report["device"] == "cpu":
        table.add_row(_("Per process"), Text(bytes_text(report["rank_bytes"])))
    return table


def _phase_titles() -> dict[str, str]:
    return {
        "step": _("In a training step"),
        "validation": _("In validation and test"),
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


def _batches(report: dict[str, Any]) -> Table:
    table = Table(title=_("By batch size"), title_justify="left")
    for heading in (_("Batch size"), _("Predicted peak"), _("Verdict")):
        table.add_column(heading, overflow="fold")
    for size, peak in report["batches"].items():
        verdict = report["batch_verdicts"][size]
        shown = Text("-") if verdict is None else styled_verdict(verdict)
        table.add_row(str(size), Text(_share_text(peak, report)), shown)
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
                styled_verdict(item["verdict"]),
            )
        yield table
    smallest = min((item["batch_size"] for item in found["tried"]), default=1)
    if found["value"] is None and smallest > 1:
        text = _(
            "None of the batches that were tried fits; smaller ones than {batch} were not.",
            batch=smallest,
        )
        yield Text(text, style="red")
    elif found["value"] is None:
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
