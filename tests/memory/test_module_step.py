"""`srwizard estimate --module`: the memory of a training step of a module that is not ours."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from srwizard.base.errors import UsageError
from srwizard.commands.cli import cli
from srwizard.memory.module_step import Asked, Shape, estimate_step, parse_shape
from srwizard.train.process_environment import allocator_settings

NETWORKS = "tests.memory.plain_networks"
IMAGES = Shape((4, 3, 64, 64))
REAL_STEPS = f"""
import torch
from {NETWORKS} import CNN
network, images = CNN(), torch.randn(4, 3, 256, 256)
optimizer = torch.optim.AdamW(network.parameters())
for _step in range(3):
    optimizer.zero_grad()
    (network(images) - images).square().mean().backward()
    optimizer.step()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def step(name: str, *inputs: Shape, gpu: str | None = "24GiB", **changes: Any) -> dict[str, Any]:
    return estimate_step(Asked(f"{NETWORKS}:{name}", inputs or (IMAGES,), **changes), gpu=gpu)


@pytest.mark.slow
def test_a_real_step_takes_what_was_predicted() -> None:
    images = Shape((4, 3, 256, 256))
    predicted = step("CNN", images, target=images, gpu=None)
    done = subprocess.run(
        [sys.executable, "-c", REAL_STEPS], capture_output=True, text=True, check=True,
        env=os.environ | allocator_settings(),
    )  # fmt: skip
    measured = 1024 * int(done.stdout)
    assert predicted["peak_bytes"] == pytest.approx(measured, rel=0.12)
    without_libraries = predicted["peak_bytes"] - predicted["fixed_bytes"]["baseline"]
    assert without_libraries == pytest.approx(
        measured - predicted["fixed_bytes"]["baseline"], rel=0.12
    )


def test_it_names_the_operator_at_the_peak_and_the_verdict() -> None:
    found = step("CNN")
    assert found["phases"]["step"]["operator"] == "aten.convolution_backward.default"
    assert (found["device"], found["gpu"], found["verdict"]) == ("cuda", "24GiB", "fits")
    assert found["parameters"] == sum(part.numel() for part in _network().parameters())
    assert found["peak_bytes"] == sum(found["fixed_bytes"].values()) + _reserved(found)


def test_checkpointing_and_mixed_precision_take_less() -> None:
    plain = _tensors(step("CNN"))
    assert _tensors(step("CNN", checkpointing=True)) < 0.8 * plain
    assert _tensors(step("CNN", use_amp=True)) < 0.8 * plain


@pytest.mark.parametrize("name", ["made", "ReadsValuesToBegin"])
def test_a_module_as_it_is_made_does_not_matter(name: str) -> None:
    assert _tensors(step(name)) == _tensors(step("CNN"))
    made = sys.modules[NETWORKS].made
    assert made.tail.weight.shape == (3, 32, 3, 3)


def test_a_function_without_weights() -> None:
    found = step("distance", IMAGES, IMAGES)
    assert found["parameters"] == 0
    assert _tensors(found) >= 3 * 4 * 4 * 3 * 64 * 64  # both, and what they differ by


def test_classes_are_compared_by_their_numbers() -> None:
    assert step("CNN", target=Shape((4, 64, 64), "int64"))["verdict"] == "fits"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("DependsOnValues", "depend on the values of a tensor"),
        ("KeepsATensorApart", "neither a weight, a buffer nor an input"),
        ("several", "returned tuple"),
        ("not_built", "OSError: weights.pt is not here"),
        ("no_module", "returned int, not a torch.nn.Module"),
        ("CNM", "has no CNM"),
        ("ONES", "Tensor is not a module or a function"),
    ],
)
def test_what_cannot_be_predicted_is_told(name: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        step(name)
    if name in ("DependsOnValues", "KeepsATensorApart", "not_built"):
        assert "plain_networks.py:" in refused.value.message


def test_shapes_that_do_not_go_together_are_told() -> None:
    with pytest.raises(UsageError, match=r"CNN cannot compute a step on 4,2,64,64: RuntimeError"):
        step("CNN", Shape((4, 2, 64, 64)))
    with pytest.raises(UsageError, match=r"--target 4,3,64,63: .* returned a tensor of 4,3,64,64"):
        step("CNN", target=Shape((4, 3, 64, 63)))


def test_without_blocks_there_is_nothing_to_checkpoint() -> None:
    with pytest.raises(UsageError, match="has no blocks"):
        step("distance", IMAGES, IMAGES, checkpointing=True)


@pytest.mark.parametrize(
    "text", ["", "2,,3", "-1,3", "2,0", "2x3", "1.5", "2,3:float", "99999999999"]
)
def test_what_is_not_a_shape_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="--input"):
        parse_shape("--input", text)


def test_shapes_as_they_are_written() -> None:
    assert parse_shape("--input", "2, 77:int64") == Shape((2, 77), "int64")
    assert str(Shape((2, 3))) == "2,3"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--module", "no_colon", "--input", "1"], "expected package.module:function"),
        (["--module", "no_such_package:f", "--input", "1"], "No module named 'no_such_package'"),
        (["--module", "torch.nn:ReLU", "--input", "2147483647,2147483647"], "is in no memory"),
        (["--module", "a:b"], "--module needs --input"),
        (["--module", "a:b", "--input", "1", "--fit", "batch_size"], "--module needs --input"),
        (["--amp"], "need --module"),
        (["--module", "a:b", "--input", "1", "--gpu", "RTX 3091"], "no GPU 'RTX 3091'"),
    ],
)
def test_command_lines_that_cannot_be_followed(arguments: list[str], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        cli.main(["estimate", *arguments], standalone_mode=False)
    assert told in refused.value.message


def test_a_module_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["import torch", "print('loading')", "def network(): return torch.nn.Linear(8, 2)"]
    (tmp_path / "of_mine.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    arguments = ["--module", "of_mine:network", "--input", "5,8", "--gpu", "24GiB", "--json"]
    cli.main(["estimate", *arguments], standalone_mode=False)
    printed = capsys.readouterr()
    assert printed.out.startswith("{")  # what the module prints is not among it
    assert "loading" in printed.err


def _network() -> torch.nn.Module:
    from tests.memory.plain_networks import CNN

    return CNN()


def _tensors(found: dict[str, Any]) -> int:
    return int(found["phases"]["step"]["tensor_bytes"])


def _reserved(found: dict[str, Any]) -> int:
    return int(found["phases"]["step"]["reserved_bytes"])
