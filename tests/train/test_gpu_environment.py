"""What processes on GPUs find in their environment."""

import pytest

from srwizard.settings.run_config import RunConfig
from srwizard.train.processes import segments_expand, settings
from tests.configs import made_up_config


def on_gpus() -> RunConfig:
    run = made_up_config()
    return run.model_copy(update={"devices": run.devices.model_copy(update={"gpus_per_node": 1})})


def on_a_cpu() -> RunConfig:
    run = made_up_config()
    return run.model_copy(update={"devices": run.devices.model_copy(update={"gpus": []})})


def test_segments_grow_on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    assert settings(on_gpus())["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"
    assert "PYTORCH_CUDA_ALLOC_CONF" not in settings(on_a_cpu())
    assert segments_expand()


@pytest.mark.parametrize("name", ["PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"])
@pytest.mark.parametrize(
    ("value", "expand"),
    [("max_split_size_mb:128", False), ("a:1, expandable_segments:True", True)],
)
def test_what_the_user_has_set_stays(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expand: bool
) -> None:
    monkeypatch.setenv(name, value)
    assert "PYTORCH_CUDA_ALLOC_CONF" not in settings(on_gpus())
    assert segments_expand() is expand
