"""What the splits are called in the user's language."""

from srwizard.base.i18n import translate as _


def split_title(split: str) -> str:
    """Return the name of a split."""
    return {
        "train": _("Training split"), "valid": _("Validation split"), "test": _("Test split")
    }[split]  # fmt: skip
