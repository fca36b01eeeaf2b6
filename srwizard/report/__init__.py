"""The report of a run: figures and one self-contained HTML page."""

from srwizard.report.page import write_report

__all__ = ["write_report"]
