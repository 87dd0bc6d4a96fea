"""What was recorded, in the order in which it happened, whatever file it was in; and the dataset that it makes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envs.dataset import Dataset, check_finite

Bounds = tuple[np.ndarray, np.ndarray]
"""The least and the greatest action [action_dim] that an environment takes."""


@dataclass(frozen=True)
class Recording:
    """Transitions: obs [N, obs_dim], action [N, action_dim], reward [N] f32; terminal [N] true where the task ended.

    `cut` [N] is true where the episode ended, at a time limit or for whatever reason, and the task did not: no state is
    worthless because the clock ran out. `next_obs` [N, obs_dim] f32 and `success` [N] are there if the file has them.
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    terminal: np.ndarray
    cut: np.ndarray
    next_obs: np.ndarray | None
    success: np.ndarray | None
    names: Mapping[str, str]
    """What the file calls these columns."""

    def __post_init__(self) -> None:
        for field in ("obs", "action", "reward", "next_obs"):
            if (column := getattr(self, field)) is not None:
                check_finite(self.names[field], column)

    @property
    def end(self) -> np.ndarray:
        """[N], true at each episode's last transition."""
        return self.terminal | self.cut

    def scaled(self, bounds: Bounds) -> np.ndarray:
        """The actions with `bounds` at -1 and 1. ValueError for those outside."""
        shape, size = list(self.action.shape), np.size(bounds[0])
        if size not in (1, shape[1]):
            raise ValueError(f"{self.names['action']} has shape {shape}, the task's actions have {size} numbers")
        low, high = (np.broadcast_to(np.float32(bound), self.action.shape[1:]) for bound in bounds)
        self._refuse("action", (self.action < low) | (self.action > high), f"is not within {_shown(low)} to {_shown(high)}")
        middle, half = np.float64(high) / 2 + np.float64(low) / 2, np.float64(high) / 2 - np.float64(low) / 2
        return np.clip((self.action - middle) / half, -1, 1).astype(np.float32)

    def check_rewards(self, least: float, most: float) -> None:
        """ValueError for a reward that the task cannot give."""
        self._refuse("reward", (self.reward < least) | (self.reward > most), f"is not within the task's {least:g} to {most:g}")

    def transitions(self) -> tuple[np.ndarray, ...]:
        """Which transitions are whole [N], the observation after each [N, obs_dim], and which of them are an episode's last.

        The observation after the task's end is never looked at: where the file has none, another stands for it. One after
        a time limit is; where the file has none, the last row's observation is the episode's final one, and its action is lost.
        """
        if self.next_obs is not None:
            return np.ones(len(self.obs), bool), self.next_obs, self.end
        cut = self.cut & ~self.terminal
        alone = cut & np.append(True, self.end[:-1])
        self._refuse("cut", alone, "ends an episode of one row, which has no transition without a next observation")
        before_cut = np.append(cut[1:], False)
        next_obs = np.where(self.terminal[:, None], self.obs, np.append(self.obs[1:], self.obs[-1:], axis=0))
        return ~cut, next_obs, self.terminal | before_cut

    def _refuse(self, field: str, bad: np.ndarray, why: str) -> None:
        """ValueError with the first of the values that are `bad` [N] or [N, size]."""
        if bad.any():
            rows, *_ = np.nonzero(bad)
            value = getattr(self, field)[bad][0]
            others = f" ({len(set(rows))} rows are so)" if len(set(rows)) > 1 else ""
            raise ValueError(f"{self.names[field]} row {rows[0]}: {value:.6g} {why}{others}")


def joined(place: str, parts: Iterable[str], keys: Sequence[str], read: Callable[[str], np.ndarray]) -> np.ndarray:
    """An observation that consists of named `parts`, of which there is only one or `keys` says which: [N, obs_dim] f32."""
    parts = list(parts)
    if missing := [key for key in keys if key not in parts]:
        raise ValueError(f"{place} has no {missing[0]!r}; there are {', '.join(parts)}")
    if not keys and len(parts) != 1:
        raise ValueError(f"{place} has the parts {', '.join(parts)}; say which of them make an observation")
    return np.concatenate([read(key) for key in keys or parts], axis=1).astype(np.float32)


def dataset_of(recordings: Sequence[Recording], bounds: Bounds | None, rewards: tuple[float, float]) -> Dataset:
    """The recordings one after another. The origin counts rows, episodes, dropped transitions and successes."""
    columns = []
    for recording in recordings:
        recording.check_rewards(*rewards)
        action = recording.action if bounds is None else recording.scaled(bounds)
        whole, next_obs, last = recording.transitions()
        mask = (~recording.terminal).astype(np.float32)
        columns.append([column[whole] for column in (recording.obs, action, recording.reward, mask, next_obs, last)])
    obs, action, reward, mask, next_obs, last = (np.concatenate(column) for column in zip(*columns, strict=True))
    data = Dataset.from_transitions(obs, action, reward, mask, next_obs, last)
    rows = sum(len(recording.obs) for recording in recordings)
    data.origin.update(rows=len(data.obs), episodes=len(data.ends), dropped=rows - len(obs))
    if all(recording.success is not None for recording in recordings):
        data.origin["successes"] = sum(_episodes_with(recording.success, recording.end) for recording in recordings)
    return data


def _episodes_with(flags: np.ndarray | None, end: np.ndarray) -> int:
    """In how many episodes a flag [N] is ever true."""
    episode = np.cumsum(np.append(0, end[:-1]))
    return len(np.unique(episode[np.asarray(flags, bool)]))


def _shown(bound: np.ndarray) -> str:
    """One number if they are all equal."""
    values = [f"{value:g}" for value in bound]
    return values[0] if len(set(values)) == 1 else f"[{', '.join(values)}]"
