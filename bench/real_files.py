"""What becomes of real files: `python -m bench.real_files`.

Every NetCDF file of the package iris-sample-data, and of Debian's ferret-datasets where it is
installed, is looked into, and its likeliest variable is prepared as the wizard would by default.
What happened is printed, a line for each file; a traceback is the only thing that must not.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import iris_sample_data

from srwizard.base.errors import SrwizardError
from srwizard.data.dataset import Dataset
from srwizard.data.prepare import prepare, usual_names
from srwizard.data.prepare.look import look
from srwizard.wizard.preparing import scale_problem, usual_scale, usual_variables

PLACES = (
    Path(iris_sample_data.path),
    Path("/usr/share/ferret-vis/data"),
    Path("/usr/share/ferret"),
)
SUFFIXES = (".nc", ".cdf")


def real_files() -> Iterator[Path]:
    """Yield the files that are there."""
    for place in PLACES:
        yield from sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES)


def prepared(source: Path, out: Path) -> str:
    """Prepare a file, and say what was made of it.

    Raises:
        SrwizardError: nothing can be made of it; says why.
    """
    contents = look([source])
    chosen = usual_variables(contents)
    first = contents.named(chosen[0])
    assert first is not None and first.shape is not None
    scale = usual_scale(first.shape)
    manifest = prepare(
        [source],
        variables=dict(zip(chosen, usual_names(chosen), strict=True)),
        scale=scale,
        split=(0.7, 0.15, 0.15),
        out=out,
        depths=(min(first.depths),) if first.depths else (),
    )
    steps = "/".join(str(split.steps) for split in manifest.splits.values())
    usable = "usable" if Dataset(out).summary.usable else "not usable"
    small = "" if scale_problem(first.shape, scale) is None else ", LR too small"
    return (
        f"{', '.join(chosen)} {list(manifest.hr_shape)} x{scale}, {steps} steps, "
        f"{len(manifest.notes)} notes, {usable}{small}"
    )


def main() -> int:
    """Print what becomes of each file; 1 where one ends in another error than a message."""
    faults = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number, source in enumerate(real_files()):
            try:
                said = prepared(source, Path(scratch) / str(number))
            except SrwizardError as error:
                said = "refused: " + " ".join(error.message.split())
            except Exception as error:
                faults += 1
                said = f"FAULT: {type(error).__name__}: {error}"
            print(f"{source.name}: {said}", flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
