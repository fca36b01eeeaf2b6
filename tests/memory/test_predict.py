"""The peak predicted without allocating: against hand counts, real tensors and a real dry run."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import nn

from bench.memory import compare, make_run, write_dataset
from srwizard.memory.imitation import FakeLoader, Imitation
from srwizard.memory.kernels import BLOCK, cpu_scratch
from srwizard.memory.predict import MIB, on_gpu, predict, predict_batches
from srwizard.memory.tracker import StorageTracker
from srwizard.models.catalog import card, resolve_parameters
from srwizard.runconfig import RunConfig, RunData, RunDevices, RunMemory
from srwizard.train.scoring import score
from tests.configs import MADE_UP_DATA, run_config

UNET = {
    "inner_channel": 8,
    "norm_groups": 4,
    "channel_mults": [1, 2],
    "attn_res": [],
    "res_blocks": 1,
    "sampling_steps": 5,
}
SMALL: dict[str, dict[str, Any]] = {
    "EDSR": {"num_features": 16, "num_blocks": 3},
    "FNO2d": {"width": 8, "modes": 4, "num_layers": 3},
    "SwinIR": {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2]},
    "Swin_Transformer": {
        "embed_dim": 12,
        "depths": [2, 2],
        "num_heads": [2, 2],
        "window_size": 4,
    },
    "DDPM": UNET,
    "SR3": UNET,
    "ResShift": UNET,
    "RCAN": {"num_features": 16, "num_groups": 1, "num_blocks": 3},
    "UNet2d": {"features": 8, "levels": 3},
    "Galerkin_Transformer": {"width": 16, "num_layers": 2, "decoder_width": 8, "modes": 4},
    "MWT2d": {"k": 2, "c": 4, "modes": 4, "num_layers": 2},
    "SRNO": {"num_features": 8, "num_blocks": 2, "width": 16, "num_heads": 4},
    "HiNOTE": {"num_features": 8, "num_blocks": 2, "width": 16},
}


def config(
    model: str = "EDSR",
    *,
    params: dict[str, Any] | None = None,
    hr_shape: tuple[int, int] = (64, 96),
    batch_size: int = 2,
    accumulation: int = 1,
    processes: int = 1,
    use_amp: bool = False,
    gradient_checkpointing: bool = False,
    patch_size: int | None = None,
    **training: Any,
) -> RunConfig:
    """Return a run of a small network on a dataset that is not there."""
    run = run_config()
    data = RunData.model_validate(
        MADE_UP_DATA.model_dump()
        | {"hr_shape": list(hr_shape), "lr_shape": [side // 4 for side in hr_shape], "scale": 4}
    )
    resolved = resolve_parameters(card(model), SMALL[model] if params is None else params)
    return run.model_copy(
        update={
            "data": data,
            "model": run.model.model_copy(update={"name": model, "params": resolved}),
            "training": run.training.model_copy(
                update={"batch_size": batch_size, "grad_accumulation": accumulation} | training
            ),
            "devices": RunDevices(gpus=[], processes=processes, nodes=1, backend="gloo"),
            "memory": RunMemory(
                use_amp=use_amp,
                gradient_checkpointing=gradient_checkpointing,
                patch_size=patch_size,
            ),
        }
    )


def tensors(run: RunConfig) -> int:
    """Return the predicted peak of the tensors of one optimizer step."""
    return predict(run).phases["step"].tensor_bytes


def test_tracker_counts_what_is_alive() -> None:
    with StorageTracker() as tracker:
        first = torch.zeros(1000)  # 4000 bytes
        second = first * 2  # 4000 more
        view = second[10:].view(-1, 2)  # none
        del second
        assert tracker.live_bytes == 8000  # the view keeps it alive
        del view
        assert tracker.live_bytes == 4000
        assert tracker.peak.total_bytes == 8000
        tracker.forget_peak()
        first.add_(1)
        assert tracker.peak.total_bytes == 4000
    assert sum(event.size for event in tracker.events) == tracker.live_bytes == 4000


def test_tracker_equals_a_hand_count_of_a_network() -> None:
    """A linear layer without bias, 100 -> 100, on 50 samples, float32."""
    weight_bytes, sample_bytes, scalar = 100 * 100 * 4, 50 * 100 * 4, 4
    with StorageTracker() as tracker:
        layer = nn.Linear(100, 100, bias=False)
        inputs = torch.randn(50, 100)
        assert tracker.live_bytes == weight_bytes + sample_bytes
        tracker.forget_peak()
        loss = layer(inputs).relu().sum()
        # The product is let go, relu keeps its result.
        assert tracker.live_bytes == weight_bytes + 2 * sample_bytes + scalar
        assert tracker.peak.total_bytes == weight_bytes + 3 * sample_bytes
        tracker.forget_peak()
        loss.backward()
        # The gradient of the sum is one number; that of relu is whole; then the weight's.
        assert tracker.live_bytes == 2 * weight_bytes + sample_bytes + scalar
        highest = 2 * weight_bytes + 3 * sample_bytes
        assert highest - sample_bytes <= tracker.peak.total_bytes <= highest + 2 * scalar


@pytest.fixture
def real_batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Batches of zeros, so that real tensors compute to finite values; in one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    sample = FakeLoader._sample

    def zeros(loader: FakeLoader) -> dict[str, Any]:
        found: Any = sample(loader)
        for name in ("lr", "hr", "bicubic_input"):
            found[name].zero_()
        found["mask"].fill_(True)
        return dict(found)

    monkeypatch.setattr(FakeLoader, "_sample", zeros)
    yield
    torch.set_num_threads(threads)


def phases(run: RunConfig, *, fake: bool) -> list[int]:
    """Return the peaks of training and validation and what is left, without kernels' scratch."""
    tracker = StorageTracker()
    found = []
    with Imitation(run, tracker, fake=fake) as imitation:
        for work in (imitation.train, imitation.validate):
            tracker.forget_peak()
            work()
            found.append(tracker.peak.total_bytes)
        found.append(tracker.live_bytes)
    return found


@pytest.mark.usefixtures("real_batches")
@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use_amp": True, "gradient_checkpointing": True},
        {"patch_size": 32, "accumulation": 2},
        {"optimizer": "SGD", "ema_decay": 0.9, "clip_grad_norm": 1.0, "loss": "relative_L2"},
    ],
    ids=["plain", "amp and checkpointing", "patches and accumulation", "other optimization"],
)
def test_fake_tensors_count_as_real_ones(model: str, changes: dict[str, Any]) -> None:
    run = config(model, **changes)
    assert phases(run, fake=True) == pytest.approx(phases(run, fake=False), rel=0.01)


@pytest.mark.parametrize(
    ("model", "patch_size"), [("EDSR", 32), ("DDPM", None), ("DDPM", 32), ("ResShift", None)]
)
@pytest.mark.parametrize("hr_shape", [(64, 96), (128, 160)])
def test_tiles_and_steps_that_are_left_out_do_not_matter(
    model: str, patch_size: int | None, hr_shape: tuple[int, int]
) -> None:
    run = config(model, hr_shape=hr_shape, patch_size=patch_size)
    found = []
    for all_tiles in (True, False):
        tracker = StorageTracker(cpu_scratch)
        with Imitation(run, tracker) as imitation:
            if all_tiles:
                score(imitation.training, "valid", batch_limit=1)
            else:
                imitation.validate()
        found.append(tracker.peak.total_bytes)
    assert found[0] == found[1]


@pytest.mark.parametrize("model", ["EDSR", "SwinIR"])
def test_checkpointing_lowers_the_peak(model: str) -> None:
    params = {"EDSR": {"num_features": 16, "num_blocks": 12}, "SwinIR": SMALL["SwinIR"]}[model]
    plain = tensors(config(model, params=params))
    assert tensors(config(model, params=params, gradient_checkpointing=True)) < 0.9 * plain


@pytest.mark.parametrize("model", SMALL)
def test_mixed_precision_lowers_the_peak(model: str) -> None:
    run = config(model, hr_shape=(128, 192))
    amp = config(model, hr_shape=(128, 192), use_amp=True)
    assert tensors(amp) < 0.9 * tensors(run)
    assert tensors(on_gpu(amp, "A100")) < tensors(on_gpu(run, "A100"))


def test_ddp_holds_the_gradients_twice() -> None:
    one, two = predict(config(params={})), predict(config(params={}, processes=2))
    parameter_bytes = 4 * one.parameters
    for name, phase in two.phases.items():
        assert phase.tensor_bytes - one.phases[name].tensor_bytes == parameter_bytes
    assert two.peak_bytes == 2 * two.rank_bytes


def test_batch_line() -> None:
    run = config("FNO2d", hr_shape=(128, 128))
    line = predict_batches(run, range(1, 9))
    for size in (1, 3, 7):
        alone = predict(config("FNO2d", hr_shape=(128, 128), batch_size=size)).peak_bytes
        assert line[size] == pytest.approx(alone, rel=0.02)


def test_blocked_copies_of_a_convolution() -> None:
    block = BLOCK.get(torch.backends.cpu.get_cpu_capability())
    if block is None:
        pytest.skip("oneDNN has no blocks here")
    plane, weights = 20 * 30 * 4, 3 * 3 * 4
    source, weight = torch.empty(1, 32, 20, 30), torch.empty(1, 32, 3, 3)
    result = torch.empty(1, 1, 20, 30)
    scratch = cpu_scratch(torch.ops.aten.convolution.default, (source, weight), result)
    # Input, weights and the padded result in blocks, before there is a plain result.
    assert scratch == (32 + block - 1) * plane + 32 * weights
    pointwise = torch.empty(1, 32, 1, 1)
    assert not cpu_scratch(
        torch.ops.aten.convolution.default, (source, pointwise), result, threads=1
    )
    last = source.to(memory_format=torch.channels_last)
    assert cpu_scratch(torch.ops.aten.convolution.default, (last, weight), result) == 32 * weights


def test_gpu_reserves_more_than_it_holds() -> None:
    found = predict(on_gpu(config("SwinIR"), "RTX 3090"))
    assert found.device == "cuda"
    held = [phase.reserved_bytes for phase in found.phases.values()]
    assert held == sorted(held)
    assert held[-1] >= found.tensor_bytes
    assert found.peak_bytes == held[-1] + sum(found.fixed_bytes.values())


@pytest.mark.parametrize("model", SMALL)
def test_nothing_is_allocated_and_it_is_quick(model: str) -> None:
    predict(config(model))  # brings in what is imported late
    run = config(model, params={}, hr_shape=(680, 1440), batch_size=200)
    before = psutil.Process().memory_info().rss
    found = predict(run)
    assert found.peak_bytes > 100 * 2**30
    assert psutil.Process().memory_info().rss - before < 100 * MIB
    assert found.seconds < 30  # under 5 on an idle machine


def test_command_prints_json(tmp_path: Path) -> None:
    root, run_dir = tmp_path / "data", tmp_path / "run"
    write_dataset(root)
    run = make_run(root, run_dir, "EDSR", {})
    command = [sys.executable, "-m", "srwizard.memory.predict"]
    done = subprocess.run(
        [*command, str(run_dir), "--gpu", "8GiB", "--batch-sizes", "1,2", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    expected = predict(on_gpu(run, "8GiB"))
    assert report["peak_bytes"] == report["batches"]["2"] == expected.peak_bytes
    assert report["batches"]["1"] < report["peak_bytes"]
    assert (report["verdict"], report["capacity_bytes"]) == ("fits", 8 * 2**30)
    wrong = subprocess.run(
        [*command, str(run_dir), "--gpu", "RTX 3091"], capture_output=True, text=True
    )
    assert wrong.returncode == 2
    assert "RTX 3090" in wrong.stderr


def test_wizard_can_import_it_without_torch() -> None:
    code = "import sys, srwizard.memory.predict; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"use_amp": True, "processes": 2}], ids=["plain", "ddp"])
def test_prediction_agrees_with_a_dry_run(tmp_path: Path, changes: dict[str, Any]) -> None:
    root = tmp_path / "data"
    write_dataset(root)
    row = compare("EDSR", "", make_run(root, tmp_path / "run", "EDSR", changes))
    assert row.measured >= 300 * MIB
    assert abs(row.error) < 0.12
