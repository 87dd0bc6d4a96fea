"""Robomimic's tasks (Mandlekar et al., CoRL 2021), their environments rebuilt with robosuite: lift, can, square."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from envs.dataset import Dataset
from envs.files.download import download
from envs.files.hdf5 import open_demos, read_env_args
from envs.files.outside.recording import dataset_of
from envs.files.outside.robomimic import recordings
from envs.files.sidecar import origin_of
from envs.suites.robosuite_env import PROPRIO, RobosuiteEnv, check_env_args, success_reward, summary_of
from envs.task import SuccessTiming, Task

MIRRORS = tuple(
    f"https://{host}/datasets/robomimic/robomimic_datasets/resolve/74fa018461f479cd9fd15b924a16103012096203/v1.5"
    for host in ("huggingface.co", "hf-mirror.com")
)
ACTION_DIM = 7  # position, rotation, gripper


@dataclass(frozen=True)
class RobomimicTask(Task):
    """A Panda arm moved by end-effector deltas at 20 Hz; -1 for each step without success, which ends the episode."""

    homes = ("~/.robomimic",)
    camera = "agentview"
    unseen = (0,)

    def make_env(self, success_timing: SuccessTiming = "post") -> gymnasium.Env:
        """The task's environment; ImportError with one line when robosuite is missing, ValueError for 'pre'."""
        if success_timing != "post":
            raise ValueError(f"{self.name}: success_timing {success_timing!r} is OGBench's alone; allowed is 'post'")
        return gymnasium.wrappers.TimeLimit(RobosuiteEnv(self), self.time_limit)

    def load_dataset(self, folders: Sequence[Path]) -> Dataset:
        """Robomimic's demonstrations, those of its train mask, each up to its first success.

        ValueError with one line when anything is wrong with the file or it was made in another environment.
        """
        path = self._find_file(folders)
        origin = origin_of(path)
        data = self.read_demos(path)
        return replace(data, origin={**origin, **data.origin})

    def fetch(self, folder: Path, mirrors: Sequence[str] = ()) -> Path:
        """Robomimic's multi-human demonstrations."""

        def count(path: Path) -> tuple[int, int]:
            data = self.read_demos(path)
            return len(data.obs), len(data.ends)

        files = {folder / f"{self.dataset}.hdf5": f"{self.name}/mh/low_dim_v15.hdf5"}
        otherwise = f"`python -m envs.generate {self.name} --data {folder}` makes similar data"
        return download(files, mirrors or MIRRORS, count, otherwise)

    def generate(
        self,
        folder: Path,
        rows: int | None = None,
        seed: int = 0,
        workers: int = 1,
        kind: str | None = None,
        overwrite: bool = False,
    ) -> tuple[Path, dict[str, Any]]:
        """Demonstrations of six scripted operators: as many as hold `rows` transitions, or as in robomimic's data."""
        from envs.scripts.demonstration_dataset import generate_demos  # here, since scripts are made for tasks

        if kind is not None:
            raise ValueError(f"{self.name}: --kind {kind} is OGBench's alone; its data are demonstrations")
        facts = generate_demos(self, folder, seed, rows, workers, overwrite)
        return folder / f"{self.dataset}.hdf5", facts

    def scene(self, env: gymnasium.Env) -> tuple[Any, Any]:
        sim = env.unwrapped.robosuite.sim  # type: ignore[attr-defined]
        return sim.model._model, sim.data._data

    def scripted_episode(self) -> Callable[[], int]:
        from envs.scripts.demonstrate import demonstrate, make_demonstration_env

        env = make_demonstration_env(self)
        return lambda: len(demonstrate(env, self, 0, 0).arrays["actions"])

    def read_demos(self, path: Path) -> Dataset:
        """The checked demonstrations of one of robomimic's files."""
        sizes = {**PROPRIO, "object": self.obs_dim - sum(PROPRIO.values())}
        one = np.ones(self.action_dim)
        with open_demos(path) as file:
            env_args = read_env_args(file)
            check_env_args(env_args, self.env)
            data = dataset_of(recordings(file, sizes), (-one, one), (0, 1))
        origin = {**data.origin, "name": self.dataset, "env_args": summary_of(env_args)}
        return replace(data, reward=success_reward(data.reward), origin=origin)

    def _find_file(self, folders: Sequence[Path]) -> Path:
        """`<dataset>.hdf5`, or the same file where robomimic's downloader or Q-chunking's users put it."""
        for folder in map(Path, folders):
            for path in (folder / f"{self.dataset}.hdf5", folder / self.name / "mh" / "low_dim_v15.hdf5"):
                if path.exists():
                    return path
        raise FileNotFoundError(
            f"no {self.dataset}.hdf5 in {', '.join(map(str, folders))}; `python -m envs.fetch {self.name}` downloads "
            f"robomimic's low_dim_v15.hdf5 under this name, `python -m envs.generate {self.name}` makes similar data"
        )


def _task(name: str, env: str, obs_dim: int, time_limit: int) -> RobomimicTask:
    return RobomimicTask(
        name=name,
        env=env,
        dataset=f"{name}-mh",
        obs_dim=obs_dim,
        action_dim=ACTION_DIM,
        time_limit=time_limit,
        protocols=("offline-to-online",),
    )


TASKS = [
    _task("lift", "Lift", obs_dim=19, time_limit=300),
    _task("can", "PickPlaceCan", obs_dim=23, time_limit=300),
    _task("square", "NutAssemblySquare", obs_dim=23, time_limit=400),
]
