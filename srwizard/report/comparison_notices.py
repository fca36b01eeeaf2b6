"""What is to be said of runs that are compared, besides their figures."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.data.baselines.choice import method_title
from srwizard.report.compared import Comparison, Result

SEED = "training.seed"


def notices_of(
    comparison: Comparison, told: Mapping[tuple[str, str], bool | None]
) -> Iterator[str]:
    """Yield what is to be said.

    Args:
        comparison: of the runs.
        told: of runs, each with a variable, whether they differ from the best one; None: nobody
            knows.
    """
    if comparison.same_test is not False:
        yield from _against_other_methods(comparison)
    yield from _on_test_data(comparison.same_test)
    yield from _over_seeds(comparison.results, comparison.differing)
    yield from _too_few_steps(told)
    yield from _not_compared(comparison, told)


def _against_other_methods(comparison: Comparison) -> Iterator[str]:
    """Say of which variables the skill of one run is against another method than that of others.

    A run that starts from no simple method is scored beside bicubic interpolation alone.
    """
    for variable in comparison.variables:
        found = [one.methods[variable] for one in comparison.results if variable in one.methods]
        titles = dict.fromkeys(map(method_title, found))
        if len(titles) > 1:
            yield _(
                "{name}: the best simple method is not the same in all runs ({methods}): compare "
                "the RMSE, not the skill.",
                name=variable,
                methods=listed(titles),
            )


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


def _too_few_steps(differing: Mapping[tuple[str, str], bool | None]) -> Iterator[str]:
    """Say for which variables nobody knows whether runs differ."""
    names = dict.fromkeys(name for (_run, name), differs in differing.items() if differs is None)
    if names:
        yield _(
            "{names}: the test split has too few independent steps to say whether runs differ by "
            "more than chance.",
            names=listed(names),
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
            names=listed(names),
        )
