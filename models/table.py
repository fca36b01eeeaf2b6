"""The models as a table; without torch."""

from rich.table import Table
from rich.text import Text

from srwizard.i18n import language
from srwizard.i18n import translate as _
from srwizard.models.catalog import ModelCard, cards


def models_table() -> Table:
    """Return all models as a table, by family."""
    table = Table(title=_("Models"), title_justify="left")
    for heading in (_("Model"), _("Family"), _("Scales"), _("What it is"), _("Paper")):
        table.add_column(heading, overflow="fold")
    for item in cards().values():
        table.add_row(
            item.name + (" " + _("(recommended)") if item.recommended else ""),
            family_title(item),
            f"{min(item.scales)}-{max(item.scales)}x",
            Text(item.summary_zh if language() == "zh" else item.summary_en),
            Text(item.paper),
        )
    return table


def family_title(item: ModelCard) -> str:
    """Return the heading that a model stands under."""
    return _("standard models") if item.family == "standard" else _("diffusion models")
