"""The dataset that somebody means who names a directory above or below it. Imports no NumPy."""

from pathlib import Path

from srwizard.data.split_names import SPLITS

SUFFIXES = ("", ".h5", ".nc")
MOST_ABOVE = 4
"""ROOT/train/hr/VARIABLE/FILE is the deepest place within a dataset."""


def dataset_near(path: Path) -> Path | None:
    """Return the dataset above a path, or the only one in it; None where the path is one itself."""
    try:
        if _is_dataset(path):
            return None
        above = next((one for one in path.parents[:MOST_ABOVE] if _is_dataset(one)), None)
        if above is not None:
            return above if path.relative_to(above).parts[0] in _names(above) else None
        inside = [one for one in path.iterdir() if _is_dataset(one)] if path.is_dir() else []
    except OSError:
        return None
    return inside[0] if len(inside) == 1 else None


def _is_dataset(path: Path) -> bool:
    return path.is_dir() and len(_names(path)) > 1


def _names(path: Path) -> list[str]:
    """Return the names of the splits, as a directory has them."""
    names = [f"{split}{suffix}" for split in SPLITS for suffix in SUFFIXES]
    return [name for name in names if (path / name).exists()]
