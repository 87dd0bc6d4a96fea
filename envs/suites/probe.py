"""Probe tasks: tiny problems with known answers, for tests and for a first look at a new backbone or algorithm.

They need no simulator, and their data is made on the spot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from envs.dataset import Dataset
from envs.task import SuccessTiming, Task


@dataclass(frozen=True)
class Bandit(Task):
    """One state and one step. The data's actions are `modes`, equally often, plus a little noise; the reward is
    the negative distance to the last mode. A policy that averages acts between the modes, where no data is."""

    modes: tuple[float, ...] = (-0.5, 0.5)
    noise: float = 0.05

    def make_env(self, success_timing: SuccessTiming = "post") -> gymnasium.Env:
        return ProbeEnv(
            self, lambda state, action: (state + 1, self.reward(action), True, abs(action[0] - self.modes[-1]) < 0.2)
        )

    def reward(self, action: np.ndarray) -> float:
        return -float(np.abs(action - self.modes[-1]).mean())

    def load_dataset(self, folders: Sequence[Path]) -> Dataset:
        rng, n = np.random.default_rng(0), 2048
        action = np.clip(rng.choice(self.modes, (n, 1)) + self.noise * rng.standard_normal((n, self.action_dim)), -1, 1)
        obs = np.zeros((n, self.obs_dim))
        reward = np.array([self.reward(a) for a in action])
        return _generated(self, Dataset.from_transitions(obs, action, reward, np.zeros(n), obs, np.ones(n, bool)))


@dataclass(frozen=True)
class Chain(Task):
    """`length` states in a row; every action moves one on, and leaving the last one is rewarded by 1 and ends the episode.
    So Q(state i, any action) = gamma^(length - 1 - i)."""

    length: int = 8

    def make_env(self, success_timing: SuccessTiming = "post") -> gymnasium.Env:
        def move(state: int, action: np.ndarray) -> tuple[int, float, bool, bool]:
            done = state + 1 == self.length
            return state + 1, float(done), done, done

        return ProbeEnv(self, move)

    def load_dataset(self, folders: Sequence[Path]) -> Dataset:
        rng, episodes = np.random.default_rng(0), 128
        obs = np.tile(self.observations()[:-1], (episodes, 1))
        next_obs = np.tile(self.observations()[1:], (episodes, 1))
        last = np.tile(np.arange(self.length) == self.length - 1, episodes)
        action = rng.uniform(-1, 1, (len(obs), self.action_dim))
        return _generated(self, Dataset.from_transitions(obs, action, last * 1.0, 1.0 - last, next_obs, last))

    def observations(self) -> np.ndarray:
        """One-hot states [length + 1, obs_dim]; the last is the state after the end."""
        return np.eye(self.length + 1, self.obs_dim, dtype=np.float32)


class ProbeEnv(gymnasium.Env):
    """States 0, 1, 2, ... seen one-hot; `move(state, action)` gives the next state, reward, end and success."""

    def __init__(self, task: Task, move: Any):
        self.task, self.move = task, move
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (task.obs_dim,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (task.action_dim,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.state = 0
        return self._obs(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.state, reward, done, success = self.move(self.state, np.asarray(action))
        return self._obs(), reward, done, not done and self.state >= self.task.time_limit, {"success": bool(success)}

    def _obs(self) -> np.ndarray:
        obs = np.zeros(self.task.obs_dim, np.float32)
        if isinstance(self.task, Chain):
            obs[self.state] = 1
        return obs


def _generated(task: Task, data: Dataset) -> Dataset:
    origin = {"source": "generated", "name": task.dataset, "rows": len(data.obs), "episodes": len(data.ends)}
    return Dataset(data.obs, data.action, data.reward, data.mask, data.ends, origin)


TASKS = [
    Bandit("probe-bandit", "bandit", "probe-bandit", obs_dim=1, action_dim=2, time_limit=1),
    Chain("probe-chain", "chain", "probe-chain", obs_dim=9, action_dim=2, time_limit=8),
]
