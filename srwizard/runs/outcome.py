"""What a run has come to: its scores, how sure they are, and what to know of them. No torch.

The end of a training, `srwizard evaluate` and the wizard's last state say the same.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.text import Text

from srwizard.base.console import Table
from srwizard.base.i18n import labelled
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.visible import in_one_line
from srwizard.data.baselines.choice import MODEL, method_title
from srwizard.data.split_names import split_title
from srwizard.runs.absent import absent, absent_line, has_no_value
from srwizard.runs.advice import conserving, no_better
from srwizard.runs.certainty import certainties, interval_of
from srwizard.runs.records import measured, null_to_nan
from srwizard.runs.skill import best_method, gain_lines, is_better, simple_methods
from srwizard.settings import run_config

ROOM_FOR_A_FRAME = 72
ROOM_FOR_SKILL = 24

Variables = Mapping[str, Mapping[str, Any]]


class Outcome(NamedTuple):
    """A table, sentences, and those among them that warn."""

    table: Table
    sentences: list[str]
    warnings: list[str]


def outcome(
    result: Mapping[str, Any], run_dir: Path, columns: int, *, skill: bool = False
) -> Outcome:
    """Return what is shown of the scores of a split.

    Args:
        result: `variables`, `gain`, `members` and `epoch`, as `metrics.jsonl` holds them of the
            test split; `split` if it may be another one.
        run_dir: the run directory.
        columns: of the screen.
        skill: whether the table shows by how much the RMSE is lower than that of the best simple
            method.
    """
    variables = null_to_nan(result["variables"])
    config = run_config.load(run_dir).model_dump()
    gain = result.get("gain") or {}
    sentences = [
        *_before_training(result.get("epoch")),
        *_fewer_members(result.get("members"), config),
        *certainties(variables),
        *ensemble_lines(variables),
        *_consistency(variables),
        *gain_lines(gain, int(result.get("members") or 1)),
        *(absent_line(missing) for missing in absent(variables, config)),
    ]
    table = _table(variables, columns, title=split_title(result.get("split", "test")), skill=skill)
    return Outcome(table, sentences, list(warnings(variables, run_dir, config, gain)))


def _before_training(epoch: Any) -> Iterator[str]:
    if epoch == 0:
        yield _(
            "Scored are the weights before training: on the validation split no epoch was better."
        )


def _fewer_members(drawn: Any, config: Mapping[str, Any]) -> Iterator[str]:
    """Say so where a split was scored by smaller ensembles than the test split is."""
    usual = config["model"]["params"].get("ensemble_members")
    if isinstance(drawn, int) and isinstance(usual, int) and drawn < usual:
        yield _n(
            "Scored is {drawn} member of each field; srwizard predict and the test split take "
            "the mean of {usual}.",
            "Scored is the mean of {drawn} members of each field; srwizard predict and the test "
            "split take that of {usual}.",
            drawn,
            drawn=drawn,
            usual=usual,
        )


def warnings(
    variables: Variables,
    run_dir: Path,
    config: Mapping[str, Any],
    gain: Mapping[str, float],
) -> Iterator[str]:
    """Say for which variables the model is no better than the best simple method, and why.

    Of a better one it is only said if it conserves what LR is not.
    """
    for name, found in variables.items():
        if has_no_value(found):
            continue
        if not is_better(found["model"]["rmse"], found[best_method(found)]["rmse"]):
            yield no_better(name, found, measured(run_dir).epochs, config, gain.get(name, 1.0))
        elif (line := conserving(found, config)) is not None:
            yield labelled(name, line)


def ensemble_lines(variables: Variables) -> Iterator[str]:
    """Say how good the ensembles of a diffusion model are; nothing of other models."""
    for name, found in variables.items():
        if "crps" in found["model"] and not has_no_value(found):
            told = {
                "name": name,
                "crps": found["model"]["crps"],
                "best": method_title(best_method(found)),
                "theirs": found[best_method(found)]["crps"],
                "spread": found["model"]["spread"],
            }
            if (ends := interval_of(found, MODEL, "crps")) is None:
                yield _(
                    "{name}: the scores are those of the ensemble mean; CRPS {crps:.4g} ({best} "
                    "{theirs:.4g}), spread {spread:.4g}",
                    **told,
                )
                continue
            yield _(
                "{name}: the scores are those of the ensemble mean; CRPS {crps:.4g} (95 % "
                "interval: {low:.4g} to {high:.4g}; {best} {theirs:.4g}), spread {spread:.4g}",
                low=ends[0], high=ends[1], **told,
            )  # fmt: skip


def _consistency(variables: Variables) -> Iterator[str]:
    """Say how far block means of SR are from LR, and of HR, which LR may not be made of."""
    for name, found in variables.items():
        if "consistency" in found and not has_no_value(found):
            model, truth = (found["consistency"].get(method) or {} for method in (MODEL, "truth"))
            if None in (model.get("rmse"), model.get("largest"), truth.get("rmse")):
                continue  # of another version
            yield _(
                "{name}: block means of SR differ from LR by {ours:.2g} (RMS; at most "
                "{largest:.2g}), those of HR by {theirs:.2g}",
                name=name,
                ours=model["rmse"],
                largest=model["largest"],
                theirs=truth["rmse"],
            )


def _table(variables: Variables, columns: int, *, title: str, skill: bool) -> Table:
    """Return the metrics of each variable beside the simple methods.

    On a narrow screen there are no lines between the figures.
    """
    narrow = columns < ROOM_FOR_A_FRAME + (ROOM_FOR_SKILL if skill else 0)
    table = Table(
        title=title,
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
                Text(in_one_line(name)),
                method_title(method),
                _figure(scores.get("rmse"), ".4g"),
                _figure(scores.get("mae"), ".4g"),
                _figure(scores.get("bias"), "+.2g"),
                _figure(scores.get("psnr"), ".2f"),
                _figure(scores.get("ssim"), ".4f"),
                *([_figure(found["skill"], "+z.1%") if method == MODEL else ""] if skill else []),
            )
    return table


def _figure(value: float | None, form: str) -> str:
    """Return a number of the table; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:{form}}".replace("%", " %")
