"""Square: the nut onto the peg."""

from typing import Any

import numpy as np

from envs.scripts.demonstrator import CLOSED, Actions, Demonstrator, wrap
from envs.scripts.operators import Operator


class SquareDemonstrator(Demonstrator):
    """Puts the square nut onto the square peg, which leaves it 6.7 mm to each side."""

    reach = 0.04

    def __init__(self, env: Any, operator: Operator, rng: np.random.Generator) -> None:
        super().__init__(env, operator, rng)
        self._nut = env.nuts[env.nut_to_id["square"]]
        self._handle = env.sim.model.site_name2id(self._nut.important_sites["handle"])
        self.peg = env.sim.data.body_xpos[env.peg1_body_id].copy()
        self.peg_top = self.peg[2] + 0.1

    def body(self) -> int:
        return self.env.obj_body_id[self._nut.name]

    def grasp_point(self) -> np.ndarray:
        return self.sim.data.site_xpos[self._handle].copy()

    def grasp_yaw(self) -> float:
        return self.hand_yaw() + wrap(self.object_yaw() + np.pi / 2 - self.hand_yaw(), np.pi)

    def place(self) -> Actions:
        height = max(self.operator.lift_height, 0.12) + 0.09
        over_peg = self.hand()[2] + height
        if not (yield from self.lift(height)):
            return False
        while (yield from self.align(over_peg)):
            if (yield from self.insert()):
                return (yield from self.release())
            over_peg = self.hand()[2] + 0.04
        return False

    def align(self, height: float) -> Actions:
        """Hold the nut over the peg and turn it the peg's way; False when it slips."""
        for _ in range(200):
            offset, turn = self.misalignment()
            yield self.toward(np.append(self.hand()[:2] + offset, height), self.hand_yaw() - turn, CLOSED)
            if not self.holds():
                return False
            if np.linalg.norm(offset) < 0.008 and abs(turn) < 0.08:
                break
        return True

    def insert(self) -> Actions:
        """Lower the nut once it is centred for three steps; False when it does not get down."""
        centred = 0
        for _ in range(70):
            offset, turn = self.misalignment()
            height = self.object()[2] - self.peg_top
            centred = centred + 1 if np.abs(offset).max() < 0.0045 and abs(turn) < 0.08 else 0
            in_nut = height < 0.004
            rise = -0.04 if in_nut else -0.03 if centred >= 3 else np.clip(0.025 - height, -0.03, 0.03)
            yield self.toward(self.hand() + np.append(offset, rise), self.hand_yaw() - turn, CLOSED, speed=0.7, precise=True)
            if not self.holds():
                return False
            if self.object()[2] < self.env.table_offset[2] + 0.045 and np.linalg.norm(offset) < 0.02:
                return True
        return False

    def misalignment(self) -> tuple[np.ndarray, float]:
        """From the nut to the peg in x and y, and the nut's yaw beyond the peg's."""
        return (self.peg - self.object())[:2], wrap(self.object_yaw(), np.pi / 2)
