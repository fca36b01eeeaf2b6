"""How sure a score is, in a sentence. No NumPy."""

from collections.abc import Mapping, Sequence
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.data.baselines.choice import method_title
from srwizard.runs.skill import ROUNDING, best_method

FEWEST_INDEPENDENT = 5
"""Independent steps. With fewer there is no interval: up to one in two equal methods would be told
apart."""
TOLD = 0.1
"""What differs by less than half of that percentage is told as 0.0 %."""


def certainties(variables: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say of each variable what `certainty` does; where it is the same of several, once for all."""
    alike: dict[str, list[str]] = {}
    for name, scores in variables.items():
        if (said := certainty("", scores)) is not None:
            alike.setdefault(said, []).append(name)
    found = (certainty(_(", ").join(names), variables[names[0]]) for names in alike.values())
    return [said for said in found if said is not None]


def certainty(name: str, scores: Mapping[str, Any]) -> str | None:
    """Say whether a model differs from the best simple method beyond chance.

    Args:
        name: of the variable, or the names of several of which the same is to be said.
        scores: its metrics on the test split.

    Returns:
        A sentence, or None of scores without an interval: those of another split, or of a run of
        version 0.1.0.
    """
    interval = scores.get("interval")
    skill = scores.get("skill")
    if not isinstance(interval, Mapping) or skill is None or skill != skill:
        return None
    ends = interval["skill"] if _are_numbers(interval["skill"]) else None
    told = {"name": name, "best": method_title(best_method(scores))}
    if isinstance(interval.get("rmse"), Mapping) and ends is None:
        low, high = interval.get("difference") or (0.0, 0.0)
        if low == high:
            return None  # the best simple method makes no error: there is nothing to compare
        return _(
            "{name}: the RMSE of the model lies {low:+.3g} to {high:+.3g} from that of the best "
            "simple method, {best} (95 % interval). There is none in percent: in many steps that "
            "method makes hardly an error.",
            low=low, high=high, **told,
        )  # fmt: skip
    if ends is None:
        independent = interval.get("independent_steps")  # not of runs of earlier versions
        few = interval["steps"] < FEWEST_INDEPENDENT  # however independent they are
        if not few and independent is not None and independent < interval["steps"]:
            return _(
                "{name}: there is no 95 % interval: the errors of neighbouring steps resemble each "
                "other so much that the {steps} steps of the test split tell less than {fewest} "
                "independent ones; whether the model differs from the best simple method, {best}, "
                "by more than chance is not known.",
                steps=interval["steps"],
                fewest=FEWEST_INDEPENDENT,
                **told,
            )
        return _n(
            "{name}: the test split has a single step, too few for a 95 % interval; whether the "
            "model differs from the best simple method, {best}, by more than chance is not known.",
            "{name}: the test split has {steps} steps, too few for a 95 % interval; whether the "
            "model differs from the best simple method, {best}, by more than chance is not known.",
            interval["steps"],
            steps=interval["steps"],
            **told,
        )
    low, high = (100 * bound for bound in ends)
    if max(abs(low), abs(high)) < TOLD / 2:
        return _(
            "{name}: the model is as good as the best simple method, {best}: their RMSEs differ by "
            "less than {limit} % (95 % interval).",
            limit=TOLD / 2,
            **told,
        )
    if not interval["distinguishable"] or abs(skill) <= ROUNDING:
        return _(
            "{name}: the model cannot be distinguished from the best simple method, {best}: its "
            "RMSE is between {worse:.1f} % above and {better:.1f} % below (95 % interval).",
            worse=abs(min(low, 0.0)),
            better=max(high, 0.0),
            **told,
        )
    if skill > 0:
        return _(
            "{name}: the RMSE of the model is {skill:.1f} % below that of the best simple method, "
            "{best} (95 % interval: {low:.1f} to {high:.1f} %).",
            skill=100 * skill, low=low, high=high, **told,
        )  # fmt: skip
    return _(
        "{name}: the RMSE of the model is {skill:.1f} % above that of the best simple method, "
        "{best} (95 % interval: {low:.1f} to {high:.1f} %).",
        skill=-100 * skill, low=-high, high=-low, **told,
    )  # fmt: skip


def _are_numbers(ends: Any) -> bool:
    """Return whether an interval has two ends; what is null in JSON is read as NaN."""
    return isinstance(ends, Sequence) and all(end is not None and end == end for end in ends)


def interval_of(scores: Mapping[str, Any], method: str, metric: str) -> tuple[float, float] | None:
    """Return the 95 % interval of a score of the test split; None where there is none.

    Args:
        scores: of a variable.
        method: "model", "best" or "bicubic".
        metric: "rmse", or another that the scores have.
    """
    interval = scores.get("interval")
    if not isinstance(interval, Mapping):
        return None
    if metric == "rmse":
        ends = (interval.get("rmse") or {}).get(method)
    else:
        ends = ((interval.get("scores") or {}).get(method) or {}).get(metric)
    return None if ends is None or None in ends else (float(ends[0]), float(ends[1]))
