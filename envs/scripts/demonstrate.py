"""Scripted operators that demonstrate robomimic's tasks: six of them, two in each of three tiers, as in its multi-human data.

An operator sees the simulator's poses and moves the hand towards one target after another. What it does is a generator
of actions for each phase (approach, grasp, carry, ...), which returns whether the phase went as intended.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from scipy.spatial.transform import Rotation

from envs.files.hdf5 import Demo
from envs.suites.robomimic import RobomimicTask, RobosuiteEnv

Actions = Generator[np.ndarray, None, bool]

OPEN, CLOSED = -1.0, 1.0  # the gripper's action
MAX_STEPS = 500  # of a try
HOLD = 10  # steps of success in a row with which a demonstration ends
MAX_TRIES = 100
MOVE, TURN = 0.05, 0.5  # m and rad of an action of 1
UP = np.array([0.0, 0.0, 1.0])
HAND_DOWN = np.diag([1.0, -1.0, -1.0])  # rotation of a hand that points down


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
        return _yaw(self.hand_rotation() @ HAND_DOWN.T)

    def holds(self) -> bool:
        return bool(np.linalg.norm(self.hand() - self.grasp_point()) < self.reach)

    @abstractmethod
    def body(self) -> int:
        """The simulator's number of the object's body."""

    def object(self) -> np.ndarray:
        return self.sim.data.body_xpos[self.body()].copy()

    def object_yaw(self) -> float:
        return _yaw(self.sim.data.body_xmat[self.body()].reshape(3, 3))

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
            if np.linalg.norm(target - self.hand()) < 0.02 and abs(_wrap(yaw - self.hand_yaw(), np.pi)) < 0.12:
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


class LiftDemonstrator(Demonstrator):
    """Holds the cube above the table."""

    def body(self) -> int:
        return self.env.cube_body_id

    def grasp_yaw(self) -> float:
        return self.hand_yaw() + _wrap(self.object_yaw() - self.hand_yaw(), np.pi / 2)

    def place(self) -> Actions:
        while (yield from self.lift(self.operator.lift_height)):
            pass
        return False


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
        return self.hand_yaw() + _wrap(self.object_yaw() + np.pi / 2 - self.hand_yaw(), np.pi)

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
        return (self.peg - self.object())[:2], _wrap(self.object_yaw(), np.pi / 2)


DEMONSTRATORS: dict[str, type[Demonstrator]] = {
    "lift": LiftDemonstrator,
    "can": CanDemonstrator,
    "square": SquareDemonstrator,
}


def make_demonstration_env(task: RobomimicTask) -> RobosuiteEnv:
    """The task's environment, which also shows the joints, as robomimic's files do."""
    env = cast(RobosuiteEnv, task.make_env().unwrapped)
    for name in env.robosuite.observation_names:
        if "joint_pos" in name:
            env.robosuite.modify_observable(name, "active", True)
    return env


def demonstrate(env: RobosuiteEnv, task: RobomimicTask, seed: int, index: int) -> Demo:
    """Demonstration `index`: its operator's first try that succeeds. It depends on `seed` and `index` alone."""
    operator = Operator.number(seed, index)
    for attempt in range(MAX_TRIES):
        arrays = try_once(env, task, operator, np.random.SeedSequence([seed, 1, index, attempt]))
        if arrays:
            return Demo(arrays, env.robosuite.sim.model.get_xml(), operator.tier, attempt + 1)
    raise RuntimeError(f"{task.name}: demonstration {index} failed {MAX_TRIES} times")


def try_once(
    env: RobosuiteEnv, task: RobomimicTask, operator: Operator, seeds: np.random.SeedSequence
) -> dict[str, np.ndarray] | None:
    """One try, in the arrays of robomimic's files; None unless it succeeds. All randomness comes from `seeds`."""
    reset_seed, operator_seed = (int(word) for word in seeds.generate_state(2))
    env.reset(seed=reset_seed)
    demonstrator = DEMONSTRATORS[task.name](env.robosuite, operator, np.random.default_rng(operator_seed))
    obs, states, actions, successes = [_observation(env)], [], [], []
    for action, _ in zip(demonstrator.actions(), range(MAX_STEPS), strict=False):
        action = action.astype(np.float32)  # as learners will read it, so that replays move alike
        states.append(env.robosuite.sim.get_state().flatten())
        actions.append(action)
        successes.append(env.step(action)[-1]["success"])
        obs.append(_observation(env))
        if all(successes[-HOLD:]) and len(successes) >= HOLD:
            return _arrays(obs, states, actions, successes)
    return None


def _observation(env: RobosuiteEnv) -> dict[str, np.ndarray]:
    """All that robosuite shows, under robomimic's names."""
    values = {key: value for key, value in env.values.items() if key.startswith("robot0_") and "proprio" not in key}
    return {key: np.array(value, np.float32) for key, value in values.items()} | {
        "object": env.values["object-state"].astype(np.float32)
    }


def _arrays(
    obs: list[dict[str, np.ndarray]], states: list[np.ndarray], actions: list[np.ndarray], successes: list[bool]
) -> dict[str, np.ndarray]:
    done = np.array(successes, np.int64)
    done[-1] = 1
    arrays = {"actions": np.stack(actions), "states": np.stack(states), "rewards": np.array(successes, float), "dones": done}
    for key in obs[0]:
        column = np.stack([values[key] for values in obs])
        arrays[f"obs/{key}"], arrays[f"next_obs/{key}"] = column[:-1], column[1:]
    return arrays


def _yaw(rotation: np.ndarray) -> float:
    """The turn about the vertical axis in a rotation matrix [3, 3]."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def _wrap(angle: float, period: float) -> float:
    """The angle in [-period / 2, period / 2) that equals `angle` modulo `period`."""
    return (angle + period / 2) % period - period / 2
