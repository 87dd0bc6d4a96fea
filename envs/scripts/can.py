"""Can: from one bin over a wall into its compartment of the other."""

from typing import Any

import numpy as np

from envs.scripts.demonstrator import CLOSED, UP, Actions, Demonstrator
from envs.scripts.operators import Operator


class CanDemonstrator(Demonstrator):
    """Carries the can to its compartment of the other bin and lets it fall."""

    def __init__(self, env: Any, operator: Operator, rng: np.random.Generator) -> None:
        super().__init__(env, operator, rng)
        self.goal = env.target_bin_placements[env.object_to_id["can"]][:2] + rng.normal(0, 0.012, 2)

    def body(self) -> int:
        return self.env.obj_body_id["Can"]

    def grasp_point(self) -> np.ndarray:
        return self.object() + 0.015 * UP

    def grasp_yaw(self) -> float:
        return np.pi / 2  # the can is round; so the hand starts

    def place(self) -> Actions:
        yaw = self.hand_yaw()
        done = yield from self.lift(max(self.operator.lift_height, 0.12) + 0.1)
        done = done and (yield from self.carry(yaw))
        done = done and (yield from self.lower(yaw))
        return done and (yield from self.release())

    def carry(self, yaw: float) -> Actions:
        """Over the wall between the bins, until the can is above its goal."""
        while self.holds():
            target = np.append(self.hand_at_goal(), 1.08)
            yield self.toward(target, yaw, CLOSED)
            if np.linalg.norm((target - self.hand())[:2]) < 0.03:
                return True
        return False

    def lower(self, yaw: float) -> Actions:
        """Down until the can is just above the bin's floor."""
        for _ in range(50):
            above = self.object()[2] - (self.env.bin2_pos[2] + 0.06)
            yield self.toward(np.append(self.hand_at_goal(), self.hand()[2] - above), yaw, CLOSED, speed=0.7)
            if not self.holds():
                return False
            if abs(above) < 0.03:
                return True
        return True

    def hand_at_goal(self) -> np.ndarray:
        return self.goal + (self.hand() - self.object())[:2]
