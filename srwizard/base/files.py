"""Files that are written whole or not at all."""

import json
import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from srwizard.base.special_files import require_file

LONGEST_NUMBER = 20
"""Characters of the longest whole number of 64 bits, -2**63."""


@contextmanager
def atomic_writer(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; on success sync it and rename it to `path`.

    Whatever goes wrong, `path` holds either its earlier content or the new content whole.

    Args:
        path: the file to write; its directory must exist.
        mode: permission bits of the new file, of which the umask takes its share.

    Raises:
        OSError: the directory cannot be written or the disk is full.
    """
    temporary = _temporary(path)
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        error.filename = str(path)  # nobody knows the other name
        raise
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def sync_directory(directory: Path) -> None:
    """Make renames inside `directory` survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write `content` to `path`, whole or not at all."""
    with atomic_writer(path, mode=mode) as stream:
        stream.write(content)


def write_text(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode("utf-8"), mode=mode)


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as indented JSON, whole or not at all; see `finite_or_null`."""
    text = json.dumps(finite_or_null(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def finite_or_null(node: Any) -> Any:
    """Return `node` with null for every number that is not finite, as JSON demands."""
    if isinstance(node, dict):
        return {key: finite_or_null(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [finite_or_null(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def parse_json(text: str) -> Any:
    """Return what JSON says, whoever wrote it.

    Raises:
        ValueError: it is no JSON, or brackets in it are nested too deeply to be read.
    """
    try:
        return json.loads(text, parse_int=_whole_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whole_number(digits: str) -> int | float:
    """Return a number that can be computed with: an endless row of digits is not finite."""
    if len(digits) > LONGEST_NUMBER or not -(2**63) <= int(digits) < 2**63:
        return float(digits)
    return int(digits)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in `path`, None where none can be read."""
    try:
        content = parse_json(require_file(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_with(path: Path, save: Callable[[IO[bytes]], object]) -> None:
    """Let `save` write to a stream that becomes `path`, whole or not at all."""
    with atomic_writer(path) as stream:
        save(stream)


def same_file(source: Path, target: Path) -> None:
    """Let `target` be the same file as `source`, whole or not at all; a copy where it cannot be.

    Raises:
        OSError: it cannot be written; `target` is left as it was.
    """
    temporary = _temporary(target)
    try:
        os.link(source, temporary)
    except OSError:  # a file system without links
        with source.open("rb") as content:
            write_with(target, lambda stream: shutil.copyfileobj(content, stream))
        return
    try:
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)  # it stays where both are the same file already
    sync_directory(target.parent)
