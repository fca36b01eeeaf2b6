"""The dry run is the training itself, for a few steps, and hurts nobody."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import psutil
import pytest
import torch

from srwizard.base.errors import InterruptedByUserError, TrainingFailedError, UsageError
from srwizard.hardware import chosen
from srwizard.hardware.devices import CPU, GPU, Devices
from srwizard.memory import available, meter, rehearsal
from srwizard.memory.available import capacities_of, cpu_capacity
from srwizard.memory.dry_run_table import dry_run_table
from srwizard.memory.durations import durations
from srwizard.memory.measure import DryRun, dry_run
from srwizard.memory.rehearsal import FEWEST_STEPS, MOST_STEPS
from srwizard.runs.last_phase import LastPhase
from srwizard.runs.more_epochs import with_epochs
from srwizard.runs.records import epochs_done
from srwizard.settings.run_config import RunGPU
from srwizard.settings.validations import validations_of
from srwizard.train.distributed import Place
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready, trained

MIB = 2**20
LARGE_FIELD = (192, 256)
LARGEST_CHILD = """
import resource, sys
from pathlib import Path
from srwizard.settings import run_config as runconfig
from srwizard.train import processes

run_dir = Path(sys.argv[1])
with processes.at_work(run_dir) as log:
    run = runconfig.load(run_dir)
    ended = processes.start(run, log, "srwizard.train.worker", str(run_dir))
assert ended.returncode == 0, ended.log
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("small") / "data")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fields that need some hundred MiB in batches of a few."""
    base = tmp_path_factory.mktemp("large")
    return write_dataset(base / "data", steps=(8, 2, 2), hr_shape=LARGE_FIELD)


def above_baseline(result: DryRun) -> int:
    assert result.peak_bytes is not None
    return result.peak_bytes - sum(int(rank["baseline_rss_bytes"]) for rank in result.ranks)


def test_what_it_finds_and_leaves(root: Path, tmp_path: Path) -> None:
    run = freeze(root, tmp_path / "run")
    result = dry_run(tmp_path / "run")
    assert result.verdict == "fits"
    assert result.device == "cpu x 1"
    assert result.digest == run.digest
    (figures,) = result.ranks
    assert FEWEST_STEPS <= figures["steps"] <= MOST_STEPS
    assert len(figures["step_peak_bytes"]) == figures["steps"]
    assert figures["validation_peak_bytes"] > 0
    assert figures["checkpoint_peak_bytes"] > 0
    assert result.peak_bytes == figures["peak_bytes"] > figures["baseline_rss_bytes"] > 0
    assert result.ratio == pytest.approx(result.peak_bytes / result.capacity_bytes)
    assert result.epoch_seconds == pytest.approx(4 * result.step_seconds)  # 8 samples, in twos
    written = json.loads((tmp_path / "run" / "dry_run.json").read_text())
    assert written["ranks"] == result.ranks
    # No checkpoint that training would resume from, no statistics of a part of the data.
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "run.yaml",
        "dry_run.json",
        "train.log",
    }


def test_as_many_processes_as_in_training(tmp_path: Path) -> None:
    """An epoch of one step only, which is gone round."""
    root = write_dataset(tmp_path / "data", steps=(3, 1, 1))
    freeze(root, tmp_path / "run", processes=2, batch_size=2, grad_accumulation=2)
    result = dry_run(tmp_path / "run")
    first, second = result.ranks
    assert [first["rank"], second["rank"]] == [0, 1]
    assert FEWEST_STEPS <= first["steps"] == second["steps"]
    assert result.peak_bytes == first["peak_bytes"] + second["peak_bytes"]
    assert result.device == "cpu x 2"


@pytest.mark.afresh
@pytest.mark.slow
def test_repeatable_and_larger_for_a_larger_batch(large: Path, tmp_path: Path) -> None:
    peaks = {}
    for name, batch_size in (("two", 2), ("eight", 8), ("eight_again", 8)):
        freeze(large, tmp_path / name, batch_size=batch_size, params={"num_features": 24})
        peaks[name] = above_baseline(dry_run(tmp_path / name))
    assert peaks["eight"] > 150 * MIB
    assert peaks["eight_again"] == pytest.approx(peaks["eight"], rel=0.1)
    # Six samples more; what two need is above all what the libraries take for themselves.
    assert peaks["eight"] > peaks["two"] + 6 * 10 * MIB


@pytest.mark.slow
@pytest.mark.afresh
def test_the_peak_of_training_is_the_one_that_was_measured(large: Path, tmp_path: Path) -> None:
    """The truth: what the kernel says of the real worker, over a whole training."""
    freeze(large, tmp_path / "run", batch_size=4, epochs=1, params={"num_features": 16})
    measured = dry_run(tmp_path / "run").peak_bytes
    assert measured is not None
    done = subprocess.run(
        [sys.executable, "-c", LARGEST_CHILD, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.split()[-1]) * 1024 == pytest.approx(measured, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("limit_mib", [400, 1200])
def test_out_of_memory_is_a_verdict(large: Path, tmp_path: Path, limit_mib: int) -> None:
    """Where the kernel refuses memory: already to the libraries, or to a batch."""
    freeze(large, tmp_path / "run", batch_size=8, params={"num_features": 256})
    script = (
        "import resource, sys; from pathlib import Path;"
        "resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2);"
        "from srwizard.memory.measure import dry_run;"
        "r = dry_run(Path(sys.argv[1])); print(r.verdict, '|', r.reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run"), str(limit_mib * MIB)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdict, reason = done.stdout.strip().split(" | ")
    assert verdict == "does not fit"
    assert reason  # in the words of the library that met it first
    written = json.loads((tmp_path / "run" / "dry_run.json").read_text())
    assert (written["verdict"], written["peak_bytes"]) == ("does not fit", None)


@pytest.mark.slow
def test_libraries_take_their_part_of_a_limited_address_space(root: Path, tmp_path: Path) -> None:
    """What is said to fit under `ulimit -v` fits: hundreds of MiB of it are no memory."""
    freeze(root, tmp_path / "run")
    limit = 1600 * MIB
    script = (
        "import resource, sys; from pathlib import Path;"
        f"resource.setrlimit(resource.RLIMIT_AS, ({limit},) * 2);"
        "from srwizard.memory.measure import dry_run; dry_run(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], check=True)
    written = json.loads((tmp_path / "run" / "dry_run.json").read_text())
    assert written["address_space_bytes"] == limit
    (rank,) = written["ranks"]
    mapped = limit - rank["capacity_bytes"]
    assert mapped >= available.MAPPED
    assert rank["peak_bytes"] < rank["capacity_bytes"]


def rehearsals() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = child.cmdline()
            if rehearsal.__name__ in words and "torch.distributed.run" not in words:
                found.append(child)
    return found


@contextlib.contextmanager
def done_to_the_first(action: Any) -> Iterator[None]:
    """Do something to the first process of the dry run, as soon as it says it may be killed."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for child in rehearsals():
                with contextlib.suppress(OSError, psutil.Error):
                    if Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip() == "1000":
                        action(child)
                        return
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@pytest.mark.parametrize("ranks", [1, 2])
def test_killed_is_a_verdict(large: Path, tmp_path: Path, ranks: int) -> None:
    """As the kernel does when memory runs out; the dry run has volunteered for it."""
    freeze(large, tmp_path / "run", processes=ranks, params={"num_blocks": 16})
    with done_to_the_first(lambda child: child.kill()):
        result = dry_run(tmp_path / "run")
    assert (result.verdict, result.peak_bytes) == ("does not fit", None)
    assert result.reason == "signal 9 (SIGKILL)"
    assert not rehearsals()


def test_ctrl_c_is_no_verdict(large: Path, tmp_path: Path) -> None:
    freeze(large, tmp_path / "run", params={"num_blocks": 16})
    interrupt = lambda _child: os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
    with pytest.raises(InterruptedByUserError), done_to_the_first(interrupt):
        dry_run(tmp_path / "run")
    assert not (tmp_path / "run" / "dry_run.json").exists()
    assert not list((tmp_path / "run").glob(".dry_run-*"))
    assert not rehearsals()


def test_another_failure_is_none_either(tmp_path: Path) -> None:
    """A block of the file that cannot be unpacked, which only reading it shows."""
    root = write_dataset(tmp_path / "data", layout="h5")
    with h5py.File(root / "train.h5", "r+") as file:
        values = file["hr/temp"][:]
        del file["hr/temp"]
        packed = file.create_dataset("hr/temp", data=values, compression="gzip")
        place = packed.id.get_chunk_info(0).byte_offset
    with (root / "train.h5").open("r+b") as stream:
        stream.seek(place)
        stream.write(bytes(40))
    freeze(root, tmp_path / "run")
    with pytest.raises(TrainingFailedError, match="A data file vanished, or cannot be read"):
        dry_run(tmp_path / "run")
    assert not (tmp_path / "run" / "dry_run.json").exists()


def test_what_a_killed_dry_run_left_is_removed(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run")
    (tmp_path / "run" / ".dry_run-left").mkdir()
    dry_run(tmp_path / "run")
    assert not (tmp_path / "run" / ".dry_run-left").exists()


def test_training_after_a_dry_run_is_training(root: Path, tmp_path: Path) -> None:
    """It begins at the first epoch, with the statistics of all of the data."""
    freeze(root, tmp_path / "run", epochs=1)
    freeze(root, tmp_path / "plain", epochs=1)
    dry_run(tmp_path / "run")
    assert made_ready(tmp_path / "run").progress.steps == 0
    one, other = trained(tmp_path / "run"), trained(tmp_path / "plain")
    assert (one.spread == other.spread).all()
    assert (one.span == other.span).all()


@pytest.mark.parametrize("denied", [PermissionError, FileNotFoundError])
def test_without_proc(monkeypatch: pytest.MonkeyPatch, denied: type[OSError]) -> None:
    """Where the kernel lets the peak neither be forgotten nor read, what is held is taken."""
    import torch

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise denied(13, "no")

    monkeypatch.setattr(meter.Path, "write_text", refuse)
    monkeypatch.setattr(meter.Path, "read_text", refuse)
    place = Place(0, 1, torch.device("cpu"))
    rehearsal._volunteer_to_be_killed()
    found = meter.Meter(place, free_before=0)
    found.forget()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 0 < found.peak() <= held * 1.1


@pytest.mark.parametrize(
    ("peaks", "settled"),
    [
        ([100], False),
        ([100, 100], False),
        ([100, 100, 100], True),
        ([100, 100, 102], False),
        ([50, 100, 100, 103, 103], True),
        ([1000, 1000, 1009], True),
    ],
)
def test_when_the_peak_has_been_reached(peaks: list[int], settled: bool) -> None:
    assert rehearsal._settled(peaks) is settled


def test_zero_free_memory_does_not_fit(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze(root, tmp_path / "run")
    monkeypatch.setattr(available, "cpu", lambda: CPU(2, 2**30, 0))
    result = dry_run(tmp_path / "run")
    assert (result.verdict, result.capacity_bytes, result.ratio) == ("does not fit", 0, None)
    assert result.peak_bytes is not None


def test_no_process_holds_more_than_its_address_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "cpu", lambda: CPU(2, 64 * 2**30, 48 * 2**30))
    assert cpu_capacity(2) == 48 * 2**30
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (2**30, 2**30))
    # Of which libraries take their part, without being memory.
    assert cpu_capacity(2) == 2 * (2**30 - available.MAPPED)
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (2**28, 2**28))
    assert cpu_capacity(2) == 0


def test_a_gpu_that_nvml_no_longer_shows_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = freeze(root, tmp_path / "run")
    gone = RunGPU(index=3, uuid="GPU-3", name="NVIDIA H100")
    devices = run.devices.model_copy(update={"gpus": [gone]})
    found = Devices(gpus=(), cpu=CPU(2, 2**30, 2**30), faults=())
    monkeypatch.setattr(chosen, "find_devices", lambda: found)
    with pytest.raises(
        UsageError, match=r"GPU 3 \(NVIDIA H100\) cannot be used: it is not there any more"
    ):
        capacities_of(run.model_copy(update={"devices": devices}))


@pytest.mark.parametrize(("count", "refused"), [(2, True), (1, False)])
def test_parts_of_a_gpu_are_used_one_by_one(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, refused: bool
) -> None:
    run = freeze(root, tmp_path / "run")
    parts = tuple(GPU(100 + n, f"MIG-{n}", "A100 MIG", 5 * 2**30, 2**30, parent=0) for n in (0, 1))
    monkeypatch.setattr(chosen, "find_devices", lambda: Devices(parts, CPU(2, 2**30, 2**30)))
    devices = run.devices.model_copy(update={"gpus_per_node": count})
    run = run.model_copy(update={"devices": devices})
    if refused:
        with pytest.raises(UsageError, match="parts of GPUs"):
            capacities_of(run)
    else:
        assert capacities_of(run) == [2**30]


class Clock:
    """A clock that only what takes time moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def takes(self, seconds: list[float], work: Any) -> Any:
        """Return `work`, each call taking the next of so many seconds; the last goes on."""

        def timed(*arguments: Any, **named: Any) -> Any:
            self.now += seconds.pop(0) if len(seconds) > 1 else seconds[0]
            return work(*arguments, **named)

        return timed


def test_what_the_first_use_costs_is_not_taken_for_the_time_of_a_run(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting loaders, choosing kernels: of steps and of validations the first does not count."""
    run = freeze(root, tmp_path / "run")
    clock = Clock()
    monkeypatch.setattr(meter.Meter, "clock", lambda _meter: clock.now)
    for name, seconds in {"optimizer_step": [90.0, 0.25], "score": [70.0, 0.125]}.items():
        timed = clock.takes(seconds, getattr(rehearsal, name))
        monkeypatch.setattr(rehearsal, name, timed)
    place = Place(0, 1, torch.device("cpu"))
    figures = rehearsal._rehearse(
        run, tmp_path / "run", tmp_path, place, LastPhase(tmp_path, 0), meter.Meter(place, 0)
    )
    # Two fields are scored at once, of the three that there are.
    assert (figures["step_seconds"], figures["validation_field_seconds"]) == (0.25, 0.125 / 2)
    assert figures["test_field_seconds"] == 0.125 / 2
    assert durations(run, [figures]).validation == 3 * 0.125 / 2


def test_how_long_the_whole_run_takes(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=10, eval_freq=4)
    result = dry_run(tmp_path / "run")
    (figures,) = result.ranks
    field, of_test = figures["validation_field_seconds"], figures["test_field_seconds"]
    assert result.validation_seconds == pytest.approx(3 * field)
    # Three validations, and the test split's three fields with two examples.
    assert result.run_seconds == pytest.approx(
        10 * result.epoch_seconds + 3 * 3 * field + 5 * of_test
    )
    assert result.predicted_bytes == figures["predicted_bytes"] > 0
    assert result.above_baseline_bytes == above_baseline(result)


def test_times_that_other_programs_made_longer_are_told_as_such() -> None:
    def shown(share: float) -> str:
        result = DryRun("fits", "cpu x 1", 10**9, run_seconds=60.0, others_share=share)
        return " ".join(str(cell) for cell in dry_run_table(result).columns[1].cells)

    assert "other programs took 40 % of the processor time" in shown(0.4)
    assert "other programs" not in shown(0.2)


def test_a_training_that_goes_on_takes_as_long_as_what_is_left_of_it(
    root: Path, tmp_path: Path
) -> None:
    freeze(root, tmp_path / "run", epochs=1, eval_freq=4)
    trained(tmp_path / "run")
    with_epochs(tmp_path / "run", 10)
    result = dry_run(tmp_path / "run")
    (figures,) = result.ranks
    assert result.epochs_done == 1
    # Behind epochs 4, 8 and 10, and the test split's three fields with two examples.
    assert result.run_seconds == pytest.approx(
        9 * result.epoch_seconds
        + 3 * 3 * figures["validation_field_seconds"]
        + 5 * figures["test_field_seconds"]
    )
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert epochs_done(tmp_path / "run") == 0  # it would begin anew


@pytest.mark.parametrize(("done", "left"), [(0, 3), (3, 3), (4, 2), (9, 1), (10, 0), (11, 0)])
def test_validations_that_are_left(done: int, left: int) -> None:
    assert validations_of(10, 4, done) == left


def test_a_last_step_of_few_samples_takes_as_long_as_these(root: Path, tmp_path: Path) -> None:
    """Eight samples, in fives: an epoch is 1.6 steps, not two."""
    run = freeze(root, tmp_path / "run", batch_size=5, skip="bicubic", epochs=2)
    figures = {"step_seconds": 1.0, "validation_field_seconds": 0.5, "test_field_seconds": 2.0}
    found = durations(run, [figures])
    assert found.epoch == pytest.approx(1.6)
    # What the network starts from is validated, too, and its gain needs another pass.
    assert found.run == pytest.approx(2 * 1.6 + (2 + 2) * 3 * 0.5 + 5 * 2.0)
    larger = run.model_copy(update={"training": run.training.model_copy(update={"batch_size": 20})})
    assert durations(larger, [figures]).epoch == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.afresh
def test_the_test_split_needs_the_most_where_patches_are_small(tmp_path: Path) -> None:
    """Figures of whole fields: measured by the dry run, and predicted."""
    root = write_dataset(tmp_path / "data", steps=(4, 2, 2), hr_shape=(512, 512), scale=4)
    freeze(root, tmp_path / "run", batch_size=2, patch_size=32, skip="bicubic")
    (figures,) = dry_run(tmp_path / "run").ranks
    assert figures["test_peak_bytes"] > figures["validation_peak_bytes"] + 20 * MIB
    assert figures["peak_bytes"] == figures["test_peak_bytes"] + figures["worker_bytes"]
    assert figures["predicted_bytes"] == pytest.approx(figures["peak_bytes"], rel=0.12)


@pytest.mark.parametrize(
    ("environment", "megabytes"),
    [
        ({"SLURM_MEM_PER_NODE": "300"}, 300),
        ({"SLURM_MEM_PER_CPU": "100", "SLURM_CPUS_ON_NODE": "2"}, 200),
    ],
)
def test_what_slurm_grants_is_all_there_is(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], megabytes: int
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cpu_capacity(1) == megabytes * 2**20
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")  # all of the machine
    monkeypatch.delenv("SLURM_MEM_PER_CPU", raising=False)
    assert cpu_capacity(1) > 2**30
