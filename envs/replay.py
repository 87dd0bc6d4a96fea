"""Replay: chunks drawn uniformly from a dataset and from what S seeds collect online.

    | dataset rows, shared by all seeds | ring of seed 0 | ring of seed 1 | ...          one storage, nothing copied per seed

The dataset's part stays on disk when its rows are memory maps. `uniform` draws from all of it. `shards` draws from the next
million rows every 1000 offline steps, and online from those that were the last: so the published runs of cube-quadruple-100m
read its files (QC, arXiv 2507.07969). `turning-shards` go on turning online (QAM, arXiv 2601.14234),
as both do where there is no offline phase.

With an `online_share` so many of a batch's chunks come from the seed's own rows, however few these are, and the others from the
dataset: a half is balanced sampling (RLPD, arXiv 2302.02948).

Rows are those of `envs.dataset`: an episode's final observation has a row of its own. A chunk may be drawn once the row with
the observation after it is written, and until its first row is overwritten.
"""

from typing import Any, Literal

import numpy as np
import torch
from einops import rearrange
from torch import Generator, Tensor

from envs.dataset import Dataset
from envs.rows import MappedRows, Starts, read_ahead

DataOrder = Literal["uniform", "shards", "turning-shards"]
COLUMNS = "obs", "action", "reward", "mask"
SHARD_STEPS = 1000


def staged(values: Any, device: torch.device) -> Tensor:
    """Values on the host, from where a copy to the device with `non_blocking` lets the host go on.

    For a GPU in pinned memory of their own, which torch gives to nobody else until such a copy has ended.
    """
    values = torch.as_tensor(values)
    return values if device.type == "cpu" else values.pin_memory()


class Replay:
    """Chunks of `horizon` transitions for S seeds. `capacity` is how many online rows each seed keeps; with `next_action`
    batches have the actions of the chunk that follows; `online_share` 0 draws from all rows alike."""

    def __init__(
        self,
        dataset: Dataset,
        horizon: int,
        seeds: int,
        capacity: int,
        device: str | torch.device = "cpu",
        order: DataOrder = "uniform",
        next_action: bool = False,
        online_share: float = 0.0,
    ):
        if 0 < capacity <= horizon:
            raise ValueError(f"replay capacity {capacity}: must exceed the horizon, {horizon}")
        self.horizon, self.capacity, self.data_rows, self.device = horizon, capacity, len(dataset.obs), torch.device(device)
        self.data_starts = Starts(dataset.ends, horizon, self.device)
        self.shards = [range(len(self.data_starts))] if order == "uniform" else self.data_starts.shards()
        self.shard: int | None = None  # the one drawn from last
        self.next_action, self.online_share = next_action, online_share
        self.rings = [Ring(capacity) for _ in range(seeds)]
        self.starts = torch.zeros(seeds, capacity, dtype=torch.int64, device=self.device)
        self.is_start = torch.zeros(seeds * capacity, dtype=torch.bool, device=self.device)  # of the online rows

        def storage(values: np.ndarray) -> Tensor | MappedRows:
            if isinstance(values, np.memmap):
                return MappedRows(values, seeds * capacity, self.device)
            rows = torch.empty(self.data_rows + seeds * capacity, *values.shape[1:], device=self.device)
            rows[: self.data_rows] = torch.from_numpy(values)
            return rows

        self.obs, self.action = storage(dataset.obs), storage(dataset.action)
        self.reward, self.mask = storage(dataset.reward), storage(dataset.mask)
        columns = {name: getattr(self, name) for name in COLUMNS}
        self.online = {
            name: rows.online if isinstance(rows, MappedRows) else rows[self.data_rows :] for name, rows in columns.items()
        }

    def add(self, seed: int, obs: Any, action: Any, reward: float, mask: float) -> None:
        """One online transition of the seed with this index; its next observation is the next row of the same episode. On a
        GPU it waits for nothing."""
        row = self._next_row(seed, obs)
        self._copy("action", row, action)
        self.online["reward"][row].fill_(reward)  # `x[row] = reward` would wait
        self.online["mask"][row].fill_(mask)

    def finish(self, seed: int, obs: Any) -> None:
        """The final observation of the episode."""
        self._next_row(seed, obs)
        self.rings[seed].episode_rows = 0

    @property
    def ready(self) -> bool:
        """Whether every seed has a chunk to draw; false only at the start of a run without a dataset."""
        return len(self.data_starts) > 0 or all(ring.num_starts > 0 for ring in self.rings)

    def sample(self, generators: list[Generator], batch_size: int, step: int = 0) -> dict[str, Tensor]:
        """For each seed, `batch_size` chunks drawn uniformly: obs, next_obs [S, B, obs_dim], action [S, B, H * action_dim],
        reward and mask [S, B, H]; next_action, if asked for, is NaN where no chunk may be drawn. `step` is the step by
        which shards turn: online the last offline one, or one that goes on from there."""
        numbers = self._turn_to(step)
        first = torch.stack([self._draw_starts(i, batch_size, g, numbers) for i, g in enumerate(generators)])
        rows = first[..., None] + torch.arange((1 + self.next_action) * self.horizon + 1, device=self.device)
        ring_ends = self.data_rows + self.capacity * torch.arange(1, len(self.rings) + 1, device=self.device)[:, None, None]
        rows = torch.where(rows >= ring_ends, rows - self.capacity, rows)
        steps, after = rows[..., : self.horizon], rows[..., self.horizon]
        batch = {
            "obs": self.obs[rows[..., 0]],
            "action": rearrange(self.action[steps], "s b h d -> s b (h d)"),
            "reward": self.reward[steps],
            "mask": self.mask[steps],
            "next_obs": self.obs[after],
        }
        if self.next_action:
            following = self.action[rows[..., self.horizon : -1].clamp_max(len(self.action) - 1)]
            there = self._is_drawable(after)[..., None]
            batch["next_action"] = rearrange(following, "s b h d -> s b (h d)").where(there, torch.nan)
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The online part; the dataset is not part of it."""
        rings = []
        for i, ring in enumerate(self.rings):
            part = slice(i * self.capacity, i * self.capacity + min(ring.written, self.capacity))
            rows = [self.online[name][part].to("cpu", copy=True) for name in COLUMNS]
            counters = {**vars(ring), "is_start": ring.is_start.clone()}
            rings.append({"counters": counters, "starts": self.starts[i].to("cpu", copy=True), "rows": rows})
        return {"rings": rings}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for i, saved in enumerate(state["rings"]):
            vars(self.rings[i]).update({**saved["counters"], "is_start": saved["counters"]["is_start"].clone()})
            self.starts[i] = saved["starts"]
            self.is_start[i * self.capacity : (i + 1) * self.capacity] = self.rings[i].is_start
            for name, rows in zip(COLUMNS, saved["rows"], strict=True):
                self.online[name][i * self.capacity :][: len(rows)] = rows

    def _next_row(self, seed: int, obs: Any) -> int:
        """Takes the seed's next row for an observation; returns its number among the online rows."""
        ring, first = self.rings[seed], seed * self.capacity
        number = ring.next_start
        slot, start = ring.advance(self.horizon)
        self.is_start[first + slot].fill_(False)
        if start is not None:
            self.starts[seed, number % self.capacity].fill_(self.data_rows + first + start)
            self.is_start[first + start].fill_(True)
        self._copy("obs", first + slot, obs)
        return first + slot

    def _copy(self, column: str, row: int, values: Any) -> None:
        self.online[column][row].copy_(staged(values, self.device), non_blocking=True)

    def _turn_to(self, step: int) -> range:
        """The numbers of the dataset's starts to draw from; a shard's successor is read ahead from its first step on."""
        shard = step // SHARD_STEPS % len(self.shards)
        if shard != self.shard and len(self.shards) > 1:
            following = self.shards[(shard + 1) % len(self.shards)]
            first, last = self.data_starts[torch.tensor([following[0], following[-1]], device=self.device)].tolist()
            mapped = (rows for rows in (self.obs, self.action, self.reward, self.mask) if isinstance(rows, MappedRows))
            read_ahead([rows.data for rows in mapped], range(first, last + self.horizon + 1))
        self.shard = shard
        return self.shards[shard]

    def _is_drawable(self, rows: Tensor) -> Tensor:
        """Whether a chunk may start at these rows."""
        in_data = (rows < self.data_rows) & self.data_starts.hold(rows.clamp_max(self.data_rows - 1))
        if not self.capacity:
            return in_data
        return in_data | (rows >= self.data_rows) & self.is_start[(rows - self.data_rows).clamp_min(0)]

    def _draw_starts(self, seed: int, batch_size: int, generator: Generator, numbers: range) -> Tensor:
        ring, offline = self.rings[seed], len(numbers)
        drawn = self._draw_numbers(offline, ring.num_starts, batch_size, generator)
        if ring.num_starts == 0:
            return self.data_starts[numbers.start + drawn]
        online = self.starts[seed, (drawn - offline + ring.oldest_start) % self.capacity]
        if offline == 0:
            return online
        return torch.where(drawn < offline, self.data_starts[numbers.start + drawn.clamp_max(offline - 1)], online)

    def _draw_numbers(self, offline: int, online: int, batch_size: int, generator: Generator) -> Tensor:
        """Numbers below `offline` are the dataset's starts, those from there on the seed's own."""

        def draw(low: int, high: int, count: int) -> Tensor:
            return torch.randint(low, high, (count,), generator=generator, device=self.device)

        if self.online_share == 0 or 0 in (offline, online):
            return draw(0, offline + online, batch_size)
        own = round(self.online_share * batch_size)
        return torch.cat([draw(0, offline, batch_size - own), draw(offline, offline + online, own)])


class Ring:
    """Which rows of one seed's ring are written, and which of them start a whole chunk. Starts are numbered as they appear."""

    def __init__(self, capacity: int):
        self.written = 0  # rows ever written; row n lives in slot n % capacity
        self.episode_rows = 0  # of the episode under way
        self.oldest_start = self.next_start = 0
        self.is_start = torch.zeros(capacity, dtype=torch.bool)

    @property
    def num_starts(self) -> int:
        return self.next_start - self.oldest_start

    def advance(self, horizon: int) -> tuple[int, int | None]:
        """Take the next row: its slot, and the slot of the chunk that this row completes, if it does."""
        slot = self.written % len(self.is_start)
        if self.is_start[slot]:
            self.is_start[slot] = False
            self.oldest_start += 1
        self.written += 1
        self.episode_rows += 1
        if self.episode_rows <= horizon:
            return slot, None
        start = (self.written - 1 - horizon) % len(self.is_start)
        self.is_start[start] = True
        self.next_start += 1
        return slot, start
