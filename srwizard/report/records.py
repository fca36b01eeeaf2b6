"""What a run directory says about its run, read and checked once, before anything is drawn."""

import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.special_files import require_file
from srwizard.base.visible import in_shell
from srwizard.data.baselines.choice import BICUBIC, MODEL
from srwizard.data.months import months_of
from srwizard.runs.failures import recorded_failure
from srwizard.runs.overfitting import errors_of
from srwizard.runs.records import DRY_RUN_FILE, METRICS_FILE, measured
from srwizard.runs.skill import best_method
from srwizard.runs.sound_records import is_event, sound
from srwizard.settings import run_config

LATITUDE_BINS = 40
EVALUATION_FILE = "evaluation.test.best.json"
"""Scores of the test split with the best checkpoint, if they were asked for by hand."""
FloatArray = npt.NDArray[np.floating[Any]]
Scores = dict[str, float]


@dataclass(frozen=True)
class Breakdown:
    """Sums of squared errors of the test split, as plots/breakdown.npz holds them.

    Args:
        variables: names of the channels.
        names: of the steps.
        methods: `[M, C]`, names: the model, bicubic and, in newer runs where that is another one,
            the best simple method.
        rows: `[M, C, H]`; `row_points` `[C, H]`.
        steps: `[M, C, N]`; `step_points` `[C, N]`.
        spectra: `[M + 1, C, K]`, the last that of the truth.
    """

    variables: list[str]
    names: list[str]
    methods: list[list[str]]
    rows: FloatArray
    row_points: FloatArray
    steps: FloatArray
    step_points: FloatArray
    spectra: FloatArray

    @classmethod
    def read(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Breakdown":
        """Take the arrays of the archive.

        Raises:
            KeyError, ValueError: they are not what training writes.
        """
        found = cls(
            [str(name) for name in arrays["variables"]],
            [str(name) for name in arrays["names"]],
            [[str(name) for name in row] for row in arrays["methods"]]
            if "methods" in arrays
            else [[MODEL] * len(arrays["variables"]), [BICUBIC] * len(arrays["variables"])],
            *(
                np.asarray(arrays[name], np.float64)
                for name in ("rows", "row_points", "steps", "step_points", "spectra")
            ),
        )
        channels, count, methods = len(found.variables), len(found.names), len(found.methods)
        if (
            {len(row) for row in found.methods} != {channels}
            or found.rows.shape[:2] != (methods, channels)
            or found.steps.shape != (methods, channels, count)
            or found.step_points.shape != (channels, count)
            or found.spectra.shape[:2] != (methods + 1, channels)
        ):
            raise ValueError("shapes")
        return found

    def shown(self, variable: int) -> list[tuple[int, str]]:
        """Return place and name of the methods of a variable, each once."""
        names = [row[variable] for row in self.methods]
        return [(place, name) for place, name in enumerate(names) if name not in names[:place]]

    def months(self) -> npt.NDArray[np.int_] | None:
        """Return the month of each step, 1 to 12; None where their names hold no date."""
        return months_of(self.names)


FIELDS = ("lr", "bicubic", "sr", "hr")
OPTIONAL_FIELDS = ("best", "member", "spread")


@dataclass(frozen=True)
class VariableScores:
    """Metrics of one variable by metric name: of the model and of the simple methods.

    `best` are those of the best simple method by the validation split, `best_name` says which.
    """

    model: Scores
    bicubic: Scores
    best: Scores
    best_name: str = BICUBIC

    @property
    def skill(self) -> float | None:
        """1 - RMSE / RMSE of the best simple method; None where it is not defined."""
        model, best = self.model.get("rmse"), self.best.get("rmse")
        if model is None or best is None or not best > 0:
            return None
        return 1 - model / best

    def as_event(self) -> dict[str, Any]:
        """Return them as metrics.jsonl holds them."""
        return {MODEL: self.model, self.best_name: self.best, "best": self.best_name}


@dataclass(frozen=True)
class Epoch:
    """One line of the training record; NaN or no scores where nothing was measured."""

    number: int
    train_loss: float
    valid_loss: float
    seconds: float
    samples_per_second: float
    variables: dict[str, VariableScores]
    learning_rate: float = math.nan
    peak_memory_bytes: float = math.nan


@dataclass(frozen=True)
class Evaluation:
    """Scores on the test split, and the checkpoint that earned them."""

    checkpoint: str
    epoch: int | None
    variables: dict[str, VariableScores]
    members: int = 1
    told: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """All that the record holds of each variable."""
    vectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gain: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Metrics:
    """The readable part of metrics.jsonl."""

    epochs: list[Epoch] = field(default_factory=list)
    test: Evaluation | None = None
    unreadable_lines: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    """Those of the epochs, as they were written."""


@dataclass(frozen=True)
class Samples:
    """Fields to draw, `[step, variable, row, column]` in physical units, NaN on land.

    `best` is there in newer runs in which another simple method than bicubic is the best for a
    variable, `best_names` says which. Of a diffusion model there are `member` and `spread` too.
    """

    names: list[str]
    variables: list[str]
    units: list[str]
    fields: Mapping[str, FloatArray]
    lon: FloatArray | None
    lat: FloatArray | None
    best_names: list[str] = field(default_factory=list)

    def simple_methods(self, step: int, variable: int) -> list[tuple[str, FloatArray]]:
        """Return name and field `[H, W]` of bicubic and, if it is another one, the best method."""
        found: list[tuple[str, FloatArray]] = [(BICUBIC, self.fields[BICUBIC][step, variable])]
        if "best" in self.fields and self.best_names[variable] != BICUBIC:
            found.append((self.best_names[variable], self.fields["best"][step, variable]))
        return found


@dataclass(frozen=True)
class Revision:
    """An earlier config of the run, with the settings that are otherwise now: old and new."""

    file: str
    changes: list[tuple[str, Any, Any]]


@dataclass(frozen=True)
class Run:
    """Everything that the report shows."""

    directory: Path
    config: dict[str, Any]
    metrics: Metrics
    dry_run: dict[str, Any] | None
    samples: Samples | None
    breakdown: Breakdown | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    failure: dict[str, Any] | None = None
    revisions: list[Revision] = field(default_factory=list)

    def section(self, name: str) -> dict[str, Any]:
        """Return a section of the run config, empty where there is none."""
        content = self.config.get(name)
        return content if isinstance(content, dict) else {}

    def units(self) -> dict[str, str]:
        """Return the units of the variables whose units are known."""
        known = self.manifest.get("variables")
        stated = {
            str(name): str(found["attributes"]["units"])
            for name, found in (known.items() if isinstance(known, dict) else ())
            if isinstance(found, dict)
            and isinstance(found.get("attributes"), dict)
            and found["attributes"].get("units")
        }
        if self.samples is None:
            return stated
        pairs = zip(self.samples.variables, self.samples.units, strict=True)
        return stated | {variable: unit for variable, unit in pairs if unit}


def read_run(directory: Path) -> Run:
    """Read a run directory.

    Raises:
        UsageError: it is no run directory, has no metrics, or a file in it is damaged.
    """
    config = _read_config(directory / run_config.FILE_NAME)
    return Run(
        directory=directory,
        config=config,
        metrics=_read_metrics(directory / METRICS_FILE, str(config.get("digest"))),
        dry_run=_read_dry_run(directory / DRY_RUN_FILE),
        samples=_read_samples(directory / "plots" / "samples.npz"),
        breakdown=_read_breakdown(directory / "plots" / "breakdown.npz"),
        manifest=_read_manifest(config),
        failure=recorded_failure(directory),
        revisions=_read_revisions(directory, config),
    )


def _read_manifest(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `prepare` has written of the dataset; nothing where it is not there any more."""
    data = config.get("data")
    root = data.get("root") if isinstance(data, dict) else None
    if not isinstance(root, str):
        return {}
    return files.read_json(Path(root) / "manifest.json") or {}


def _read_revisions(directory: Path, config: Mapping[str, Any]) -> list[Revision]:
    found = []
    numbered = [(int(match[1]), match[0]) for path in directory.glob("run.r*.yaml")
                if (match := re.fullmatch(r"run\.r(\d+)\.yaml", path.name))]  # fmt: skip
    for _number_of_it, name in sorted(numbered):
        earlier = _read_config(directory / name)
        before, now = settings_of(earlier), settings_of(config)
        changes = [
            (key, before.get(key), now.get(key))
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key)
        ]
        found.append(Revision(name, changes))
    return found


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a person decides, by their dotted keys."""
    found: dict[str, Any] = {}

    def note(prefix: str, node: Any) -> None:
        if isinstance(node, Mapping):
            for key, value in node.items():
                note(f"{prefix}.{key}" if prefix else str(key), value)
        else:
            found[prefix] = node

    for section in ("data", "model", "training", "devices", "memory"):
        note(section, {k: v for k, v in (config.get(section) or {}).items() if k != "fingerprint"})
    return found


def _read_breakdown(path: Path) -> Breakdown | None:
    if not path.is_file():
        return None
    try:
        with np.load(require_file(path)) as archive:
            return Breakdown.read(archive)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            _("{path} cannot be used: {error}", path=path, error=error),
            _("Delete the file, then write the report again."),
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    hint = _("Give the directory that training wrote to: it holds run.yaml and metrics.jsonl.")
    if not path.is_file():
        raise UsageError(_("{path} is missing: this is not a run directory.", path=path), hint)
    try:
        content = yaml.safe_load(require_file(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(_("{path} is not YAML: {error}", path=path, error=error), hint) from error
    if not isinstance(content, dict):
        raise UsageError(_("{path} does not hold a mapping of sections.", path=path), hint)
    return content


def _read_metrics(path: Path, digest: str) -> Metrics:
    hint = _("Train first: srwizard train {directory}", directory=in_shell(path.parent))
    if not path.is_file():
        raise UsageError(_("{path} is missing: nothing to report yet.", path=path), hint)
    found = measured(path.parent)
    unreadable = found.unreadable_lines
    epochs: list[Epoch] = []
    events: list[dict[str, Any]] = []
    test: Evaluation | None = None
    tested = found.test or _evaluated(path.parent, digest, [*found.start, *found.epochs])
    for event in [*found.epochs, *([tested] if tested is not None else [])]:
        try:
            if event["event"] == "epoch":
                epochs.append(_epoch(event))
                events.append(event)
            else:
                test = _evaluation(event)
        except (ValueError, KeyError, TypeError, AttributeError):
            unreadable += 1
    if not epochs and test is None:
        raise UsageError(_("{path} holds no finished epoch yet.", path=path), hint)
    return Metrics(epochs, test, unreadable, events)


def _evaluated(
    run_dir: Path, digest: str, epochs: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return what `srwizard evaluate` found, of a run that has not come to its own test.

    None, too, where the run has gone on since, and has another best checkpoint now.
    """
    found = files.read_json(run_dir / EVALUATION_FILE)
    if found is None or found.get("digest") != digest:
        return None
    event = found | {"event": "test"}
    return event if is_event(event) and not _was_surpassed(event, epochs) else None


def _was_surpassed(event: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a later validation has a lower error: another checkpoint is the best now."""
    errors = dict(zip((epoch["epoch"] for epoch in epochs), errors_of(epochs), strict=True))
    then = errors.get(event.get("epoch"))
    return then is not None and any(
        number > event["epoch"] and later is not None and later < then
        for number, later in errors.items()
    )


def _epoch(event: Mapping[str, Any]) -> Epoch:
    valid = event.get("valid") or {}
    return Epoch(
        number=int(event["epoch"]),
        train_loss=_number(event.get("train_loss")),
        valid_loss=_number(valid.get("loss")),
        seconds=_number(event.get("seconds")),
        samples_per_second=_number(event.get("samples_per_second")),
        variables=_variables(valid),
        learning_rate=_number(event.get("lr")),
        peak_memory_bytes=_number(event.get("peak_memory_bytes")),
    )


def _evaluation(event: Mapping[str, Any]) -> Evaluation:
    epoch = event.get("epoch")
    return Evaluation(
        checkpoint=str(event.get("checkpoint") or ""),
        epoch=None if epoch is None else int(epoch),
        variables=_variables(event),
        members=int(event.get("members") or 1),
        told=event.get("variables") or {},
        vectors=event.get("vectors") or {},
        gain={str(name): float(value) for name, value in (event.get("gain") or {}).items()},
    )


def _variables(content: Mapping[str, Any]) -> dict[str, VariableScores]:
    return {
        str(name): VariableScores(
            _scores(scores.get("model")),
            _scores(scores.get("bicubic")),
            _scores(scores.get(best_method(scores))),
            best_method(scores),
        )
        for name, scores in (content.get("variables") or {}).items()
    }


def _scores(content: Mapping[str, Any] | None) -> Scores:
    return {str(name): _number(value) for name, value in (content or {}).items()}


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _read_dry_run(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = files.parse_json(require_file(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(
            _("{path} is not JSON: {error}", path=path, error=error),
            _("Delete the file, or measure again with a dry run."),
        ) from error
    return sound(content) or None if isinstance(content, dict) else None


def _read_samples(path: Path) -> Samples | None:
    if not path.is_file():
        return None
    try:
        with np.load(require_file(path)) as archive:
            arrays = {name: archive[name] for name in archive.files}
        samples = _samples(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            _("{path} cannot be used: {error}", path=path, error=error),
            _(
                "Delete the file, or write it again: srwizard evaluate {run}",
                run=in_shell(path.parent.parent),
            ),
        ) from error
    return samples if samples.names and samples.variables else None


def _samples(arrays: Mapping[str, npt.NDArray[Any]]) -> Samples:
    names = [str(name) for name in arrays["names"]]
    variables = [str(name) for name in arrays["variables"]]
    units = [str(unit) for unit in arrays["units"]] if "units" in arrays else [""] * len(variables)
    if len(units) != len(variables):
        raise ValueError(
            _(
                "variables: {variables}, but units: {count}",
                variables=len(variables),
                count=len(units),
            )
        )
    names_present = [*FIELDS, *(name for name in OPTIONAL_FIELDS if name in arrays)]
    fields = {name: np.asarray(arrays[name], dtype=np.float64) for name in names_present}
    shape = fields["hr"].shape
    for name, values in fields.items():
        if values.ndim != 4 or values.shape[:2] != (len(names), len(variables)):
            raise ValueError(_("{name} has shape {shape}", name=name, shape=values.shape))
        if name != "lr" and values.shape != shape:
            raise ValueError(_("{name} and hr differ in shape", name=name))
    rows, columns = fields["lr"].shape[2:]
    if 0 in (rows, columns) or shape[2] % rows or shape[3] % columns:
        raise ValueError(_("the size of hr is not a multiple of the size of lr"))
    best = [str(name) for name in arrays["best_names"]] if "best" in fields else []
    if best and len(best) != len(variables):
        raise ValueError(
            _(
                "variables: {variables}, but names of simple methods: {count}",
                variables=len(variables),
                count=len(best),
            )
        )
    return Samples(names, variables, units, fields, arrays.get("lon"), arrays.get("lat"), best)
