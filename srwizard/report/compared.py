"""What stands side by side where runs are compared."""

import math
from dataclasses import dataclass, field
from typing import Any

METRICS = ("rmse", "psnr", "skill")
"""What is compared; of the first, less is better, of the others more."""
SAME_RANGE = 1.001
"""PSNRs whose ranges agree to this ratio, as RMSE and PSNR tell them, are over the same one."""


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
        methods: the simple method that skill is against, by variable.
    """

    name: str
    run_status: dict[str, Any]
    settings: dict[str, Any]
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float | None = None
    intervals: dict[str, dict[str, tuple[float, float] | None]] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)


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
