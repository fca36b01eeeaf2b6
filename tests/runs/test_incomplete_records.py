"""Records that lack a figure, or have null for it, are told as far as they go."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from srwizard.runs.advice import no_better
from srwizard.runs.outcome import outcome
from srwizard.runs.records import null_to_nan
from srwizard.runs.sound_records import is_event
from srwizard.train.launch import launch
from tests.datasets import write_dataset
from tests.train.runs import freeze

Place = tuple[str | int, ...]


def places(node: Any, path: Place = ()) -> Iterator[Place]:
    """Yield where there is anything in an event."""
    keys: Any = (
        node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    )
    for key in keys:
        yield (*path, key)
        yield from places(node[key], (*path, key))


def without(event: dict[str, Any], place: Place, *, null: bool) -> dict[str, Any]:
    changed = copy.deepcopy(event)
    node: Any = changed
    for key in place[:-1]:
        node = node[key]
    if null:
        node[place[-1]] = None
    else:
        del node[place[-1]]
    return changed


@pytest.mark.slow
def test_whatever_is_missing_from_a_sound_event(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, epochs=1)
    launch(run_dir)
    events = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    epoch, test = (
        next(event for event in events if event["event"] == kind) for kind in ("epoch", "test")
    )
    epoch["step"] = 1000  # of so few as there were nothing is said of the curve
    config: dict[str, Any] = {"model": {"params": {}, "conserve": "additive"}}
    tried = 0
    for event in (test, epoch):
        for place in places(event):
            for null in (True, False):
                changed = without(event, place, null=null)
                if not is_event(changed):
                    continue
                tried += 1
                told, curve = (changed, epoch) if event is test else (test, changed)
                outcome(told, run_dir, 100)
                for name, scores in null_to_nan(told["variables"]).items():
                    no_better(name, scores, [curve], config)
    assert tried > 300
