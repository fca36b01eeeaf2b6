"""Parameters answered one by one: what cannot work is refused at once, with what would."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from srwizard.models.catalog import ModelCard, Parameter, card, cards, problems, resolve_parameters
from srwizard.models.working_values import Grid, proposed, works_instead

OCEAN = Grid(scale=4, lr_shape=(170, 360))
SMALL = Grid(scale=2, lr_shape=(8, 12))


def named(model: ModelCard, name: str) -> Parameter:
    return next(one for one in model.parameters if one.name == name)


def refused(model: str, name: str, value: Any, grid: Grid) -> list[Any] | None:
    chosen = card(model)
    params, parameter = resolve_parameters(chosen, {}), named(chosen, name)
    params[name] = proposed(chosen, params, parameter, grid)
    return works_instead(chosen, params, parameter, grid, value)


@pytest.mark.parametrize(
    ("model", "name", "value", "grid", "instead"),
    [
        ("SwinIR", "embed_dim", 64, OCEAN, [60, 66]),
        ("SwinIR", "num_heads", [6, 6], OCEAN, [[6, 6, 6, 6]]),
        ("SwinIR", "window_size", 12, SMALL, [8]),
        ("Swin_Transformer", "embed_dim", 50, OCEAN, [48, 51]),
        ("Swin_Transformer", "depths", [2] * 7, SMALL, [[2] * 4]),
        ("Galerkin_Transformer", "width", 130, OCEAN, [128, 132]),
        ("SRNO", "width", 100, OCEAN, [96, 112]),
        ("HiNOTE", "levels", 30, SMALL, [5]),
        ("UNet2d", "levels", 8, SMALL, [4]),
        ("FNO2d", "modes", 40, SMALL, [8]),
        ("RCAN", "reduction", 7, OCEAN, [4, 8]),
        ("DDPM", "inner_channel", 50, OCEAN, [32, 64]),
        ("DDPM", "channel_mults", [1] * 9, SMALL, [[1] * 5]),
        ("DDPM", "sampling_steps", 99_999, OCEAN, [1000]),
    ],
)
def test_refused_at_once_with_what_would_work(
    model: str, name: str, value: Any, grid: Grid, instead: list[Any]
) -> None:
    assert refused(model, name, value, grid) == instead


def test_what_comes_later_gives_way() -> None:
    """Other depths, or heads, can be answered although the defaults behind do not go with them."""
    assert refused("SwinIR", "depths", [2, 2], OCEAN) is None
    assert refused("SwinIR", "num_heads", [8] * 4, OCEAN) is None
    chosen = card("SwinIR")
    params = resolve_parameters(chosen, {"depths": [2, 2]})
    assert proposed(chosen, params, named(chosen, "num_heads"), OCEAN) == [6, 6]
    params = resolve_parameters(chosen, {"num_heads": [8] * 4})
    assert proposed(chosen, params, named(chosen, "embed_dim"), OCEAN) in (56, 64)


def answers_to(parameter: Parameter) -> st.SearchStrategy[Any]:
    least = int(parameter.minimum or 0)
    number = st.integers(least, min(int(parameter.maximum or 200), 200))
    if parameter.choices is not None:
        return st.sampled_from(parameter.choices)
    match parameter.kind:
        case "int":
            return number
        case "ints":
            return st.lists(number, min_size=1, max_size=6)
    return st.just(parameter.default)


@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=pytest.mark.slow if name == "ReMD" else ()) for name in cards()],
)
@given(data=st.data())
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_whatever_is_answered_what_is_accepted_works_together(
    model: str, data: st.DataObject
) -> None:
    """One takes up what is proposed where an answer is refused: at the end nothing is wrong."""
    chosen, grid = card(model), data.draw(st.sampled_from([OCEAN, SMALL]))
    params = resolve_parameters(chosen, {})
    for parameter in chosen.parameters:
        params[parameter.name] = proposed(chosen, params, parameter, grid)
        answered = data.draw(st.none() | answers_to(parameter))
        if answered is None:
            continue
        instead = works_instead(chosen, params, parameter, grid, answered) or [answered]
        again = works_instead(chosen, params, parameter, grid, instead[0])
        assert again is None, (parameter.name, answered, instead, again)
        params[parameter.name] = instead[0]
    resolved = resolve_parameters(chosen, params)
    assert not problems(chosen, resolved, grid.scale, grid.lr_shape), params
