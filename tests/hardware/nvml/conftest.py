"""`srwizard gpus` on a machine with made-up GPUs, as programs and as people read it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hardware.nvml.world import World

PROGRAM = str(Path(sys.executable).with_name("srwizard"))
Look = Callable[..., dict[str, Any]]


def command(*arguments: str, environment: dict[str, str]) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [PROGRAM, *arguments],
        env={**kept, "LANG": "C.UTF-8", "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


@pytest.fixture
def look(nvml_world: World) -> Look:
    """Return `srwizard gpus --json` as a program reads it."""

    def found(**environment: str) -> dict[str, Any]:
        settings = {**nvml_world.environment, **environment}
        content = json.loads(command("gpus", "--json", environment=settings))
        assert content["cpu"]["cores"] >= 1
        return content  # type: ignore[no-any-return]

    return found


@pytest.fixture
def table(nvml_world: World) -> Callable[..., str]:
    """Return what `srwizard gpus` shows to a person."""

    def shown(*options: str, **environment: str) -> str:
        settings = {**nvml_world.environment, **environment}
        text = command(*options, "gpus", environment=settings)
        assert "CPU" in text
        return text

    return shown


def numbers(found: dict[str, Any]) -> list[int]:
    return [gpu["index"] for gpu in found["gpus"]]
