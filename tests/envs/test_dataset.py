"""Datasets: which rows start a whole chunk, and where the observation after an episode goes."""

import numpy as np
import pytest
import torch

from envs.dataset import Dataset
from envs.rows import Starts


def episodes(*lengths: int) -> Dataset:
    """Episodes of these lengths; the observation and action of step j of episode i are 100 i + j."""
    obs = np.concatenate([100 * i + np.arange(n) for i, n in enumerate(lengths)])[:, None]
    last = np.isin(np.arange(len(obs)), np.cumsum(lengths) - 1)
    return Dataset.from_transitions(obs, obs, obs[:, 0], 1.0 - last, obs + 1, last)


def rows_of(starts: Starts) -> list[int]:
    return starts[torch.arange(len(starts))].tolist()


def test_an_episodes_last_row_holds_only_its_final_observation():
    data = episodes(3, 2)
    assert data.obs[:, 0].tolist() == [0, 1, 2, 3, 100, 101, 102]
    assert data.action[:, 0].tolist() == data.reward.tolist() == [0, 1, 2, 0, 100, 101, 0]
    assert data.mask.tolist() == [1, 1, 0, 0, 1, 0, 0]
    assert data.ends.tolist() == [3, 6]


def test_rows_are_of_single_precision():
    data = episodes(3)
    assert {values.dtype for values in (data.obs, data.action, data.reward, data.mask)} == {np.dtype(np.float32)}


def test_chunks_of_two_start_where_the_picture_shows():
    """The figure at the head of envs/dataset.py."""
    assert rows_of(Starts(episodes(3, 2).ends, 2)) == [0, 1, 4]


@pytest.mark.parametrize("horizon", [1, 2, 5, 6])
def test_starts_are_exactly_the_rows_whose_chunk_stays_inside(horizon: int):
    lengths = (1, 6, 2, 5, 1)
    data = episodes(*lengths)
    rows = [(i, j) for i, n in enumerate(lengths) for j in range(n + 1)]
    assert rows_of(Starts(data.ends, horizon)) == [row for row, (i, j) in enumerate(rows) if j + horizon <= lengths[i]]


def test_shards_are_the_files_of_which_a_dataset_is_made():
    """cube-quadruple-100m: 100 files of 1000 episodes of 1001 rows; each episode has 996 chunks of horizon 5."""
    starts = Starts(np.arange(1, 100_001) * 1001 - 1, horizon=5)
    assert starts.shards() == [range(i * 996_000, (i + 1) * 996_000) for i in range(100)]
    assert starts[torch.tensor([0, 995, 996, 99_600_000 - 1])].tolist() == [0, 995, 1001, 100_099_994]


@pytest.mark.parametrize("shard_rows", [1, 4, 7, 10, 100])
def test_shards_are_nearly_equal_parts(shard_rows: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("envs.rows.SHARD_ROWS", shard_rows)
    data = episodes(1, 6, 2, 5, 1, 9)
    shards = Starts(data.ends, 2).shards()
    assert [number for shard in shards for number in shard] == list(range(len(Starts(data.ends, 2)))) and all(shards)
    bounds = (0, 2, 9, 12, 18, 20, 30)  # rows between episodes; the first episode is too short for a chunk
    pieces = max(1, round(30 / shard_rows))
    nearest = {min(bounds, key=lambda bound: abs(bound - 30 * i / pieces)) for i in range(1, pieces)}
    first_rows = {int(Starts(data.ends, 2)[torch.tensor([shard[0]])]) for shard in shards[1:]}
    following = {min(row for row in rows_of(Starts(data.ends, 2)) if row >= bound) for bound in nearest - {0, 30}}
    assert first_rows == following - {2}, "a shard without a chunk is none"


def test_horizon_longer_than_every_episode_is_refused():
    with pytest.raises(ValueError, match=r"^horizon 4: longer than every episode of the dataset \(at most 3 actions\)$"):
        Starts(episodes(3, 2).ends, 4)


@pytest.mark.parametrize("rows", [0, 2])
def test_transitions_without_a_last_end_are_refused(rows: int):
    empty = np.zeros((rows, 1))
    with pytest.raises(ValueError, match="the last transition must end an episode"):
        Dataset.from_transitions(empty, empty, empty[:, 0], empty[:, 0], empty, np.zeros(rows, bool))
