"""Why the wizard is in its present state: what was found, handed on with the session.

Whoever measured, trained or looked says it once; the states that follow, `diagnose` and `adjust`,
read no file to learn it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srwizard.runs.failure_kinds import UNKNOWN, kind_named
from srwizard.runs.failures import recorded_failure
from srwizard.runs.records import dry_run_of
from srwizard.runs.sound_records import sound

DETACHED = "detached"
SHORT = "short_of_memory"
LONG = "too_long"
ROOMY = "memory_to_spare"
NEEDED_BY = ("diagnose", "adjust", "roomy", "shorten")
"""The states that are only ever entered for a reason."""
TIMES = ("epoch_seconds", "validation_seconds", "run_seconds", "epochs_done")
OF_FAILURE = (
    "host", "machines", "gpus", "step", "epoch", "phase",
    "predicted_bytes", "measured_bytes", "capacity_bytes", "device",
)  # fmt: skip
"""What is kept of failure.json besides kind and error."""


@dataclass(frozen=True)
class Reason:
    """Why a state was entered.

    Args:
        kind: of a failure, as the catalogue names it; or `SHORT`: a dry run found too little
            memory; or `ROOMY`: much more than enough; or `LONG`: it found that training would take
            longer than it may; or `DETACHED`: training goes on without the wizard.
        error: what was said of a failure.
        figures: `verdict`, `measured_bytes` (None where the dry run itself ran out),
            `capacity_bytes`, `device` and the `TIMES`, as far as there was a dry run; of a
            failure those of `OF_FAILURE`.
    """

    kind: str
    error: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def is_failure(self) -> bool:
        """Return whether training failed."""
        return self.kind not in (DETACHED, SHORT, ROOMY, LONG)

    def as_failure(self) -> dict[str, Any]:
        """Return a failure as `srwizard.runs.failures.explain` takes it."""
        return {**self.figures, "kind": self.kind, "error": self.error}


@dataclass(frozen=True)
class Outcome:
    """What a state came to: the trigger of a transition, and the reason that goes along with it."""

    trigger: str
    reason: Reason | None = None


def short_of_memory(dry_run: Mapping[str, Any]) -> Reason:
    """Return the reason of a config that is too large, from what `dry_run.json` holds."""
    return Reason(SHORT, figures=_of_dry_run(dry_run))


def failed(failure: Mapping[str, Any], dry_run: Mapping[str, Any]) -> Reason:
    """Return the reason of a training that failed.

    Args:
        failure: as in failure.json.
        dry_run: of the same config, as in dry_run.json; empty where there was none.
    """
    figures = _of_dry_run(dry_run)
    if not kind_named(failure["kind"]).ran_out_of_memory:
        figures = {key: value for key, value in figures.items() if key == "verdict"}
    said = {key: failure[key] for key in OF_FAILURE if failure.get(key) is not None}
    return Reason(str(failure["kind"]), str(failure["error"]), figures | said)


def _of_dry_run(found: Mapping[str, Any]) -> dict[str, Any]:
    if not found:
        return {}
    return {
        "verdict": found.get("verdict"),
        "measured_bytes": found.get("peak_bytes"),
        "capacity_bytes": found.get("capacity_bytes"),
        **{key: found[key] for key in ("device", *TIMES) if found.get(key) is not None},
    }


def from_json(stored: Any) -> Reason | None:
    """Return the reason that a session file holds.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    if stored is None:
        return None
    return Reason(str(stored["kind"]), str(stored["error"]), sound(dict(stored["figures"])))


def rebuilt(
    state: str, history: Sequence[Mapping[str, str]], run_dir: Path, digest: str | None
) -> Reason | None:
    """Return the reason that a session of version 0.1.0 did not hold, from its run directory.

    Args:
        state: in which the session is.
        history: of its transitions; then, the last one told why the state was entered.
        run_dir: the run directory.
        digest: of the run config that the session froze last.
    """
    last = history[-1] if history else {}
    if state == "launch" and last.get("trigger") == "detached":
        return Reason(DETACHED)
    if state not in NEEDED_BY:
        return None
    dry_run = dry_run_of(run_dir, digest)
    if state == "adjust" and last.get("from") != "diagnose":
        return short_of_memory(dry_run)
    return failed(failure_in(run_dir), dry_run)


def failure_in(run_dir: Path) -> dict[str, Any]:
    """Return the failure that a run directory tells of; a lost record leaves it unknown."""
    found = recorded_failure(run_dir)
    if found is None:
        from srwizard.runs.status import status_of  # with numpy: not before the first question

        found = (status_of(run_dir) or {}).get("failure")  # a job that ended without a word
    return found or {"kind": UNKNOWN.name, "error": "-"}
