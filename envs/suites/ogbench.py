"""OGBench's manipulation tasks and their data (Park et al., ICLR 2025), reward and relabelling as OGBench has them."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np
from tqdm import tqdm

from envs.dataset import Dataset, check_actions
from envs.files.mapped import BLOCK_ROWS, INDEX, open_columns, unpacked_folder, write_columns
from envs.files.npz import Shape, data_files, origin_of, read_arrays, read_blocks, read_headers
from envs.task import Protocol, SuccessTiming, Task

# OGBench hands Gymnasium float64 bounds at each look at its action space.
warnings.filterwarnings("ignore", message=".*precision lowered by casting to float32", category=UserWarning)

MEMORY_LIMIT = 4e9
"""Bytes; a file with more of them in rows is read from disk or not at all."""


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
        """OGBench's data with the rewards and masks that OGBench's relabelling gives for this goal.

        On disk, as `python -m envs.unpack` left it, if it did; else in memory, from the file.
        """
        path = self._find_data(folders)
        rows: Mapping[str, np.ndarray]
        labels: Mapping[str, np.ndarray]
        if path.is_dir():
            rows, origin = self._open_rows(path)
            labels = self._kept_labels(path, rows, origin)
        else:
            self._refuse_large(path)
            origin, rows = origin_of(path), self.read_rows(path)
            (labels,) = self.relabel([rows])
        ends = np.flatnonzero(rows["terminals"])
        return Dataset(
            obs=rows["observations"],
            action=rows["actions"],
            reward=labels["rewards"],
            mask=labels["masks"],
            ends=ends,
            origin={**origin, "name": self.dataset, "rows": len(rows["observations"]), "episodes": len(ends)},
        )

    @property
    def shapes(self) -> dict[str, Shape]:
        """The arrays of OGBench's files that are needed: the rows, and what any goal's reward depends on."""
        shapes: dict[str, Shape] = {
            "observations": (None, self.obs_dim),
            "actions": (None, self.action_dim),
            "terminals": (None,),
            "qpos": (None, self.qpos_dim),
        }
        return {**shapes, "button_states": (None, self.num_buttons)} if self.num_buttons else shapes

    def read_rows(self, path: Path) -> dict[str, np.ndarray]:
        """The checked rows of one of OGBench's files, each episode's final observation included.

        observations [N, obs_dim] f32, actions [N, action_dim] f32, terminals [N] bool (the final rows), qpos and
        button_states as far as the reward depends on them. ValueError with one line when anything is wrong.
        """
        rows = _checked_rows(path, read_arrays(path, self.shapes))
        _check_episodes(path, np.flatnonzero(rows["terminals"]), len(rows["terminals"]))
        return rows

    def read_blocks(self, path: Path) -> Iterator[dict[str, np.ndarray]]:
        """What `read_rows` returns, block by block; how its episodes end is known, and checked, after the last one."""
        ends, total = [np.empty(0, int)], 0
        for block in read_blocks(path, self.shapes, BLOCK_ROWS):
            rows = _checked_rows(path, block)
            yield rows
            ends.append(total + np.flatnonzero(rows["terminals"]))
            total += len(rows["terminals"])
        _check_episodes(path, np.concatenate(ends), total)

    def relabel(self, blocks: Iterable[Mapping[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
        """Of each block of rows the `rewards` and `masks` [N] f32 for this goal."""
        from ogbench.relabel_utils import relabel_dataset

        env = self.make_env()
        env.reset(seed=0)
        for block in blocks:
            rows = dict(block)
            relabel_dataset(self.env, env, rows)
            yield {key: rows[key] for key in ("rewards", "masks")}

    def sources(self, folder: Path) -> list[Path]:
        """The files in `folder` that hold the data: `<dataset>.npz`, or else the shards `<dataset>/*.npz` in their order."""
        path = data_files(folder, self.dataset)[-1]
        shards = sorted(shard for shard in (folder / self.dataset).glob("*.npz") if not shard.stem.endswith("-val"))
        return [path] if path.exists() else shards

    def _find_data(self, folders: Sequence[Path]) -> Path:
        """The folder of unpacked data, or the file."""
        for folder in map(Path, folders):
            if ((unpacked := unpacked_folder(folder, self.dataset)) / INDEX).exists():
                return unpacked
            match self.sources(folder):
                case [path] if path.parent == folder:
                    return path
                case [shard, *_]:
                    raise ValueError(f"{shard.parent}: `{self._unpacking(folder)}` makes these shards readable")
        raise FileNotFoundError(
            f"no {self.dataset}.npz in {', '.join(map(str, folders))}; "
            f"`python -m envs.fetch {self.name}` downloads it, `python -m envs.generate {self.name}` makes similar data"
        )

    def _refuse_large(self, path: Path) -> None:
        """ValueError for a file whose arrays are too much for memory."""
        headers = read_headers(path, self.shapes).values()
        size = sum(math.prod(header.shape) * header.dtype.itemsize for header in headers)
        if size > MEMORY_LIMIT:
            raise ValueError(f"{path}: {size / 1e9:.1f} GB of rows; `{self._unpacking(path.parent)}` leaves them on disk")

    def _unpacking(self, folder: Path) -> str:
        return f"python -m envs.unpack {self.name} --data {folder}"

    def _open_rows(self, folder: Path) -> tuple[dict[str, np.memmap], dict[str, Any]]:
        """The unpacked rows and their origin. ValueError when the files they came from have changed since."""
        rows, facts = open_columns(folder, self.shapes)
        present = {path.name: path.stat().st_size for path in self.sources(folder.parent)}
        if not present.items() <= facts["sources"].items():
            raise ValueError(f"{folder}: unpacked from other files than are there now; delete it and unpack again")
        return rows, facts["origin"]

    def _kept_labels(self, folder: Path, rows: Mapping[str, np.ndarray], origin: dict[str, Any]) -> dict[str, np.memmap]:
        """This goal's rewards and masks, computed by the task's first run and kept beside the rows."""
        kept, total = folder / self.name, len(rows["terminals"])
        made_from = {"data": origin["sha256"], "env": self.env, "ogbench": version("ogbench")}
        if not (kept / INDEX).exists():
            keys = rows.keys() - {"observations", "actions", "terminals"}
            begins = tqdm(range(0, total, BLOCK_ROWS), f"rewards of {self.name}", unit="block", delay=2)
            blocks = ({key: np.asarray(rows[key][begin : begin + BLOCK_ROWS]) for key in keys} for begin in begins)
            scalar = ((), np.dtype(np.float32))
            write_columns(kept, total, {"rewards": scalar, "masks": scalar}, self.relabel(blocks), made_from)
        labels, _ = open_columns(kept, {"rewards": (None,), "masks": (None,)}, made_from, check=True)
        return labels


def _checked_rows(path: Path, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows in the types that `read_rows` says. ValueError for numbers that are not finite, and for impossible actions."""
    for key in ("observations", "actions"):
        rows[key] = rows[key].astype(np.float32, copy=False)
    for key, array in rows.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{path}: {key} has values that are not finite")
    check_actions(f"{path}: actions", rows["actions"])
    rows["terminals"] = rows["terminals"].astype(bool)
    return rows


def _check_episodes(path: Path, ends: np.ndarray, total: int) -> None:
    """ValueError unless the last row ends an episode and each has a transition."""
    if not len(ends) or ends[-1] != total - 1:
        raise ValueError(f"{path}: the last row does not end an episode; the file may have been cut")
    if np.diff(ends, prepend=-1).min() < 2:
        raise ValueError(f"{path}: an episode of fewer than two rows, which has no transition")


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
