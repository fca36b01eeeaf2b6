"""`srwizard --answers FILE`: the whole path without a terminal, and how it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.datasets import write_dataset
from tests.e2e.conftest import Run
from tests.small_networks import SMALL


def sessions(tmp_path: Path) -> list[dict[str, object]]:
    directory = tmp_path / "state" / "srwizard" / "sessions"
    return [json.loads(path.read_text()) for path in directory.glob("*.json")]


@pytest.mark.afresh
@pytest.mark.slow
def test_from_data_to_report(srwizard: Run, answers: Path, tmp_path: Path) -> None:
    done = srwizard("--answers", answers)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    for name in ("run.yaml", "dry_run.json", "metrics.jsonl", "train.log", "report.html"):
        assert (run / name).is_file(), name
    assert (run / "checkpoints" / "last.pt").is_file()
    assert (run / "checkpoints" / "best.pt").is_file()
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "epoch", "epoch", "test"]
    scores = events[-1]["variables"]["temp"]
    assert f"{scores['model']['rmse']:.4g}" in done.stdout
    assert f"{scores['bicubic']['rmse']:.4g}" in done.stdout
    assert str(run / "report.html") in done.stdout.replace("\n", "")
    assert sessions(tmp_path)[0]["state"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["h5", "nc"])
def test_other_layouts_two_variables_two_processes_and_patches(
    srwizard: Run, answers: Path, tmp_path: Path, layout: str
) -> None:
    shutil.rmtree(tmp_path / "data")
    write_dataset(tmp_path / "data", layout=layout, variables=("salt", "temp"))  # type: ignore[arg-type]
    done = srwizard(
        "--answers", answers, "--set", "devices.processes=2", "--set", "memory.patch_size=12",
        "--set", "memory.gradient_checkpointing=true", "--set", "memory.use_amp=true",
        "--set", "training.normalization=GN",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ranks = json.loads((tmp_path / "run" / "dry_run.json").read_text())["ranks"]
    assert [figures["rank"] for figures in ranks] == [0, 1]
    assert "salt" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "shared"), [(2, True), (1, False)])
def test_weights_sharded(
    srwizard: Run, answers: Path, tmp_path: Path, processes: int, shared: bool
) -> None:
    """From the answers to the report; with one process there is nobody to share with."""
    done = srwizard(
        "--answers", answers, "--set", f"devices.processes={processes}",
        "--set", "training.epochs=1", "--set", "memory.shard=true",
        *([] if shared else ["--stop-after", "frozen"]),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    assert yaml.safe_load((run / "run.yaml").read_text())["memory"]["shard"] is shared
    assert ("Sharded weights: yes" in done.stdout) is shared
    if not shared:
        return
    assert (run / "report.html").is_file()
    (last,) = (run / "checkpoints" / "last").iterdir()
    assert (last / ".metadata").is_file()
    (run_status,) = json.loads(srwizard("status", run, "--json").stdout)
    assert run_status["checkpoint"] is True
    exported = srwizard("export", run, "--checkpoint", "last", "-o", tmp_path / "bundle")
    assert exported.returncode == 0, exported.stderr


@pytest.mark.slow
def test_a_diffusion_model_in_two_processes(srwizard: Run, answers: Path, tmp_path: Path) -> None:
    done = srwizard(
        "--answers", answers, "--set", "devices.processes=2", "--set", "model.name=DDPM",
        "--set", f"model.params={json.dumps(SMALL['DDPM'])}", "--set", "memory.use_amp=true",
        "--set", "memory.gradient_checkpointing=true",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    frozen = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert (frozen["training"]["ema_decay"], frozen["training"]["eval_freq"]) == (0.999, 10)
    assert not frozen["model"]["global_skip"]
    assert "Moving average of the weights: decay 0.999" in done.stdout
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    scores = last["variables"]["temp"]
    assert last["members"] == 3
    for name in ("crps", "spread"):
        assert f"{scores['model'][name]:.4g}" in done.stdout


@pytest.mark.afresh
@pytest.mark.slow
def test_what_lies_in_the_users_directory_is_not_imported(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    (tmp_path / "srwizard").mkdir()
    (tmp_path / "models").mkdir()
    for name in ("torch.py", "models/__init__.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemExit('somebody else's')")
    processes = ("--set", "devices.processes=2")
    done = srwizard("--answers", answers, *processes, "--stop-after", "dry_run")
    assert done.returncode == 0, done.stderr


def test_the_run_config_holds_every_resolved_value(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    assert srwizard("--answers", answers, "--stop-after", "frozen").returncode == 0
    path = tmp_path / "run" / "run.yaml"
    frozen = yaml.safe_load(path.read_text())
    assert frozen["training"]["lr"] == 0.001
    assert frozen["training"]["num_workers"] == 0
    assert frozen["training"]["seed"] == 42
    assert frozen["data"]["scale"] == 2
    assert frozen["data"]["steps"] == {"train": 8, "valid": 3, "test": 3}
    assert set(frozen["data"]["fingerprint"]) == {
        f"{split}/{level}/temp" for split in ("train", "valid", "test") for level in ("hr", "lr")
    }
    assert frozen["model"]["params"] == {"num_features": 8, "num_blocks": 1, "res_scale": 1.0}
    assert frozen["software"]["torch"].startswith("2.")
    assert path.stat().st_mode & 0o222 == 0
    assert not (tmp_path / "run" / "dry_run.json").exists()


def test_without_confirmation_all_is_frozen_and_nothing_launched(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    answers.write_text(answers.read_text().replace("confirm: true", ""))
    stopped = srwizard("--answers", answers)
    assert stopped.returncode == 6
    assert "confirm: true" in stopped.stderr
    assert (tmp_path / "run" / "run.yaml").is_file()
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.broad
def test_stop_after_the_dry_run_needs_no_confirmation(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    answers.write_text(answers.read_text().replace("confirm: true", ""))
    stopped = srwizard("--answers", answers, "--stop-after", "dry_run")
    assert stopped.returncode == 0, stopped.stderr
    found = json.loads((tmp_path / "run" / "dry_run.json").read_text())
    assert found["verdict"] == "fits"
    assert found["peak_bytes"] > 0
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_an_answer_without_effect_is_told(srwizard: Run, answers: Path, tmp_path: Path) -> None:
    """Momentum is for SGD alone; what is as it is by default is no matter."""
    changed = ("--set", "training.momentum=0.5", "--set", "training.step_size=30")
    frozen = srwizard("--answers", answers, *changed, "--stop-after", "frozen")
    assert "Momentum (training.momentum: 0.5) has no effect here. Only for SGD." in frozen.stdout
    assert "step_size" not in frozen.stdout
    taken = ("--set", "training.optimizer=SGD", "--set", f"output.dir={tmp_path / 'second'}")
    frozen = srwizard("--answers", answers, *changed, *taken, "--stop-after", "frozen")
    assert "has no effect" not in frozen.stdout


WRONG_ANSWERS = {
    "training.epoch=5": ["training.epoch", "epochs"],
    "training.epochs=0": ["training.epochs", "0", "1"],
    "training.epochs=many": ["training.epochs", "many"],
    "training.lr=-1": ["training.lr", "-1"],
    "model.name=SwinR": ["SwinR", "SwinIR"],
    "model.params={num_featuers: 8}": ["num_featuers", "num_features"],
    "devices.gpus=[7]": ["devices.gpus", "7"],
    "memory.patch_size=7": ["memory.patch_size", "7", "6", "8"],
    "memory.patch_size=64": ["memory.patch_size", "64", "16"],
    "data.scale=4": ["data.scale", "4", "2"],
    "data.variables=[salt]": ["data.variables", "salt", "temp"],
    "data.variables=[]": ["data.variables", "at least one"],
}


@pytest.mark.parametrize("override", WRONG_ANSWERS)
def test_impossible_answers_are_refused_with_their_key(
    srwizard: Run, answers: Path, tmp_path: Path, override: str
) -> None:
    refused = srwizard("--answers", answers, "--set", override)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    for words in WRONG_ANSWERS[override]:
        assert words in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    assert not (tmp_path / "run").exists()


def test_all_mistakes_of_a_file_are_listed_with_their_lines(srwizard: Run, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("training:\n  epochs: 0\n  lrr: 0.1\nmemory: {use_amp: 3}\n")
    refused = srwizard("--answers", path)
    assert refused.returncode == 2
    for place in ("wrong.yaml:2:3", "wrong.yaml:3:3", "wrong.yaml:4:10"):
        assert place in refused.stderr


def damage_nothing_there(root: Path) -> Path:
    shutil.rmtree(root)
    return root


def damage_empty(root: Path) -> Path:
    shutil.rmtree(root)
    root.mkdir()
    return root


def damage_split_missing(root: Path) -> Path:
    shutil.rmtree(root / "valid")
    return root / "valid"


def damage_unpaired(root: Path) -> Path:
    path = next((root / "train" / "lr" / "temp").glob("*.npy"))
    path.unlink()
    return root / "train" / "hr" / "temp" / path.name


def damage_truncated(root: Path) -> Path:
    path = next((root / "test" / "hr" / "temp").glob("*.npy"))
    path.write_bytes(path.read_bytes()[:-10])
    return path


def damage_pickled(root: Path) -> Path:
    path = next((root / "test" / "lr" / "temp").glob("*.npy"))
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    return path


def damage_no_values(root: Path) -> Path:
    paths = sorted((root / "train" / "hr" / "temp").glob("*.npy"))
    for path in paths:
        np.save(path, np.full_like(np.load(path), np.nan))
    return paths[0]


def damage_scale(root: Path) -> Path:
    directory = root / "train" / "lr" / "temp"
    for path in directory.glob("*.npy"):
        np.save(path, np.load(path)[:-1])
    return directory


@pytest.mark.parametrize(
    "damage",
    [
        damage_nothing_there, damage_empty, damage_split_missing, damage_unpaired,
        damage_truncated, damage_pickled, damage_no_values, damage_scale,
    ],
)  # fmt: skip
def test_a_dataset_that_cannot_be_used_is_refused_by_name(
    srwizard: Run, answers: Path, dataset: Path, tmp_path: Path, damage: object
) -> None:
    culprit = damage(dataset)  # type: ignore[operator]
    refused = srwizard("--answers", answers)
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert str(culprit) in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    assert not (tmp_path / "run").exists()
    assert srwizard("inspect", dataset).returncode == 3


@pytest.mark.parametrize("inside", ["", "/runs/first"])
def test_no_run_is_written_into_the_dataset(
    srwizard: Run, answers: Path, dataset: Path, inside: str
) -> None:
    refused = srwizard("--answers", answers, "--set", f"output.dir={dataset}{inside}")
    assert refused.returncode == 2
    assert "lies in the dataset" in refused.stderr
    assert not (dataset / "runs").exists()


@pytest.mark.parametrize("place", ["/", "//", "/..", "~/"])
def test_no_run_is_written_over_a_whole_home_or_disk(
    srwizard: Run, answers: Path, place: str
) -> None:
    refused = srwizard("--answers", answers, "--set", f"output.dir={place}")
    assert refused.returncode == 2
    assert "a run needs a directory of its own; name one below /" in " ".join(
        refused.stderr.split()
    )
    assert not Path(place, "run.yaml").expanduser().exists()


@pytest.mark.parametrize(
    ("value", "files", "said"),
    [(-9999.0, "train/hr/temp/*0.npy", "looks like"), (5.0, "*/*/temp/*.npy", "every value of")],
)
def test_a_fill_value_and_a_constant_field_are_warnings(
    srwizard: Run, dataset: Path, value: float, files: str, said: str
) -> None:
    for path in dataset.glob(files):
        np.save(path, np.full_like(np.load(path), value))
    shown = srwizard("inspect", dataset)
    assert shown.returncode == 0
    assert "Warning" in shown.stdout
    assert "Problems" not in shown.stdout
    found = json.loads(srwizard("inspect", dataset, "--json").stdout)["problems"]
    assert any(said in problem["message"] and not problem["fatal"] for problem in found)


def test_a_directory_that_holds_a_run_is_not_written_over(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    assert srwizard("--answers", answers, "--stop-after", "frozen").returncode == 0
    before = (tmp_path / "run" / "run.yaml").read_bytes()
    refused = srwizard("--answers", answers, "--set", "training.epochs=3")
    assert refused.returncode == 2
    assert "output.dir" in refused.stderr
    assert (tmp_path / "run" / "run.yaml").read_bytes() == before


def test_training_refuses_an_edited_config_and_a_changed_dataset(
    srwizard: Run, answers: Path, dataset: Path, tmp_path: Path
) -> None:
    assert srwizard("--answers", answers, "--stop-after", "frozen").returncode == 0
    path = tmp_path / "run" / "run.yaml"
    frozen = path.read_text()
    path.chmod(0o644)
    path.write_text(frozen.replace("epochs: 2", "epochs: 3"))
    refused = srwizard("train", tmp_path / "run")
    assert refused.returncode == 2
    assert "training.epochs" in refused.stderr
    path.write_text(frozen)
    step = next((dataset / "valid" / "hr" / "temp").glob("*.npy"))
    np.save(step, np.load(step) + np.float32(1))
    refused = srwizard("train", tmp_path / "run")
    assert refused.returncode == 3
    assert "valid/hr/temp" in refused.stderr
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_paths_with_spaces_and_chinese_characters(
    srwizard: Run, dataset: Path, answers: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "海洋 数据"
    dataset.rename(moved)
    done = srwizard(
        "--answers", answers, "--set", f"data.root={moved}/", "--set", "output.dir=运行 一",
        "--stop-after", "frozen",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((tmp_path / "运行 一" / "run.yaml").read_text())["data"]["root"] == str(
        moved
    )


@pytest.mark.broad
def test_samples_are_turned_only_where_vectors_are_known(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "data")
    write_dataset(tmp_path / "data", variables=("u", "w"))
    frozen = ("--answers", answers, "--stop-after", "frozen")
    refused = srwizard(*frozen, "--set", "training.augment=true")
    assert refused.returncode == 2
    assert "data.vectors" in refused.stderr and "Traceback" not in refused.stderr
    for number, (change, augment) in enumerate(
        [
            ("training.batch_size=2", False),
            ("data.vectors=[]", True),
            ("data.vectors=[[u,w]]", True),
        ]
    ):
        run_dir = tmp_path / f"run{number}"
        done = srwizard(
            *frozen, "--set", change, "--set", f"output.dir={run_dir}", "--set", "model.skip=linear"
        )
        assert done.returncode == 0, done.stderr
        found = yaml.safe_load((run_dir / "run.yaml").read_text())
        assert found["training"]["augment"] is augment
