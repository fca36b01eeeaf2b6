"""The splits, and what they are called in the user's language. Imports no NumPy."""

from srwizard.base.i18n import translate as _

SPLITS = ("train", "valid", "test")


def split_title(split: str) -> str:
    """Return the name of a split."""
    return {
        "train": _("Training split"), "valid": _("Validation split"), "test": _("Test split")
    }[split]  # fmt: skip


def split_label(split: str) -> str:
    """Return the name of a split where there is little room: in English that of its files."""
    return {"train": _("train"), "valid": _("valid"), "test": _("test")}[split]


def split_words(split: str) -> str:
    """Return the name of a split as it stands within a sentence."""
    return {
        "train": _("training split"), "valid": _("validation split"), "test": _("test split")
    }[split]  # fmt: skip
