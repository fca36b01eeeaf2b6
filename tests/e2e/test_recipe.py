"""What is recommended: printed, and taken as answers."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import DOWN, ENTER, ESCAPE, UP, Terminal
from tests.e2e.walk import Walk


def frozen(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((run_dir / "run.yaml").read_text())
    return found


def test_an_answers_file_takes_what_the_command_prints(
    srwizard: Run, dataset: Path, tmp_path: Path
) -> None:
    printed = srwizard("recommend", dataset, "--model", "FNO2d", "--json")
    assert printed.returncode == 0, printed.stderr
    told = json.loads(printed.stdout)
    values = {one["key"]: one["value"] for one in told["recommended"]}
    assert all(one["reason"] for one in told["recommended"])
    answers = tmp_path / "answers.yaml"
    answers.write_text(
        f"data: {{root: {dataset}}}\noutput: {{dir: {tmp_path / 'run'}}}\nmodel: {{name: FNO2d}}\n"
        "training: {recipe: recommended, lr: 0.0123}\nconfirm: true\n"
    )
    done = srwizard("--answers", answers, "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    run = frozen(tmp_path / "run")
    assert run["training"].pop("lr") == 0.0123  # what is decided stays, and is told
    assert "would choose otherwise: training.lr (" in " ".join(done.stdout.split())
    assert run["model"]["params"]["modes"] == values.pop("model.params.modes")
    assert run["model"]["conserve"] == values.pop("model.conserve") == "additive"
    del values["training.lr"]
    assert {f"training.{key}": value for key, value in run["training"].items()} | values == {
        f"training.{key}": value for key, value in run["training"].items()
    }


def test_the_command_in_chinese_and_its_mistakes(srwizard: Run, dataset: Path) -> None:
    shown = srwizard("--lang", "zh", "recommend", dataset)
    assert shown.returncode == 0, shown.stderr
    assert "针对 SwinIR 和本数据集的推荐值" in shown.stdout
    unknown = srwizard("recommend", dataset, "--model", "EDSSR")
    assert unknown.returncode == 2
    assert "EDSR" in unknown.stderr
    size = srwizard("recommend", dataset, "--model", "EDSR", "--size", "huge")
    assert size.returncode == 2
    assert "tiny, base, large" in size.stderr
    nowhere = srwizard("recommend", dataset / "nowhere")
    assert nowhere.returncode == 3


def take_what_is_recommended(screen: Terminal, dataset: Path) -> None:
    """Answer up to the training parameters, and choose the recommended ones."""
    Walk(screen, root=dataset).to("training")
    screen.send(ENTER)  # the epochs as they are: the recipe decides
    screen.wait_for("? The other training parameters")
    screen.send(DOWN * 3)
    screen.wait_for("Learning-rate schedule cosine: the last epochs settle")
    screen.send(ENTER)


@pytest.mark.broad
def test_in_the_terminal_and_after_the_model_was_changed(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    screen = terminal(columns=160)
    take_what_is_recommended(screen, dataset)
    for prompt in ("Where to train", "Processes on the CPU", "Memory options"):
        screen.wait_for(f"? {prompt}")
        screen.send(ENTER)
    screen.wait_for("? Go ahead?")
    assert "cosine" in screen.text
    screen.send("model" + ENTER)
    screen.wait_for("? Model", count=2)
    screen.send("FNO2d" + ENTER)
    screen.wait_for("? Parameters of FNO2d")
    screen.send(ENTER)
    screen.wait_for("? Go ahead?", count=2)
    assert "modes 4" in screen.text
    assert "clip" in screen.text.lower() or "norm of the gradient" in screen.text
    screen.kill()


def test_what_is_recommended_stays_when_it_is_looked_at_one_by_one(
    terminal: Open, dataset: Path
) -> None:
    screen = terminal(columns=160)
    take_what_is_recommended(screen, dataset)
    screen.wait_for("? Where to train")
    screen.send(ESCAPE)
    screen.wait_for("? The other training parameters", count=2)
    screen.send(UP * 2 + ENTER)  # ask for the common ones
    screen.wait_for("? Learning rate")
    screen.send(ESCAPE)
    screen.wait_for("Now: Learning rate 0.001, Batch size 1, Normalization PGN, Loss function L2")
    screen.kill()
