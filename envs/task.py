"""Tasks: an environment, its data, its time limit and its one reward."""

import difflib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from envs.dataset import Dataset
from envs.files.outside import read
from envs.outside import tidy

if TYPE_CHECKING:
    import gymnasium

Protocol = Literal["offline-to-online", "offline"]
SuccessTiming = Literal["post", "pre"]


@dataclass(frozen=True)
class Task(ABC):
    """One task to solve: everything that depends on it is a field or a method here."""

    homes: ClassVar[tuple[str, ...]] = ()
    """Folders in which the suite's own tools keep data, such as '~/.ogbench/data'."""

    camera: ClassVar[str] = ""
    """The camera of the suite that pictures are taken by; empty where there is nothing to see."""
    unseen: ClassVar[tuple[int, ...]] = ()
    """MuJoCo's groups of geoms that pictures leave out, such as the hulls that stand for meshes in collisions."""

    name: str
    """The task's name in the suite, such as 'cube-single-task2'."""
    env: str
    """The environment's name in its own suite, such as 'cube-single-singletask-task2-v0'."""
    dataset: str
    """Name of the data, which several tasks may share, such as 'cube-single-play-v0'."""
    obs_dim: int
    action_dim: int
    time_limit: int
    """Steps after which an episode is truncated."""
    protocols: tuple[Protocol, ...] = ()
    """The paper's protocols that use the task: 'offline-to-online' (section 5), 'offline' (appendix B.2)."""

    @abstractmethod
    def make_env(self, success_timing: SuccessTiming = "post") -> "gymnasium.Env":
        """The environment: obs [obs_dim] f32, actions [action_dim] in [-1, 1], info['success'] a bool.

        `reset(seed=...)` makes everything that follows reproducible to the bit. `success_timing` says whether reward,
        termination and success describe the state after the step ('post') or before it ('pre').
        """

    @abstractmethod
    def load_dataset(self, folders: Sequence[Path]) -> Dataset:
        """The task's data, rewards included, from the first of `folders` that has it.

        FileNotFoundError says how to get it; ValueError says what is wrong with the file.
        """

    def find_dataset(self, folder: Path) -> Dataset:
        """The task's data from `folder` or from the suite's own folders, else downloaded, unless that takes hours."""
        # Not Path.expanduser, which raises where the user has no home, as in many containers.
        folders = [folder, *(Path(os.path.expanduser(home)) for home in self.homes)]
        try:
            return self.load_dataset(folders)
        except FileNotFoundError:
            if not self.fetched_unasked:
                raise
            self.fetch(folder)
            return self.load_dataset(folders)

    def read_dataset(self, source: str, keys: Sequence[str] = (), bounds: tuple[Any, Any] = (-1.0, 1.0)) -> Dataset:
        """The rows of a file, or of whatever else `envs.files.outside.read` takes, instead of the task's own data.

        FileNotFoundError where there is none; ValueError names what does not fit: sizes, or actions out of the bounds, which
        become -1 and 1.
        """
        data = read(source, keys, bounds)
        obs_dim, action_dim = data.obs.shape[1], data.action.shape[1]
        if (obs_dim, action_dim) != (self.obs_dim, self.action_dim):
            raise ValueError(
                f"{source}: observations [{obs_dim}] and actions [{action_dim}]; "
                f"{self.name} has [{self.obs_dim}] and [{self.action_dim}]"
            )
        return data

    def no_data(self) -> Dataset:
        """A dataset without a row, for runs that learn online alone."""
        shapes: Sequence[tuple[int, ...]] = ((0, self.obs_dim), (0, self.action_dim), (0,), (0,))
        obs, action, reward, mask = (np.zeros(shape, np.float32) for shape in shapes)
        return Dataset(obs, action, reward, mask, np.zeros(0, np.int64), {"source": "none", "rows": 0, "episodes": 0})

    @property
    def simulated(self) -> bool:
        """Whether there is an environment."""
        return True

    def scored(self, total_reward: float) -> float | None:
        """What an episode with this return counts, where it is not success that counts."""
        return None

    def facts(self) -> dict[str, Any]:
        """What a record keeps of how episodes are scored; nothing where they are by success, as the suite's."""
        return {}

    @property
    def fetched_unasked(self) -> bool:
        """Whether a run that misses its data may download them."""
        return True

    # What a suite may offer; a task without it says so in one line.

    def fetch(self, folder: Path, mirrors: Sequence[str] = ()) -> Path:
        """The official data in `folder`, downloaded from the first of `mirrors`, or of the known ones, unless they are there.

        ConnectionError with one line when no mirror has them, FileExistsError when generated data have their name, ValueError
        for a file whose hash is not the one kept.
        """
        raise ValueError(f"{self.name}: no server has data for it, there is nothing to fetch")

    def generate(
        self,
        folder: Path,
        rows: int | None = None,
        seed: int = 0,
        workers: int = 1,
        kind: str | None = None,
        overwrite: bool = False,
    ) -> tuple[Path, dict[str, Any]]:
        """Scripted data like the official ones, written to `folder`: the file, and the facts of its sidecar.

        FileExistsError when it exists and `overwrite` is not set; ValueError for a `kind` of data that the suite does not have.
        """
        raise ValueError(f"{self.name}: no script makes data for it, there is nothing to generate")

    def unpack(self, folder: Path) -> Path:
        """The folder of columns on disk, made from the data in `folder`; what is there already is checked instead.

        FileNotFoundError when there is nothing to unpack, OSError when the disk has no room, ValueError for damaged data.
        """
        raise ValueError(f"{self.name}: its data fit into memory, there is nothing to unpack")

    def scene(self, env: "gymnasium.Env") -> tuple[Any, Any]:
        """MuJoCo's model and data behind an environment that `make_env` made, from its latest reset to its next."""
        raise ValueError(f"{self.name}: there is nothing to see")

    def scripted_episode(self) -> Callable[[], int] | None:
        """What scripts one episode of `generate` and returns its number of rows, to be timed; None where there is no script."""
        return None


def find_task(name: str) -> Task:
    """The task called `name`, of a suite or from outside (`envs.own`); ValueError with the nearest name when there is none."""
    import gymnasium

    from envs.own import find_own  # here, since these are made of tasks
    from envs.suites import TASKS

    if name in TASKS:
        return TASKS[name]
    if own := find_own(tidy(name)):
        return own
    if name in gymnasium.registry:
        raise ValueError(f"unknown task {name!r}; did you mean gym:{name}?")
    if goals := [task for task in TASKS if re.fullmatch(re.escape(name) + r"-task\d+", task)]:
        raise ValueError(f"unknown task {name!r}; its goals are {', '.join(goals)}")
    near = difflib.get_close_matches(name, TASKS, n=1)
    hint = f"did you mean {near[0]}?" if near else "`python -m eval.run --list` shows all"
    raise ValueError(f"unknown task {name!r}; {hint}")
