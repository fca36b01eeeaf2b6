"""A checkpoint in a directory, each process writing its part (torch.distributed.checkpoint).

Tensors are kept by name, whole in effect: whoever reads them says how they are to be sharded,
and may be any number of processes. What is not a tensor stands in a small file beside them.
"""

import pickle
import warnings
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path, PosixPath
from typing import Any

import torch
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.distributed.checkpoint import filesystem, metadata
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save

from srwizard.base import files
from srwizard.runs.checkpoint_files import COMPLETE

REST_FILE = "rest.pt"


class DamagedError(Exception):
    """Something in the directory cannot be read."""


def begin_save(
    directory: Path, tensors: Mapping[str, Tensor], group: ProcessGroup | None
) -> "Future[Any]":
    """Copy tensors and begin to write them; every rank of `group` has to.

    Args:
        directory: made if need be; it is a checkpoint once the future is done.
        tensors: sharded, or the same in all ranks.
        group: of processes that can exchange CPU tensors; None: this process is alone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    saved = async_save(
        dict(tensors),
        storage_writer=FileSystemWriter(directory, sync_files=True),
        process_group=group,
        no_dist=group is None,
    )
    assert isinstance(saved, Future)
    return saved


def finish_save(saved: "Future[Any]") -> None:
    """Wait until a checkpoint is written.

    Raises:
        OSError: it cannot be; here or on another rank.
    """
    try:
        saved.result()
    except CheckpointException as error:
        raise _what_happened(error) from None


def _what_happened(error: CheckpointException) -> BaseException:
    """Return the error of the system, or the interruption, that one of the ranks met.

    CheckpointException holds what all ranks met, and is no Exception.
    """
    for failure, _trace in error.failures.values():
        cause: BaseException | None = failure
        while cause is not None:
            if isinstance(cause, OSError | KeyboardInterrupt):
                return cause
            cause = cause.__cause__ or cause.__context__
    return RuntimeError(str(error))


def write_rest(directory: Path, rest: dict[str, Any]) -> None:
    """Write what is not a tensor of the training; rank 0 does, before the tensors."""
    directory.mkdir(parents=True, exist_ok=True)
    files.write_with(directory / REST_FILE, lambda stream: torch.save(rest, stream))


def read_rest(directory: Path) -> dict[str, Any]:
    """Return what `write_rest` wrote.

    Raises:
        DamagedError: it cannot be read.
    """
    try:
        rest: dict[str, Any] = torch.load(
            directory / REST_FILE, map_location="cpu", weights_only=True
        )
    except Exception as error:  # which one depends on where the file is damaged
        raise DamagedError(str(error)) from error
    return rest


def kept_tensors(directory: Path) -> dict[str, TensorStorageMetadata]:
    """Return size and type of each tensor that is kept, by name.

    Raises:
        DamagedError: it cannot be read.
    """
    try:
        found = Reader(directory).read_metadata().state_dict_metadata
    except Exception as error:  # as above
        raise DamagedError(str(error)) from error
    return {name: part for name, part in found.items() if isinstance(part, TensorStorageMetadata)}


def read_into(directory: Path, tensors: Mapping[str, Tensor], group: ProcessGroup | None) -> None:
    """Read tensors, each process what it holds of them; every rank of `group` has to.

    Args:
        directory: a complete checkpoint.
        tensors: changed in place; sharded in any way, or not.
        group: see `begin_save`.

    Raises:
        DamagedError: one of them is not there or cannot be read, on every rank alike.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that one process is alone
            load(
                dict(tensors),
                storage_reader=Reader(directory),
                process_group=group,
                no_dist=group is None,
            )
    except CheckpointException as error:
        happened = _what_happened(error)
        if isinstance(happened, KeyboardInterrupt):
            raise happened from None
        raise DamagedError(str(happened)) from error
    except Exception as error:  # as above
        raise DamagedError(str(error)) from error


def read_whole(directory: Path) -> dict[str, Tensor]:
    """Return all tensors, whole, on the CPU.

    Raises:
        DamagedError: one cannot be read.
    """
    kept = kept_tensors(directory).items()
    tensors = {name: torch.empty(part.size, dtype=part.properties.dtype) for name, part in kept}
    read_into(directory, tensors, None)
    return tensors


class Reader(FileSystemReader):
    """A reader that runs no code in what it reads: the list of contents is a pickle."""

    def read_metadata(self, *_args: Any, **_kwargs: Any) -> Metadata:
        """Return the list of contents.

        Raises:
            pickle.UnpicklingError: there is something else in it.
        """
        with (Path(self.path) / COMPLETE).open("rb") as stream:
            found = ContentsUnpickler(stream).load()
        if not isinstance(found, Metadata):
            raise pickle.UnpicklingError("no list of contents")
        if found.storage_meta is None:
            found.storage_meta = metadata.StorageMeta()
        found.storage_meta.load_id = self.load_id
        return found


class ContentsUnpickler(pickle.Unpickler):
    """Knows the classes of a list of contents, and no other name."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the class `name` of `module`.

        Raises:
            pickle.UnpicklingError: it has no place in a list of contents.
        """
        if module == metadata.__name__:
            found = getattr(metadata, name, None)
            if isinstance(found, type) and found.__module__ == module:
                return found
        if (module, name) == (filesystem.__name__, "_StorageInfo"):
            return filesystem._StorageInfo
        if module == "torch":
            found = getattr(torch, name, None)
            if found is torch.Size or isinstance(found, torch.dtype):
                return found
        if (module, name) == ("torch.serialization", "_get_layout"):
            return torch.serialization._get_layout
        if module in ("pathlib", "pathlib._local") and name == "PosixPath":
            return PosixPath  # where the checkpoint was written; it is not looked at
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a list of contents")
