"""done: what came out, and where it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from srwizard.base.i18n import translate as _
from srwizard.data.baselines.choice import BICUBIC, MODEL, method_title
from srwizard.runs.advice import no_better
from srwizard.runs.certainty import certainty
from srwizard.runs.records import measured, test_scores
from srwizard.runs.skill import best_method, simple_methods
from srwizard.settings import run_config
from srwizard.states.frozen import run_directory
from srwizard.wizard.chosen_dataset import split_title
from srwizard.wizard.conversation import Conversation

ROOM_FOR_A_FRAME = 72
ROOM_FOR_SKILL = 24


def run(conversation: Conversation) -> str:
    """Show the metrics of the test split and the way to the report."""
    run_dir = run_directory(conversation)
    scores = test_scores(run_dir)
    conversation.show(scores_table(scores, conversation.prompts.columns))
    for line in (*certainty_lines(scores), *ensemble_lines(scores), *consistency_lines(scores)):
        conversation.show(Text(line))
    for warning in warnings(scores, run_dir):
        conversation.show(Text(warning, style="yellow"))
    conversation.show(Text(_("Report: {path}", path=run_dir / "report.html")))
    return "next"


def warnings(variables: dict[str, dict[str, Any]], run_dir: Path) -> Iterator[str]:
    """Say for which variables the model is no better than the best simple method, and why."""
    for name, found in variables.items():
        if not found["model"]["rmse"] < found[best_method(found)]["rmse"]:
            config = run_config.load(run_dir).model_dump()
            yield no_better(name, found, measured(run_dir).epochs, config)


def certainty_lines(variables: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Say how sure the skill on the test split is."""
    for name, found in variables.items():
        if (line := certainty(name, found)) is not None:
            yield line


def ensemble_lines(variables: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    """Say how good the ensembles of a diffusion model are; nothing of other models."""
    for name, found in variables.items():
        if "crps" in found["model"]:
            yield _(
                "{name}: the scores are those of the ensemble mean; CRPS {crps:.4g} (bicubic "
                "{bicubic:.4g}), spread {spread:.4g}",
                name=name,
                crps=found["model"]["crps"],
                bicubic=found[BICUBIC]["crps"],
                spread=found["model"]["spread"],
            )


def consistency_lines(variables: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Say how far block means of SR are from LR, and of HR, which LR may not be made of."""
    for name, found in variables.items():
        if "consistency" in found:
            model, truth = (found["consistency"][method] for method in (MODEL, "truth"))
            yield _(
                "{name}: block means of SR differ from LR by {ours:.2g} (RMS; at most "
                "{largest:.2g}), those of HR by {theirs:.2g}",
                name=name,
                ours=model["rmse"],
                largest=model["largest"],
                theirs=truth["rmse"],
            )


def scores_table(
    variables: dict[str, dict[str, Any]],
    columns: int,
    *,
    title: str | None = None,
    skill: bool = False,
) -> Table:
    """Return the metrics of each variable beside the simple methods.

    Args:
        variables: the scores by variable and method.
        columns: of the screen; on a narrow one there are no lines between the figures.
        title: if it is not the test split.
        skill: whether to show by how much the RMSE is lower than that of the best simple method.
    """
    narrow = columns < ROOM_FOR_A_FRAME + (ROOM_FOR_SKILL if skill else 0)
    table = Table(
        title=title or split_title("test"),
        title_justify="left",
        box=box.SIMPLE_HEAD if narrow else box.HEAVY_HEAD,
        pad_edge=not narrow,
        padding=0 if narrow else (0, 1),
    )
    headings = [_("Variable"), _("Method"), "RMSE", "MAE", _("Bias"), "PSNR", "SSIM"]
    for heading in [*headings, *([_("Skill")] if skill else [])]:
        table.add_column(
            heading,
            justify="left" if heading in (_("Variable"), _("Method")) else "right",
            overflow="fold",
        )
    for name, found in variables.items():
        for method in (MODEL, *simple_methods(found)):
            scores = found[method]
            table.add_row(
                Text(name),
                method_title(method),
                f"{scores['rmse']:.4g}",
                f"{scores['mae']:.4g}",
                f"{scores['bias']:+.2g}",
                f"{scores['psnr']:.2f}",
                f"{scores['ssim']:.4f}",
                *([f"{100 * found['skill']:+.1f} %" if method == "model" else ""] if skill else []),
            )
    return table
