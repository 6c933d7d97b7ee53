"""The colours of methods: enough contrast with either ground, and apart from each other with any colour vision."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dctbench.model import Case
from dctbench.page.palette import NEUTRAL, looks

METHODS = ("dct-x", "dct-kv", "dct-qkv", "pool", "pool-kv", "linformer", "window", "linear", "performer", "fnet")
RATIOS = (2, 4, 8, 16)
STYLES = Path(__file__).parents[2] / "reports" / "styles" / "base.css"
MISSING_CONES = {
    # Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency (2009),
    # at severity 1, for linear sRGB.
    "none": np.eye(3),
    "long": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "middle": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "short": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
Array = npt.NDArray[np.float64]


def grounds() -> tuple[str, str]:
    """The colour of the page in the light and in the dark scheme."""
    light, dark = re.findall(r"--page: (#[0-9a-f]{6});", STYLES.read_text(encoding="utf-8"))
    return light, dark


def drawn(ground: int) -> list[list[str]]:
    """The colours of each method's curves on that ground: 0 is white, 1 is dark."""
    styles = looks([Case(name, 512, ratio) for name in METHODS for ratio in RATIOS], "sdpa")
    pairs = [[re.findall("#[0-9a-f]{6}", styles[Case(name, 512, r)].color) for r in RATIOS] for name in METHODS]
    return [[pair[ground] for pair in method] for method in pairs]


def linear(color: str) -> Array:
    """The intensities of red, green and blue (IEC 61966-2-1)."""
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1."""
    dark, light = sorted(float(TO_XYZ[1] @ linear(color)) for color in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(color: str, cones: Array) -> Array:
    """CIELAB of what someone sees (CIE 15:2004), relative to white."""
    xyz = TO_XYZ @ np.clip(cones @ linear(color), 0, 1) / (TO_XYZ @ np.ones(3))
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("ground", [0, 1])
def test_every_colour_has_the_contrast_asked_of_graphics(ground: int) -> None:
    found = [color for method in drawn(ground) for color in method]
    assert len(set(found)) == len(METHODS) * len(RATIOS)
    assert min(contrast(color, grounds()[ground]) for color in [*found, NEUTRAL]) >= 3


@pytest.mark.parametrize("ground", [0, 1])
@pytest.mark.parametrize("cones", MISSING_CONES)
def test_methods_can_be_told_apart(ground: int, cones: str) -> None:
    """A difference of 2.3 in CIELAB is just noticeable (Mahy, van Eycken and Oosterlinck, 1994)."""
    ramps = [[lab(color, MISSING_CONES[cones]) for color in method] for method in drawn(ground)]
    assert closest(ramps[:4]) > 15  # any curves of the methods, even at different ratios
    assert closest(ramps) > 5
    assert min(closest([[ramp[place]] for ramp in ramps]) for place in range(len(RATIOS))) > 9


def closest(ramps: list[list[Array]]) -> float:
    """The least difference between curves of different methods."""
    return min(float(np.linalg.norm(a - b)) for one, other in combinations(ramps, 2) for a in one for b in other)


def test_a_method_keeps_its_hue_on_both_grounds() -> None:
    def angle(color: str) -> float:
        _, a, b = lab(color, np.eye(3))
        return float(np.degrees(np.arctan2(b, a)))

    for light, dark in zip(drawn(0), drawn(1), strict=True):
        for one, other in zip(light, dark, strict=True):
            assert abs((angle(one) - angle(other) + 180) % 360 - 180) < 35
