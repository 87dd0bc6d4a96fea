"""Threads: acting has the same bits with any number of them, updates however they wait, and a run keeps its number."""

import os
from copy import deepcopy
from itertools import count

import gymnasium
import numpy as np
import pytest
import torch

from algos.learner import Learner
from eval.config.configure import configure
from eval.running import threads
from eval.running.rollout import rollouts
from eval.running.threads import Waiting, set_threads


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Drift(gymnasium.Env):
    """Twelve steps, in each of which the action moves the state."""

    def __init__(self, obs_dim):
        self.obs_dim = obs_dim

    def reset(self, *, seed=None, options=None):
        self.left, self.obs = 12, np.random.default_rng(seed).normal(size=self.obs_dim).astype(np.float32)
        return self.obs, {}

    def step(self, action):
        self.left, self.obs = self.left - 1, self.obs + np.resize(action, self.obs_dim)
        return self.obs, 0.0, False, self.left == 0, {"success": False}


@pytest.mark.parametrize("method", ["dfp", "idql"])
def test_episodes_are_the_same_with_any_number_of_threads(method):
    """Products of these sizes round differently with other numbers of threads, at least on processors without AVX-512."""
    config = configure("cube-single-task2", method)
    obs_dim = config.task.obs_dim
    actor = Learner(config.algo, config.backbone, obs_dim, config.task.action_dim, (0,)).actor(0).snapshot()
    ends = []
    for number in (1, 2, 3, 4):
        torch.set_num_threads(number)
        envs = [Drift(obs_dim) for _ in range(3)]
        rollouts(envs, actor, 0, range(3))
        ends.append(np.stack([env.obs for env in envs]))
        assert torch.get_num_threads() == number
    assert all(np.array_equal(ends[0], end) for end in ends)


def own_threads() -> int:
    return len(os.listdir("/proc/self/task"))


@pytest.fixture
def others(monkeypatch):
    """A second passes at every look on two cores; returns what sets how many of them other processes use."""
    seconds, used = count(), [0.0, 0.0]

    def used_by_others(_):
        used[0] += used[1]
        return used[0]

    for name in threads.CHOSEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads.time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(threads, "used_by_others", used_by_others)
    return lambda cores: used.__setitem__(1, cores)


@pytest.mark.skipif(not threads.STAT.exists(), reason="follows the load on Linux alone")
def test_idle_threads_stand_by_while_others_want_the_cores_and_change_no_bit(others, tiny_learner, random_batch):
    torch.set_num_threads(2)
    learner = tiny_learner("dfp", "drifting", critic_width=256, batch_size=64)
    batch, noise = random_batch(learner), learner.draw()
    state = deepcopy(learner.state_dict())

    def updated():
        learner.load_state_dict(state)
        return learner.update(batch, noise), [p.clone() for net in learner.params.values() for p in net.values()]

    quiet, waiting = updated(), Waiting()
    alone = own_threads()
    others(0.2)
    waiting.look()
    assert own_threads() == alone
    others(1.0)
    waiting.look()
    crowded = own_threads()
    assert crowded > alone + 2, "two threads and a crowd are more than two cores"
    torch.testing.assert_close(updated(), quiet, rtol=0, atol=0)
    waiting.look()
    assert own_threads() == crowded
    others(0.2)
    waiting.look()
    assert waiting.crowd is None


def test_how_threads_wait_is_left_alone_where_it_is_chosen_or_one_computes(others, monkeypatch):
    others(1.0)
    torch.set_num_threads(1)
    one = Waiting()
    torch.set_num_threads(2)
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    chosen = Waiting()
    for waiting in (one, chosen):
        waiting.look()
        assert waiting.crowd is None


def test_small_networks_take_one_thread_and_the_environment_and_the_record_go_first(monkeypatch):
    torch.set_num_threads(2)
    assert "2 for updates (all cores)" in set_threads(configure(preset="paper"), None)
    small = configure(**{"backbone.width": 16, "algo.batch_size": 16})
    assert "3 for updates (as the run began)" in set_threads(small, 3) and torch.get_num_threads() == 3
    assert "1 for updates (small networks)" in set_threads(small, None) and torch.get_num_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert set_threads(small, 1).count("OMP_NUM_THREADS") == 1
    assert "1 for updates (from OMP_NUM_THREADS; the run began with 3" in set_threads(small, 3)


def test_a_resumed_run_keeps_its_number_of_threads(tiny, capsys):
    torch.set_num_threads(1)
    _, run = tiny()
    text = run.path.read_text()
    run.path.write_text(text.replace("cpu, 1 threads", "cpu, 2 threads", 1).rpartition('{"kind":"end"')[0])
    _, resumed = tiny("--resume")
    assert "threads: 2 for updates (as the run began)" in capsys.readouterr().out
    assert '"kind":"resume"' in resumed.path.read_text() and "cpu, 2 threads" in resumed.path.read_text().splitlines()[-2]
