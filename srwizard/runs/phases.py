"""What a run is doing, or was doing when it failed. No torch."""

from srwizard.base.i18n import translate as _


def phase_text(phase: str) -> str:
    """Return a phase, as records name it, in the user's language."""
    titles = {
        "set-up": _("getting ready"),
        "training": _("training"),
        "training step": _("training step"),
        "validation": _("validation"),
        "checkpoint": _("writing a checkpoint"),
        "learning-rate range test": _("learning-rate range test"),
        "gain": _("fitting the gain on the validation split"),
        "test": _("scoring the test split"),
    }
    return titles.get(phase, phase)
