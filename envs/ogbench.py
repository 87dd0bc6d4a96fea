"""OGBench's manipulation tasks and their data (Park et al., ICLR 2025), reward and relabelling as OGBench has them."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np

from envs.datafile import data_files, origin_of, read_arrays
from envs.dataset import Dataset
from envs.task import Protocol, SuccessTiming, Task

# OGBench hands Gymnasium float64 bounds at each look at its action space.
warnings.filterwarnings("ignore", message=".*precision lowered by casting to float32", category=UserWarning)


@dataclass(frozen=True, kw_only=True)
class OGBenchTask(Task):
    """One of the five fixed goals of an OGBench manipulation environment."""

    family: str
    """The environment without its goal, such as 'cube-single'."""
    qpos_dim: int
    """Joint positions in the data, from which the reward of any goal is computed."""
    num_buttons: int
    """Buttons, whose states are in the data of scenes and puzzles."""

    def make_env(self, success_timing: SuccessTiming = "post") -> gymnasium.Env:
        """The task's environment; the published results used the 'post' timing of OGBench 1.1."""
        import ogbench  # noqa: F401  (registers the environments)

        env = gymnasium.make(self.env, success_timing=success_timing, disable_env_checker=True)
        return OGBenchEnv(InfoOnce(env), self)

    def load_dataset(self, folders: Sequence[Path]) -> Dataset:
        """OGBench's data with the rewards and masks that OGBench's relabelling gives for this goal."""
        from ogbench.relabel_utils import relabel_dataset

        path = self._find_file(folders)
        origin = origin_of(path)
        rows = self.read_rows(path)
        env = self.make_env()
        env.reset(seed=0)
        relabel_dataset(self.env, env, rows)  # adds 'rewards' and 'masks'
        ends = np.flatnonzero(rows["terminals"])
        return Dataset(
            obs=rows["observations"],
            action=rows["actions"],
            reward=rows["rewards"],
            mask=rows["masks"],
            ends=ends,
            origin={**origin, "name": self.dataset, "rows": len(rows["observations"]), "episodes": len(ends)},
        )

    def read_rows(self, path: Path) -> dict[str, np.ndarray]:
        """The checked rows of one of OGBench's files, each episode's final observation included.

        observations [N, obs_dim] f32, actions [N, action_dim] f32, terminals [N] bool (the final rows), qpos and
        button_states as far as the reward depends on them. ValueError with one line when anything is wrong.
        """
        shapes = {
            "observations": (None, self.obs_dim),
            "actions": (None, self.action_dim),
            "terminals": (None,),
            "qpos": (None, self.qpos_dim),
        }
        if self.num_buttons:
            shapes["button_states"] = (None, self.num_buttons)
        rows = read_arrays(path, shapes)
        if len({len(array) for array in rows.values()}) != 1:
            lengths = ", ".join(f"{key} {len(array)}" for key, array in rows.items())
            raise ValueError(f"{path}: arrays of different lengths: {lengths}")
        for key in ("observations", "actions"):
            rows[key] = rows[key].astype(np.float32, copy=False)
        for key, array in rows.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{path}: {key} has values that are not finite")
        rows["terminals"] = rows["terminals"].astype(bool)
        ends = np.flatnonzero(rows["terminals"])
        if not rows["terminals"][-1:].any():
            raise ValueError(f"{path}: the last row does not end an episode; the file may have been cut")
        if np.diff(ends, prepend=-1).min() < 2:
            raise ValueError(f"{path}: an episode of fewer than two rows, which has no transition")
        return rows

    def _find_file(self, folders: Sequence[Path]) -> Path:
        for folder in folders:
            path = data_files(Path(folder), self.dataset)[-1]
            if path.exists():
                return path
        raise FileNotFoundError(
            f"no {self.dataset}.npz in {', '.join(map(str, folders))}; "
            f"`python -m envs.fetch {self.name}` downloads it, `python -m envs.generate {self.name}` makes similar data"
        )


class OGBenchEnv(gymnasium.Wrapper):
    """An OGBench environment with float32 observations, and bits that depend on the reset's seed alone."""

    def __init__(self, env: gymnasium.Env, task: OGBenchTask) -> None:
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (task.obs_dim,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (task.action_dim,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        with _numpy_seed(seed):
            obs, info = self.env.reset(seed=seed, options=options)
        return obs.astype(np.float32), info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        info["success"] = bool(info["success"])
        return obs.astype(np.float32), float(reward), bool(terminated), bool(truncated), info


@contextmanager
def _numpy_seed(seed: int | None) -> Iterator[None]:
    """Seeds numpy's global generator, from which OGBench draws too, and gives the caller's state back afterwards."""
    state = np.random.get_state()
    if seed is not None:
        np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        if seed is not None:
            np.random.set_state(state)


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


def _task(family: Family, goal: int) -> OGBenchTask:
    name = f"{family.name}-task{goal}"
    protocols: tuple[Protocol, ...] = ()
    if name in ONLINE:
        protocols += ("offline-to-online",)
    if name in OFFLINE:
        protocols += ("offline",)
    return OGBenchTask(
        name=name,
        env=f"{family.name}-singletask-task{goal}-v0",
        dataset=f"{family.name}-play-{'100m-' if family.name == 'cube-quadruple' else ''}v0",
        obs_dim=family.obs_dim,
        action_dim=5,
        time_limit=family.time_limit,
        min_reward=-family.num_objects,
        protocols=protocols,
        family=family.name,
        qpos_dim=family.qpos_dim,
        num_buttons=family.num_buttons,
    )


TASKS = [_task(family, goal) for family in FAMILIES for goal in range(1, 6)]
