"""Several runs as one table: cells of text, for the terminal and for a page of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srwizard.base.errors import UsageError
from srwizard.base.files import write_text
from srwizard.base.i18n import language
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.sizes_and_times import bytes_text, duration_text
from srwizard.base.visible import visible
from srwizard.report.compared import METRICS, Comparison, Result
from srwizard.report.comparing import PARAMETERS, SKIP
from srwizard.report.names import key_title
from srwizard.report.page import LANGUAGE_TAGS, template
from srwizard.runs.run_state import state_title
from srwizard.settings.changes import value_text


@dataclass(frozen=True)
class Cell:
    """A text, and whether it is the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Column:
    """The head of a column, and whether figures stand in it."""

    title: str
    is_number: bool = False


def columns(comparison: Comparison) -> list[Column]:
    """Return the heads of the table."""
    return [
        Column(_("Run")),
        *(Column(setting_title(key)) for key in comparison.differing),
        Column(_("State")),
        Column(_("Epochs done"), is_number=True),
        Column(_("Variable")),
        Column("RMSE", is_number=True),
        Column("PSNR", is_number=True),
        Column(_("Skill"), is_number=True),
        Column(_("Time"), is_number=True),
        Column(_("Peak memory"), is_number=True),
    ]


def rows(comparison: Comparison) -> list[list[Cell]]:
    """Return a row for each run and variable; a run that has no scores yet has one, too."""
    return [
        _row(comparison, result, variable)
        for result in comparison.results
        for variable in result.scores or (None,)
    ]


def setting_title(key: str) -> str:
    """Return what a setting is called; a parameter of the network goes by its name."""
    if (of_variable := SKIP.fullmatch(key)) is not None:
        return f"{setting_title('model.skip')} ({of_variable[1]})"
    if key.startswith(PARAMETERS):
        return key.removeprefix(PARAMETERS)
    return key_title(key.replace("devices.slurm.", "devices.slurm_").split("."))


def setting_text(key: str, value: Any) -> str:
    """Return the value of a setting as people write it."""
    if key == "devices.gpus":
        return ", ".join(f"GPU {gpu['index']}" for gpu in value or []) or "CPU"
    return value_text(key, value)


def turned(comparison: Comparison) -> tuple[list[str], list[list[Cell]]]:
    """Return the table turned over: heads, then a row for each setting and each score.

    Runs are the columns: settings that differ come first, then what came of each.
    """
    heads = [_("Run"), *(result.name for result in comparison.results)]
    titles = [column.title for column in columns(comparison)]
    settings = len(comparison.differing)
    first = [_row(comparison, result, None) for result in comparison.results]
    variable, scores = 3 + settings, slice(4 + settings, 7 + settings)
    lines = [[Cell(titles[place]), *(row[place] for row in first)] for place in range(1, variable)]
    for name in comparison.variables:
        found = [
            _row(comparison, result, name if name in result.scores else None)
            for result in comparison.results
        ]
        lines += [
            [Cell(f"{name} {title}"), *(row[scores][number] for row in found)]
            for number, title in enumerate(titles[scores])
        ]
    lines += [[Cell(titles[place]), *(row[place] for row in first)] for place in (-2, -1)]
    return heads, lines


def _row(comparison: Comparison, result: Result, variable: str | None) -> list[Cell]:
    run_status = result.run_status
    epochs = "–" if run_status["epoch"] is None else f"{run_status['epoch']}/{run_status['epochs']}"
    peak = run_status["peak_memory_bytes"]
    return [
        Cell(result.name),
        *(
            Cell(setting_text(key, result.settings[key]) if key in result.settings else "–")
            for key in comparison.differing
        ),
        Cell(state_title(run_status["state"])),
        Cell(epochs),
        Cell(variable or "–"),
        *(_score(comparison, result, variable, metric) for metric in METRICS),
        Cell("–" if result.seconds is None else duration_text(result.seconds)),
        Cell("–" if peak is None else bytes_text(peak)),
    ]


def _score(comparison: Comparison, result: Result, variable: str | None, metric: str) -> Cell:
    if variable is None:
        return Cell("–")
    value = result.scores[variable][metric]
    if value != value:
        return Cell("–")
    text = {"rmse": f"{value:.4g}", "psnr": f"{value:.2f}", "skill": f"{100 * value:+z.1f} %"}
    if metric == "rmse" and (result.name, variable) in comparison.alike:
        return Cell(f"{text[metric]} ≈")
    return Cell(text[metric], comparison.is_best(result, variable, metric))


def write_page(comparison: Comparison, path: Path) -> None:
    """Write the table as a page that needs nothing else.

    Raises:
        UsageError: it cannot be written.
    """
    page = template("comparison.html.j2").render(
        language=LANGUAGE_TAGS.get(language(), "en"),
        kicker=_("Comparison of runs"),
        title=_("{count} runs side by side", count=len(comparison.results)),
        columns=columns(comparison),
        rows=rows(comparison),
        notices=[*comparison.notices, best_note(_("highlighted"))],
    )
    try:
        write_text(path, visible(page))
    except OSError as error:
        raise UsageError(
            _("{path} cannot be written: {reason}", path=path, reason=reason_of(error))
        ) from None


def best_note(marked: str) -> str:
    """Return what the figures mean, and how the best are marked."""
    return _(
        "Scores of the test split. Skill is 1 - RMSE / RMSE of the best simple method. The best "
        "of each variable is {marked}; ≈ marks those whose RMSE cannot be distinguished from the "
        "best one (95 % interval of the difference, on the same test steps).",
        marked=marked,
    )
