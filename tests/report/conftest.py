"""A run directory as training leaves it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made_up_run import CONFIG, DRY_RUN, EVENTS

from srwizard.base import i18n

BuildRun = Callable[..., Path]


@pytest.fixture
def build_run(tmp_path: Path) -> BuildRun:
    """Return a builder of run directories; None leaves a file out."""

    def build(
        *,
        config: dict[str, Any] | None = CONFIG,
        events: list[dict[str, Any]] | None = EVENTS,
        dry_run: dict[str, Any] | None = DRY_RUN,
        samples: dict[str, Any] | None = None,
    ) -> Path:
        run = tmp_path / "run"
        (run / "plots").mkdir(parents=True)
        if config is not None:
            (run / "run.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        if events is not None:
            lines = "".join(f"{json.dumps(event)}\n" for event in events)
            (run / "metrics.jsonl").write_text(lines)
        if dry_run is not None:
            (run / "dry_run.json").write_text(json.dumps(dry_run))
        if samples is not None:
            np.savez(run / "plots" / "samples.npz", **samples)
        return run

    return build


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Start and leave every test in English."""
    i18n.set_language("en")
    yield
    i18n.set_language("en")
