"""The page: everything about a run in one file that needs nothing else."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from srwizard.base.files import write_text
from srwizard.base.i18n import language
from srwizard.base.i18n import translate as _
from srwizard.base.visible import Lines, in_one_line, visible
from srwizard.report import dataset, figures, history, sections
from srwizard.report.memory import memory
from srwizard.report.proof import proof_tables
from srwizard.report.records import Run, read_run

# What browsers and screen readers call the languages.
LANGUAGE_TAGS = {"en": "en", "zh": "zh-CN"}


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a run directory, and its figures under `plots/`.

    Args:
        run_dir: a run directory with at least `run.yaml` and `metrics.jsonl`.

    Returns:
        The path of the page.

    Raises:
        UsageError: it is no run directory, has no metrics, or a file in it is damaged.
        OSError: the directory cannot be written.
    """
    run = read_run(run_dir)
    page = run_dir / "report.html"
    write_text(page, visible(_render(run)))
    return page


def _render(run: Run) -> str:
    scores = sections.scored(run.metrics)
    units = run.units()
    return template("page.html.j2").render(
        language=LANGUAGE_TAGS.get(language(), "en"),
        text=_texts(run, scores),
        title=sections.title(run),
        facts=sections.facts(run),
        scores=scores,
        cards=sections.cards(scores, units) if scores else [],
        advice=sections.advice(run),
        overfitting=sections.overfitting(run),
        score_rows=sections.score_rows(scores, units) if scores else [],
        training_facts=sections.training_facts(run, figures.best_epoch(run)),
        curves=figures.curves(run),
        data_facts=dataset.data_facts(run),
        dataset_tables=dataset.data_tables(run),
        data_notes=dataset.data_notes(run),
        domain=figures.domain(run),
        maps=figures.maps(run),
        errors=figures.errors(run),
        left_out=sections.left_out(run),
        proof_tables=proof_tables(run),
        proof=figures.proof(run),
        memory=memory(run),
        failure=Lines("\n".join(history.failure_lines(run))),
        revisions=history.revision_tables(run),
        configuration=sections.configuration(run.config),
        reproduce_facts=history.reproduce_facts(run),
        commands=Lines(history.reproduce_commands(run)),
    )


@cache
def template(name: str) -> Template:
    """Return a template of this package."""
    environment = Environment(
        loader=PackageLoader("srwizard.report", package_path=""),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _shown(value: object) -> object:
    is_name = isinstance(value, str) and not isinstance(value, Markup)
    return in_one_line(value) if is_name else value


def _texts(run: Run, scores: sections.Scored | None) -> dict[str, str]:
    """Return the fixed texts; they stand here because catalogues are extracted from Python."""
    return {
        "report": _("Training report"),
        "results": _("Results"),
        "variable": _("Variable"),
        "metric": _("Metric"),
        "model": _("Model"),
        "bicubic": _("Bicubic"),
        "best": _("Bicubic") if scores is None else sections.best_methods(scores),
        "skill": _("Skill"),
        "skill_note": _(
            "Skill is 1 - error / error of the best simple method, which the validation split "
            "chooses: 1 is perfect, 0 as good as that method. The best value is set in bold."
        ),
        "data": _("Data"),
        "errors": _("Errors by month, latitude and scale"),
        "errors_note": _(
            "Over the test split. The spectra are summed over rings of equal wavenumber; gaps are "
            "filled with the mean, and a Hann window is laid over the field."
        ),
        "proof": _("How sure, at which scales, and where"),
        "proof_note": _(
            "Over the test split, compared with the best simple method. In brackets: 95 % "
            "intervals, by a block bootstrap over time. Effective resolution: the wavelength at "
            "which the spectrum of the error reaches half of that of HR; shorter waves are not "
            "resolved. Two HR cells: all are resolved; –: none is."
        ),
        "no_proof": _("Not measured yet: srwizard evaluate does it for a trained run."),
        "no_errors": _("They are written when training ends: plots/breakdown.npz is missing."),
        "history": _("Failures and revisions"),
        "no_history": _("None: the run config is the one that was frozen first."),
        "no_scores": _("No scores yet: neither validation nor test has been evaluated."),
        "training": _("Training"),
        "no_epochs": _("metrics.jsonl holds no epochs."),
        "unreadable": _(
            "Lines of metrics.jsonl that could not be read: {count}. They are left out.",
            count=run.metrics.unreadable_lines,
        )
        if run.metrics.unreadable_lines
        else "",
        "maps": _("Maps"),
        "maps_note": _(
            "All fields share one colour range (1st to 99th percentile), and all errors share "
            "another, symmetric about zero. Land is grey. SR is the model; next to it are the "
            "best simple method and, where there is room, bicubic."
        ),
        "no_maps": _("There are no sample fields: plots/samples.npz is missing."),
        "memory": _("Memory"),
        "no_memory": _("There was no dry run: dry_run.json is missing."),
        "gauge": _("Peak memory over capacity"),
        "configuration": _("Configuration"),
        "reproduce": _("Reproduce"),
        "reproduce_note": _(
            "The run config is frozen: with the same data, software and devices this trains the "
            "same network."
        ),
    }
