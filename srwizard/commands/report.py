"""`srwizard report`: write the report of a run again."""

from pathlib import Path

from srwizard.base.i18n import translate as _
from srwizard.commands.options import command, run_directory


@command(_("Write the report of a run again."))
@run_directory
def report(run_dir: Path) -> None:
    from srwizard.report.page import write_report

    print(_("Report: {path}", path=write_report(run_dir.absolute())))
