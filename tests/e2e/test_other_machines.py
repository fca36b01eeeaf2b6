"""Training on other machines, as a person and an answers file choose it."""

import json
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_U, DOWN, ENTER, ESCAPE
from tests.e2e.walk import Walk

NODES = "{launcher: nodes, nodes: 2, processes: 3, rdzv_endpoint: 'north:29500'}"


def answers_file(dataset: Path, tmp_path: Path, devices: str) -> Path:
    path = tmp_path / "answers.yaml"
    path.write_text(
        f"data: {{root: {dataset}}}\noutput: {{dir: {tmp_path / 'run'}}}\n"
        f"model: {{name: EDSR}}\ntraining: {{epochs: 2}}\ndevices: {devices}\nconfirm: true\n"
    )
    return path


@pytest.mark.broad
def test_a_person_chooses_several_machines(terminal: Open, dataset: Path, tmp_path: Path) -> None:
    screen = terminal(columns=200, rows=40)
    Walk(screen, root=dataset).to("devices")
    screen.send(DOWN + ENTER)
    screen.wait_for("? Machines 2")
    screen.send(CTRL_U + "1" + ENTER)
    screen.wait_for("1 is too small; at least 2")
    screen.send(CTRL_U + "3" + ENTER)
    screen.wait_for("? GPUs of each machine 0")
    screen.send(ESCAPE)
    screen.wait_for("? Machines 3", count=2)
    screen.send(ENTER)
    screen.wait_for("? GPUs of each machine", count=2)
    screen.send(ENTER)
    screen.wait_for("? Processes on the CPU of each machine 1")
    screen.send(ENTER)
    screen.wait_for("? Rendezvous endpoint")
    screen.send("north" + ENTER)
    screen.wait_for("north is not HOST:PORT")
    screen.send(":29500" + ENTER)
    screen.wait_for("? Memory options")
    screen.send(ENTER)
    screen.wait_for("Go ahead?")
    assert "Machines: 3 machines x 1 process on the CPU, torchrun, north:29500" in screen.text
    screen.send(ENTER)
    screen.wait_for("Run this command on each machine")
    assert screen.wait_for_end() == 0, screen.text
    run_dir = tmp_path / "runs" / "data"
    assert f"srwizard train {run_dir} --dry-run-first" in screen.text.replace("\n", "")
    devices = yaml.safe_load((run_dir / "run.yaml").read_text())["devices"]
    assert (devices["launcher"], devices["nodes"], devices["processes"]) == ("nodes", 3, 1)
    assert devices["rdzv_endpoint"] == "north:29500"


def test_an_answers_file_chooses_several_machines(
    srwizard: Run, dataset: Path, tmp_path: Path
) -> None:
    done = srwizard("--answers", answers_file(dataset, tmp_path, NODES))
    assert done.returncode == 0, done.stderr
    assert f"srwizard train {tmp_path / 'run'} --dry-run-first" in done.stdout
    printed = srwizard("train", tmp_path / "run", "--print-command").stdout
    for option in ("--nnodes=2", "--rdzv-endpoint=north:29500", "--nproc-per-node=3"):
        assert option in printed
    again = srwizard("answers", "--from", tmp_path / "run").stdout
    assert yaml.safe_load(again)["devices"]["rdzv_endpoint"] == "north:29500"


def test_what_is_only_to_be_frozen_is_not_begun_elsewhere(
    srwizard: Run, dataset: Path, tmp_path: Path
) -> None:
    file = answers_file(dataset, tmp_path, NODES)
    done = srwizard("--answers", file, "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    assert "Stopped as requested" in done.stdout
    assert "--dry-run-first" not in done.stdout


@pytest.mark.parametrize(
    ("devices", "code", "words"),
    [
        ("{nodes: 2}", 2, "devices.nodes is about other machines, but devices.launcher is here"),
        ("{slurm_time: '10'}", 2, "devices.slurm_time is about other machines"),
        ("{launcher: nodes, nodes: 1}", 2, "1 is too small; at least 2"),
        ("{launcher: nodes, nodes: 2}", 6, "devices.rdzv_endpoint is required"),
        ("{launcher: nodes, nodes: 2, rdzv_endpoint: north}", 2, "north is not HOST:PORT"),
        ("{launcher: slurm, slurm_time: soon}", 2, "soon is not a time limit"),
        ("{launcher: slurm, slurm_directives: [--time=3]}", 2, "use devices.slurm_time"),
        ("{launcher: slurm, slurm_memory: much}", 2, "much is not an amount of memory"),
    ],
)
def test_what_cannot_be(
    srwizard: Run, dataset: Path, tmp_path: Path, devices: str, code: int, words: str
) -> None:
    refused = srwizard("--answers", answers_file(dataset, tmp_path, devices))
    assert refused.returncode == code, refused.stderr
    assert words in refused.stderr
    assert not (tmp_path / "run" / "run.yaml").exists()


@pytest.mark.slow
def test_what_other_machines_found_not_to_fit_is_adjusted_on_resume(
    srwizard: Run, terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    assert srwizard("--answers", answers_file(dataset, tmp_path, NODES)).returncode == 0
    run_dir = tmp_path / "run"
    digest = yaml.safe_load((run_dir / "run.yaml").read_text())["digest"]
    found = {"digest": digest, "verdict": "does not fit", "capacity_bytes": 2**27}
    (run_dir / "dry_run.json").write_text(json.dumps(found))
    screen = terminal("resume")
    screen.wait_for("The dry run ran out of system memory; 128 MB was available.")
    screen.wait_for("What should be changed?")
    screen.wait_for("Batch size 16 → 8, gradient accumulation 2")
    screen.kill()
    assert json.loads((run_dir / "dry_run.json").read_text())["remedies"]
