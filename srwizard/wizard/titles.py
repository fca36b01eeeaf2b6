"""What the states are called on the screen."""

from srwizard.base.i18n import translate as _


def title_of(state: str) -> str:
    """Return the name of a state in the user's language."""
    return {
        "data": _("data"),
        "output": _("output"),
        "model": _("model"),
        "training": _("training"),
        "devices": _("devices"),
        "memory": _("memory"),
        "review": _("confirmation"),
        "frozen": _("freezing the config"),
        "dry_run": _("dry run"),
        "adjust": _("choosing a remedy"),
        "launch": _("training in progress"),
        "diagnose": _("diagnosis of a failure"),
        "done": _("done"),
    }[state]
