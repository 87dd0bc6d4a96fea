"""OGBench's manipulation: cubes, a scene with drawer and window, puzzles of buttons, all with one arm."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np

from envs.files.npz import Shape
from envs.suites.ogbench import OGBenchTask
from envs.task import Protocol, SuccessTiming

ACTION_DIM = 5  # position, yaw, gripper


@dataclass(frozen=True, kw_only=True)
class ManipulationTask(OGBenchTask):
    """One of the five fixed goals of a manipulation environment."""

    camera = "front"

    num_buttons: int
    """Buttons, whose states are in the data of scenes and puzzles."""

    @property
    def shapes(self) -> dict[str, Shape]:
        buttons: dict[str, Shape] = {"button_states": (None, self.num_buttons)} if self.num_buttons else {}
        return super().shapes | buttons

    def make_simulator(self, success_timing: SuccessTiming) -> gymnasium.Env:
        return InfoOnce(super().make_simulator(success_timing))

    def generate(
        self,
        folder: Path,
        rows: int | None = None,
        seed: int = 0,
        workers: int = 1,
        kind: str | None = None,
        overwrite: bool = False,
    ) -> tuple[Path, dict[str, Any]]:
        """Play data, or noisy data (`kind`) under a name of their own."""
        from envs.scripts.play import KINDS, Script  # here, since scripts are made for tasks
        from envs.scripts.play_dataset import generate

        if kind not in (None, *KINDS):
            raise ValueError(f"{self.name}: no kind of data {kind!r}; there are {', '.join(KINDS)}")
        script = Script(self.family, kind or "play", seed)
        dataset = self.dataset.replace("-play-", f"-{script.kind}-")
        facts = generate(script, dataset, folder, rows or 1_000_000, workers, overwrite)
        return folder / f"{dataset}.npz", facts

    def scene(self, env: gymnasium.Env) -> tuple[Any, Any]:
        inner = cast(Any, env.unwrapped)
        return inner.model, inner.data

    def scripted_episode(self) -> Callable[[], int]:
        from envs.scripts.play import Script, accepted_episode, make_collection_env

        script = Script(self.family, "play", 0)
        env = make_collection_env(script)
        return lambda: len(accepted_episode(env, script, 0, 0)["actions"])


class InfoOnce(gymnasium.Wrapper):
    """Computes OGBench's info once in a step instead of three times: the same bits, 5 to 20 % faster."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._inner = cast(Any, env.unwrapped)  # Gymnasium's type does not know OGBench's methods
        self._compute = self._inner.compute_ob_info
        self._state: tuple[float, np.ndarray] | None = None
        self._info: dict[str, Any] = {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        self._inner.compute_ob_info = self._compute_once
        try:
            return self.env.step(action)
        finally:
            del self._inner.compute_ob_info  # outside a step (resets, new targets) OGBench's own method is used

    def _compute_once(self) -> dict[str, Any]:
        """The info of the current physics state: OGBench asks at a step's start, and twice after the physics."""
        data = self._inner.data
        if self._state is None or self._state[0] != data.time or not np.array_equal(self._state[1], data.qpos):
            self._state, self._info = (data.time, data.qpos.copy()), self._compute()
        return dict(self._info)


class Family(NamedTuple):
    """What the five goals of an environment share."""

    name: str
    obs_dim: int
    qpos_dim: int
    num_buttons: int
    time_limit: int
    num_objects: int
    """Cubes, buttons, drawers and windows; the reward counts those that are not as the goal has them."""


FAMILIES = (
    #       name               obs qpos buttons limit objects
    Family("cube-single",       28,  21,  0,  200,  1),
    Family("cube-double",       37,  28,  0,  500,  2),
    Family("cube-triple",       46,  35,  0, 1000,  3),
    Family("cube-quadruple",    55,  42,  0, 1000,  4),
    Family("scene",             40,  25,  2,  750,  5),
    Family("puzzle-3x3",        55,  23,  9,  500,  9),
    Family("puzzle-4x4",        83,  30, 16,  500, 16),
)  # fmt: skip
ONLINE = {f"{family}-task{goal}" for family in ("cube-double", "cube-triple", "cube-quadruple") for goal in (2, 3, 4)}
OFFLINE = {"cube-single-task2", "cube-double-task2", "scene-task2", "puzzle-3x3-task4", "puzzle-4x4-task4"}


def _task(family: Family, goal: int) -> ManipulationTask:
    name, sharded = f"{family.name}-task{goal}", family.name == "cube-quadruple"
    protocols: tuple[Protocol, ...] = ()
    if name in ONLINE:
        protocols += ("offline-to-online",)
    if name in OFFLINE:
        protocols += ("offline",)
    return ManipulationTask(
        name=name,
        env=f"{family.name}-singletask-task{goal}-v0",
        dataset=f"{family.name}-play-{'100m-' if sharded else ''}v0",
        sharded=sharded,
        obs_dim=family.obs_dim,
        action_dim=ACTION_DIM,
        time_limit=family.time_limit,
        min_reward=-family.num_objects,
        protocols=protocols,
        family=family.name,
        qpos_dim=family.qpos_dim,
        num_buttons=family.num_buttons,
    )


TASKS = [_task(family, goal) for family in FAMILIES for goal in range(1, 6)]
