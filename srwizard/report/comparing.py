"""Runs side by side: what differs between them, and what came of each. Imports no torch."""

import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from srwizard.base.errors import SrwizardError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import real_path
from srwizard.data.baselines.choice import MODEL
from srwizard.data.fingerprint import is_same_data
from srwizard.report.alike import differing as differing_runs
from srwizard.report.compared import Comparison, Result
from srwizard.report.comparison_notices import notices_of
from srwizard.report.records import settings_of
from srwizard.runs.certainty import interval_of
from srwizard.runs.records import measured, test_scores
from srwizard.runs.skill import best_method
from srwizard.runs.status import status_of
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig

INTERVALS = ("rmse", "mae", "psnr", "ssim", "correlation", "spectrum_error", "crps")
"""Scores whose intervals `--json` tells."""
PARAMETERS = "model.params."
FOUND = re.compile(
    r"data\.(masked|steps|guide_scales)\.|data\.(hr_shape|lr_shape|block_means|handedness)\b"
    r"|model\.(in|out)_channels\b|model\.skip\..+\.(weight|best|valid_rmse|evidence)\b"
)
"""What was found in the data, or follows from the rest, stands among the settings of a run, but
nobody has decided it."""
SKIP = re.compile(r"model\.skip\.(.+)\.method")
"""What each variable starts from."""


def compare(paths: Sequence[Path]) -> Comparison:
    """Read runs and set them side by side.

    Args:
        paths: run directories, or directories that hold some.

    Raises:
        UsageError: one is neither, or there are no runs.
    """
    there = (found for path in paths for found in _run_dirs(path.absolute()))
    named = {path.absolute() for path in paths}
    runs: dict[Path, RunConfig] = {}
    left_out: list[SrwizardError] = []
    for run_dir in {real_path(run_dir): run_dir for run_dir in there}.values():
        try:
            runs[run_dir] = run_config.load(run_dir)
        except SrwizardError as error:
            if run_dir in named:
                raise
            left_out.append(error)
    if not runs:
        raise left_out[0]
    run_dirs = list(runs)
    settings = {run_dir: settings_of(run.model_dump()) for run_dir, run in runs.items()}
    differing = list(_differing(list(settings.values())))
    results = [
        _result(
            run_dir,
            name,
            {key: settings[run_dir][key] for key in differing if key in settings[run_dir]},
        )
        for run_dir, name in _named(run_dirs)
    ]
    found = Comparison(results, differing, [], same_test=_same_test(list(runs.values())))
    told = _differing_from_best(found, dict(_named(run_dirs)))
    notices = [
        *(_("Left out: {problem}", problem=error.message) for error in left_out),
        *notices_of(found, told),
    ]
    alike = frozenset(key for key, differs in told.items() if differs is False)
    return replace(found, notices=notices, alike=alike)


def _differing_from_best(
    comparison: Comparison, names: Mapping[Path, str]
) -> dict[tuple[str, str], bool | None]:
    """Return of runs, each with a variable, whether they differ from the best one."""
    run_dirs = {name: run_dir for run_dir, name in names.items()}
    found: dict[tuple[str, str], bool | None] = {}
    for variable in comparison.variables:
        best = [one for one in comparison.results if comparison.is_best(one, variable, "rmse")]
        if best:
            told = differing_runs(run_dirs, variable, best[0].name)
            found |= {(name, variable): differs for name, differs in told.items()}
    return found


def _run_dirs(path: Path) -> list[Path]:
    if (path / run_config.FILE_NAME).is_file():
        return [path]
    found = sorted(config.parent for config in path.glob(f"*/{run_config.FILE_NAME}"))
    if not found:
        raise UsageError(
            _("{path} is not a run directory and contains none", path=path),
            _("A run directory holds a run.yaml, which the wizard writes."),
        )
    return sorted(found, key=_in_order)


def _in_order(path: Path) -> tuple[int, str]:
    """Put seed-2 before seed-10."""
    return len(path.name), path.name


def _named(run_dirs: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield directories with the names by which people tell them apart."""
    names = [run_dir.name for run_dir in run_dirs]
    if len(set(names)) == len(names):
        yield from zip(run_dirs, names, strict=True)
        return
    above = os.path.commonpath(run_dirs)
    for run_dir in run_dirs:
        yield run_dir, os.path.relpath(run_dir, above)


def _differing(settings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the settings in which runs differ; of parameters those that all their models have."""
    keys = dict.fromkeys(key for found in settings for key in found)
    several_models = len({found.get("model.name") for found in settings}) > 1
    skips = [any(SKIP.match(key) for key in found) for found in settings]
    for key in keys:
        values = [found.get(key) for found in settings]
        if all(value == values[0] for value in values) or FOUND.match(key):
            continue
        everywhere = all(key in found for found in settings)
        # A run without any skip differs; one of other variables does not.
        skip = all(skips) and SKIP.match(key)
        of_some = skip or (several_models and key.startswith(PARAMETERS))
        if of_some and not everywhere:
            continue
        yield key


def _result(run_dir: Path, name: str, settings: dict[str, Any]) -> Result:
    run_status = status_of(run_dir)
    assert run_status is not None  # its run config was read
    epochs = measured(run_dir).epochs
    seconds = [event["seconds"] for event in epochs if event.get("seconds") is not None]
    tested = test_scores(run_dir)
    methods = {variable: best_method(found) for variable, found in tested.items()}
    scores = {
        variable: {
            "rmse": found["model"]["rmse"],
            "psnr": found["model"].get("psnr", math.nan),
            "skill": _skill(found["model"]["rmse"], found[methods[variable]]["rmse"]),
            "bicubic_rmse": found["bicubic"]["rmse"],
        }
        for variable, found in tested.items()
    }
    intervals = {
        variable: {
            metric: interval_of(found, MODEL, metric)
            for metric in found["model"]
            if metric in INTERVALS
        }
        for variable, found in tested.items()
    }
    whole = sum(seconds) if seconds else None
    return Result(name, run_status, settings, scores, whole, intervals, methods)


def _test_data(run: RunConfig, leave_out: Collection[str]) -> dict[str, str]:
    return {
        part: digest
        for part, digest in run.data.fingerprint.items()
        if part.startswith("test") and part.rpartition("/")[2] not in leave_out
    }


def _skill(rmse: float, best: float) -> float:
    return 1 - rmse / best if best > 0 else math.nan


def _same_test(runs: Sequence[RunConfig]) -> bool | None:
    """Return whether all runs were scored on the same test data, whatever guided them.

    Of variables that only one of two runs has there is nothing to compare. None: not known.
    """
    same = set()
    for one, other in combinations(runs, 2):
        apart = set(one.data.variables) ^ set(other.data.variables)
        apart |= {*one.data.varying_guides, *other.data.varying_guides}
        same.add(is_same_data(_test_data(one, apart), _test_data(other, apart)))
    if False in same:
        return False
    return None if None in same else True
