"""Lines are told apart by those who see no red, or no green, too."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_rgb

from srwizard.report.plots import LINE_COLOURS

# Machado, Oliveira and Fernandes, IEEE Trans. Vis. Comput. Graph. 15, 2009, for severity 1, on
# linear RGB.
SIGHTS = {
    "full": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "no colours": np.tile([0.2126, 0.7152, 0.0722], (3, 1)),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ.sum(axis=1)


def seen(colour: str, sight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a colour as it is seen, in CIE L*a*b*."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = TO_XYZ @ np.clip(sight @ linear, 0, 1) / WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", ["full", "protanopia", "deuteranopia"])
def test_lines_differ(sight: str) -> None:
    for one, other in combinations(LINE_COLOURS, 2):
        apart = np.linalg.norm(seen(one, SIGHTS[sight]) - seen(other, SIGHTS[sight]))
        # 2.3 is just noticeable side by side; thin lines far apart need many times that.
        assert apart > 25, (one, other, apart)


@pytest.mark.parametrize("sight", SIGHTS)
def test_lines_stand_out_from_paper(sight: str) -> None:
    for colour in LINE_COLOURS:
        assert np.linalg.norm(seen(colour, SIGHTS[sight]) - seen("white", SIGHTS[sight])) > 30


def test_the_measure_knows_red_from_green() -> None:
    red, green = "#c04040", "#408040"
    full = np.linalg.norm(seen(red, SIGHTS["full"]) - seen(green, SIGHTS["full"]))
    blind = np.linalg.norm(seen(red, SIGHTS["deuteranopia"]) - seen(green, SIGHTS["deuteranopia"]))
    assert blind < 0.5 * full
