"""A dataset of episodes, and the chunks that lie inside them.

row        0     1     2     3  |  4     5     6
obs       s0    s1    s2    s3  | s0'   s1'   s2'        an episode's last row holds only its final observation,
action    a0    a1    a2     -  | a0'   a1'    -         so the next observation of row i is row i + 1
chunks of horizon 2 start at rows 0, 1, 4
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

SHARD_ROWS = 1_000_000


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

    def starts(self, horizon: int, device: str | torch.device = "cpu") -> "Starts":
        """Where a chunk of `horizon` actions may start; ValueError when it may nowhere."""
        starts = Starts(self.ends, horizon, device)
        if not len(starts):
            longest = int(np.diff(self.ends, prepend=-1).max()) - 1
            raise ValueError(f"horizon {horizon}: longer than every episode of the dataset (at most {longest} actions)")
        return starts

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


class Starts:
    """The rows from which `horizon` actions and the observation after them lie in one episode, numbered in their order.

    Kept as two numbers an episode: a list of the starts of 100M rows would take 800 MB.
    """

    def __init__(self, ends: np.ndarray, horizon: int, device: str | torch.device = "cpu"):
        first = np.append(0, ends[:-1] + 1)
        counts = np.maximum(ends + 1 - horizon - first, 0)
        self.first, self.ends = first, ends
        self.before = np.append(0, np.cumsum(counts))  # starts before each episode, and all of them
        self._through = torch.from_numpy(self.before[1:]).to(device)
        self._shift = torch.from_numpy(first - self.before[:-1]).to(device)
        self._last = torch.from_numpy(ends).to(device)
        self.horizon = horizon

    def __len__(self) -> int:
        return int(self.before[-1])

    def __getitem__(self, numbers: Tensor) -> Tensor:
        """The rows of the starts with these numbers."""
        return numbers + self._shift[torch.searchsorted(self._through, numbers, right=True)]

    def hold(self, rows: Tensor) -> Tensor:
        """Whether these rows are among the starts."""
        return rows + self.horizon <= self._last[torch.searchsorted(self._last, rows)]

    def shards(self) -> list[range]:
        """The numbers of each shard's starts. A shard is the whole episodes that come nearest to a million rows: one file of
        cube-quadruple-100m, as all of its files have equally many rows."""
        rows = int(self.ends[-1]) + 1
        pieces = max(1, round(rows / SHARD_ROWS))
        middles = (self.first + self.ends + 1) / 2  # an episode is of the piece that has its middle
        episodes = np.searchsorted(middles, rows * np.arange(pieces + 1) / pieces)
        cuts = np.unique(self.before[episodes]).tolist()
        return [range(*pair) for pair in pairwise(cuts)]
