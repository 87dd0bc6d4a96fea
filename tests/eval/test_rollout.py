"""Evaluation depends on the policy and the episode's number, on nothing else."""

import gymnasium
import numpy as np
import pytest

from algos.learner import Learner
from envs.task import find_task
from eval.config.configure import configure
from eval.running.rollout import EVALUATE, LIVE, TRAIN, Arena, Evaluator, action_rng, blocks, reset_seed, rollouts


@pytest.fixture(scope="module")
def actors():
    config = configure("cube-single-task2", seeds=(0, 1), **{"backbone.width": 32, "algo.critic_width": 32, "algo.best_of": 4})
    learner = Learner(config.algo, config.backbone, 28, 5, config.seeds)
    return {seed: learner.actor(i).snapshot() for i, seed in enumerate(config.seeds)}


def test_outcomes_are_identical_for_any_number_of_workers(actors):
    def outcomes(workers: int):
        evaluator = Evaluator(find_task("cube-single-task2"), "post", workers)
        try:
            return list(evaluator.evaluate(actors, episodes=2))
        finally:
            evaluator.close()

    here = outcomes(0)
    assert [(e.seed, e.episode) for e in here] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert outcomes(2) == here


@pytest.fixture(scope="module")
def envs():
    return [EarlyEnd(find_task("cube-single-task2").make_env()) for _ in range(LIVE)]


@pytest.mark.parametrize("method", ["dfp", "fql", "idql"])
def test_episodes_side_by_side_come_out_as_each_alone(method, envs):
    """To the bit: a number of candidates, one, and a diffusion chain, at the published sizes, where a product's rounding could
    depend on how many rows it has."""
    config = configure("cube-single-task2", method)
    actor = Learner(config.algo, config.backbone, 28, 5, (0,)).actor(0).snapshot()
    together = rollouts(envs, actor, 0, range(LIVE))
    assert len({e.length for e in together}) > 1 and len({e.total_reward for e in together}) > 1
    assert [rollouts(envs[:1], actor, 0, [e])[0] for e in range(LIVE)] == together


class EarlyEnd(gymnasium.Wrapper):
    """Episodes of different, short lengths; the reward tells one state from another."""

    def reset(self, *, seed=None, options=None):
        self.left = 6 + seed % 20
        return super().reset(seed=seed, options=options)

    def step(self, action):
        obs, _, terminated, _, info = super().step(action)
        self.left -= 1
        return obs, float(obs.sum()), terminated, self.left == 0, info


def test_no_two_episodes_share_a_reset_or_noise():
    places = [(family, seed, episode) for family in (TRAIN, EVALUATE) for seed in range(10) for episode in range(100)]
    assert len({reset_seed(*place) for place in places}) == len(places)
    draws = {action_rng(*place, step).standard_normal() for place in places[::50] for step in range(0, 50, 5)}
    assert len(draws) == len(places[::50]) * 10


def test_evaluation_stops_when_told(actors):
    evaluator = Evaluator(find_task("cube-single-task2"), "post", 0)
    assert list(evaluator.each(Arena.run, blocks(actors, 3), lambda: True)) == []
    evaluator.close()


def test_a_snapshot_is_unmoved_by_later_changes():
    config = configure("probe-chain", **{"backbone.width": 8})
    learner = Learner(config.algo, config.backbone, 9, 2, (0,))
    live, kept, obs = learner.actor(0), learner.actor(0).snapshot(), np.zeros((1, 9), np.float32)

    def action(actor):
        return actor(obs, [np.random.default_rng(0)])

    before = action(live)
    for p in learner.params["actor"].values():
        p.data += 0.1
    assert np.array_equal(action(kept), before) and not np.array_equal(action(live), before)
