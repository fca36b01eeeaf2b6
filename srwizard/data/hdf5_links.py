"""The files that an HDF5 file reads from besides itself.

External links, virtual datasets and raw storage in other files: see "Virtual Dataset" and
"External Links" in the HDF5 user guide.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from srwizard.base.typed_paths import real_path
from srwizard.data.hdf5_reading import open_hdf5
from srwizard.data.layout import LEVELS

# Not imported with the module: the wizard shall not wait for it before it needs it.
if TYPE_CHECKING:
    import h5py


def with_linked_files(file: Path) -> list[Path]:
    """Return a file of a dataset and those that its fields are really in, each once, in order.

    A linked file that is not there is among them: HDF5 itself would give fill values instead.

    Raises:
        OSError: the file cannot be read.
    """
    found = [file]
    if file.suffix != ".npy":
        import h5py

        file.stat()  # whose error names the file
        with open_hdf5(file) as opened:
            for level in LEVELS:
                link = opened.get(level, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    found.append(file.parent / link.filename)
                for name in opened.get(level, ()):
                    link = opened[level].get(name, getlink=True)
                    if isinstance(link, h5py.ExternalLink):
                        here = Path(opened[level].file.filename)
                        found.append(here.parent / link.filename)
                    target = opened[level].get(name)
                    if isinstance(target, h5py.Dataset):
                        found.extend(_behind(target))
    # Names of one file may differ by how it was reached.
    return list({real_path(one): one for one in found}.values())


def _behind(dataset: "h5py.Dataset") -> Iterator[Path]:
    """Yield the files that a dataset takes its values from, besides that of its root."""
    import h5py

    here = Path(dataset.file.filename)
    yield here
    for name, _offset, _size in dataset.external or ():
        yield here.parent / name
    if not dataset.is_virtual:
        return
    for source in dataset.virtual_sources():
        if source.file_name == ".":
            continue
        for path in _named(here.parent, source.file_name):
            yield path
            path.stat()
            with open_hdf5(path) as opened:
                inner = opened.get(source.dset_name)
                if isinstance(inner, h5py.Dataset):
                    yield from _behind(inner)


def _named(directory: Path, name: str) -> list[Path]:
    """Return the files of a virtual source; %b in its name stands for the number of a block."""
    if "%b" not in name:
        return [directory / name]
    path = directory / name
    return sorted(path.parent.glob(path.name.replace("%b", "*")))
