"""Replay: which chunks can be drawn, how often, and what is in them. A row's numbers say where it comes from:
obs = (seed, episode, step) and action = 1000 episode + step, so any chunk can be checked; the dataset is seed -1."""

from io import BytesIO
from typing import Any, get_args

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Generator

from envs.dataset import Dataset
from envs.replay import DataOrder, Replay

DATA_LENGTHS = (4, 2, 7)
Start = tuple[int, int, int]  # seed, episode, step


def dataset() -> Dataset:
    obs = np.array([(-1, i, j) for i, n in enumerate(DATA_LENGTHS) for j in range(n)])
    action = (1000 * obs[:, 1] + obs[:, 2])[:, None]
    last = np.isin(np.arange(len(obs)), np.cumsum(DATA_LENGTHS) - 1)
    return Dataset.from_transitions(obs, action, obs[:, 2] / 10, 1.0 - last, obs + np.array([0, 0, 1]), last)


def data_starts(horizon: int) -> set[Start]:
    return {(-1, i, j) for i, n in enumerate(DATA_LENGTHS) for j in range(n - horizon + 1)}


class Collector:
    """Writes one seed's episodes into a replay, row by row, and knows which chunks that allows."""

    def __init__(self, replay: Replay, seed: int, lengths: list[int]):
        self.replay, self.seed = replay, seed
        self.plan = [(i, j, n) for i, n in enumerate(lengths) for j in range(n + 1)]
        self.rows: list[tuple[int, int]] = []

    def write(self, rows: int = 1) -> "Collector":
        for episode, step, length in self.plan[len(self.rows) : len(self.rows) + rows]:
            obs = np.array([self.seed, episode, step], np.float32)
            if step == length:
                self.replay.finish(self.seed, obs)
            else:
                action = np.array([1000 * episode + step], np.float32)
                self.replay.add(self.seed, obs, action, step / 10, float(step + 1 < length))
            self.rows.append((episode, step))
        return self

    def starts(self) -> set[Start]:
        """By force: rows still kept, followed by H more kept rows of the same episode."""
        kept = self.rows[-self.replay.capacity :]
        h = self.replay.horizon
        return {(self.seed, *first) for first, after in zip(kept, kept[h:], strict=False) if first[0] == after[0]}


def drawn(replay: Replay, seed: int = 0, count: int = 600, draw: int = 0, step: int = 0) -> list[Start]:
    """The starts of many drawn chunks of a seed, after checking what each chunk holds."""
    generators = [Generator().manual_seed(draw + i) for i in range(len(replay.rings))]
    batch = {name: values[seed] for name, values in replay.sample(generators, count, step).items()}
    steps = batch["obs"][:, 2:] + torch.arange(replay.horizon)
    assert torch.equal(batch["action"], 1000 * batch["obs"][:, 1:2] + steps)
    assert torch.equal(batch["next_obs"], batch["obs"] + torch.tensor([0, 0, replay.horizon]))
    torch.testing.assert_close(batch["reward"], steps / 10)
    assert batch["mask"][:, :-1].all()
    return [tuple(map(int, obs)) for obs in batch["obs"].tolist()]


@pytest.mark.parametrize(("horizon", "capacity"), [(1, 2), (1, 7), (2, 3), (2, 16), (3, 11), (4, 29)])
def test_drawable_chunks_are_exactly_the_whole_ones(horizon: int, capacity: int):
    """After every written row, while the ring wraps several times: none crosses an episode's end or the write position."""
    replay = Replay(dataset(), horizon, seeds=1, capacity=capacity)
    lengths = np.random.default_rng(0).integers(1, 10, 16).tolist()
    collector = Collector(replay, 0, lengths)
    for i in range(len(collector.plan)):
        collector.write()
        expected = data_starts(horizon) | collector.starts()
        assert set(drawn(replay, draw=i)) == expected
    assert len(collector.rows) > 2 * capacity


@pytest.mark.parametrize("capacity", [4, 6, 9])
def test_an_episode_longer_than_the_ring_leaves_its_latest_rows(capacity: int):
    replay = Replay(dataset(), 3, seeds=1, capacity=capacity)
    collector = Collector(replay, 0, [40]).write(30)
    assert collector.starts() == {(0, 0, 30 - capacity + i) for i in range(capacity - 3)}
    assert set(drawn(replay)) == data_starts(3) | collector.starts()


def test_chunks_are_drawn_uniformly():
    """Over the dataset's and the online ones alike, with a ring that has wrapped."""
    replay = Replay(dataset(), 2, seeds=1, capacity=30)
    collector = Collector(replay, 0, [5, 9, 3, 12, 6, 8]).write(45)
    starts = sorted(data_starts(2) | collector.starts())
    found = drawn(replay, count=500 * len(starts))
    assert chisquare([found.count(start) for start in starts]).pvalue > 0.01


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_share_of_a_batch_is_online(share: float):
    """Exactly, and in each part drawn uniformly, whatever their numbers; before the first online chunk all is the dataset's."""
    replay = Replay(dataset(), 2, seeds=1, capacity=30, online_share=share)
    collector = Collector(replay, 0, [5, 9])
    assert set(drawn(replay, count=500)) == data_starts(2)
    collector.write(9)
    found = drawn(replay, count=4000)
    for starts, part in (data_starts(2), 1 - share), (collector.starts(), share):
        times = [found.count(start) for start in starts]
        assert sum(times) == part * 4000 and (part == 0 or chisquare(times).pvalue > 0.01)


def test_shards_turn_offline_and_stay_online(monkeypatch: pytest.MonkeyPatch):
    """The published runs changed the file before steps 1000, 2000, ...: the first one served 999."""
    monkeypatch.setattr("envs.rows.SHARD_ROWS", 6)  # of 16 rows: one episode each
    replay = Replay(dataset(), 2, seeds=2, capacity=20, order="shards")
    shards = [{start for start in data_starts(2) if start[1] == episode} for episode in range(3)]
    for step, shard in [(1, 0), (999, 0), (1000, 1), (1999, 1), (2000, 2), (3000, 0), (4999, 1), (5000, 2)]:
        assert set(drawn(replay, step=step)) == shards[shard]
    collector = Collector(replay, 1, [5, 3, 8]).write(15)
    assert set(drawn(replay, 0, step=5000)) == shards[2]
    found = drawn(replay, 1, count=4000, step=5000)
    starts = sorted(shards[2] | collector.starts())
    assert set(found) == set(starts)
    assert chisquare([found.count(start) for start in starts]).pvalue > 0.01


def test_one_shard_is_drawn_as_uniformly():
    uniform, *others = (Replay(dataset(), 2, seeds=1, capacity=0, order=order) for order in get_args(DataOrder))
    assert all(drawn(uniform) == drawn(shards, step=step) for shards in others for step in (0, 1000, 2000))


@pytest.mark.parametrize("order", get_args(DataOrder))
def test_without_data_online_rows_alone_are_drawn(order: DataOrder):
    nothing = Dataset(*(np.zeros((0, *shape), np.float32) for shape in ((3,), (1,), (), ())), np.zeros(0, np.int64), {})
    replay = Replay(nothing, 2, seeds=1, capacity=10, order=order)
    collector = Collector(replay, 0, [5, 3]).write(8)
    assert set(drawn(replay, step=2000)) == collector.starts()


def test_masks_are_those_of_the_steps():
    """The step that ends the task has mask 0, wherever in the chunk."""
    replay = Replay(dataset(), 2, seeds=1, capacity=0)
    batch = replay.sample([Generator().manual_seed(0)], 200)
    episode, step = batch["obs"][0, :, 1].long(), batch["obs"][0, :, 2]
    ends = step + 2 == torch.tensor(DATA_LENGTHS)[episode]
    assert torch.equal(batch["mask"][0, :, 1], 1.0 - ends.float()) and ends.any() and not ends.all()


@pytest.mark.parametrize(("horizon", "capacity"), [(1, 2), (1, 7), (2, 3), (2, 16), (3, 11)])
def test_the_next_action_is_known_where_a_chunk_follows(horizon: int, capacity: int):
    """And is that chunk's, wherever the ring stands; a chunk is (seed, episode, step), its actions 1000 episode + step."""
    replay = Replay(dataset(), horizon, seeds=1, capacity=capacity, next_action=True)
    collector = Collector(replay, 0, [5, 2, 30, 3, 8])
    for i in range(len(collector.plan)):
        collector.write()
        starts = data_starts(horizon) | collector.starts()
        batch = {name: values[0] for name, values in replay.sample([Generator().manual_seed(i)], 100).items()}
        for (seed, episode, step), action in zip(batch["obs"].int().tolist(), batch["next_action"], strict=True):
            known = (seed, episode, step + horizon) in starts
            expected = [1000 * episode + step + horizon + j if known else torch.nan for j in range(horizon)]
            torch.testing.assert_close(action, torch.tensor(expected, dtype=torch.float32), equal_nan=True)


def test_seeds_see_the_dataset_and_their_own_rows_only():
    replay = Replay(dataset(), 2, seeds=3, capacity=10)
    collectors = [Collector(replay, seed, [5, 3, 8, 6]).write(rows) for seed, rows in enumerate((21, 0, 7))]
    for seed, collector in enumerate(collectors):
        found = set(drawn(replay, seed))
        assert found == data_starts(2) | collector.starts() and {start[0] for start in found} <= {-1, seed}


def test_a_seed_draws_the_same_among_others_as_alone():
    alone, among = (Replay(dataset(), 2, seeds=n, capacity=10) for n in (1, 2))
    for replay in (alone, among):
        Collector(replay, 0, [5, 3, 8]).write(15)
    Collector(among, 1, [9]).write(4)
    assert drawn(alone) == drawn(among)


def test_seeds_share_the_memory_of_the_dataset():
    rows = len(dataset().obs)
    assert [len(Replay(dataset(), 2, seeds=n, capacity=10).obs) for n in (1, 5)] == [rows + 10, rows + 50]


@pytest.mark.parametrize("written", [0, 3, 9, 27])
def test_a_saved_replay_goes_on_as_if_nothing_happened(written: int):
    """Through a file read with weights_only: the same chunks now, and after more rows, in the middle of an episode too."""
    replay, other = (Replay(dataset(), 2, seeds=2, capacity=10) for _ in range(2))
    lengths = [5, 3, 8, 6, 9]
    collectors = [Collector(replay, seed, lengths).write(written + seed) for seed in range(2)]
    file = BytesIO()
    torch.save(replay.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    continued = [Collector(other, seed, lengths) for seed in range(2)]
    for mine, theirs in zip(collectors, continued, strict=True):
        theirs.rows = list(mine.rows)
    for _ in range(6):
        assert all(drawn(replay, seed) == drawn(other, seed) for seed in range(2))
        for collector in (*collectors, *continued):
            collector.write()


def test_without_a_ring_only_the_dataset_is_drawn():
    assert set(drawn(Replay(dataset(), 2, seeds=1, capacity=0))) == data_starts(2)


def test_horizon_longer_than_every_episode_is_refused():
    with pytest.raises(ValueError, match="horizon 8: longer than every episode"):
        Replay(dataset(), 8, seeds=1, capacity=0)


def test_shapes_of_a_batch():
    shapes: dict[str, Any] = {
        "obs": (2, 4, 3),
        "action": (2, 4, 2),
        "reward": (2, 4, 2),
        "mask": (2, 4, 2),
        "next_obs": (2, 4, 3),
        "next_action": (2, 4, 2),
    }
    batch = Replay(dataset(), 2, seeds=2, capacity=0, next_action=True).sample([Generator(), Generator()], 4)
    assert {name: tuple(values.shape) for name, values in batch.items()} == shapes
