"""A dataset of episodes, and the chunks that lie inside them.

row        0     1     2     3  |  4     5     6
obs       s0    s1    s2    s3  | s0'   s1'   s2'        an episode's last row holds only its final observation,
action    a0    a1    a2     -  | a0'   a1'    -         so the next observation of row i is row i + 1
chunks of horizon 2 start at rows 0, 1, 4
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Rows of float32: obs [N, obs_dim], action [N, action_dim], reward [N], mask [N]; ends [E], each episode's last row.

    `mask` is 0 where the task ended, 1 elsewhere. `origin` says where the data came from: it goes into every record.
    Rows may be memory maps, which nothing reads as a whole.
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    mask: np.ndarray
    ends: np.ndarray
    origin: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_transitions(
        obs: np.ndarray, action: np.ndarray, reward: np.ndarray, mask: np.ndarray, next_obs: np.ndarray, last: np.ndarray
    ) -> "Dataset":
        """From one row a transition, with `last` [N] true at each episode's final one, whose next_obs becomes a row."""
        ends = np.flatnonzero(last)
        if len(obs) == 0 or not last[-1]:
            raise ValueError("the last transition must end an episode")

        def with_final_rows(values: np.ndarray, final: Any) -> np.ndarray:
            return np.insert(values.astype(np.float32), ends + 1, final, axis=0)

        return Dataset(
            with_final_rows(obs, next_obs[ends]),
            with_final_rows(action, 0),
            with_final_rows(reward, 0),
            with_final_rows(mask, 0),
            ends + 1 + np.arange(len(ends)),
        )


def check_finite(name: str, array: np.ndarray) -> None:
    """ValueError with the first row of `array` [N, ...] that has a number which is none."""
    if not np.isfinite(array).all():
        row = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(1))[0]
        raise ValueError(f"{name} has values that are not finite, the first in row {row}")
