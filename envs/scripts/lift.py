"""Lift: the cube is held above the table."""

import numpy as np

from envs.scripts.demonstrator import Actions, Demonstrator, wrap


class LiftDemonstrator(Demonstrator):
    """Holds the cube above the table."""

    def body(self) -> int:
        return self.env.cube_body_id

    def grasp_yaw(self) -> float:
        return self.hand_yaw() + wrap(self.object_yaw() - self.hand_yaw(), np.pi / 2)

    def place(self) -> Actions:
        while (yield from self.lift(self.operator.lift_height)):
            pass
        return False
