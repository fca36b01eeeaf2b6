"""The cards: what they say, how parameters are checked, and that none of it needs torch."""

import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from srwizard.base.errors import UsageError
from srwizard.models import build, catalog
from srwizard.models.cards import BUILT_IN, edsr
from srwizard.models.catalog import ModelCard, Parameter, card, cards, problems, resolve_parameters

THIRD_PARTY = replace(edsr.CARD, name="Laboratory")
NAMES = [it.name for it in BUILT_IN]


class EntryPoint:
    """What `importlib.metadata` gives of an installed package's model."""

    def __init__(self, name: str, gives: object) -> None:
        self.name = name
        self.gives = gives

    def load(self) -> object:
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install these models as if by packages, for one test."""

    def install(*entry_points: EntryPoint) -> None:
        monkeypatch.setattr(catalog, "entry_points", lambda group: list(entry_points))
        cards.cache_clear()

    yield install
    cards.cache_clear()


def test_importing_the_catalogue_imports_no_torch_and_no_numpy() -> None:
    code = (
        "import sys, srwizard.models.catalog as c; c.cards(); "
        "sys.exit(' '.join({'torch', 'numpy'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_menu_order_and_recommendation() -> None:
    assert list(cards())[:3] == ["FNO2d", "SwinIR", "EDSR"]
    assert [name for name, each in cards().items() if each.recommended] == ["SwinIR"]


@pytest.mark.parametrize("name", NAMES)
def test_card_agrees_with_its_network(name: str) -> None:
    it = card(name)
    network = getattr(import_module(it.module), it.name)
    defaults: dict[str, Any] = {}
    for base in reversed(network.__mro__):
        defaults |= getattr(base.__init__, "__kwdefaults__", None) or {}
    assert {p.name: p.default for p in it.parameters} == defaults
    assert set(it.sizes) == {"tiny", "base", "large"}
    for size in it.sizes.values():
        assert problems(it, resolve_parameters(it, size), 4, (64, 64)) == []


def test_defaults_are_filled_and_lists_are_fresh() -> None:
    params = resolve_parameters(card("SwinIR"), {"embed_dim": 24})
    assert params["embed_dim"] == 24
    assert params["depths"] == [6, 6, 6, 6]
    assert params["depths"] is not params["num_heads"]


def test_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="nearest is SwinIR"):
        card("swin-ir")


def test_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="nearest is num_blocks"):
        resolve_parameters(card("EDSR"), {"num_block": 8})


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("EDSR", {"num_blocks": 2.5}, "whole number"),
        ("EDSR", {"num_blocks": True}, "whole number"),
        ("EDSR", {"num_blocks": 0}, "at least 1"),
        ("EDSR", {"res_scale": 2}, "at most 1"),
        ("EDSR", {"res_scale": float("nan")}, "must be a number"),
        ("EDSR", {"res_scale": "a tenth"}, "must be a number"),
        ("SwinIR", {"depths": 6}, "list of whole numbers"),
        ("SwinIR", {"depths": []}, "list of whole numbers"),
        ("SwinIR", {"depths": [6, 0]}, "at least 1"),
        ("SwinIR", {"upsampler": "bilinear"}, "cannot be 'bilinear'"),
        ("SwinIR", {"upsampler": 3}, "must be a text"),
    ],
)
def test_bad_parameters(model: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_parameters(card(model), given)


@pytest.mark.parametrize(
    ("model", "given", "scale", "lr_shape", "message"),
    [
        ("EDSR", {}, 9, (16, 16), "cannot enlarge by 9"),
        ("SwinIR", {"embed_dim": 64}, 4, (16, 16), "6 heads do not divide"),
        ("SwinIR", {"num_heads": [6, 6]}, 4, (16, 16), "give both the same number"),
        ("SwinIR", {"window_size": 12}, 4, (16, 8), "it can be 2 to 8"),
        ("FNO2d", {"modes": 9}, 2, (8, 64), "only 8 Fourier modes"),
        ("FNO2d", {"modes": 10}, 2, (64, 8), "only 9 Fourier modes"),
        ("RCAN", {"num_features": 12, "reduction": 5}, 4, None, "these do: 1, 2, 3, 4, 6, 12"),
        ("UNet2d", {"levels": 5}, 2, (8, 15), "can be halved only 4 times"),
        ("Galerkin_Transformer", {"num_heads": 3}, 4, None, "these do: 1, 2, 4, 8, 16, 32, 64"),
        ("Galerkin_Transformer", {"modes": 9}, 2, (8, 64), "only 8 Fourier modes"),
        ("MWT2d", {"modes": 9}, 4, (32, 33), "only 8 Fourier modes"),
        ("HAT", {"embed_dim": 24}, 4, None, "squeeze_factor is 30, more than the 24 channels"),
        ("M2NO2d", {}, 4, (7, 33), "one of 7 x 33 can be halved only 2 times"),
        ("SRNO", {"width": 24}, 4, None, "16 heads do not divide"),
        ("HiNOTE", {"width": 20}, 4, None, "8 heads do not divide"),
        ("HiNOTE", {"levels": 5}, 2, (4, 40), "has only 4"),
    ],
)
def test_parameters_that_do_not_go_together(
    model: str, given: dict[str, Any], scale: int, lr_shape: tuple[int, int] | None, message: str
) -> None:
    found = problems(card(model), resolve_parameters(card(model), given), scale, lr_shape)
    assert len(found) == 1
    assert message in found[0]


def test_third_party_model(installed: Any) -> None:
    installed(EntryPoint("laboratory", THIRD_PARTY))
    assert set(cards()) == {*NAMES, "Laboratory"}
    # Beside its like: the menu has a heading for each family.
    assert list(cards()).index("Laboratory") == list(cards()).index("DDPM") - 1


@pytest.mark.parametrize(
    ("gives", "reason"),
    [
        (ImportError("no such thing"), "ImportError: no such thing"),
        ("a text", "does not provide a ModelCard"),
        (replace(THIRD_PARTY, name="EDSR"), "the name EDSR is taken"),
    ],
)
def test_broken_third_party_model_is_left_out(installed: Any, gives: object, reason: str) -> None:
    installed(EntryPoint("broken", gives), EntryPoint("laboratory", THIRD_PARTY))
    with pytest.warns(UserWarning, match=reason):
        assert set(cards()) == {*NAMES, "Laboratory"}
    assert card("EDSR") is edsr.CARD


def test_model_without_parameters() -> None:
    bare = replace(THIRD_PARTY, parameters=())
    assert resolve_parameters(bare, {}) == {}
    with pytest.raises(UsageError, match="has no parameters, so no width"):
        resolve_parameters(bare, {"width": 1})


def test_build_refuses_what_cannot_work() -> None:
    with pytest.raises(UsageError, match="6 heads do not divide"):
        build("SwinIR", in_channels=1, out_channels=1, scale=2, params={"embed_dim": 64})
    with pytest.raises(UsageError, match="cannot enlarge by 1"):
        build("EDSR", in_channels=1, out_channels=1, scale=1)
    with pytest.raises(UsageError, match="1 input channels must include all 2"):
        build("EDSR", in_channels=1, out_channels=2, scale=2)


def test_card_of_a_third_party_needs_no_check() -> None:
    plain = ModelCard(
        name="Plain",
        family="standard",
        summary_en="",
        summary_zh="",
        paper="",
        module="plain",
        parameters=(Parameter("width", 8, "int", "", ""),),
        fft=False,
        recommended=False,
        scales=(2,),
        sizes={},
    )
    assert problems(plain, resolve_parameters(plain, {}), 2, None) == []


def test_a_card_whose_check_fails_is_named() -> None:
    def check(*_arguments: object) -> list[str]:
        raise KeyError("depth")

    broken = replace(card("EDSR"), name="Theirs", module="theirs.network", check=check)
    with pytest.raises(UsageError, match="the card of Theirs cannot be used: KeyError") as error:
        problems(broken, {}, 2, None)
    assert "theirs.network" in error.value.hint
