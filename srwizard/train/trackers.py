"""Where the figures of a training go besides the run directory: TensorBoard, Weights & Biases.

A tracker is a function that is called with each event of `metrics.jsonl`. Neither package is
imported unless it is asked for.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.settings.run_config import RunConfig

Event = dict[str, Any]
Tracker = Callable[[Event], None]
Opened = tuple[Tracker, Callable[[], None]]
"""A tracker, and what closes it."""

TENSORBOARD_DIRECTORY = "tensorboard"
PROJECT = "srwizard"


def is_installed(name: str) -> bool:
    """Return whether the package of a tracker is there."""
    return find_spec(name) is not None


def missing_text(name: str) -> str:
    """Say that the package of a tracker is missing, and how to install it."""
    return _("{name} is not installed: pip install 'srwizard[{name}]'", name=name)


def require(names: Sequence[str]) -> None:
    """Make sure that the packages of all trackers are there.

    Raises:
        UsageError: one is not.
    """
    for name in names:
        if not is_installed(name):
            raise UsageError(
                _("training.trackers: {problem}", problem=missing_text(name)),
                _("Install it, or take it out of training.trackers."),
            )


@contextmanager
def opened(
    run: RunConfig, run_dir: Path, first_epoch: int, complain: Callable[[str], None]
) -> Iterator[list[Tracker]]:
    """Open the trackers of a run, and close them in the end.

    One that cannot be opened, or fails later, is left out; training goes on without it.

    Args:
        run: says which.
        run_dir: what they write lies there.
        first_epoch: where training begins, or goes on.
        complain: told of a tracker that fails.
    """
    with ExitStack() as stack:
        found = []
        for name in dict.fromkeys(run.training.trackers):
            try:
                track, close = OPENERS[name](run, run_dir, first_epoch)
            except Exception as error:
                complain(_left_out(name, error))
                continue
            stack.callback(_forgiving(name, close, complain))
            found.append(_forgiving(name, track, complain))
        yield found


def _forgiving(
    name: str, function: Callable[..., None], complain: Callable[[str], None]
) -> Callable[..., None]:
    """Return a function that does the same until it fails, and nothing from then on."""
    failed = False

    def call(*arguments: Any) -> None:
        nonlocal failed
        if failed:
            return
        try:
            function(*arguments)
        except Exception as error:
            failed = True
            complain(_left_out(name, error))

    return call


def _left_out(name: str, error: Exception) -> str:
    return _("{name} failed and is left out from now on: {error}", name=name, error=error)


def scalars(event: Event) -> dict[str, float]:
    """Return the figures of an event by name: `valid/temp/rmse`, `valid/temp/bicubic/rmse`, …"""
    found: dict[str, Any] = {
        f"train/{name}": event.get(key)
        for name, key in (
            ("loss", "train_loss"),
            ("lr", "lr"),
            ("samples_per_second", "samples_per_second"),
        )
    }
    split = "test" if event["event"] == "test" else "valid"
    scored = event if split == "test" else event["valid"] or {}
    found[f"{split}/loss"] = scored.get("loss")
    for name, scores in scored.get("variables", {}).items():
        found[f"{split}/{name}/skill"] = scores.get("skill")
        for method, place in (("model", name), ("bicubic", f"{name}/bicubic")):
            found |= {f"{split}/{place}/{score}": value for score, value in scores[method].items()}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _tensorboard(_run: RunConfig, run_dir: Path, first_epoch: int) -> Opened:
    from torch.utils.tensorboard import SummaryWriter

    # What an earlier part of the training wrote of epochs that are trained anew is not shown.
    writer = SummaryWriter(str(run_dir / TENSORBOARD_DIRECTORY), purge_step=first_epoch)

    def track(event: Event) -> None:
        for name, value in scalars(event).items():
            writer.add_scalar(name, value, event["epoch"])
        writer.flush()

    return track, writer.close


def _wandb(run: RunConfig, run_dir: Path, _first_epoch: int) -> Opened:
    import wandb

    session = wandb.init(
        project=PROJECT,
        name=run_dir.name,
        # The parts of a training that was stopped and went on are one run.
        id=hashlib.sha256(f"{run.digest} {run_dir}".encode()).hexdigest()[:16],
        resume="allow",
        mode="offline",
        dir=str(run_dir),
        config=run.model_dump(),
        settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True),
    )

    def track(event: Event) -> None:
        session.log(scalars(event) | {"epoch": event["epoch"]})

    return track, session.finish


OPENERS = {"tensorboard": _tensorboard, "wandb": _wandb}
