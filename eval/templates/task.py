"""A task of your own. As it stands: a point in a square is to reach the middle. Called mine.py, it runs as

python mine.py                                                          writes its data, mine.npz
python -m envs.inspect mine.npz                                         shows them
python -m eval.run --task ./mine.py --algo fql --backbone flow          trains on them, then online

An environment that Gymnasium has needs no file: `--task gym:ENV_ID --dataset FILE`.
"""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from envs.own import own_task


class Point(gymnasium.Env):
    """Any Gymnasium environment will do: observations [n], actions [m] with finite bounds, which need not be -1 and 1.

    What it draws at random it draws from `self.np_random`, so that reset(seed=...) makes an episode reproducible: evaluations
    compare policies on the same episodes, and an interrupted run goes on exactly, only then.
    """

    observation_space = Box(-1, 1, (2,))
    action_space = Box(-0.1, 0.1, (2,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.at = self.np_random.uniform(-1, 1, 2)
        return self.at.astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.at = np.clip(self.at + action, -1, 1)
        reached = bool(np.abs(self.at).max() < 0.1)
        # reward, whether the task has ended here (its value is then 0), whether only the time is up, and what is to be said
        return self.at.astype(np.float32), float(reached) - 1, reached, False, {"success": reached}


# What counts as a success is info["success"]; or say `success=lambda obs, info: ...`, or `success_return=-20`, the return from
# which on an episode is one. Without any, returns count. `dataset` lies beside this file; --dataset names another one.
TASK = own_task(Point, time_limit=40, dataset="mine.npz" if Path(__file__).with_name("mine.npz").exists() else "")


def collect(episodes: int = 200) -> dict[str, np.ndarray]:
    """Data of mixed quality, in the environment's own units: a controller with little or much noise."""
    env, rng = gymnasium.wrappers.TimeLimit(Point(), TASK.time_limit), np.random.default_rng(0)
    rows = []
    for episode in range(episodes):
        obs, _ = env.reset(seed=episode)
        noise, over = rng.choice([0.02, 0.2, 1.0]), False
        while not over:
            action = np.clip(-obs + noise * rng.standard_normal(2), -0.1, 0.1).astype(np.float32)
            next_obs, reward, terminated, truncated, _ = env.step(action)
            rows.append((obs, action, reward, terminated, truncated, next_obs))
            obs, over = next_obs, terminated or truncated
    names = "observations", "actions", "rewards", "terminals", "timeouts", "next_observations"
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


if __name__ == "__main__":
    np.savez(Path(__file__).with_name("mine.npz"), **collect())
