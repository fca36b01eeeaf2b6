"""The sections of the page, in words: what the template lays out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srwizard.base.i18n import labelled
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import duration_text
from srwizard.data.baselines.choice import BICUBIC, method_title
from srwizard.report.plots import METRIC_UNITS, metric_title
from srwizard.report.records import Epoch, Metrics, Run, VariableScores
from srwizard.report.tables import Table, number_text, tables_of, text_of
from srwizard.runs.absent import absent, absent_line
from srwizard.runs.advice import conserving, no_better
from srwizard.runs.certainty import certainties
from srwizard.runs.outcome import ensemble_lines
from srwizard.runs.overfitting import overfitting_since, overfitting_text
from srwizard.runs.records import null_to_nan
from srwizard.runs.skill import ROUNDING, gain_lines

# Of these a smaller value is the better one.
NO_SKILL = 5e-4
"""Less would be shown as 0.0 %."""
ERRORS = frozenset({"rmse", "mae", "bias", "spectrum_error", "crps"})


@dataclass(frozen=True)
class Scored:
    """Scores to lead with, where they come from, how sure they are, and what else is to know."""

    source: str
    variables: Mapping[str, VariableScores]
    certainty: Sequence[str] = ()
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Card:
    """The headline of one variable."""

    variable: str
    rmse: str
    baseline: str
    verdict: str
    better: bool | None


@dataclass(frozen=True)
class ScoreRow:
    """One metric of one variable; `variable` is empty where the row above names it.

    `best` is of the best simple method; `skill` is 1 - model / best, for the metrics of which less
    is better.
    """

    variable: str
    metrics_below: int
    metric: str
    model: str
    bicubic: str
    best: str
    skill: str
    winner: str


def title(run: Run) -> str:
    """Return the title of the page."""
    data = run.section("data")
    variables = data.get("variables")
    names = text_of(variables) if variables else _("ocean fields")
    scale = data.get("scale")
    if scale is None:
        return _("Super-resolution of {variables}", variables=names)
    return _("Super-resolution of {variables} by a factor of {scale}", variables=names, scale=scale)


def facts(run: Run) -> list[tuple[str, str]]:
    """Return the few facts that belong under the title, as far as they are known."""
    data, model = run.section("data"), run.section("model")
    known = (
        (_("Model"), model.get("name")),
        (_("Data"), data.get("root")),
        (_("Scale"), None if data.get("scale") is None else f"×{data['scale']}"),
        (_("Size"), _size(data)),
        (_("Created"), run.config.get("created")),
        (_("Run directory"), run.directory),
    )
    return [(name, text_of(value)) for name, value in known if value is not None]


def _size(data: Mapping[str, Any]) -> str | None:
    shapes = [data.get("lr_shape"), data.get("hr_shape")]
    if not all(isinstance(shape, list) and shape for shape in shapes):
        return None
    return " → ".join(" × ".join(str(length) for length in shape or []) for shape in shapes)


def scored(metrics: Metrics) -> Scored | None:
    """Return the scores to lead with: of the test split, else of the latest validation."""
    test = metrics.test
    if test is not None and test.variables:
        if test.epoch == 0 and test.members > 1:
            source = _(
                "Test split, checkpoint “{checkpoint}”: the network before training, which no "
                "epoch has surpassed on the validation split; the mean of {members} members.",
                checkpoint=test.checkpoint,
                members=test.members,
            )
        elif test.members > 1:
            source = _(
                "Test split, checkpoint “{checkpoint}” of epoch {epoch}; the mean of {members} "
                "members.",
                checkpoint=test.checkpoint,
                epoch=text_of(test.epoch),
                members=test.members,
            )
        elif test.epoch is None:
            source = _("Test split.")
        elif test.epoch == 0:
            source = _(
                "Test split, checkpoint “{checkpoint}”: the network before training, which no "
                "epoch has surpassed on the validation split.",
                checkpoint=test.checkpoint,
            )
        else:
            source = _(
                "Test split, checkpoint “{checkpoint}” of epoch {epoch}.",
                checkpoint=test.checkpoint,
                epoch=test.epoch,
            )
        lines = [*ensemble_lines(null_to_nan(test.told)), *gain_lines(test.gain, test.members)]
        return Scored(source, test.variables, certainties(test.told), lines)
    for epoch in reversed(metrics.epochs):
        if epoch.variables:
            source = _(
                "Validation split at epoch {epoch}: the test split has not been evaluated yet.",
                epoch=epoch.number,
            )
            return Scored(source, epoch.variables)
    return None


def cards(scores: Scored, units: Mapping[str, str]) -> list[Card]:
    """Return the headline of every variable."""
    return [_card(name, entry, units.get(name, "")) for name, entry in scores.variables.items()]


def _card(name: str, scores: VariableScores, units: str) -> Card:
    skill = scores.skill
    better: bool | None = None
    if skill is None or not math.isfinite(skill):
        verdict = _("no skill can be given")
    elif abs(skill) < NO_SKILL:
        verdict = _("as good as {method}", method=method_title(scores.best_name))
    else:
        better = skill > 0
        percent = f"{abs(100 * skill):.1f}"
        method, told = method_title(scores.best_name), f"{skill:.3f}"
        verdict = (
            _("{percent} % below {method} · skill {skill}",
              percent=percent, method=method, skill=told)
            if better
            else _("{percent} % above {method} · skill {skill}",
                   percent=percent, method=method, skill=told)
        )  # fmt: skip
    return Card(
        variable=name,
        rmse=_with_units(scores.model.get("rmse", math.nan), units),
        baseline=" · ".join(_baselines(scores, units)),
        verdict=verdict,
        better=better,
    )


def advice(run: Run) -> list[str]:
    """Say of each variable that is no better than the best simple method why, as far as known.

    Of a better one it is only said if the model conserves what LR is not.
    """
    test = run.metrics.test
    if test is None:
        return []
    found = []
    for name, scores in test.variables.items():
        event = {**test.told.get(name, {}), **scores.as_event()}
        if scores.skill is not None and not scores.skill > ROUNDING:
            gain = test.gain.get(name, 1.0)
            found.append(no_better(name, event, run.metrics.events, run.config, gain))
        elif (line := conserving(event, run.config)) is not None:
            found.append(labelled(name, line))
    return found


def left_out(run: Run) -> list[str]:
    """Say what is not told of the test split, and why."""
    test = run.metrics.test
    return [] if test is None else [absent_line(one) for one in absent(test.told, run.config)]


def overfitting(run: Run) -> str:
    """Say that the training overfitted, if it did."""
    since = overfitting_since(run.metrics.events)
    return overfitting_text(since) if since is not None else ""


def _baselines(scores: VariableScores, units: str) -> Iterator[str]:
    methods = {BICUBIC: scores.bicubic, scores.best_name: scores.best}
    for name, found in methods.items():
        yield f"{method_title(name)} {_with_units(found.get('rmse', math.nan), units)}"


def _with_units(value: float, units: str) -> str:
    return f"{number_text(value, 4)} {units}".strip()


def score_rows(scores: Scored, units: Mapping[str, str]) -> list[ScoreRow]:
    """Return the metrics table, the model beside the simple methods."""
    rows: list[ScoreRow] = []
    for variable, entry in scores.variables.items():
        metrics = list(dict.fromkeys([*entry.model, *entry.bicubic]))
        for index, metric in enumerate(metrics):
            model = entry.model.get(metric, math.nan)
            bicubic = entry.bicubic.get(metric, math.nan)
            best = entry.best.get(metric, math.nan)
            unit = METRIC_UNITS.get(metric, units.get(variable, ""))
            rows.append(
                ScoreRow(
                    variable="" if index else variable,
                    metrics_below=0 if index else len(metrics),
                    metric=metric_title(metric) + (f" [{unit}]" if unit else ""),
                    model=number_text(model, 4),
                    bicubic=number_text(bicubic, 4),
                    best=number_text(best, 4),
                    skill=_skill(metric, model, best),
                    winner=_winner(metric, {"model": model, "bicubic": bicubic, "best": best}),
                )
            )
    return rows


def best_methods(scores: Scored) -> str:
    """Return what the best simple method is called, which the cards name where it is not one."""
    names = {entry.best_name for entry in scores.variables.values()}
    if names == {BICUBIC}:
        return _("Bicubic")
    if len(names) == 1:
        only = method_title(names.pop())
        return only[:1].upper() + only[1:]
    return _("Best simple method")


def _skill(metric: str, model: float, best: float) -> str:
    if metric not in ERRORS or metric == "bias" or not best > 0 or not math.isfinite(model):
        return ""
    return f"{1 - model / best:.3f}".replace("-0.000", "0.000")


def _winner(metric: str, values: Mapping[str, float]) -> str:
    """Return which of the columns is best; the first of those that are equally good."""
    if any(math.isnan(value) for value in values.values()) or len(set(values.values())) == 1:
        return ""
    sign = 1 if metric in ERRORS else -1
    merit = {
        name: abs(value) if metric == "bias" else sign * value for name, value in values.items()
    }
    return min(merit, key=merit.__getitem__)


def training_facts(run: Run, best_epoch: int | None) -> list[tuple[str, str]]:
    """Return how long the training went on and what it came to."""
    epochs = run.metrics.epochs
    if not epochs:
        return []
    planned = run.section("training").get("epochs")
    done = str(epochs[-1].number) if planned is None else f"{epochs[-1].number} / {planned}"
    known: list[tuple[str, str]] = [(_("Epochs"), done)]
    if best_epoch is not None:
        known.append((_("Best epoch"), str(best_epoch)))
    known.append((_("Last training loss"), number_text(epochs[-1].train_loss, 4)))
    seconds = [epoch.seconds for epoch in epochs if math.isfinite(epoch.seconds)]
    if seconds:
        known.append((_("Time"), duration_text(sum(seconds))))
    rates = _finite_rates(epochs)
    if rates:
        known.append((_("Samples per second"), number_text(rates[len(rates) // 2], 4)))
    return known


def _finite_rates(epochs: Sequence[Epoch]) -> list[float]:
    # The first epoch pays for warming up; the median is what the machine kept up.
    return sorted(e.samples_per_second for e in epochs if math.isfinite(e.samples_per_second))


def configuration(config: Mapping[str, Any]) -> list[Table]:
    """Return the run config, section by section, without what only the program compares."""
    told = {
        section: {key: value for key, value in content.items() if key != "fingerprint"}
        if isinstance(content, dict)
        else content
        for section, content in config.items()
        if section not in ("stamps", "field_digests")
    }
    return tables_of(told, _("Run"))
