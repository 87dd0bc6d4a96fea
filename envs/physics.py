"""A fingerprint of a task's physics, by which records of simulators that move differently can be told apart."""

import hashlib
from importlib.metadata import version
from typing import Any

import numpy as np

from envs.task import Task

STEPS = 50


def physics_fingerprint(task: Task) -> dict[str, Any]:
    """A fixed rollout of the task: 'hash' of its observations (SHA-256 of f32), 'last_obs' rounded, 'mujoco' version.

    Equal hashes mean equal bits. `last_obs` tells a rounding difference (another processor) from another simulator.
    """
    env = task.make_env()
    obs, _ = env.reset(seed=0)
    observations = [obs]
    for action in np.random.default_rng(0).uniform(-1, 1, (STEPS, task.action_dim)).astype(np.float32):
        obs, _, terminated, truncated, _ = env.step(action)
        observations.append(obs)
        if terminated or truncated:
            break
    env.close()
    return {
        "hash": hashlib.sha256(np.stack(observations).tobytes()).hexdigest(),
        "last_obs": [round(float(value), 4) for value in obs],
        "mujoco": version("mujoco"),
    }
