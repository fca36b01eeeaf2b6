"""Runs side by side: what differs between them, and what came of each. Imports no torch."""

import math
import os
import re
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from srwizard.base.errors import SrwizardError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.baselines.choice import MODEL, method_title
from srwizard.data.fingerprint import is_same_data
from srwizard.report.alike import differing as differing_runs
from srwizard.report.records import settings_of
from srwizard.runs.certainty import interval_of
from srwizard.runs.records import measured, test_scores
from srwizard.runs.skill import best_method
from srwizard.runs.status import status_of
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig

METRICS = ("rmse", "psnr", "skill")
"""What is compared; of the first, less is better, of the others more."""
SAME_RANGE = 1.001
"""PSNRs whose ranges agree to this ratio, as RMSE and PSNR tell them, are over the same one."""
INTERVALS = ("rmse", "mae", "psnr", "ssim", "correlation", "spectrum_error", "crps")
"""Scores whose intervals `--json` tells."""
SEED = "training.seed"
PARAMETERS = "model.params."
FOUND = re.compile(
    r"data\.(masked|steps|guide_scales)\.|data\.(hr_shape|lr_shape|block_means|handedness)\b"
    r"|model\.(in|out)_channels\b|model\.skip\..+\.(weight|best|valid_rmse|evidence)\b"
)
"""What was found in the data, or follows from the rest, stands among the settings of a run, but
nobody has decided it."""
SKIP = re.compile(r"model\.skip\.(.+)\.method")
"""What each variable starts from."""


@dataclass(frozen=True)
class Result:
    """One run.

    Args:
        name: its directory, as short as it is clear beside the others.
        run_status: where it stands, as `srwizard status` tells it.
        settings: the settings in which the runs differ.
        scores: of the test split, by variable: rmse, psnr, skill, bicubic_rmse; NaN: not measured.
        seconds: that its epochs took; None before the first.
        intervals: the 95 % intervals of the scores of the model, by variable; None: too few steps.
    """

    name: str
    run_status: dict[str, Any]
    settings: dict[str, Any]
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float | None = None
    intervals: dict[str, dict[str, tuple[float, float] | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Several runs, the settings in which they differ, and what is to be said of all."""

    results: list[Result]
    differing: list[str]
    notices: list[str]
    alike: frozenset[tuple[str, str]] = frozenset()
    """Runs and variables whose RMSE cannot be told from that of the best run."""
    same_test: bool | None = True
    """Whether all were scored on the same test data; None: not known."""

    @property
    def variables(self) -> list[str]:
        """The variables that any of the runs was scored on."""
        return list(dict.fromkeys(name for result in self.results for name in result.scores))

    def is_best(self, result: Result, variable: str, metric: str) -> bool:
        """Return whether no other run is better at a metric; with one run, none is.

        Of different test data skill alone can be compared.
        """
        if self.same_test is False and metric != "skill":
            return False
        if metric == "psnr" and not self._have_one_range(variable):
            return False
        found = [
            value for other in self.results
            if math.isfinite(value := other.scores.get(variable, {}).get(metric, math.nan))
        ]  # fmt: skip
        own = result.scores.get(variable, {}).get(metric, math.nan)
        best = min if metric == "rmse" else max
        return len(found) > 1 and own == best(found)

    def _have_one_range(self, variable: str) -> bool:
        """Return whether the PSNRs are over one range: it is that of the training split."""
        ranges = [
            rmse * 10 ** (psnr / 20)
            for result in self.results
            if (scores := result.scores.get(variable))
            and math.isfinite(rmse := scores["rmse"])
            and math.isfinite(psnr := scores["psnr"])
        ]
        return not ranges or max(ranges) <= SAME_RANGE * min(ranges)

    def as_json(self) -> dict[str, Any]:
        """Return it as `srwizard compare --json` prints it; docs/slurm.md tells the keys."""
        return {
            "differing": self.differing,
            "notices": self.notices,
            "runs": [
                {
                    "run_dir": result.run_status["run_dir"],
                    "name": result.name,
                    "state": result.run_status["state"],
                    "epoch": result.run_status["epoch"],
                    "epochs": result.run_status["epochs"],
                    "settings": result.settings,
                    "variables": {
                        name: {
                            key: value if math.isfinite(value) else None
                            for key, value in scores.items()
                        }
                        for name, scores in result.scores.items()
                    },
                    "intervals": result.intervals,
                    "best": {
                        name: [key for key in METRICS if self.is_best(result, name, key)]
                        for name in result.scores
                    },
                    "alike_best": [
                        name for name in result.scores if (result.name, name) in self.alike
                    ],
                    "seconds": result.seconds,
                    "peak_memory_bytes": result.run_status["peak_memory_bytes"],
                }
                for result in self.results
            ],
        }


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
    left_out: list[str] = []
    for run_dir in {run_dir.resolve(): run_dir for run_dir in there}.values():
        try:
            runs[run_dir] = run_config.load(run_dir)
        except SrwizardError as error:
            if run_dir in named:
                raise
            left_out.append(_("Left out: {problem}", problem=error.message))
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
        *left_out,
        *(_against_other_methods(run_dirs) if found.same_test is not False else ()),
        *_on_test_data(found.same_test),
        *_over_seeds(results, differing),
        *_too_few_steps(told),
        *_not_compared(found, told),
    ]
    alike = frozenset(key for key, differs in told.items() if differs is False)
    return replace(found, notices=notices, alike=alike)


def _against_other_methods(run_dirs: Sequence[Path]) -> Iterator[str]:
    """Say of which variables the skill of one run is against another method than that of others.

    A run that starts from no simple method is scored beside bicubic interpolation alone.
    """
    methods: dict[str, dict[str, None]] = {}
    for run_dir in run_dirs:
        for variable, found in test_scores(run_dir).items():
            methods.setdefault(variable, {})[method_title(best_method(found))] = None
    for variable, titles in methods.items():
        if len(titles) > 1:
            yield _(
                "{name}: the best simple method is not the same in all runs ({methods}): compare "
                "the RMSE, not the skill.",
                name=variable,
                methods=", ".join(titles),
            )


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


def _too_few_steps(differing: Mapping[tuple[str, str], bool | None]) -> Iterator[str]:
    """Say for which variables nobody knows whether runs differ."""
    names = dict.fromkeys(name for (_run, name), differs in differing.items() if differs is None)
    if names:
        yield _(
            "{names}: the test split has too few independent steps to say whether runs differ by "
            "more than chance.",
            names=", ".join(names),
        )


def _not_compared(
    comparison: Comparison, differing: Mapping[tuple[str, str], bool | None]
) -> Iterator[str]:
    """Name the scored runs whose errors could not be laid beside those of the best one."""
    names: dict[str, None] = {}
    for variable in comparison.variables:
        if not any(comparison.is_best(one, variable, "rmse") for one in comparison.results):
            continue  # one alone has a score
        scored = [
            result.name
            for result in comparison.results
            if math.isfinite(result.scores.get(variable, {}).get("rmse", math.nan))
            and not comparison.is_best(result, variable, "rmse")
        ]
        names |= dict.fromkeys(name for name in scored if (name, variable) not in differing)
    if names and comparison.same_test is not False:
        yield _(
            "{names}: whether the RMSE differs from the best one by more than chance is not "
            "known: plots/breakdown.npz is missing there or in the best run, or has other steps or "
            "points.",
            names=", ".join(names),
        )


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
    scores = {
        variable: {
            "rmse": found["model"]["rmse"],
            "psnr": found["model"].get("psnr", math.nan),
            "skill": _skill(found["model"]["rmse"], found[best_method(found)]["rmse"]),
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
    return Result(name, run_status, settings, scores, sum(seconds) if seconds else None, intervals)


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


def _on_test_data(same: bool | None) -> Iterator[str]:
    """Say what can be compared of runs whose test data differ, or may differ."""
    if same is False:
        yield _("The runs were not scored on the same test data: only their skill can be compared.")
    elif same is None:
        yield _(
            "It is not known whether the runs were scored on the same test data: some were "
            "frozen by an older version, which kept digests of samples of the files."
        )


def _over_seeds(results: Sequence[Result], differing: Sequence[str]) -> Iterator[str]:
    """Yield mean and spread of runs that differ in nothing but the seed."""
    if list(differing) != [SEED]:
        return
    for variable in dict.fromkeys(name for result in results for name in result.scores):
        found = [result.scores.get(variable, {}).get("rmse", math.nan) for result in results]
        values = [value for value in found if math.isfinite(value)]
        if len(values) > 1:
            yield _(
                "{name}: RMSE over {count} seeds {mean:.4g} ± {spread:.2g}",
                name=variable,
                count=len(values),
                mean=statistics.fmean(values),
                spread=statistics.stdev(values),
            )
