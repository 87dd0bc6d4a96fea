"""A suite's environment as the suite's package has it, with the types that every task's environment has here."""

from typing import Any

import gymnasium
import numpy as np

from envs.task import Task


class PlainEnv(gymnasium.Wrapper):
    """Float32 observations; rewards, ends and success that are plain numbers and bools."""

    def __init__(self, env: gymnasium.Env, task: Task) -> None:
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (task.obs_dim,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (task.action_dim,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        obs, info = self.env.reset(seed=seed, options=options)
        return obs.astype(np.float32), info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        info["success"] = bool(info["success"])
        return obs.astype(np.float32), float(reward), bool(terminated), bool(truncated), info
