"""An operator at work: sees the simulator's poses and moves the hand towards one target after another.

What it does is a generator of actions for each phase (approach, grasp, carry, ...), which returns whether the phase went as
intended. What a task asks for beyond picking its object up is in the files lift.py, can.py and square.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from envs.scripts.operators import TIERS, Operator

Actions = Generator[np.ndarray, None, bool]

OPEN, CLOSED = -1.0, 1.0  # the gripper's action
MAX_STEPS = 500  # of a try
MOVE, TURN = 0.05, 0.5  # m and rad of an action of 1
UP = np.array([0.0, 0.0, 1.0])
HAND_DOWN = np.diag([1.0, -1.0, -1.0])  # rotation of a hand that points down


class Demonstrator(ABC):
    """An operator at work in one episode; positions in m, angles in rad, in the world's frame."""

    reach = 0.035
    """m between hand and grasp point below which the object counts as held."""

    def __init__(self, env: Any, operator: Operator, rng: np.random.Generator) -> None:
        self.env, self.sim, self.operator, self.rng = env, env.sim, operator, rng
        self.habits = TIERS[operator.tier]
        self._site = env.robots[0].eef_site_id["right"]
        self._tremor, self._push = np.zeros(6), np.zeros(3)
        missed = rng.random() < self.habits.miss
        self.miss = rng.normal(0, 0.02, 3) * [1, 1, 0.3] if missed else np.zeros(3)

    def actions(self) -> Iterator[np.ndarray]:
        """Actions [7] in [-1, 1], without end, with pauses."""
        for action in self.attempt():
            if self.rng.random() < self.habits.pause:
                for _ in range(self.rng.integers(2, 10)):
                    yield np.append(self.rng.normal(0, 0.01, 6), action[-1])
            yield action

    def attempt(self) -> Iterator[np.ndarray]:
        """Pick the object up and place it, again whenever it slips."""
        if self.rng.random() < self.habits.detour:
            yield from self.wander()
        while True:
            yield from self.approach()
            yield from self.descend()
            yield from self.grasp()
            yield from self.place()

    # What the operator sees.

    def hand(self) -> np.ndarray:
        return self.sim.data.site_xpos[self._site].copy()

    def hand_rotation(self) -> np.ndarray:
        return self.sim.data.site_xmat[self._site].reshape(3, 3).copy()

    def hand_yaw(self) -> float:
        return yaw_of(self.hand_rotation() @ HAND_DOWN.T)

    def holds(self) -> bool:
        return bool(np.linalg.norm(self.hand() - self.grasp_point()) < self.reach)

    @abstractmethod
    def body(self) -> int:
        """The simulator's number of the object's body."""

    def object(self) -> np.ndarray:
        return self.sim.data.body_xpos[self.body()].copy()

    def object_yaw(self) -> float:
        return yaw_of(self.sim.data.body_xmat[self.body()].reshape(3, 3))

    def grasp_point(self) -> np.ndarray:
        return self.object()

    @abstractmethod
    def grasp_yaw(self) -> float:
        """The hand's yaw for a grasp; the gripper closes along the hand's x axis."""

    # What the operator does.

    def toward(self, target: np.ndarray, yaw: float, gripper: float, speed: float = 1.0, precise: bool = False) -> np.ndarray:
        """The action that brings the hand nearer to a position and a yaw, with this operator's speed and tremor."""
        away = target - self.hand()
        move = away / MOVE * self.operator.gain
        move *= self.operator.speed * speed / max(self.operator.speed * speed, np.abs(move).max())
        # The arm gives way and stops centimetres short of its target; the operator sees that and pushes on.
        near = np.linalg.norm(away) < 0.06
        self._push = np.clip(self._push + 0.05 * away, -0.03, 0.03) if near else np.zeros(3)
        move += self._push / MOVE
        rotation = Rotation.from_euler("z", yaw).as_matrix() @ HAND_DOWN @ self.hand_rotation().T
        turn = np.clip(Rotation.from_matrix(rotation).as_rotvec() / TURN, -self.operator.turn_speed, self.operator.turn_speed)
        shock = self.rng.normal(0, self.operator.tremor, 6) * [1, 1, 1, 0.4, 0.4, 0.4]
        self._tremor = 0.8 * self._tremor + shock * (0.3 if precise else 1.0)
        return np.append(np.clip(np.concatenate([move, turn]) + 0.6 * self._tremor, -1, 1), gripper)

    def wander(self) -> Actions:
        """Go somewhere else first."""
        target = self.hand() + self.rng.uniform([-0.12, -0.15, -0.03], [0.12, 0.15, 0.12])
        target[2] = max(target[2], 0.95)
        for _ in range(60):
            yield self.toward(target, self.grasp_yaw(), OPEN)
            if np.linalg.norm(target - self.hand()) < 0.04:
                return True
        return False

    def approach(self) -> Actions:
        """Open the gripper above the object, turned for the grasp."""
        for _ in range(120):
            target, yaw = self.grasp_point() + self.miss * [1, 1, 0] + 0.09 * UP, self.grasp_yaw()
            yield self.toward(target, yaw, OPEN)
            if np.linalg.norm(target - self.hand()) < 0.02 and abs(wrap(yaw - self.hand_yaw(), np.pi)) < 0.12:
                return True
        return False

    def descend(self) -> Actions:
        """Down to the grasp point, or to where the operator believes it."""
        for _ in range(60):
            target = self.grasp_point() + self.miss
            yield self.toward(target, self.grasp_yaw(), OPEN, speed=0.7, precise=True)
            away = np.abs(target - self.hand())
            if np.linalg.norm(away[:2]) < self.habits.tolerance and away[2] < 0.012:
                return True
        return False

    def grasp(self) -> Actions:
        """Close the gripper. Only the first grasp can miss."""
        for _ in range(self.habits.closing):
            yield self.toward(self.grasp_point() + self.miss, self.grasp_yaw(), CLOSED, speed=0.3, precise=True)
        self.miss = np.zeros(3)
        return self.holds()

    def lift(self, height: float) -> Actions:
        """Raise what is held; False when it slips."""
        target, yaw = self.hand() + height * UP, self.hand_yaw()
        for step in range(MAX_STEPS):
            yield self.toward(target, yaw, CLOSED, speed=0.8)
            if step > 12 and not self.holds():
                return False
            if np.linalg.norm(target - self.hand()) < 0.03:
                return True
        return False

    @abstractmethod
    def place(self) -> Actions:
        """Bring what is held to its goal; False when it slips."""

    def release(self) -> Actions:
        """Open the gripper, then leave upwards."""
        start, yaw = self.hand(), self.hand_yaw()
        for step in range(40):
            yield self.toward(start + (0.12 if step > 5 else 0) * UP, yaw, OPEN, speed=0.7)
        return True


def yaw_of(rotation: np.ndarray) -> float:
    """The turn about the vertical axis in a rotation matrix [3, 3]."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def wrap(angle: float, period: float) -> float:
    """The angle in [-period / 2, period / 2) that equals `angle` modulo `period`."""
    return (angle + period / 2) % period - period / 2
