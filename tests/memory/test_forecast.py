"""Forecasts are kept under all that they follow from, and under nothing else."""

from typing import Any

import pytest

from srwizard.memory.forecast import file_of
from srwizard.settings.run_config import RunConfig
from tests.configs import made_up_config


def changed(section: str, **changes: Any) -> RunConfig:
    run = made_up_config()
    return run.model_copy(update={section: getattr(run, section).model_copy(update=changes)})


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("data", {"steps": {"train": 3, "valid": 1, "test": 1}}),
        ("data", {"periodic": True}),
        ("data", {"variables": ["temp"]}),
        ("data", {"static_variables": ["lon", "lat"]}),
        ("training", {"batch_size": 5}),
        ("training", {"ema_decay": 0.9}),
        ("training", {"momentum": 0.0}),
        ("memory", {"use_amp": False}),
        ("devices", {"gpus_per_node": 2}),
        ("model", {"conserve": "block means"}),
    ],
)
def test_what_a_forecast_follows_from(section: str, changes: dict[str, Any]) -> None:
    assert file_of(changed(section, **changes)) != file_of(made_up_config())


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("data", {"root": "/elsewhere"}),
        ("data", {"fingerprint": "another"}),
        ("data", {"variables": ["a", "b"]}),
        ("training", {"epochs": 7, "lr": 0.5, "seed": 3, "patience": None}),
        ("output", {"dir": "/elsewhere"}),
    ],
)
def test_what_it_does_not_follow_from(section: str, changes: dict[str, Any]) -> None:
    assert file_of(changed(section, **changes)) == file_of(made_up_config())
