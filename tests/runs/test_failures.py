"""Every failure is recognised by what torch, the system or Python really say."""

import json
import re
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from srwizard.base import files, i18n
from srwizard.runs import failures
from srwizard.runs.failure_kinds import CATALOGUE, UNKNOWN, kind_named, recognise
from srwizard.runs.failures import Ended, NonFiniteLossError, collect
from srwizard.runs.last_phase import LastPhase
from srwizard.settings.answers import Answers
from srwizard.train import processes
from tests.datasets import write_dataset
from tests.train.runs import freeze

SAID = {
    "cuda_out_of_memory": [
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "AcceleratorError: CUDA error: out of memory",
        "RuntimeError: CUDA driver error: out of memory",
        "DistBackendError: NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:77, "
        "unhandled cuda error (run with NCCL_DEBUG=INFO for details), NCCL version 2.27.3\n"
        "ncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\n"
        "Cuda failure 2 'out of memory'",
        "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling "
        "`cublasCreate(handle)`",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "RuntimeError: cuFFT error: CUFFT_ALLOC_FAILED",
        "RuntimeError: cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling "
        "`cusolverDnCreate(handle)`",
        "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "RuntimeError: Unable to find a valid cuDNN algorithm to run convolution",
        "RuntimeError: FIND was unable to find an engine to execute this computation",
    ],
    "host_out_of_memory": [
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 8 bytes. Error code 12 (Cannot allocate memory)",
        "_ArrayMemoryError: Unable to allocate 3.00 GiB for an array",
        "ImportError: libtorch_cpu.so: failed to map segment from shared object",
        "OSError: [Errno 12] Cannot allocate memory",
        "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    ],
    "weights_used_elsewhere": [
        "RuntimeError: aten.convolution.default got mixed torch.Tensor and DTensor",
        "UsageError: memory.shard: the parameter network.factor is a single number",
    ],
    "killed": [
        "signal 9",
        "RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed. ",
    ],
    "too_many_open_files": [
        "OSError: [Errno 24] Too many open files: 'x.npy'",
        "RuntimeError: unable to open shared memory object </torch_7_1> in read-write mode: "
        "Too many open files (24)",
        "RuntimeError: received 0 items of ancdata",
    ],
    "shared_memory": [
        "RuntimeError: unable to allocate shared memory(shm) for file </torch_7_1>: No space left "
        "on device (28)",
        "RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is possible "
        "that dataloader's workers are out of shared memory. Please try to raise your limit.",
        "DistBackendError: NCCL error in: NCCLUtils.cpp:77, unhandled system error, NCCL version "
        "2.27.3\nncclSystemError: System call (e.g. socket, malloc) or external library call "
        "failed or device error.\nLast error:\nError while creating shared memory segment "
        "/dev/shm/nccl-Bxh2wL (size 9637888), error: No space left on device (28)",
    ],
    "loss_not_finite": [f"NonFiniteLossError: {NonFiniteLossError(float('nan'), 3, 1)}"],
    "disk_full": ["OSError: [Errno 28] No space left on device: 'x'"],
    "file_too_large": ["OSError: [Errno 27] File too large: 'x'", "signal 25"],
    "processor_time_used_up": ["signal 24"],
    "too_many_processes": [
        "libgomp: Thread creation failed: Resource temporarily unavailable",
        "BlockingIOError: [Errno 11] Resource temporarily unavailable",
    ],
    "checkpoint_unusable": ["CheckpointError: the checkpoint x is damaged"],
    "data_unreadable": [
        "FileNotFoundError: [Errno 2] No such file or directory: 'x.npy'",
        "ValueError: mmap length is greater than file size",
        "DatasetError: the dataset x has changed since it was checked",
        "signal 7",
    ],
    "port_in_use": ["DistNetworkError: EADDRINUSE, address already in use"],
    "no_cuda": [
        "AssertionError: Torch not compiled with CUDA enabled",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        "RuntimeError: No CUDA GPUs are available",
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA "
        "GPU and installed a driver from http://www.nvidia.com/Download/index.aspx",
        "AcceleratorError: CUDA error: no CUDA-capable device is detected",
        "RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version",
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions "
        "before calling NumCudaDevices() that might have already set an error? Error 803: system "
        "has unsupported display driver / cuda driver combination",
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 804: forward "
        "compatibility was attempted on non supported HW",
        "RuntimeError: CUDA driver initialization failed, you might not have a CUDA gpu.",
        "AcceleratorError: CUDA error: the provided PTX was compiled with an unsupported "
        "toolchain.",
    ],
    "gpu_not_supported": [
        "AcceleratorError: CUDA error: no kernel image is available for execution on the device",
        "RuntimeError: cuDNN error: CUDNN_STATUS_ARCH_MISMATCH",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ARCH_MISMATCH when calling `cublasSgemm(...)`",
    ],
    "gpu_system_not_ready": [
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions "
        "before calling NumCudaDevices() that might have already set an error? Error 802: system "
        "not yet initialized",
    ],
    "gpu_taken": [
        "AcceleratorError: CUDA error: CUDA-capable device(s) is/are busy or unavailable",
        "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable",
    ],
    "gpu_not_there": [
        "AcceleratorError: CUDA error: invalid device ordinal\nGPU device may be out of range, do "
        "you have enough GPUs?",
        "DistBackendError: NCCL error in: NCCLUtils.hpp:275, invalid usage (run with "
        "NCCL_DEBUG=WARN for details), NCCL version 2.20.5\nncclInvalidUsage: This usually "
        "reflects invalid usage of NCCL library.\nLast error:\nDuplicate GPU detected : rank 1 and "
        "rank 0 both on CUDA device 10",
    ],
    "tensor_too_large": [
        "RuntimeError: Expected canUse32BitIndexMath(input) && canUse32BitIndexMath(output) to be "
        "true, but got false.",
        "RuntimeError: upsample_nearest2d: input tensor must fit into 32-bit index math",
        "AcceleratorError: CUDA error: invalid configuration argument",
    ],
    "cuda_in_loader": [
        "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with "
        "multiprocessing, you must use the 'spawn' start method",
        "AcceleratorError: CUDA error: initialization error",
    ],
    "cuda_libraries": [
        "RuntimeError: cuDNN version incompatibility: PyTorch was compiled  against (9, 1, 0) but "
        "found runtime version (8, 9, 2).",
        "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory",
        "ImportError: libtorch_cuda.so: undefined symbol: ncclCommResume",
    ],
    "device_failed": [
        "AcceleratorError: CUDA error: an illegal memory access was encountered",
        "RuntimeError: CUDA error: uncorrectable ECC error encountered",
        "AcceleratorError: CUDA error: unspecified launch failure",
        "AcceleratorError: CUDA error: device-side assert triggered",
        "AcceleratorError: CUDA error: the launch timed out and was terminated",
        "AcceleratorError: CUDA error: unknown error",
        "RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`",
        "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
        "RuntimeError: cuFFT error: CUFFT_INTERNAL_ERROR",
        "NVMLError_GpuIsLost: GPU is lost",
    ],
    "shape_mismatch": [
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)",
        "RuntimeError: stack expects each tensor to be equal size, but got [1, 8] and [1, 9]",
    ],
    "network_output": ["NetworkOutputError: the network gave [4, 1, 8, 8] for an input of [4, 2]"],
    "unused_parameters": [
        "RuntimeError: Expected to have finished reduction in the prior iteration before starting "
        "a new one. This error indicates that your module has parameters that were not used in "
        "producing loss. You can enable unused parameter detection by passing the keyword argument "
        "`find_unused_parameters=True` to `torch.nn.parallel.DistributedDataParallel`"
    ],
    "loader_died": [
        "RuntimeError: DataLoader worker (pid(s) 31) exited unexpectedly",
        "RuntimeError: DataLoader worker (pid 7) is killed by signal: Segmentation fault. ",
    ],
    "node_lost": ["south has given no sign of life since"],
    "machines_differ": ["MachinesDifferError: the machines differ in version of torch (a: 1)"],
    "nobody_joined": ["torch.distributed.elastic.rendezvous.api.RendezvousTimeoutError"],
    "endpoint_unreachable": [
        "RendezvousConnectionError: The connection to the C10d store has failed.",
        "DistNetworkError: The client socket has timed out after 5000ms while trying to connect.",
    ],
    "peer_lost": [
        "RuntimeError: [pair.cc:525] Read error [127.0.0.1]:1: Connection reset by peer",
        "DistNetworkError: Failed to recv, got 0 bytes. Connection was likely closed. Did the "
        "remote server shutdown or crash?",
        "RuntimeError: Gloo connectFullMesh failed with [/src/gloo/transport/tcp/pair.cc:144] no "
        "error",
        "DistBackendError: NCCL error in: ProcessGroupNCCL.cpp",
    ],
    "unknown": ["ZeroDivisionError: division by zero", "signal 11"],
}
SAID_BY_NO_TEXT = {"out_of_memory_killer", "does_not_fit", "job_ended"}
"""Whoever watched the processes, or Slurm, tells of these."""


@pytest.mark.parametrize(("kind", "text"), [(k, text) for k, said in SAID.items() for text in said])
def test_recognised(kind: str, text: str) -> None:
    assert recognise(text).name == kind


def test_the_whole_catalogue_is_covered() -> None:
    names = [kind.name for kind in (*CATALOGUE, UNKNOWN)]
    assert len(set(names)) == len(names)
    assert SAID.keys() | SAID_BY_NO_TEXT == set(names)
    assert {kind.name for kind in CATALOGUE if kind.pattern is None} == SAID_BY_NO_TEXT
    assert all(kind_named(kind.name) is kind for kind in CATALOGUE)


def test_what_can_be_changed_follows_the_advice() -> None:
    """The changes of the answers by kind, for answers that leave room for all of them."""
    answers = Answers()
    for key, value in {"training.lr": 0.01, "memory.use_amp": True, "devices.gpus": [2, 3],
                       "devices.processes": 2}.items():  # fmt: skip
        answers.set(key, value)
    found = {kind.name: [remedy.changes for remedy in kind.remedies(answers)] for kind in CATALOGUE}
    no_loaders = [{"training.num_workers": 0}]
    on_the_cpu = [{"devices.gpus": [], "devices.processes": 1}]
    assert {name: changes for name, changes in found.items() if changes} == {
        "too_many_open_files": no_loaders,
        "too_many_processes": no_loaders,
        "shared_memory": no_loaders,
        "loader_died": no_loaders,
        "cuda_in_loader": no_loaders,
        "no_cuda": on_the_cpu,
        "gpu_not_supported": on_the_cpu,
        "gpu_system_not_ready": on_the_cpu,
        "tensor_too_large": [{"training.batch_size": 8, "training.grad_accumulation": 2}],
        "loss_not_finite": [
            {"training.lr": 0.001},
            {"training.clip_grad_norm": 1.0},
            {"memory.use_amp": False},
        ],
        "peer_lost": [{"devices.gpus": [2], "devices.processes": 1}],
    }


def test_nothing_is_offered_that_is_so_already() -> None:
    answers = Answers()
    for key, value in {"training.clip_grad_norm": 2.0, "memory.use_amp": False}.items():
        answers.set(key, value)
    offered = kind_named("loss_not_finite").remedies(answers)
    assert [list(remedy.changes) for remedy in offered] == [["training.lr"]]
    assert kind_named("peer_lost").remedies(answers) == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", [kind.name for kind in (*CATALOGUE, UNKNOWN)])
def test_explained(kind: str, language: str) -> None:
    i18n.set_language(language)
    lines = failures.explain(
        {"kind": kind, "error": "E", "step": 3, "epoch": 2, "phase": "test"}, Path("/a run")
    )
    assert any(line.startswith("  - ") for line in lines)
    assert any(line.startswith("  1. ") for line in lines)
    commands = re.findall(r"srwizard (?:train|submit|logs)\S*( .*)?", "\n".join(lines))
    assert all(rest.startswith(" '/a run'") for rest in commands), commands


def test_what_damaged_data_raises_is_recognised(tmp_path: Path) -> None:
    """The errors of numpy and h5py themselves, not texts that were once copied."""
    errors = []
    np.save(tmp_path / "short.npy", np.zeros((30, 30), np.float32))
    for size in (1000, 100, 0):
        with (tmp_path / "short.npy").open("r+b") as stream:
            stream.truncate(size)
        with pytest.raises((OSError, ValueError, EOFError)) as raised:
            np.load(tmp_path / "short.npy", mmap_mode="r", allow_pickle=False)
        errors.append(raised.value)
    with h5py.File(tmp_path / "short.h5", "w") as file:
        file["x"] = np.zeros((50, 50))
    with (tmp_path / "short.h5").open("r+b") as stream:
        stream.truncate(4000)
    with pytest.raises(OSError) as raised_by_hdf5:
        h5py.File(tmp_path / "short.h5")
    errors.append(raised_by_hdf5.value)
    found = [recognise(f"{type(error).__name__}: {error}").name for error in errors]
    assert found == ["data_unreadable"] * len(errors), [str(error) for error in errors]


def test_what_torch_says_of_shapes_is_recognised() -> None:
    """The errors of torch itself."""
    convolution, linear = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(5, 2)
    attempts = [
        lambda: convolution(torch.zeros(1, 2, 8, 8)),
        lambda: linear(torch.zeros(2, 4)),
        lambda: torch.zeros(2, 3) + torch.zeros(2, 4),
        lambda: torch.zeros(6).view(4, 2),
        lambda: torch.cat([torch.zeros(2, 3), torch.zeros(3, 4)]),
        lambda: torch.stack([torch.zeros(2), torch.zeros(3)]),
        lambda: linear.load_state_dict(torch.nn.Linear(4, 2).state_dict()),
    ]
    for attempt in attempts:
        with pytest.raises(RuntimeError) as raised:
            attempt()
        assert recognise(f"RuntimeError: {raised.value}").name == "shape_mismatch", raised.value


def test_what_torch_says_without_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert recognise(f"RuntimeError: {raised.value}").name == "host_out_of_memory"


CUDA_MEMORY = ("cuda_out_of_memory", "host_out_of_memory")


@pytest.mark.parametrize("text", [text for kind in CUDA_MEMORY for text in SAID[kind]])
def test_what_memory_is_to_blame_for_leads_to_a_verdict(text: str) -> None:
    """A dry run that ends so says *does not fit*, not *failed*."""
    assert recognise(text).ran_out_of_memory


def put_down(directory: Path, rank: int, error: BaseException) -> None:
    failures.record(directory, error, rank, {"phase": "training", "step": 1, "epoch": 1})


def test_the_cause_comes_before_its_consequence(tmp_path: Path) -> None:
    put_down(tmp_path, 0, RuntimeError("Connection closed by peer"))
    put_down(tmp_path, 1, FileNotFoundError("x.npy"))
    found = collect(tmp_path, Ended(returncode=1))
    assert (found["kind"], found["rank"]) == ("data_unreadable", 1)
    assert json.loads((tmp_path / "failure.json").read_text()) == found
    assert [path.name for path in tmp_path.iterdir()] == ["failure.json"]


def test_a_killed_rank_comes_before_its_consequence(tmp_path: Path) -> None:
    put_down(tmp_path, 0, RuntimeError("Connection closed by peer"))
    found = collect(tmp_path, Ended(returncode=1, signal=9, rank=1))
    assert (found["kind"], found["rank"]) == ("killed", 1)


def test_an_error_comes_before_the_signal_that_followed_it(tmp_path: Path) -> None:
    put_down(tmp_path, 1, MemoryError("bad_alloc"))
    assert collect(tmp_path, Ended(1, signal=9, rank=0))["kind"] == "host_out_of_memory"


def test_a_peer_lost_for_no_known_reason_is_said(tmp_path: Path) -> None:
    put_down(tmp_path, 0, RuntimeError("Connection closed by peer"))
    assert collect(tmp_path, Ended(returncode=1))["kind"] == "peer_lost"


@pytest.mark.parametrize(
    ("ended", "kind", "error"),
    [
        (
            Ended(1, log="Traceback …\nImportError: libx.so: failed to map segment from\n"),
            "host_out_of_memory",
            "ImportError: libx.so: failed to map segment from",
        ),
        (
            Ended(-6, signal=6, log="terminate called after throwing 'std::bad_alloc'\n"),
            "host_out_of_memory",
            "signal 6 (SIGABRT)",
        ),
        (Ended(3), "unknown", "exit code 3"),
        (Ended(-64, signal=64), "unknown", "signal 64 (SIGRTMAX)"),
    ],
)
def test_an_end_that_nobody_recorded(tmp_path: Path, ended: Ended, kind: str, error: str) -> None:
    found = collect(tmp_path, ended)
    assert (found["kind"], found["error"]) == (kind, error)


@pytest.mark.parametrize(
    ("limit", "kills", "kind"),
    [
        (60, 0, "killed"),
        (2, 0, "processor_time_used_up"),
        (2, 1, "out_of_memory_killer"),
        (resource.RLIM_INFINITY, 0, "killed"),
    ],
)
def test_killed_at_the_limit_of_processor_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, kills: int, kind: str
) -> None:
    """The kernel does not say why it kills: what the children have used does (`ulimit -t`)."""
    used = SimpleNamespace(ru_utime=1.8, ru_stime=0.3)
    monkeypatch.setattr(resource, "getrusage", lambda _whose: used)
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (limit, limit))
    assert collect(tmp_path, Ended(-9, signal=9, kills=kills))["kind"] == kind


def test_no_room_for_the_failure_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _content: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_json", full)
    put_down(tmp_path, 0, RuntimeError("whatever"))
    assert collect(tmp_path, Ended(returncode=5))["kind"] == "disk_full"


SUMMARY = """
srwizard.train.worker FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-01-01_00:00:00
  host      : here
  rank      : 1 (local_rank: 1)
  exitcode  : {other} (pid: 11)
  error_file: <N/A>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-01-01_00:00:00
  host      : here
  rank      : 0 (local_rank: 0)
  exitcode  : {root} (pid: 10)
  error_file: <N/A>
"""


@pytest.mark.parametrize(
    ("root", "other", "killed"),
    [(-9, 5, (9, 0)), (5, -9, (9, 1)), (5, 5, (None, None)), (5, -15, (None, None))],
)
def test_the_rank_that_was_killed_first(
    tmp_path: Path, root: int, other: int, killed: tuple[int | None, int | None]
) -> None:
    """Read from torchrun's summary, and never from that of an earlier training in the log."""
    run = freeze(write_dataset(tmp_path / "data"), tmp_path / "run", processes=2)
    (tmp_path / "run" / "train.log").write_text(SUMMARY.format(root=-11, other=-11))
    text = SUMMARY.format(root=root, other=other)
    script = tmp_path / "said.py"
    script.write_text(f"import sys\nsys.stderr.write({text!r})\nsys.exit(1)\n")
    with pytest.MonkeyPatch.context() as patch, processes.at_work(tmp_path / "run") as log:
        patch.setattr(processes, "command", lambda *_, **__: [sys.executable, str(script)])
        ended = processes.start(run, log, "unused")
    assert (ended.signal, ended.rank) == killed
    assert ended.returncode == 1
    assert "-11" not in ended.log


def killed_while(tmp_path: Path, phase: str, kills: int | None) -> dict[str, object]:
    LastPhase(tmp_path, 0).note("training", 3, 1)
    LastPhase(tmp_path, 1).note(phase, 12, 4)
    return collect(tmp_path, Ended(returncode=1, signal=9, rank=1, kills=kills))


@pytest.mark.parametrize("phase", ["training", "validation", "checkpoint"])
def test_where_a_killed_process_was_is_known(tmp_path: Path, phase: str) -> None:
    found = killed_while(tmp_path, phase, kills=1)
    assert (found["kind"], found["phase"]) == ("out_of_memory_killer", phase)
    assert (found["rank"], found["step"], found["epoch"]) == (1, 12, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["failure.json"]


@pytest.mark.parametrize("kills", [0, None])
def test_a_kill_that_the_kernel_does_not_own_up_to(tmp_path: Path, kills: int | None) -> None:
    assert killed_while(tmp_path, "validation", kills)["kind"] == "killed"


def test_a_loader_that_the_kernel_killed(tmp_path: Path) -> None:
    put_down(tmp_path, 0, RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "))
    assert collect(tmp_path, Ended(returncode=5, kills=1))["kind"] == "out_of_memory_killer"


@pytest.mark.parametrize("digest", ["sha256:1", "sha256:2"])
def test_what_was_predicted_and_measured_is_told(tmp_path: Path, digest: str) -> None:
    """Only that of the very config that failed."""
    mib = 2**20
    figures = {"digest": "sha256:1", "predicted_bytes": 900 * mib, "peak_bytes": 950 * mib,
               "capacity_bytes": 2000 * mib}  # fmt: skip
    (tmp_path / "dry_run.json").write_text(json.dumps(figures))
    put_down(tmp_path, 0, MemoryError("Unable to allocate"))
    found = collect(tmp_path, Ended(returncode=5), digest)
    known = digest == "sha256:1"
    assert found["predicted_bytes"] == (900 * mib if known else None)
    assert found["measured_bytes"] == (950 * mib if known else None)
    assert found["capacity_bytes"] == (2000 * mib if known else None)
    told = "Memory: predicted 900 MB, measured by the dry run 950 MB, there was 2000 MB"
    assert (told in failures.explain(found, tmp_path)) is known
