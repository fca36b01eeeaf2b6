"""The installed command, run to its end without a terminal."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.terminal import PROGRAM


def run_installed(
    arguments: tuple[object, ...],
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
    timeout: float | None = 600,
    **changes: Any,
) -> "subprocess.CompletedProcess[str]":
    """Run the command; what it prints is kept.

    Args:
        arguments: of the command.
        environment: all of it.
        cwd: where it is run.
        timeout: seconds.
        changes: further arguments of `subprocess.run`.
    """
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        check=False,
        **changes,
    )
