"""Tasks: an environment, its data, its time limit and its one reward."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import gymnasium

    from envs.dataset import Dataset

Protocol = Literal["offline-to-online", "offline"]
SuccessTiming = Literal["post", "pre"]


@dataclass(frozen=True)
class Task(ABC):
    """One task to solve: everything that depends on it is a field or a method here."""

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
    min_reward: float
    """The least reward of a step."""
    protocols: tuple[Protocol, ...] = ()
    """The paper's protocols that use the task: 'offline-to-online' (section 5), 'offline' (appendix B.2)."""

    @abstractmethod
    def make_env(self, success_timing: SuccessTiming = "post") -> "gymnasium.Env":
        """The environment: obs [obs_dim] f32, actions [action_dim] in [-1, 1], info['success'] a bool.

        `reset(seed=...)` makes everything that follows reproducible to the bit. `success_timing` says whether reward,
        termination and success describe the state after the step ('post') or before it ('pre').
        """

    @abstractmethod
    def load_dataset(self, folders: Sequence[Path]) -> "Dataset":
        """The task's data, rewards included, from the first of `folders` that has it.

        FileNotFoundError says how to get it; ValueError says what is wrong with the file.
        """


def find_task(name: str) -> Task:
    """The task called `name`; ValueError with the nearest name when there is none."""
    from envs.suites import TASKS  # here, since suites are made of tasks

    if name in TASKS:
        return TASKS[name]
    near = difflib.get_close_matches(name, TASKS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the tasks are {', '.join(TASKS)}"
    raise ValueError(f"unknown task {name!r}; {hint}")
