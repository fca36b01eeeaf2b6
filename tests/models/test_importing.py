"""Published weights: how files are read, names mapped, channels adapted, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from srwizard.base.errors import UsageError
from srwizard.models import build
from srwizard.models import weights_file as weights_file
from srwizard.models.importing import import_weights, write_weights
from srwizard.models.reference_names import network_in
from srwizard.models.weights_reading import read_weights
from tests.datasets import write_dataset
from tests.small_networks import SMALL, SMALL_UNET
from tests.train.runs import freeze, trained

EDSR = {"num_features": 8, "num_blocks": 2}


def network(name: str = "EDSR", channels: int = 1, params: dict[str, Any] | None = None) -> Any:
    torch.manual_seed(0)
    net = build(
        name,
        in_channels=channels,
        out_channels=channels,
        scale=2,
        params=EDSR if params is None else params,
        global_skip=False,
    )
    return network_in(net)


def imported(path: Path, **options: Any) -> tuple[nn.Module, list[str]]:
    options = {"in_channels": 1, "out_channels": 1, "scale": 2, "params": EDSR} | options
    net, _described, notices = import_weights(path, options.pop("model", "EDSR"), **options)
    return net.eval(), notices


def save_as(kind: str, state: dict[str, Tensor], path: Path) -> Path:
    """Write weights in one of the ways in which people publish them."""
    path = path.with_suffix(
        {"npz": ".npz", "golden": ".npz", "safe": ".safetensors"}.get(kind, ".pth")
    )
    match kind:
        case "npz":
            np.savez(path, **{name: value.numpy() for name, value in state.items()})
        case "golden":
            arrays = {f"weight:{name}": value.numpy() for name, value in state.items()}
            np.savez(path, meta=np.array("{}"), output=np.zeros(3), **arrays)
        case "safe":
            save_file(state, path)
        case "plain":
            torch.save(state, path)
        case "ema":
            torch.save({"params": {"x": torch.zeros(1)}, "params_ema": state}, path)
        case "wrapped":
            wrapped = {f"module.{name}": value for name, value in state.items()}
            torch.save({"state_dict": wrapped, "epoch": 7}, path)
        case _:
            torch.save({kind: state}, path)
    return path


@pytest.mark.parametrize(
    "kind", ["plain", "params", "ema", "state_dict", "wrapped", "safe", "npz", "golden"]
)
def test_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    reference = network().eval()
    net, notices = imported(save_as(kind, reference.state_dict(), tmp_path / "w"))
    lr = torch.randn(1, 1, 6, 7)
    assert torch.equal(net(lr), reference(lr))
    assert notices == []


def test_names_of_the_edsr_authors(tmp_path: Path) -> None:
    reference = network().eval()
    theirs = {"sub_mean.weight": torch.zeros(3, 3, 1, 1), "add_mean.bias": torch.zeros(3)}
    for name, value in reference.state_dict().items():
        parts = name.split(".")
        match parts[0]:
            case "conv_first":
                parts[0] = "head.0"
            case "body":
                parts[2] = {"conv1": "body.0", "conv2": "body.2"}[parts[2]]
            case "conv_after_body":
                parts[0] = "body.2"
            case "upsample":
                parts[0] = "tail.0"
            case "conv_last":
                parts[0] = "tail.1"
        theirs[".".join(parts)] = value
    net, _notices = imported(save_as("plain", theirs, tmp_path / "w"))
    lr = torch.randn(1, 1, 6, 7)
    assert torch.equal(net(lr), reference(lr))


def test_names_of_the_rcan_authors(tmp_path: Path) -> None:
    params = {"num_features": 8, "num_groups": 2, "num_blocks": 2, "reduction": 4}
    reference = network("RCAN", params=params).eval()
    theirs = {}
    for name, value in reference.state_dict().items():
        new = name.replace("conv_first", "head.0").replace("conv_after_body", "body.2")
        new = new.replace("upsample.", "tail.0.").replace("conv_last", "tail.1")
        new = new.replace(".residual_group.", ".body.").replace(".rcab.", ".body.")
        new = new.replace(".attention.1.", ".conv_du.0.").replace(".attention.3.", ".conv_du.2.")
        new = new.replace(".conv.", ".body.2.")
        theirs[new] = value
    assert "body.0.body.1.body.3.conv_du.2.bias" in theirs
    net, _notices = imported(save_as("plain", theirs, tmp_path / "w"), model="RCAN", params=params)
    lr = torch.randn(1, 1, 6, 7)
    assert torch.equal(net(lr), reference(lr))


@pytest.mark.parametrize("new", [1, 2, 5])
@pytest.mark.parametrize("upsampler", ["pixelshuffle", "pixelshuffledirect", "nearest+conv"])
def test_other_channels(tmp_path: Path, upsampler: str, new: int) -> None:
    params = {
        "embed_dim": 8,
        "depths": [2],
        "num_heads": [2],
        "window_size": 4,
        "upsampler": upsampler,
    }
    reference = network("SwinIR", channels=3, params=params).eval()
    path = save_as("params", reference.state_dict(), tmp_path / "w")
    net, notices = imported(path, model="SwinIR", params=params, in_channels=new, out_channels=new)
    # A field in every channel gives the mean of what it gives in all three.
    field = torch.randn(1, 1, 8, 9)
    with torch.no_grad():
        expected = reference(field.expand(-1, 3, -1, -1)).mean(1, keepdim=True)
        found = net(field.expand(-1, new, -1, -1))
    torch.testing.assert_close(found, expected.expand(-1, new, -1, -1))
    assert f"3 output channels, the network {new}" in notices[0]
    assert f"scaled by 3/{new}" in notices[1]


@pytest.mark.parametrize("model", ["DDPM", "SR3"])
def test_diffusion_weights_with_other_channels(tmp_path: Path, model: str) -> None:
    reference = network(model, channels=3, params=SMALL_UNET).eval()
    nn.init.normal_(reference.final_conv.block[-1].weight, std=0.1)
    state = {f"denoise_fn.{name}": value for name, value in reference.state_dict().items()}
    state["betas"] = torch.zeros(10)
    path = save_as("plain", state, tmp_path / "w")
    net, notices = imported(path, model=model, params=SMALL_UNET)
    up, noisy, told = torch.randn(1, 1, 8, 8), torch.randn(1, 1, 8, 8), torch.tensor([0.5])
    with torch.no_grad():
        together = torch.cat([up.expand(-1, 3, -1, -1), noisy.expand(-1, 3, -1, -1)], dim=1)
        expected = reference(together, told).mean(1, keepdim=True)
        found = net.denoiser(torch.cat([up, noisy], dim=1), told)  # type: ignore[operator,union-attr]
    torch.testing.assert_close(found, expected)
    assert len(notices) == 2
    # As they were trained, not as the defaults here are.
    assert net.prediction == "epsilon" and net.target == "field"


@pytest.mark.parametrize("prefix", ["denoiser.", ""], ids=["of a run", "of its network alone"])
def test_weights_of_resshift_predict_the_field(tmp_path: Path, prefix: str) -> None:
    """As those of its paper, and of runs before there was a choice; and so it is described."""
    reference = network("ResShift", params=SMALL_UNET)
    state = {f"{prefix}{name}": value for name, value in reference.state_dict().items()}
    net, described, _notices = import_weights(
        save_as("plain", state, tmp_path / "w"), "ResShift", in_channels=1, out_channels=1,
        scale=2, params=SMALL_UNET,
    )  # fmt: skip
    assert net.prediction == described.params["prediction"] == "x0"


@pytest.mark.parametrize("name", ["EDSR", "SwinIR", "Swin_Transformer", "RCAN", "HAT"])
def test_the_range_of_images_goes_into_the_layers(name: str, tmp_path: Path) -> None:
    reference = network(name, params=SMALL[name]).eval()
    path = save_as("plain", reference.state_dict(), tmp_path / "w")
    net, notices = imported(path, model=name, params=SMALL[name], img_range=255.0)
    lr = torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        expected = reference(lr * 255) / 255
        torch.testing.assert_close(net(lr), expected, rtol=1e-4, atol=1e-4 * float(expected.std()))
    assert "255" in notices[0]


@pytest.mark.broad
def test_what_a_run_has_learnt_outside_of_its_denoiser_is_taken_too(tmp_path: Path) -> None:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", model="ReMD", epochs=1)
    training = trained(tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "last.pt"
    net, notices = imported(path, model="ReMD", params={})
    learnt = training.averaged or dict(training.bare.named_parameters())
    for part, parameter in net.named_parameters():
        assert torch.equal(parameter, learnt[part]), part
    assert notices == []
    _net, notices = imported(path, model="ReMD", params={}, in_channels=2, out_channels=2)
    assert any("correction.lift" in line for line in notices)


def test_other_weights_are_named(tmp_path: Path) -> None:
    state = network().state_dict()
    del state["conv_first.bias"]
    state["attention.weight"] = torch.zeros(1)
    with pytest.raises(UsageError) as error:
        imported(save_as("plain", state, tmp_path / "w"))
    assert "missing: conv_first.bias" in error.value.message
    assert "unexpected: attention.weight" in error.value.message


def test_many_missing_names_do_not_fill_the_screen(tmp_path: Path) -> None:
    path = save_as("plain", network().state_dict(), tmp_path / "w")
    with pytest.raises(UsageError) as error:
        imported(path, params={"num_features": 8, "num_blocks": 30})
    assert len(error.value.message.splitlines()) < 30


class Harmful:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("harmed"),)


@pytest.mark.parametrize("content", ["none", "text", "code", "empty", "cut", "list"])
@pytest.mark.parametrize("suffix", [".pth", ".npz", ".safetensors"])
def test_what_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"w{suffix}"
    match content:
        case "text":
            path.write_text("no weights")
        case "code":
            torch.save({"params": Harmful()}, path)
        case "empty":
            path.touch()
        case "cut":
            torch.save(network().state_dict(), path)
            path.write_bytes(path.read_bytes()[:500])
        case "list":
            torch.save([torch.zeros(2)], path)
    with pytest.raises(UsageError):
        read_weights(path)
    assert not (tmp_path / "harmed").exists()


def test_written_and_begun_from(tmp_path: Path) -> None:
    path, target = (
        save_as("plain", network().state_dict(), tmp_path / "w"),
        tmp_path / "o.safetensors",
    )
    net, described, _notices = import_weights(
        path, "EDSR", in_channels=1, out_channels=1, scale=2, params=EDSR
    )
    write_weights(net, described, target)
    assert weights_file.describe(target) == described
    assert described.params == {**EDSR, "res_scale": 1.0}
    assert not described.global_skip
    other = build("EDSR", in_channels=1, out_channels=1, scale=2, params=EDSR, global_skip=False)
    other.load_state_dict(load_file(target))
    for name, value in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


def test_weights_of_a_run_keep_their_skip(tmp_path: Path) -> None:
    net = build("EDSR", in_channels=1, out_channels=1, scale=2, params=EDSR)
    path = save_as("weights", net.state_dict(), tmp_path / "best")
    found, described, _notices = import_weights(
        path, "EDSR", in_channels=1, out_channels=1, scale=2, params=EDSR
    )
    assert described.global_skip
    lr = torch.randn(1, 1, 5, 5)
    assert torch.equal(found(lr), net(lr))


def test_a_checkpoint_of_a_run_keeps_what_it_starts_from_and_its_averages(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, skip="bicubic", ema_decay=0.5, epochs=1)
    trained(run_dir)
    path = run_dir / "checkpoints" / "last.pt"
    state = torch.load(path, weights_only=True)
    # Parameters are its own, too, where the command names none.
    net, described, _notices = import_weights(
        path, "EDSR", in_channels=1, out_channels=1, scale=2, params={}
    )
    assert described.skip == {"temp": ["bicubic", 0.0]}
    assert described.params == state["identity"]["model"]["params"]
    assert not torch.equal(
        state["weights"]["conv_last.weight"], state["averaged"]["conv_last.weight"]
    )
    for name, value in net.state_dict().items():
        assert torch.equal(value, state["averaged"].get(name, state["weights"][name]))
    for wrong in ({"model": "RCAN", "scale": 2}, {"model": "EDSR", "scale": 4}):
        with pytest.raises(UsageError, match="is the checkpoint of a run: EDSR, scale 2"):
            import_weights(path, **wrong, in_channels=1, out_channels=1, params={})


@pytest.mark.parametrize(
    "nested",
    [
        lambda state: {"model_state_dict": state, "epoch": 3},
        lambda state: {"state_dict": {"model": state}},
        lambda state: {"model": {"x": torch.zeros(1)}, "model_ema": state},
        lambda state: {f"_orig_mod.module.{name}": value for name, value in state.items()},
    ],
)
def test_weights_within_other_things(tmp_path: Path, nested: Any) -> None:
    state = network().state_dict()
    torch.save(nested(state), tmp_path / "w.pth")
    assert read_weights(tmp_path / "w.pth").keys() == state.keys()


def test_what_else_a_file_holds_is_named(tmp_path: Path) -> None:
    torch.save({"generator": {"x": torch.zeros(1)}, "epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(
        UsageError, match="holds no weights by name, but: generator, epoch"
    ) as error:
        read_weights(tmp_path / "w.pth")
    assert "model_state_dict" in error.value.hint


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda weight: weight * torch.nan, "conv_last.weight holds values that are not finite"),
        (lambda weight: weight.to(torch.int8), "conv_last.weight is of type int8"),
    ],
)
def test_weights_that_nothing_can_begin_from(tmp_path: Path, spoil: Any, words: str) -> None:
    state = network().state_dict()
    state["conv_last.weight"] = spoil(state["conv_last.weight"])
    with pytest.raises(UsageError, match=words):
        imported(save_as("plain", state, tmp_path / "w"))


def test_a_range_is_refused_where_the_first_layer_is_not_known(tmp_path: Path) -> None:
    params = SMALL["UNet2d"]
    path = save_as("plain", network("UNet2d", params=params).state_dict(), tmp_path / "w")
    with pytest.raises(UsageError, match="--img-range: the first layer"):
        imported(path, model="UNet2d", params=params, img_range=255.0)


def test_a_layer_in_two_places_is_written(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    described = weights_file.WeightsDescription("EDSR", {}, 1, 1, 2, global_skip=False)
    write_weights(net, described, tmp_path / "w.safetensors")
    found = load_file(tmp_path / "w.safetensors")
    assert torch.equal(found["0.weight"], found["1.weight"])
