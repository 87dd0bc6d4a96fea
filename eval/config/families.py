"""What a dataset asks of every method, and whose numbers it takes where it has none of its own."""

from collections.abc import Mapping
from typing import Any

SINGLE, DOUBLE, TRIPLE = "cube-single-play-v0", "cube-double-play-v0", "cube-triple-play-v0"
QUADRUPLE, OCTUPLE = "cube-quadruple-play-100m-v0", "cube-octuple-play-100m-v0"
SCENE, PUZZLE_3X3, PUZZLE_4X4 = "scene-play-v0", "puzzle-3x3-play-v0", "puzzle-4x4-play-v0"
ANTMAZE_LARGE, ANTMAZE_GIANT = "antmaze-large-navigate-v0", "antmaze-giant-navigate-v0"
HUMANOIDMAZE_MEDIUM, HUMANOIDMAZE_LARGE = "humanoidmaze-medium-navigate-v0", "humanoidmaze-large-navigate-v0"
ANTSOCCER = "antsoccer-arena-navigate-v0"
ROBOMIMIC_DATA = LIFT, CAN, SQUARE = "lift-mh", "can-mh", "square-mh"
LOCOMOTION = (ANTMAZE_LARGE, ANTMAZE_GIANT, HUMANOIDMAZE_MEDIUM, HUMANOIDMAZE_LARGE, ANTSOCCER)

NEAREST = {
    "cube-single": SINGLE,
    "cube-double": DOUBLE,
    "cube-triple": TRIPLE,
    "cube-quadruple": QUADRUPLE,
    "cube-octuple": QUADRUPLE,
    "scene": SCENE,
    "puzzle-3x3": PUZZLE_3X3,
    "puzzle-4x": PUZZLE_4X4,
    "pointmaze": ANTMAZE_LARGE,
    "antmaze-giant": ANTMAZE_GIANT,
    "antmaze": ANTMAZE_LARGE,
    "humanoidmaze-medium": HUMANOIDMAZE_MEDIUM,
    "humanoidmaze": HUMANOIDMAZE_LARGE,
    "antsoccer": ANTSOCCER,
}
"""By the beginning of a name, the first that fits: the dataset on which methods were tuned that is most like it."""

LONG = ("antmaze-giant", "humanoidmaze", "antsoccer")
"""Where FQL (arXiv 2502.02538) discounts by 0.995."""


def nearest(dataset: str) -> str:
    """The dataset whose numbers this one takes: itself, or the tuned one that NEAREST names."""
    return next((tuned for start, tuned in NEAREST.items() if dataset.startswith(start)), dataset)


def asked_by(dataset: str) -> Mapping[str, Any]:
    """Values that a dataset gives to every run."""
    return {"discount": 0.995} if dataset.startswith(LONG) else {}
