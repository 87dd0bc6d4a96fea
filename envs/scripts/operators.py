"""The six people who demonstrate robomimic's tasks: two in each of three tiers, as in its multi-human data."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Tier(NamedTuple):
    """How well operators do."""

    speed: tuple[float, float]
    """Share of the largest action, drawn for each operator."""
    tremor: float
    detour: float
    """Probability of a detour before the first approach."""
    pause: float
    """Probability of a pause at any step."""
    miss: float
    """Probability that the first grasp is aimed beside the object."""
    tolerance: float
    """m beside the grasp point at which the gripper closes."""
    closing: int
    """Steps of closing the gripper."""


TIERS = {
    "worse": Tier((0.40, 0.60), tremor=0.14, detour=0.6, pause=0.030, miss=0.30, tolerance=0.016, closing=15),
    "okay": Tier((0.55, 0.80), tremor=0.08, detour=0.3, pause=0.015, miss=0.12, tolerance=0.012, closing=13),
    "better": Tier((0.70, 1.00), tremor=0.04, detour=0.1, pause=0.005, miss=0.03, tolerance=0.009, closing=11),
}
OPERATORS = 2 * len(TIERS)


@dataclass(frozen=True)
class Operator:
    """One person: a tier and habits of their own."""

    tier: str
    speed: float
    tremor: float
    gain: float
    """Share of the way to a target that an unbounded action would go."""
    turn_speed: float
    lift_height: float

    @staticmethod
    def number(seed: int, index: int) -> "Operator":
        """Operator `index` (modulo six) of the group that `seed` stands for."""
        index %= OPERATORS
        rng = np.random.default_rng([seed, 0, index])
        tier = list(TIERS)[index // 2]
        return Operator(
            tier,
            speed=rng.uniform(*TIERS[tier].speed),
            tremor=TIERS[tier].tremor * rng.uniform(0.7, 1.3),
            gain=rng.uniform(0.7, 1.1),
            turn_speed=rng.uniform(0.3, 0.8),
            lift_height=rng.uniform(0.08, 0.16),
        )
