"""OGBench's locomotion: a point, an ant or a humanoid finds its way through a maze, or an ant brings a ball to a place.

A task's name is OGBench's, data included: antmaze-large-navigate-task1. The reward is -1 until the goal is reached.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from envs.suites.ogbench import OGBenchTask
from envs.task import SuccessTiming


@dataclass(frozen=True, kw_only=True)
class LocomotionTask(OGBenchTask):
    """One of the five fixed goals of a maze."""

    camera = "back"

    def make_simulator(self, success_timing: SuccessTiming) -> gymnasium.Env:
        env = super().make_simulator(success_timing)
        return OwnTeleports(env) if "teleport" in self.family else env

    def generate(
        self,
        folder: Path,
        rows: int | None = None,
        seed: int = 0,
        workers: int = 1,
        kind: str | None = None,
        overwrite: bool = False,
    ) -> tuple[Path, dict[str, Any]]:
        """Random motion under the data's name, to try things out; OGBench's own data come from policies that were trained."""
        from envs.scripts.play_dataset import generate  # here, since scripts are made for tasks
        from envs.scripts.wander import Wander

        if kind != "wander":
            raise ValueError(f"{self.name}: no script walks as OGBench's trained policies do; {self.otherwise(folder)}")
        facts = generate(Wander(self.family, seed), self.dataset, folder, rows or 100_000, workers, overwrite)
        return folder / f"{self.dataset}.npz", facts

    def otherwise(self, folder: Path) -> str:
        return f"`python -m envs.generate {self.name} --kind wander --data {folder}` makes random motion, for trying things out"


class PointTask(LocomotionTask):
    """A maze for a point, which has no camera that follows it."""

    camera = ""


class OwnTeleports(gymnasium.Wrapper):
    """Teleports lead where numpy's global generator says: here another one, that a reset's seed starts."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._state = np.random.RandomState().get_state()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        if seed is not None:
            self._state = np.random.RandomState(seed % 2**32).get_state()
        return self.env.reset(seed=seed, options=options)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        others = np.random.get_state()
        np.random.set_state(self._state)
        try:
            return self.env.step(action)
        finally:
            self._state = np.random.get_state()
            np.random.set_state(others)


class Body(NamedTuple):
    """Who moves, and the numbers that this decides."""

    obs_dim: int
    action_dim: int
    qpos_dim: int


POINT, ANT, HUMANOID, ANT_AND_BALL = Body(2, 2, 2), Body(29, 8, 15), Body(69, 21, 28), Body(42, 8, 22)

MAZES: dict[str, tuple[Body, int, tuple[str, ...]]] = {  # body, time limit, kinds of data
    "pointmaze-medium": (POINT, 1000, ("navigate", "stitch")),
    "pointmaze-large": (POINT, 1000, ("navigate", "stitch")),
    "pointmaze-giant": (POINT, 1000, ("navigate", "stitch")),
    "pointmaze-teleport": (POINT, 1000, ("navigate", "stitch")),
    "antmaze-medium": (ANT, 1000, ("navigate", "stitch", "explore")),
    "antmaze-large": (ANT, 1000, ("navigate", "stitch", "explore")),
    "antmaze-giant": (ANT, 1000, ("navigate", "stitch")),
    "antmaze-teleport": (ANT, 1000, ("navigate", "stitch", "explore")),
    "humanoidmaze-medium": (HUMANOID, 2000, ("navigate", "stitch")),
    "humanoidmaze-large": (HUMANOID, 2000, ("navigate", "stitch")),
    "humanoidmaze-giant": (HUMANOID, 4000, ("navigate", "stitch")),
    "antsoccer-arena": (ANT_AND_BALL, 1000, ("navigate", "stitch")),
    "antsoccer-medium": (ANT_AND_BALL, 1000, ("navigate", "stitch")),
}


def _task(maze: str, kind: str, goal: int) -> LocomotionTask:
    body, time_limit, _ = MAZES[maze]
    return (PointTask if body is POINT else LocomotionTask)(
        name=f"{maze}-{kind}-task{goal}",
        env=f"{maze}-singletask-task{goal}-v0",
        dataset=f"{maze}-{kind}-v0",
        obs_dim=body.obs_dim,
        action_dim=body.action_dim,
        time_limit=time_limit,
        family=maze,
        qpos_dim=body.qpos_dim,
    )


TASKS = [_task(maze, kind, goal) for maze, (_, _, kinds) in MAZES.items() for kind in kinds for goal in range(1, 6)]
