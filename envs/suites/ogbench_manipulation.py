"""OGBench's manipulation: cubes, a scene with drawer and window, puzzles of buttons, all with one arm.

A task's name is OGBench's, without the kind of data where that is play: cube-single-task2, cube-single-noisy-task2,
puzzle-4x4-100m-task4 (a hundred million rows). With the suffix -sparse the reward is not OGBench's sum over objects, but -1
until all is solved, as Q-chunking's line of work has it (arXiv 2507.07969): another task, whose results stand beside no dense
ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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
    kind: str = "play"
    """How the data were made: play or noisy."""
    sparse: bool = False
    """Whether the reward is -1 until everything is solved."""

    @property
    def shapes(self) -> dict[str, Shape]:
        buttons: dict[str, Shape] = {"button_states": (None, self.num_buttons)} if self.num_buttons else {}
        return super().shapes | buttons

    def make_simulator(self, success_timing: SuccessTiming) -> gymnasium.Env:
        env = InfoOnce(super().make_simulator(success_timing))
        return gymnasium.wrappers.TransformReward(env, lambda reward: 0.0 - float(reward != 0)) if self.sparse else env

    def relabel(self, blocks: Iterable[Mapping[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
        for labels in super().relabel(blocks):
            yield labels | {"rewards": 0 - labels["masks"]} if self.sparse else labels

    def generate(
        self,
        folder: Path,
        rows: int | None = None,
        seed: int = 0,
        workers: int = 1,
        kind: str | None = None,
        overwrite: bool = False,
    ) -> tuple[Path, dict[str, Any]]:
        """Play data or noisy data, the task's own unless a `kind` is named; each has a name of its own."""
        from envs.scripts.play import KINDS, Kind, Script  # here, since scripts are made for tasks
        from envs.scripts.play_dataset import generate

        if kind not in (None, *KINDS):
            raise ValueError(f"{self.name}: no kind of data {kind!r}; there are {', '.join(KINDS)}")
        script = Script(self.family, cast(Kind, kind or self.kind), seed)
        dataset = self.dataset.replace(f"-{self.kind}-", f"-{script.kind}-")
        facts = generate(script, dataset, folder, rows or 1_000_000, workers, overwrite)
        return folder / f"{dataset}.npz", facts

    def scripted_episode(self) -> Callable[[], int]:
        from envs.scripts.play import Script

        script = Script(self.family, "play", 0)
        env = script.make_env()
        return lambda: len(script.episode(env, 0, 0)["actions"])


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


FAMILIES = (
    #       name               obs qpos buttons limit
    Family("cube-single",       28,  21,  0,  200),
    Family("cube-double",       37,  28,  0,  500),
    Family("cube-triple",       46,  35,  0, 1000),
    Family("cube-quadruple",    55,  42,  0, 1000),
    Family("cube-octuple",      91,  70,  0, 1500),
    Family("scene",             40,  25,  2,  750),
    Family("puzzle-3x3",        55,  23,  9,  500),
    Family("puzzle-4x4",        83,  30, 16,  500),
    Family("puzzle-4x5",        99,  34, 20, 1000),
    Family("puzzle-4x6",       115,  38, 24, 1000),
)  # fmt: skip
SHARDED = ("cube-quadruple", "cube-octuple")  # whose play data are a hundred files
ONLINE = {f"{family}-task{goal}" for family in ("cube-double", "cube-triple", "cube-quadruple") for goal in (2, 3, 4)}
OFFLINE = {"cube-single-task2", "cube-double-task2", "scene-task2", "puzzle-3x3-task4", "puzzle-4x4-task4"}


def _task(family: Family, goal: int, kind: str = "play", large: bool = False) -> ManipulationTask:
    """A goal of a family, with data of a kind, a million rows or a `large` set of a hundred million."""
    size = "100m-" if large else ""
    infix = ("" if kind == "play" else f"{kind}-") + ("" if family.name in SHARDED else size)
    name = f"{family.name}-{infix}task{goal}"
    protocols: tuple[Protocol, ...] = ()
    if name in ONLINE:
        protocols += ("offline-to-online",)
    if name in OFFLINE:
        protocols += ("offline",)
    return ManipulationTask(
        name=name,
        env=f"{family.name}-singletask-task{goal}-v0",
        dataset=f"{family.name}-{kind}-{size}v0",
        kind=kind,
        shards=100 if large else 0,
        obs_dim=family.obs_dim,
        action_dim=ACTION_DIM,
        time_limit=family.time_limit,
        protocols=protocols,
        family=family.name,
        qpos_dim=family.qpos_dim,
        num_buttons=family.num_buttons,
    )


def _sparse(task: ManipulationTask) -> ManipulationTask:
    return replace(task, name=f"{task.name}-sparse", sparse=True, protocols=())


GOALS = range(1, 6)
PLAY = [_task(family, goal, large=family.name in SHARDED) for family in FAMILIES for goal in GOALS]
LARGE = [_task(family, goal, large=True) for family in FAMILIES for goal in GOALS if family.name == "puzzle-4x4"]
NOISY = [_task(family, goal, "noisy") for family in FAMILIES for goal in GOALS if family.name != "cube-octuple"]
SPARSE = [_sparse(task) for task in PLAY + LARGE if not task.family.startswith("cube")]

TASKS = PLAY + LARGE + NOISY + SPARSE
