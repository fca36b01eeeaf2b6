"""What a self-check shows: the figures beside the bound, and a verdict for each model."""

from collections.abc import Iterator

from rich import box
from rich.text import Text

from srwizard.base.console import Table
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import duration_text
from srwizard.data.baselines.choice import method_title
from srwizard.selfcheck.check import Outcome
from srwizard.selfcheck.verdict import Check


def table(outcome: Outcome) -> Table:
    """Return the RMSE of the optimum, the simple methods and a model, and each as a ratio."""
    found = Table(
        title=_(
            "{model}: bound {bound:.4f} (RMSE, exact)", model=outcome.model, bound=outcome.bound
        ),
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    found.add_column(_("Method"))
    found.add_column("RMSE", justify="right")
    found.add_column(_("Ratio to the best"), justify="right")
    rows = {
        _("best possible, on these fields"): outcome.judged.best,
        **{method_title(name): rmse for name, rmse in outcome.simple.items()},
        outcome.model: outcome.judged.rmse,
    }
    for title, rmse in rows.items():
        style = "bold" if title == outcome.model else ""
        figures = (title, f"{rmse:.4f}", f"{rmse / outcome.judged.best:.3f}")
        found.add_row(*(Text(part, style=style) for part in figures))
    return found


def verdict_lines(outcome: Outcome) -> Iterator[str]:
    """Say of every check whether it is within its limits, and how long all took."""
    for check in outcome.judged.checks:
        values = {"what": _title(check), "ratio": f"{check.value:.3f}", "limits": _limits(check)}
        if check.passed:
            yield _("{what}: {ratio} ({limits}): within the limit", **values)
        else:
            yield _("{what}: {ratio} ({limits}): NOT within the limit", **values)
    yield _(
        "{model}: {epochs} epochs, {time} in all",
        model=outcome.model,
        epochs=outcome.epochs,
        time=duration_text(outcome.seconds),
    )


def _title(check: Check) -> str:
    return {
        "rmse": _("RMSE / best possible on these fields"),
        "spread": _("spread / conditional standard deviation"),
        "power": _("power of the members / exact power, at the worst wavenumber"),
    }[check.name]


def _limits(check: Check) -> str:
    if check.least is None:
        return _("at most {most:.2f}", most=check.most)
    return _("{least:.2f} to {most:.2f}", least=check.least, most=check.most)
