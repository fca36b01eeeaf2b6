"""docs/adding-an-option.md, followed to the letter on a copy of the package."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.datasets import write_dataset
from tests.e2e.conftest import Open, Run
from tests.e2e.page import DOCS, follow, steps
from tests.e2e.terminal import DOWN, ENTER, PROGRAM
from tests.e2e.walk import Walk

pytestmark = pytest.mark.broad

ROOT = Path(__file__).parents[2]
PAGE = "adding-an-option.md"


@pytest.fixture
def site(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A copy of the package, in the place of the installed one."""
    copy = tmp_path / "site"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "srwizard", copy / "srwizard", ignore=ignored)
    for name in ("models", "states"):
        shutil.copytree(ROOT / name, copy / "srwizard" / name, ignore=ignored)
    environment["PYTHONPATH"] = str(copy)
    return copy


@pytest.fixture
def changed(tmp_path: Path, site: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment of the package with the page's changes."""
    for language, name, content in steps(PAGE):
        if name:
            follow(site if language == "diff" else tmp_path, language, name, content)
    return environment


def typed(tmp_path: Path, environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Type the page's commands; yield each with what it prints."""
    for line in [content for _language, name, content in steps(PAGE) if not name]:
        program, *rest = shlex.split(line)
        assert program in ("python", "srwizard")
        done = subprocess.run(
            [sys.executable if program == "python" else PROGRAM, *rest],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        yield line, done.stdout


@pytest.mark.slow
def test_both_are_listed_reviewed_frozen_and_trained(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    write_dataset(tmp_path / "data")
    shown = dict(typed(tmp_path, changed))
    help_text = "How much of the average of squared gradients is kept from step to step."
    template = shown["srwizard answers --template"]
    line = next(line for line in template.splitlines() if line.startswith("  beta2: 0.999 "))
    assert f"{help_text} Only for AdamW. (>= 0, < 1)" in line
    assert "Huber | L1 | L2" in template
    training = json.loads(shown["srwizard answers --schema"])["$defs"]["TrainingAnswers"]
    beta2 = training["properties"]["beta2"]
    assert (beta2["title"], beta2["default"], beta2["minimum"], beta2["exclusiveMaximum"]) == (
        "Adam: beta2", 0.999, 0, 1,
    )  # fmt: skip
    assert "Huber" in training["properties"]["loss"]["enum"]
    reference = shown["python -m srwizard.settings.reference en"]
    assert f"| `beta2` | Adam: beta2 | `0.999` | >= 0, < 1 | {help_text} Only for AdamW. |" in (
        reference
    )
    assert "- `Huber`: squared near zero, else absolute" in reference
    review = shown["srwizard --answers answers.yaml"]
    assert "Adam: beta2 0.95" in review and "Loss function Huber" in review
    frozen = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["training"]
    assert (frozen["beta2"], frozen["loss"]) == (0.95, "Huber")
    events = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    losses = [event["train_loss"] for event in events if event["event"] == "epoch"]
    assert losses[1] < losses[0]
    assert events[-1]["event"] == "test"


def test_what_is_out_of_its_limits_is_refused(
    tmp_path: Path, changed: dict[str, str], srwizard: Run
) -> None:
    refused = srwizard("--answers", "answers.yaml", "--set", "training.beta2=1")
    assert refused.returncode == 2
    assert "training.beta2: 1 is too large; less than 1" in refused.stderr
    assert "1 is too large; less than 1" in (DOCS / PAGE).read_text(encoding="utf-8")
    refused = srwizard("--answers", "answers.yaml", "--set", "training.loss=Hubert")
    assert refused.returncode == 2
    assert "'Hubert' is not one of 'Huber', 'L1'" in refused.stderr


def test_both_are_asked_for(changed: dict[str, str], terminal: Open, dataset: Path) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("training")
    screen.send(ENTER)
    screen.wait_for("? The other training parameters")
    screen.send(DOWN * 2 + ENTER)
    for prompt in ("Learning rate", "Batch size", "Normalization", "Gradient accumulation"):
        screen.wait_for(f"? {prompt}")
        screen.send(ENTER)
    screen.wait_for("? Loss function")
    screen.wait_for("Huber: squared near zero, else absolute")
    screen.send(ENTER)
    for prompt in ("Weight the loss by area", "Optimizer", "Weight decay"):
        screen.wait_for(f"? {prompt}")
        screen.send(ENTER)
    screen.wait_for("How much of the average of squared gradients")
    screen.wait_for("? Adam: beta2 0.999")
    screen.send("1.5" + ENTER)
    screen.wait_for("1.5 is too large; less than 1")
    screen.kill()


SHORT = """\
    thing: Annotated[
        int,
        Field(ge=2),
        Option(N_("A new thing"), N_("It does something."), reviewed=True),
    ] = 3
"""


@pytest.mark.parametrize("section", ["data", "model", "memory"])
def test_one_declaration_in_another_section_will_do(
    site: Path, answers: Path, srwizard: Run, terminal: Open, dataset: Path, section: str
) -> None:
    path = site / "srwizard" / "settings" / f"{section}.py"
    text = path.read_text(encoding="utf-8")
    begin = '    """What the run config takes over as it is answered."""\n\n'
    assert text.count(begin) == 1
    text = text.replace(begin, begin + SHORT)
    if "import Field" not in text:
        text = text.replace("\nfrom srwizard", "\nfrom pydantic import Field\n\nfrom srwizard", 1)
    path.write_text(text, encoding="utf-8")
    frozen = srwizard("--answers", answers, "--stop-after", "frozen", "--set", f"{section}.thing=5")
    assert frozen.returncode == 0, frozen.stderr
    assert "A new thing: 5" in frozen.stdout
    run = yaml.safe_load((answers.parent / "run" / "run.yaml").read_text())
    assert run[section]["thing"] == 5
    refused = srwizard("--answers", answers, "--set", f"{section}.thing=1")
    assert refused.returncode == 2
    assert f"{section}.thing: 1 is too small; at least 2" in refused.stderr
    screen = terminal()
    walk = Walk(screen, root=dataset)
    walk.to(section)
    if section == "data":
        screen.send(str(dataset) + ENTER)
    elif section == "model":
        screen.send(DOWN + ENTER)
        screen.wait_for("? Parameters of")
        screen.send(DOWN + ENTER)
        for prompt in ("num_features", "num_blocks", "res_scale"):
            screen.wait_for(f"? {prompt}")
            screen.send(ENTER)
    else:
        screen.send(DOWN + ENTER)
    screen.wait_for("? A new thing 3")
    screen.kill()
