"""D4RL's hand and mazes (Fu et al., arXiv 2004.07219): Minari's data, Gymnasium-Robotics' environments.

Data are where Minari keeps them (MINARI_DATASETS_PATH), and are downloaded there. Returns of the hand are normalised as D4RL
does, 0 for a random and 100 for an expert policy; mazes count success. In Gymnasium-Robotics 1.2.1 to 1.4.2 one term of door's,
hammer's and relocate's rewards, 0.1 of the distance between palm and object, has another sign than D4RL's: for a random policy
0.1 to 0.4 points.
"""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.wrappers import TransformObservation, TransformReward

from envs.command import import_extra
from envs.dataset import Dataset
from envs.files.outside import read
from envs.files.outside.minari import PREFIX, open_minari
from envs.own import REFERENCES
from envs.suites.plain import PlainEnv
from envs.task import SuccessTiming, Task

PARTS = ("achieved_goal", "desired_goal", "observation")
"""What an observation of a maze consists of."""


@dataclass(frozen=True)
class D4RLTask(Task):
    """A task whose data are one of Minari's datasets."""

    def make_env(self, success_timing: SuccessTiming = "post") -> gymnasium.Env:
        """ImportError with one line without the extra `d4rl`, ValueError for 'pre'."""
        if success_timing != "post":
            raise ValueError(f"{self.name}: success_timing {success_timing!r} is OGBench's alone; allowed is 'post'")
        with warnings.catch_warnings(action="ignore"):  # what Gymnasium calls old are the versions of the data
            gymnasium.register_envs(import_extra("gymnasium_robotics", "d4rl"))
            return PlainEnv(self.make_simulator(), self)

    @abstractmethod
    def make_simulator(self) -> gymnasium.Env:
        """The environment as its package has it, with vectors for observations."""

    def load_dataset(self, folders: Sequence[Path]) -> Dataset:
        """Minari's dataset, downloaded if need be; `folders` are not looked at, as Minari has its own."""
        data = self.read(PREFIX + self.dataset)
        return replace(data, origin={**data.origin, "name": self.dataset})

    def read(self, source: str) -> Dataset:
        return read(source, bounds=(np.array(-1.0), np.array(1.0)))

    def fetch(self, folder: Path, mirrors: Sequence[str] = ()) -> Path:
        return open_minari(PREFIX + self.dataset)[1]

    def generate(self, *_: Any, **__: Any) -> tuple[Path, dict[str, Any]]:
        raise ValueError(f"{self.name}: no script makes data like these; `python -m envs.fetch {self.name}` downloads them")


@dataclass(frozen=True, kw_only=True)
class HandTask(D4RLTask):
    """Adroit: a hand turns a pen, opens a door, hammers a nail or relocates a ball. A pen that falls ends an episode."""

    reference: tuple[float, float]
    """Returns of a random and of an expert policy."""

    def make_simulator(self) -> gymnasium.Env:
        env = gymnasium.make(self.env, max_episode_steps=self.time_limit, disable_env_checker=True)
        return EndsWithTheFall(env) if "Pen" in self.env else env

    def scored(self, total_reward: float) -> float:
        """D4RL's normalised score of a return."""
        random, expert = self.reference
        return 100 * (total_reward - random) / (expert - random)

    def facts(self) -> dict[str, Any]:
        return {"score": "normalised score", "reference": list(self.reference)}


@dataclass(frozen=True)
class MazeTask(D4RLTask):
    """An ant finds its way to a goal: -1 for each step until it is there, as FQL has it (arXiv 2502.02538), for D4RL's 0 and 1.

    The environment is the one that the dataset names for evaluation. Reaching the goal ends an episode.
    """

    def make_simulator(self) -> gymnasium.Env:
        dataset, _ = open_minari(PREFIX + self.dataset)
        env = dataset.recover_environment(eval_env=True, continuing_task=False, disable_env_checker=True)
        joined = TransformObservation(env, lambda obs: np.concatenate([obs[part] for part in PARTS]), None)
        return TransformReward(joined, lambda reward: float(reward) - 1)

    def read(self, source: str) -> Dataset:
        data = read(source, PARTS, (np.array(-1.0), np.array(1.0)), rewards=(0, 1))
        return replace(data, reward=data.reward - 1, mask=1 - data.reward)


class EndsWithTheFall(gymnasium.Wrapper):
    """Ends an episode when the pen has fallen, as D4RL's does; its reference returns are those of such episodes."""

    def step(self, action: np.ndarray) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        pen = cast(Any, self.env.unwrapped)
        return obs, reward, terminated or bool(pen.data.xpos[pen.obj_body_id][2] < 0.075), truncated, info


HANDS = {  # observation, action, time limit, all as D4RL has them
    "pen": (45, 24, 100),
    "door": (39, 28, 200),
    "hammer": (46, 26, 200),
    "relocate": (39, 30, 200),
}
MAZES = {
    "umaze": 700,
    "umaze-diverse": 700,
    "medium-play": 1000,
    "medium-diverse": 1000,
    "large-play": 1000,
    "large-diverse": 1000,
}


def _hand(name: str, data: str) -> HandTask:
    sizes, reference = HANDS[name], REFERENCES[f"adroithand{name}"]
    env, dataset = f"AdroitHand{name.capitalize()}-v1", f"D4RL/{name}/{data}-v2"
    return HandTask(f"d4rl-{name}-{data}", env, dataset, *sizes, reference=reference)


def _maze(name: str) -> MazeTask:
    env = f"AntMaze-{name}"
    return MazeTask(f"d4rl-antmaze-{name}", env, f"D4RL/antmaze/{name}-v1", 31, 8, MAZES[name])


TASKS: list[D4RLTask] = [_hand(name, data) for name in HANDS for data in ("human", "cloned", "expert")]
TASKS += [_maze(name) for name in MAZES]
