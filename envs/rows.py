"""The dataset's rows as a replay draws them: where chunks may start, and rows that stay on disk."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from threading import Thread

import numpy as np
import torch
from torch import Tensor

SHARD_ROWS = 1_000_000


class Starts:
    """The rows from which `horizon` actions and the observation after them lie in one episode, numbered in their order.

    Kept as two numbers an episode: a list of the starts of 100M rows would take 800 MB. `ends` [E] are the episodes' last rows.
    ValueError when no episode is long enough; without any episode there are none.
    """

    def __init__(self, ends: np.ndarray, horizon: int, device: str | torch.device = "cpu"):
        first = np.append(0, ends[:-1] + 1)[: len(ends)]
        counts = np.maximum(ends + 1 - horizon - first, 0)
        self.first, self.ends = first, ends
        if len(ends) and not counts.any():
            longest = int((ends - first).max())
            raise ValueError(f"horizon {horizon}: longer than every episode of the dataset (at most {longest} actions)")
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
        if len(self) == 0:
            return torch.zeros_like(rows, dtype=torch.bool)
        return rows + self.horizon <= self._last[torch.searchsorted(self._last, rows)]

    def shards(self) -> list[range]:
        """The numbers of each shard's starts. A shard is the whole episodes that come nearest to a million rows: one file of
        cube-quadruple-100m, as all of its files have equally many rows. Without data there is one, with nothing in it."""
        rows = int(self.ends.max(initial=-1)) + 1
        pieces = max(1, round(rows / SHARD_ROWS))
        middles = (self.first + self.ends + 1) / 2  # an episode is of the piece that has its middle
        episodes = np.searchsorted(middles, rows * np.arange(pieces + 1) / pieces)
        cuts = np.unique(self.before[episodes]).tolist()
        return [range(*pair) for pair in pairwise(cuts)] or [range(0)]


class MappedRows:
    """One column of a replay: the dataset's rows, on disk, and after them the online ones, in memory.

    It is read by row numbers, as the tensor is that holds both when the dataset is in memory.
    """

    def __init__(self, data: np.memmap, online: int, device: torch.device):
        self.data, self.online = data, torch.empty(online, *data.shape[1:], device=device)

    def __len__(self) -> int:
        return len(self.data) + len(self.online)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """[...] row numbers to [..., *shape of a row]."""
        found = torch.from_numpy(self.data[rows.clamp_max(len(self.data) - 1).cpu().numpy()]).to(rows.device)
        if (online := rows >= len(self.data)).any():
            found[online] = self.online[rows[online] - len(self.data)]
        return found


def read_ahead(columns: Sequence[np.memmap], rows: range) -> Thread:
    """Have these rows read from disk in the background, so that the memory maps find them in the system's page cache."""

    def read() -> None:
        with suppress(OSError):  # nothing but speed depends on it
            for column in columns:
                size = column.strides[0]
                with open(str(column.filename), "rb", buffering=0) as file:
                    file.seek(column.offset + rows.start * size)
                    for begin in range(0, len(rows) * size, 2**20):
                        file.read(min(2**20, len(rows) * size - begin))

    thread = Thread(target=read, daemon=True)
    thread.start()
    return thread
