"""Sharded weights to the processes: the same training in less memory, its checkpoint anyone's.

`alike` trains the same runs with DDP and with FSDP in the same two real processes.
"""

import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from srwizard import models
from srwizard.base.errors import UsageError
from srwizard.models.catalog import cards
from srwizard.runs import checkpoint_files
from srwizard.runs.failure_kinds import recognise
from srwizard.settings import run_config
from srwizard.settings.answers import TrainingAnswers
from srwizard.train import checkpoint, process_environment, sharded_checkpoint
from srwizard.train.checkpoint import LAST, DamagedCheckpointError
from srwizard.train.distributed import Place
from srwizard.train.evaluation import evaluate
from srwizard.train.objective import Objective
from srwizard.train.sharding import filled, shard, units, without_weights
from srwizard.use.weights import load_network
from tests.datasets import write_dataset
from tests.small_networks import SMALL
from tests.train.runs import (
    epochs,
    freeze,
    made_ready,
    output,
    running,
    train_command,
    trained,
    wait_for_epoch,
    weights,
    workers_of,
)

REPOSITORY = Path(__file__).parents[2]
CPU = torch.device("cpu")
LONG = 400
EVERYTHING = {"grad_accumulation": 2, "ema_decay": 0.9, "clip_grad_norm": 0.01, "epochs": 2}
"""Accumulation, moving average, clipping that always cuts."""
RUNS: dict[str, dict[str, Any]] = {
    "edsr": EVERYTHING,
    "ddpm": {"model": "DDPM", "epochs": 1},
    "wide": {"params": {"num_features": 256, "num_blocks": 6}, "epochs": 1, "batch_size": 2},
}
"""Two samples in a batch where AdamW's first steps, of 0.001 in whatever direction, would show the
last digits of a convolution: of one sample alone FSDP loses how it lies in memory."""


def train_in_turn(directories: list[Path], count: int = 2) -> None:
    """Train several runs, one after the other, in the same real processes."""
    run = run_config.load(directories[0])
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count)),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"),
            *("-m", "tests.train.sharded", *map(str, directories)),
        ],
        env={**os.environ, **process_environment.settings(run), "PYTHONPATH": str(REPOSITORY)},
        check=True,
        timeout=300,
    )


def per_rank(run_dir: Path) -> list[dict[str, Any]]:
    """Return what each of two ranks wrote."""
    return [json.loads((run_dir / f"rank{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("fields"))


@pytest.fixture(scope="module")
def alike(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `NAME-ddp` and `NAME-fsdp`, trained."""
    directory = tmp_path_factory.mktemp("alike")
    made = []
    for name, settings in RUNS.items():
        for kind in ("ddp", "fsdp"):
            made.append(directory / f"{name}-{kind}")
            sharing = {"processes": 2, "shard": kind == "fsdp", "batch_size": 1}
            freeze(root, made[-1], **(sharing | settings))
    train_in_turn(made)
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_trains_as_ddp_does(alike: Path, name: str) -> None:
    """Losses, validation, weights and their averages, with all that a step can have."""
    ddp, fsdp = epochs(alike / f"{name}-ddp"), epochs(alike / f"{name}-fsdp")
    assert [e["train_loss"] for e in fsdp] == pytest.approx([e["train_loss"] for e in ddp], 1e-5)
    for one, other in zip(fsdp, ddp, strict=True):
        assert one["valid"]["loss"] == pytest.approx(other["valid"]["loss"], 1e-4)
    for part in ("weights", "averaged"):
        found, wanted = (
            torch.load(alike / f"{name}-{kind}" / "checkpoints" / "best.pt")[part]
            for kind in ("fsdp", "ddp")
        )
        assert (found is None) == (wanted is None)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_less_memory_in_every_rank(alike: Path) -> None:
    """Where the parameters dominate: half of all but the weights of a block."""
    ddp, fsdp = (
        [found["rose_by"] for found in per_rank(alike / f"wide-{kind}")] for kind in ("ddp", "fsdp")
    )
    assert max(fsdp) < 0.8 * min(ddp)


@pytest.mark.slow
def test_the_checkpoint_is_anyones(alike: Path, root: Path, tmp_path: Path) -> None:
    """Of two processes it goes on in one without sharding, as the one of DDP does."""
    ends = {}
    for kind in ("ddp", "fsdp"):
        run_dir = tmp_path / kind
        freeze(root, run_dir, **(EVERYTHING | {"epochs": 3}))
        shutil.copytree(alike / f"edsr-{kind}" / "checkpoints", run_dir / "checkpoints")
        training = made_ready(run_dir)
        assert training.progress.epoch == 3
        (moments,) = [
            training.optimizer.state[part]["exp_avg"]
            for name, part in training.bare.named_parameters()
            if name.endswith("body.0.conv1.weight")
        ]
        assert moments.abs().max() > 0
        trained(run_dir)
        ends[kind] = epochs(run_dir)[-1]["train_loss"], weights(run_dir)
        assert not checkpoint_files.numbered(run_dir)  # what is newer has taken its place
    assert ends["fsdp"][0] == pytest.approx(ends["ddp"][0], 1e-5)
    torch.testing.assert_close(ends["fsdp"][1], ends["ddp"][1], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_goes_on_sharded_to_more(alike: Path, root: Path, tmp_path: Path) -> None:
    """From a directory of two processes, and from a file of DDP: both in three, sharded."""
    settings = EVERYTHING | {"epochs": 3}
    made = []
    for kind in ("ddp", "fsdp"):
        made.append(tmp_path / kind)
        freeze(root, made[-1], processes=3, shard=True, batch_size=1, **settings)
        shutil.copytree(alike / f"edsr-{kind}" / "checkpoints", made[-1] / "checkpoints")
    train_in_turn(made, 3)
    for run_dir in made:
        assert [event["epoch"] for event in epochs(run_dir)] == [3]
        assert (
            "was 2 when the checkpoint was written and is 3 now"
            in per_rank(run_dir)[0]["notices"][-1]
        )
        assert checkpoint_files.sharded(run_dir) is not None
        assert not checkpoint_files.single(run_dir, LAST).exists()
    losses = [epochs(run_dir)[-1]["train_loss"] for run_dir in made]
    assert losses[0] == pytest.approx(losses[1], 1e-5)


@pytest.mark.slow
def test_read_by_whoever_uses_it(alike: Path) -> None:
    """The last one as a network in one piece, and by an evaluation in processes of its own."""
    run_dir = alike / "edsr-fsdp"
    run = run_config.load(run_dir)
    network, found, _notices = load_network(run_dir, run, "last")
    assert found.epoch == 2
    last = checkpoint.load(run_dir, LAST, run)
    assert last is not None
    for name, part in network.named_parameters():
        assert torch.equal(part, last["averaged"][name])
    scores = evaluate(run_dir, "valid", "last")
    assert scores["loss"] == pytest.approx(epochs(run_dir)[-1]["valid"]["loss"], 1e-5)


@pytest.mark.slow
def test_every_model(root: Path, tmp_path: Path) -> None:
    """Each network's blocks compute with their own weights, recomputed or not."""
    made = []
    for name in cards():
        for kind in ("ddp", "fsdp"):
            made.append(tmp_path / f"{name}-{kind}")
            freeze(
                root, made[-1], processes=2, shard=kind == "fsdp", model=name, params=SMALL[name],
                epochs=1, batch_size=2, patch_size=16, gradient_checkpointing=True,
            )  # fmt: skip
    train_in_turn(made)
    for name in cards():
        ddp, fsdp = (epochs(tmp_path / f"{name}-{kind}")[0] for kind in ("ddp", "fsdp"))
        assert fsdp["train_loss"] == pytest.approx(ddp["train_loss"], 1e-5), name
        assert fsdp["valid"]["loss"] == pytest.approx(ddp["valid"]["loss"], 1e-3), name


@pytest.mark.slow
def test_killed_at_any_time_and_resumed(root: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    freeze(root, run_dir, processes=2, shard=True, batch_size=1, epochs=LONG, eval_freq=LONG)
    with running(train_command(run_dir), run_dir) as process:
        wait_for_epoch(run_dir, 3, process)
        for worker in workers_of(process):
            worker.send_signal(signal.SIGKILL)
        assert process.wait(120) == 5, output(run_dir)
    kept = checkpoint_files.sharded(run_dir)
    assert kept is not None
    # What a kill in the midst of writing leaves, whenever it comes.
    checkpoint_files.next_directory(run_dir).mkdir()
    done = len(epochs(run_dir))
    with running(train_command(run_dir), run_dir) as process:
        wait_for_epoch(run_dir, done + 1, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 130, output(run_dir)
    assert f"Continuing from checkpoints/last/{kept.name}, at epoch" in output(run_dir)
    assert [event["epoch"] for event in epochs(run_dir)] == list(range(1, len(epochs(run_dir)) + 1))
    (left,) = checkpoint_files.numbered(run_dir)
    assert left == checkpoint_files.sharded(run_dir)
    state = checkpoint.load(run_dir, LAST, run_config.load(run_dir))
    assert state is not None
    assert state["progress"]["steps"] > 0
    assert len(state["generators"]) == 2


@pytest.mark.parametrize("name", cards())
def test_blocks_are_found(name: str) -> None:
    network = models.build(name, in_channels=1, out_channels=1, scale=4, params=SMALL[name])
    objective = Objective(network, TrainingAnswers())
    found = units(objective)
    total = sum(part.numel() for part in network.parameters())
    inside = {part for unit in found for part in unit.parameters()}
    assert sum(part.numel() for part in inside) > total / 3
    assert all(type(unit).forward is not nn.Module.forward for unit in found)
    for place, unit in enumerate(found):  # the outer ones before those in them
        assert not set(found[:place]) & set(unit.modules())


class Shared(nn.Module):
    """Two blocks with one weight between them."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)])
        self.blocks[1].weight = self.blocks[0].weight


def test_weights_that_two_blocks_use_stay_with_the_whole() -> None:
    network = Shared()
    assert units(network) == [network.blocks[2]]


def test_a_single_number_is_refused() -> None:
    network = nn.Sequential(nn.Linear(4, 4))
    network.register_parameter("factor", nn.Parameter(torch.tensor(1.0)))
    with pytest.raises(UsageError, match="factor is a single number"):
        shard(network, Place(0, 2, CPU))


def test_weights_used_elsewhere_are_explained() -> None:
    error = "RuntimeError: aten.convolution.default got mixed torch.Tensor and DTensor, need to"
    assert recognise(error).name == "weights_used_elsewhere"


def test_a_skeleton_holds_nothing_but_for_a_while() -> None:
    network = models.build("SwinIR", in_channels=1, out_channels=1, scale=2, params=SMALL["SwinIR"])
    skeleton = without_weights(network)
    assert not any(part.numel() for part in skeleton.parameters())
    field = torch.randn(1, 1, 16, 16)
    with torch.no_grad(), filled(skeleton, dict(network.named_parameters())) as whole:
        assert torch.equal(whole(field), network(field))
    assert not any(part.numel() for part in skeleton.parameters())


def written(run_dir: Path, value: float) -> Path:
    """Write a checkpoint of one tensor in this process."""
    directory = checkpoint_files.next_directory(run_dir)
    sharded_checkpoint.write_rest(directory, {"identity": {}})
    saved = sharded_checkpoint.begin_save(directory, {"weights/a": torch.full((3,), value)}, None)
    sharded_checkpoint.finish_save(saved)
    return directory


def test_the_newest_complete_directory_counts(tmp_path: Path) -> None:
    first = written(tmp_path, 1.0)
    unfinished = checkpoint_files.next_directory(tmp_path)
    unfinished.mkdir()
    assert checkpoint_files.where(tmp_path, LAST) == first
    checkpoint_files.remove_unfinished(tmp_path)
    assert not unfinished.exists()
    second = written(tmp_path, 2.0)
    assert checkpoint_files.where(tmp_path, LAST) == second
    assert sharded_checkpoint.read_whole(second)["weights/a"].tolist() == [2.0, 2.0, 2.0]
    checkpoint_files.remove_other_than(second, tmp_path)
    assert checkpoint_files.numbered(tmp_path) == [second]


def test_the_copy_is_taken_before_training_goes_on(tmp_path: Path) -> None:
    values = torch.ones(100_000)
    saved = sharded_checkpoint.begin_save(tmp_path / "1", {"weights/a": values}, None)
    values.zero_()
    sharded_checkpoint.finish_save(saved)
    assert sharded_checkpoint.read_whole(tmp_path / "1")["weights/a"].min() == 1.0


def test_no_room_keeps_the_earlier_directory(tmp_path: Path) -> None:
    first = written(tmp_path, 1.0)
    second = checkpoint_files.next_directory(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        saved = sharded_checkpoint.begin_save(second, {"weights/a": torch.ones(100_000)}, None)
        with pytest.raises(OSError, match="too large") as raised:
            sharded_checkpoint.finish_save(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert recognise(f"OSError: {raised.value}").name == "file_too_large"
    assert checkpoint_files.where(tmp_path, LAST) == first


class Command:
    """What a pickle runs when it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def test_no_code_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    directory = written(tmp_path, 1.0)
    (directory / checkpoint_files.COMPLETE).write_bytes(pickle.dumps(Command(tmp_path / "ran")))
    with pytest.raises(sharded_checkpoint.DamagedError):
        sharded_checkpoint.read_whole(directory)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("file", [".metadata", "rest.pt", "__0_0.distcp"])
def test_a_damaged_directory_is_said_so(root: Path, tmp_path: Path, file: str) -> None:
    run = freeze(root, tmp_path / "run")
    directory = written(tmp_path / "run", 1.0)
    (directory / file).write_bytes(b"no checkpoint")
    with pytest.raises(DamagedCheckpointError, match=f"last/{directory.name} is damaged"):
        checkpoint.load(tmp_path / "run", LAST, run)
