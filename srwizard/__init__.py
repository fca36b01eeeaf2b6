"""srwizard: from a directory of ocean field pairs to a trained super-resolution model.

from srwizard import load_run
run = load_run("runs/first")
sr = run.predict(lr)  # [C, h, w] -> [C, H, W], physical units, NaN on land
"""

from typing import TYPE_CHECKING, Any

from srwizard.base.version import __version__

if TYPE_CHECKING:
    from srwizard.use.run import Run, load_run

__all__ = ["Run", "__version__", "load_run"]


def __getattr__(name: str) -> Any:
    # Not with the package: torch takes seconds to import, and the wizard does without it.
    if name in ("Run", "load_run"):
        from srwizard.use import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
