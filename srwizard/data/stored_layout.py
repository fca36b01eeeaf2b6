"""The contents of a dataset as JSON, for another process that is not to scan it again."""

from pathlib import Path
from typing import Any

from srwizard.data.fields import Field, HDF5Field, NpyField
from srwizard.data.layout import Contents, FieldKey
from srwizard.data.outliers import masked, points_of


def as_json(contents: Contents) -> dict[str, Any]:
    """Return contents as JSON can hold them; problems are left out."""
    return {
        "root": str(contents.root),
        "layout": contents.layout,
        "fields": [
            {"key": key, "steps": found.steps, "shape": found.shape}
            for key, found in contents.fields.items()
        ],
        "periodic": contents.periodic,
        "statics": {level: list(map(str, paths)) for level, paths in contents.statics.items()},
        "masked": points_of(contents),
    }


def from_json(stored: dict[str, Any]) -> Contents:
    """Return the contents that `as_json` was given; nothing is looked up on disk.

    Raises:
        KeyError, TypeError, ValueError: it is not what `as_json` returns.
    """
    root, layout = Path(stored["root"]), stored["layout"]
    fields: dict[FieldKey, Field] = {}
    for item in stored["fields"]:
        split, level, variable = item["key"]
        height, width = item["shape"]
        steps, shape = tuple(item["steps"]), (int(height), int(width))
        fields[split, level, variable] = (
            NpyField(root / split / level / variable, steps, shape)
            if layout == "npy"
            else HDF5Field(root / f"{split}.{layout}", f"{level}/{variable}", steps, shape)
        )
    statics = {level: tuple(map(Path, paths)) for level, paths in stored["statics"].items()}
    contents = Contents(root, layout, fields, statics, periodic=stored["periodic"])
    points = stored["masked"]
    return contents if points is None else masked(contents, points)
