"""What is conspicuous about a prediction, step by step, and said at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from srwizard.base.i18n import translate as _
from srwizard.data.block_means import missing_mean
from srwizard.data.fields import FloatField
from srwizard.use.run import Run

FAR = 3.0
"""Block means are conspicuous that are so many times further from LR than any of the test split."""
LEAST = 1e-3
"""Nothing less is conspicuous, as a share of the range of the training."""
SHOWN = 3


@dataclass
class Alarms:
    """Steps in which something was conspicuous, by variable.

    Args:
        known: the largest difference of block means of SR and LR that the test split has shown, by
            variable; of one that is missing, nothing is known to compare with.
        outside: steps with values far outside of the training's range.
        empty: steps without any value.
        several: whether the run has more than one variable.
        inconsistent: steps and differences whose block means are far from LR.
    """

    known: Mapping[str, float]
    outside: dict[str, list[str]] = field(default_factory=dict)
    empty: dict[str, list[str]] = field(default_factory=dict)
    several: bool = False
    inconsistent: dict[str, list[tuple[str, float]]] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run) -> "Alarms":
        """Return those of a run, with what its test split has shown; none yet."""
        tested = (run.metrics()["test"] or {}).get("variables", {})
        found = {
            name: tested.get(name, {}).get("consistency", {}).get("model", {}).get("largest")
            for name in run.variables
        }
        if run.config.conserves:  # exactly, by construction
            return cls({})
        ranges = run.preprocessing.statistics["hr"]
        spans = (ranges.maximum - ranges.minimum).tolist()
        return cls(
            {
                name: max(value, LEAST * span / FAR)
                for (name, value), span in zip(found.items(), spans, strict=True)
                if value is not None
            }
        )

    def note_outside(self, step: str, names: list[str]) -> None:
        """Note the variables that have values far outside of the training's range."""
        for name in names:
            self.outside.setdefault(name, []).append(step)

    def note_empty(self, step: str, names: Sequence[str], lr: FloatField) -> None:
        """Note the variables `names` that have no value in a step `[C, h, w]`."""
        self.several = len(names) > 1
        for name, values in zip(names, lr, strict=True):
            if np.isnan(values).all():
                self.empty.setdefault(name, []).append(step)

    def note_means(self, run: Run, step: str, lr: FloatField, sr: FloatField, home: bool) -> None:
        """Compare block means of SR with LR.

        Args:
            run: the run.
            step: its name.
            lr: `[C, h, w]`, NaN in gaps.
            sr: `[C, H, W]`, NaN where there is no value.
            home: whether LR is on the grid of the training.
        """
        if not self.known:
            return
        missing = missing_mean(lr, np.nan_to_num(sr), run.block_shares(lr, at_home=home))
        for name, difference in zip(run.variables, np.abs(missing), strict=True):
            largest = float(np.nanmax(difference)) if np.isfinite(difference).any() else 0.0
            if name in self.known and largest > FAR * self.known[name]:
                self.inconsistent.setdefault(name, []).append((step, largest))

    def lines(self) -> tuple[str, ...]:
        """Return a line for each variable and kind."""
        found = [
            _("Warning: {name} has values that lie further from the range of the training than "
              "that is wide, in step {steps} ({count} in all)",
              name=name, count=len(steps), steps=_named(steps))
            for name, steps in self.outside.items()
        ]  # fmt: skip
        for name, steps in self.empty.items():
            told = {"name": name, "count": len(steps), "steps": _named(steps)}
            found.append(
                _("Warning: {name} has no value in step {steps} ({count} in all): there is none in "
                  "the prediction, and the other variables were predicted without it", **told)
                if self.several
                else _("Warning: {name} has no value in step {steps} ({count} in all): there is "
                       "none in the prediction", **told)
            )  # fmt: skip
        for name, sizes in self.inconsistent.items():
            found.append(
                _("Warning: block means of {name} are up to {largest:.3g} away from the input, in "
                  "step {steps} ({count} in all); in the test split they are at most {known:.3g} "
                  "away",
                  name=name, largest=max(size for _step, size in sizes), count=len(sizes),
                  known=self.known[name], steps=_named([step for step, _size in sizes]))
            )  # fmt: skip
        return tuple(found)


def _named(steps: list[str]) -> str:
    shown = ", ".join(steps[:SHOWN])
    return shown if len(steps) <= SHOWN else f"{shown}, …"
