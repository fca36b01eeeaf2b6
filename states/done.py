"""done: what came out, and where it is."""

from rich.table import Table
from rich.text import Text

from srwizard.conversation import Conversation
from srwizard.i18n import translate as _
from srwizard.states.frozen import run_directory
from srwizard.train.launch import test_scores


def run(conversation: Conversation) -> str:
    """Show the metrics of the test split and the way to the report."""
    run_dir = run_directory(conversation)
    conversation.show(scores_table(test_scores(run_dir)))
    conversation.show(Text(_("Report: {path}", path=run_dir / "report.html")))
    return "next"


def scores_table(variables: dict[str, dict[str, dict[str, float]]]) -> Table:
    """Return the metrics of each variable beside bicubic interpolation."""
    table = Table(title=_("Test split"), title_justify="left")
    for heading in (_("Variable"), _("Method"), "RMSE", "MAE", "PSNR", "SSIM"):
        table.add_column(
            heading, justify="left" if heading in (_("Variable"), _("Method")) else "right"
        )
    for name, found in variables.items():
        for method, label in (("model", _("model")), ("bicubic", _("bicubic"))):
            scores = found[method]
            table.add_row(
                Text(name),
                label,
                f"{scores['rmse']:.4g}",
                f"{scores['mae']:.4g}",
                f"{scores['psnr']:.2f}",
                f"{scores['ssim']:.4f}",
            )
    return table
