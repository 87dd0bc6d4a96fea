"""What a dataset holds, of data whose contents are known."""

import sys

import numpy as np
import pytest

from envs import inspect
from envs.dataset import Dataset


@pytest.fixture
def data() -> Dataset:
    """Three transitions that reach the task's end, and two that are cut off."""
    action = np.array([[-1, 0.5], [0, 0.5], [1, 0.5], [1, 0.5], [0.94, 0.5]], np.float32)
    last, ended = np.array([0, 0, 1, 0, 1], bool), np.array([0, 0, 1, 0, 0])
    return Dataset.from_transitions(np.eye(5), action, -np.arange(5.0), 1 - ended, np.eye(5), last)


def test_transitions_are_counted_without_the_final_rows(data):
    found = inspect.contents(data)
    assert (found.lengths.tolist(), found.returns.tolist(), found.ended.tolist()) == ([3, 2], [-3, -7], [True, False])
    assert found.actions[:, 0] == pytest.approx([-1, 0, 1, 1, 0.94])


def test_coverage_is_the_share_of_actions_in_each_part_of_the_range(data):
    share = inspect.coverage(inspect.contents(data))
    assert share[0, [0, 10, 19]] == pytest.approx([0.2, 0.2, 0.6]) and share[1, 15] == 1
    assert share.sum(1) == pytest.approx([1, 1])


def test_actions_beyond_one_are_shown_in_their_own_range(data):
    found = inspect.contents(Dataset(data.obs, 3 * data.action, data.reward, data.mask, data.ends))
    assert found.bounds[:, 0].tolist() == [-3, 3] and inspect.coverage(found)[1, 0] == 1


def test_chunks_are_those_that_a_run_draws(data):
    found = inspect.contents(data)
    assert [inspect.described(data, found, horizon).split(" actions")[-2].split()[-3] for horizon in (1, 2, 3, 4)] == list(
        "5310"
    )


def test_the_command_prints_and_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    columns = {"observations": np.eye(4), "actions": np.zeros((4, 1)), "rewards": np.ones(4), "timeouts": [0, 0, 0, 1]}
    np.savez("own.npz", **columns)
    monkeypatch.setattr(sys, "argv", ["inspect", "own.npz", "--horizon", "2"])
    inspect.main()
    said = capsys.readouterr().out
    assert "3 in 1 episodes, and 1 whose next observation is missing, dropped" in said and "2 of 2 actions" in said
    assert (tmp_path / "inspect.png").read_bytes().startswith(b"\x89PNG")


def test_a_task_without_data_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["inspect", "data:3x1"])
    with pytest.raises(ValueError, match=r"^data:3x1: the task has no data of its own; name a file$"):
        inspect.main()


def test_a_picture_that_cannot_be_is_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["inspect", "nowhere.npz", "--out", "x.foo"])
    with pytest.raises(ValueError, match=r"^--out x.foo: a picture is a .png, .pdf or .svg file$"):
        inspect.main()
