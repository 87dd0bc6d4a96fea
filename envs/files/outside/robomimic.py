"""Demonstrations in robomimic's layout (`envs/files/hdf5.py` shows it), of whichever environment.

Success is a reward of 1, and ends the task: demonstrators hold on after it, and what they do then is dropped. A demonstration
without it was cut off. `dones` are not read: by robomimic's default they are true at the end of any demonstration.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from envs.files.hdf5 import has, member, read_array, train_demos
from envs.files.outside.recording import Recording, joined


def recordings(file: Any, sizes: Mapping[str, int | None]) -> list[Recording]:
    """The demonstrations of the train mask; an observation is the parts of `obs` that `sizes` names (None: any), joined."""
    return [_demonstration(file, f"data/{name}", sizes) for name in train_demos(file)]


def _demonstration(file: Any, name: str, sizes: Mapping[str, int | None]) -> Recording:
    names = {"obs": f"{name}/obs", "action": f"{name}/actions", "reward": f"{name}/rewards", "next_obs": f"{name}/next_obs"}
    action = read_array(file, names["action"], None, None).astype(np.float32)
    if not len(action):
        raise ValueError(f"{name} has no steps")
    reward = read_array(file, names["reward"], len(action)).astype(np.float32)
    if (bad := np.flatnonzero((reward != 0) & (reward != 1))).size:
        raise ValueError(f"{names['reward']} row {bad[0]}: {reward[bad[0]]:g} is neither 0 nor 1 for success")

    def observations(place: str) -> np.ndarray:
        parts = list(member(file, place))
        return joined(place, parts, [*sizes], lambda part: read_array(file, f"{place}/{part}", len(action), sizes.get(part)))

    obs = observations(names["obs"])
    next_obs = observations(names["next_obs"]) if has(member(file, name), "next_obs") else None
    length = int(np.argmax(reward)) + 1 if reward.any() else len(action)
    kept, terminal = slice(length), reward[:length] == 1
    cut = ~terminal & (np.arange(length) == length - 1)
    next_obs = None if next_obs is None else next_obs[kept]
    return Recording(obs[kept], action[kept], reward[kept], terminal, cut, next_obs, terminal, names | {"cut": name})
