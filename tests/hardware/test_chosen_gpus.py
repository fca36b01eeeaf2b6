"""The GPUs of a run, and what is told of them once it has failed."""

from pathlib import Path

import pytest

from srwizard.base.errors import UsageError
from srwizard.hardware import nvml, torch_build
from srwizard.hardware.chosen import gpus_of, remarks_on_gpus
from srwizard.hardware.nvml import GPU, Fault, GPUProcess, Seen
from srwizard.hardware.torch_build import TorchBuild
from srwizard.runs import failures
from srwizard.runs.failures import Ended, explain
from srwizard.settings.run_config import RunConfig, RunGPU
from tests.configs import made_up_config

GIB = 2**30
LOST = Fault(1, 15, "GPU is lost")


def gpu(number: int, **properties: object) -> GPU:
    return GPU(number, f"GPU-{number}", "NVIDIA A100", 40 * GIB, 39 * GIB, **properties)  # type: ignore[arg-type]


@pytest.fixture
def run() -> RunConfig:
    """A run on the GPUs 1 and 0, in this order."""
    gpus = [RunGPU(index=n, uuid=f"GPU-{n}", name="NVIDIA A100") for n in (1, 0)]
    devices = made_up_config().devices.model_copy(update={"gpus": gpus, "processes": 2})
    return made_up_config(devices=devices)


def machine(monkeypatch: pytest.MonkeyPatch, seen: Seen, torch: str | None = "12.8") -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(nvml, "look", lambda: seen)
    monkeypatch.setattr(torch_build, "installed", lambda: TorchBuild(torch))


def test_they_come_in_the_order_of_the_processes(
    monkeypatch: pytest.MonkeyPatch, run: RunConfig
) -> None:
    machine(monkeypatch, Seen(gpus=(gpu(0), gpu(1), gpu(2))))
    assert [found.index for found in gpus_of(run.devices)] == [1, 0]
    assert remarks_on_gpus(run.devices) == []
    on_a_cpu = run.devices.model_copy(update={"gpus": []})
    assert gpus_of(on_a_cpu) == []


def test_one_that_cannot_be_used_now_is_refused_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, run: RunConfig
) -> None:
    machine(monkeypatch, Seen(gpus=(gpu(0),), faults=(LOST,)))
    with pytest.raises(UsageError, match=r"GPU 1 \(NVIDIA A100\) cannot be used: the GPU is lost"):
        gpus_of(run.devices)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (
            Seen(gpus=(gpu(0),), faults=(LOST,)),
            "GPU 1 (NVIDIA A100) cannot be used: the GPU is lost",
        ),
        (
            Seen(gpus=(gpu(0), gpu(1, memory_errors=3))),
            "GPU 1: uncorrectable errors of its memory since it was last reset: 3",
        ),
        (
            Seen(gpus=(gpu(0, processes=(GPUProcess(7, "wang", 5 * GIB),)), gpu(1))),
            "GPU 0: busy: wang (process 7) holds 5.0 GB",
        ),
    ],
    ids=["lost", "memory errors", "two users"],
)
def test_a_failure_tells_what_nvml_says_of_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunConfig, seen: Seen, told: str
) -> None:
    machine(monkeypatch, seen)
    failures.record(tmp_path, RuntimeError("CUDA error: unspecified launch failure"), 0, {})
    failure = failures.collect(tmp_path, Ended(1), gpus=remarks_on_gpus(run.devices))
    assert failures.recorded_failure(tmp_path) == failure
    assert any(line.startswith(told) for line in explain(failure, tmp_path))


def test_a_failure_of_another_kind_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunConfig
) -> None:
    machine(monkeypatch, Seen(gpus=(gpu(0, memory_errors=1), gpu(1))))
    failures.record(tmp_path, failures.NonFiniteLossError(float("nan"), 3, 1), 0, {})
    assert "gpus" not in failures.collect(tmp_path, Ended(1), gpus=remarks_on_gpus(run.devices))


@pytest.mark.parametrize("damaged", [None, 3, "text", {"a": 1}])
def test_a_damaged_record_of_them_is_left_out(tmp_path: Path, damaged: object) -> None:
    failure = {"kind": "device_failed", "error": "x"}
    assert explain(failure | {"gpus": damaged}, tmp_path) == explain(failure, tmp_path)


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n", None),
        ("__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\nhip = None\n", "13.0"),
        ("cuda = '11.8'\n", "11.8"),
        ('cuda = "12.6"', "12.6"),
    ],
)
def test_the_build_of_torch_is_read_in_its_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, cuda: str | None
) -> None:
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "version.py").write_text(text)
    spec = torch_build.importlib.util.spec_from_file_location("torch", package / "__init__.py")
    monkeypatch.setattr(torch_build.importlib.util, "find_spec", lambda _name: spec)
    assert torch_build.installed() == TorchBuild(cuda)


@pytest.mark.parametrize("text", ["", "cuda_version = '12.8'", "cuda = unknown"])
def test_a_torch_that_does_not_tell_is_given_the_benefit_of_the_doubt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    (tmp_path / "version.py").write_text(text)
    spec = torch_build.importlib.util.spec_from_file_location("torch", tmp_path / "__init__.py")
    monkeypatch.setattr(torch_build.importlib.util, "find_spec", lambda _name: spec)
    assert torch_build.installed() is None
    monkeypatch.setattr(torch_build.importlib.util, "find_spec", lambda _name: None)
    assert torch_build.installed() is None


def test_the_torch_that_is_here_is_read_as_it_says_itself() -> None:
    import torch

    assert torch_build.installed() == TorchBuild(torch.version.cuda)
