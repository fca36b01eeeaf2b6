"""The report at the end of a training: without it, training is complete all the same."""

from pathlib import Path

from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_shell
from srwizard.report.page import write_report


def report_training(run_dir: Path) -> None:
    """Write the report of a training that has just ended.

    Raises:
        Exception: it cannot be written; it is said that training is complete, and what writes the
            report later.
    """
    try:
        write_report(run_dir)
    except (Exception, KeyboardInterrupt):
        print(
            _(
                "Training is complete, but its report could not be written. Later: "
                "srwizard report {run_dir}",
                run_dir=in_shell(run_dir),
            ),
            flush=True,
        )
        raise
