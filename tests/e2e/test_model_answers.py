"""The model section of the answers: sizes, published weights to begin from, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from srwizard.models import build
from srwizard.models.catalog import card, resolve_parameters
from srwizard.runs.checkpoint_files import single as checkpoint_path
from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import DOWN, ENTER
from tests.e2e.walk import Walk

pytestmark = pytest.mark.broad

PARAMS = {"num_features": 8, "num_blocks": 1}


def frozen_model(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["model"]
    return found


def test_a_size_is_resolved_into_parameters(srwizard: Run, answers: Path, tmp_path: Path) -> None:
    done = srwizard(
        "--answers", answers, "--stop-after", "frozen", "--set", "model.name=Swin_Transformer",
        "--set", "model.size=tiny", "--set", "model.params={mlp_ratio: 3}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    it = card("Swin_Transformer")
    wanted = resolve_parameters(it, {**it.sizes["tiny"], "mlp_ratio": 3.0})
    assert frozen_model(tmp_path)["params"] == wanted
    assert "size" not in frozen_model(tmp_path)


def test_a_size_that_is_not_there(srwizard: Run, answers: Path) -> None:
    refused = srwizard("--answers", answers, "--set", "model.size=huge")
    assert refused.returncode == 2
    for word in ("model.size", "huge", "'tiny', 'base', 'large'"):
        assert word in refused.stderr


def test_a_size_in_the_terminal(terminal: Open, dataset: Path, tmp_path: Path) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("model")
    screen.send(ENTER)
    screen.wait_for("? Parameters of SwinIR")
    screen.send(DOWN * 2)
    screen.wait_for("embed_dim 32")
    screen.send(ENTER)
    screen.wait_for("? Epochs")
    screen.send("\x1b")
    screen.wait_for("? Parameters of SwinIR", count=2)
    screen.wait_for("depths 4, 4; num_heads 4, 4; embed_dim 32")
    screen.kill()
    (session,) = (tmp_path / "state" / "srwizard" / "sessions").glob("*.json")
    model = json.loads(session.read_text())["answers"]["model"]
    assert (model["name"], model["size"]) == ("SwinIR", "tiny")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Weights of an EDSR for RGB, as BasicSR saves them."""
    torch.manual_seed(5)
    net = build("EDSR", in_channels=3, out_channels=3, scale=2, params=PARAMS, global_skip=False)
    path = tmp_path / "edsr.pth"
    torch.save({"params": net.state_dict()}, path)
    return path


IMPORT = ("--model", "EDSR", "--scale", "2", "--set", "num_features=8", "--set", "num_blocks=1")


@pytest.mark.slow
def test_published_weights_are_where_training_begins(
    srwizard: Run, answers: Path, published: Path, tmp_path: Path
) -> None:
    target = tmp_path / "ready.safetensors"
    made = srwizard("models", "--import-weights", published, *IMPORT, "-o", target)
    assert made.returncode == 0, made.stderr
    assert "3 input channels" in made.stdout and "3 output channels" in made.stdout
    # With a learning rate this small, an epoch leaves the weights where they were.
    done = srwizard(
        "--answers", answers, "--set", f"model.weights={target}", "--set", "model.params={}",
        "--set", "training.lr=1e-12", "--set", "training.ema_decay=0.9",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(target) in done.stdout.replace("\n", "")
    model = frozen_model(tmp_path)
    assert model["params"] == {**PARAMS, "res_scale": 1.0}
    assert model["global_skip"] is False
    assert len(model["weights"]["sha256"]) == 64
    state = torch.load(checkpoint_path(tmp_path / "run", "last"), weights_only=True)
    wanted = load_file(target)
    assert set(state["weights"]) == set(wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(state["weights"][name], value, rtol=0, atol=1e-8)
        torch.testing.assert_close(state["averaged"][name], value, rtol=0, atol=1e-8)
    again = srwizard("answers", "--from", tmp_path / "run")
    assert yaml.safe_load(again.stdout)["model"]["weights"] == str(target)


def test_a_skip_that_weights_were_not_trained_with_is_named(
    srwizard: Run, answers: Path, published: Path, tmp_path: Path
) -> None:
    target = tmp_path / "ready.safetensors"
    assert srwizard("models", "--import-weights", published, *IMPORT, "-o", target).returncode == 0
    frozen = (
        "--answers", answers, "--stop-after", "frozen", "--set", f"model.weights={target}",
    )  # fmt: skip
    told = "model.skip: bicubic adds what the weights"
    plain = srwizard(*frozen)
    assert plain.returncode == 0, plain.stderr
    assert "model.skip" not in plain.stdout
    done = srwizard(*frozen, "--set", "model.skip=bicubic", "--set", f"output.dir={tmp_path / 'b'}")
    assert done.returncode == 0, done.stderr
    assert told in " ".join(done.stdout.split())


def test_weights_that_changed_after_freezing(
    srwizard: Run, answers: Path, published: Path, tmp_path: Path
) -> None:
    target = tmp_path / "ready.safetensors"
    assert srwizard("models", "--import-weights", published, *IMPORT, "-o", target).returncode == 0
    frozen = srwizard(
        "--answers", answers, "--stop-after", "frozen", "--set", f"model.weights={target}"
    )
    assert frozen.returncode == 0, frozen.stderr
    content = bytearray(target.read_bytes())
    content[-1] ^= 1
    target.write_bytes(content)
    refused = srwizard("train", tmp_path / "run")
    assert refused.returncode == 2
    assert str(target) in refused.stderr.replace("\n", "")
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.name=RCAN", "model.params={}"], ["model.name", "EDSR", "RCAN"]),
        (["model.params={num_blocks: 2}"], ["model.params.num_blocks"]),
        (["model.global_skip=true"], ["model.global_skip"]),
        (["data.static_variables=[lon]"], ["input channels 1, not 2"]),
        (["data.guides=[lon]"], ["see no guides", "data.guides"]),
        (["model.weights=missing.safetensors"], ["missing.safetensors", "no such file"]),
        (["model.weights=answers.yaml"], ["answers.yaml", "--import-weights"]),
    ],
)
def test_weights_of_another_network_are_refused(
    srwizard: Run,
    answers: Path,
    published: Path,
    tmp_path: Path,
    overrides: list[str],
    words: list[str],
) -> None:
    target = tmp_path / "ready.safetensors"
    assert srwizard("models", "--import-weights", published, *IMPORT, "-o", target).returncode == 0
    options = [part for text in overrides for part in ("--set", text)]
    refused = srwizard("--answers", answers, "--set", f"model.weights={target}", *options)
    assert refused.returncode == 2, refused.stdout
    for word in words:
        assert word in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model", "EDSR", "--set", "num_features=8"), ["missing: body.1", "num_features"]),
        (("--model", "SwinIR"), ["missing", "unexpected: body.0.conv1.weight"]),
        (("--model", "EDRS"), ["EDRS", "EDSR"]),
        (("--model", "EDSR", "--set", "num_blocks"), ["num_blocks", "name=value"]),
        (("--model", "EDSR", "--in-channels", "0"), ["--in-channels"]),
        (("--model", "EDSR", "--img-range", "0"), ["--img-range"]),
        ((), ["--model"]),
    ],
)
def test_weights_that_cannot_be_imported(
    srwizard: Run, published: Path, tmp_path: Path, options: tuple[str, ...], words: list[str]
) -> None:
    target = tmp_path / "ready.safetensors"
    refused = srwizard("models", "--import-weights", published, *options, "-o", target)
    assert refused.returncode == 2
    for word in words[:1]:
        assert word in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not target.exists()


@pytest.mark.parametrize(
    ("model", "params", "words"),
    [
        # The field is HR [16, 24], LR [8, 12].
        ("FNO2d", "{modes: 9}", ["modes is 9", "only 8"]),
        ("SwinIR", "{embed_dim: 64}", ["64", "6 heads", "1, 2, 4, 8, 16, 32, 64"]),
        ("SwinIR", "{window_size: 9}", ["window_size is 9", "2 to 8"]),
        ("SwinIR", "{depths: [2, 2]}", ["depths has 2", "num_heads has 4"]),
        ("Swin_Transformer", "{num_heads: [3, 6, 12, 25]}", ["25 heads", "768"]),
        ("Swin_Transformer", "{window_size: 9}", ["window_size is 9", "2 to 8"]),
        ("Swin_Transformer", "{patch_size: 2}", ["window_size is 7", "4 x 6 patches", "2 to 4"]),
        (
            "Swin_Transformer",
            "{depths: [1, 1, 1, 1, 1], num_heads: [1, 1, 1, 1, 1]}",
            ["depths has 5", "1 to 4"],
        ),
        ("RCAN", "{reduction: 5}", ["reduction is 5", "1, 2, 4, 8, 16, 32, 64"]),
        ("UNet2d", "{levels: 5}", ["levels is 5", "4 times"]),
        ("HAT", "{embed_dim: 24}", ["squeeze_factor is 30", "1 to 24"]),
        ("Galerkin_Transformer", "{modes: 8, num_heads: 3}", ["3 heads", "1, 2, 4, 8"]),
        ("MWT2d", "{modes: 4}", ["modes is 4", "only 2"]),
        ("M2NO2d", "{grid_levels: [1, 1, 1, 1]}", ["grid_levels has 4", "only 3"]),
        ("SRNO", "{num_heads: 7}", ["7 heads", "1, 2, 4, 8"]),
        ("HiNOTE", "{levels: 6}", ["levels is 6", "only 5"]),
        ("EDSR", "{num_blocks: 0}", ["num_blocks", "at least 1"]),
        ("DDPM", "{norm_groups: 24}", ["24 norm_groups", "1, 2, 4, 8, 16, 32, 64"]),
        ("SR3", "{channel_mults: [1, 1, 1, 1, 1, 1]}", ["6 levels", "1 to 5"]),
        ("ReMD", "{grid_levels: [1, 1, 1, 1, 1]}", ["grid_levels has 5", "only 4"]),
        ("FlowMatching", "{sampling_steps: 9}", ["sampling_steps", "at most 8"]),
        ("ResShift", "{num_heads: 5}", ["5 num_heads", "1, 2, 4, 8, 16, 32, 64"]),
    ],
)
def test_parameters_that_cannot_work_are_refused_with_those_that_can(
    srwizard: Run, answers: Path, tmp_path: Path, model: str, params: str, words: list[str]
) -> None:
    refused = srwizard(
        "--answers", answers, "--set", f"model.name={model}", "--set", f"model.params={params}"
    )
    assert refused.returncode == 2, refused.stdout
    assert "model.params" in refused.stderr
    for word in words:
        assert word in " ".join(refused.stderr.split())
    assert not (tmp_path / "run").exists()


def test_null_for_what_only_a_person_may_decide_is_named(answers: Path, srwizard: Run) -> None:
    for key in ("model.name", "data.root", "output.dir"):
        done = srwizard("--answers", answers, "--set", f"{key}=null")
        assert done.returncode == 2, done.stderr
        assert f"{key}: " in done.stderr and "itself failed" not in done.stderr


def test_help_of_a_parameter_says_what_it_may_be(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("model")
    screen.send("EDSR" + ENTER)
    screen.wait_for("? Parameters of EDSR")
    screen.send("one by one" + ENTER)
    screen.wait_for("? num_features")
    screen.send("?")
    screen.wait_for("allowed: >= 1")
    screen.wait_for("default: 64")
    screen.kill()


def test_patches_for_a_network_of_whole_fields_are_told(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    done = srwizard(
        "--answers", answers, "--stop-after", "frozen", "--set", "model.name=FNO2d",
        "--set", "model.params={width: 8, modes: 4}", "--set", "memory.patch_size=16",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "FNO2d works on the waves of whole fields" in " ".join(done.stdout.split())
