"""What acts for a seed."""

from typing import Any

import numpy as np

from tests.algos.learners import each_once


@each_once
def test_an_actor_executes_chunks_of_its_own_seed(tiny_learner: Any, random_batch: Any, algorithm: str, backbone: str):
    """A chunk [H, action_dim] in the unit box for each state, drawn from the caller's generator; a snapshot stays as it was."""
    learner = tiny_learner(algorithm, backbone, seeds=(0, 1))
    obs = np.ones((1, 3), np.float32)

    def act(actor: Any) -> np.ndarray:
        return actor(obs, [np.random.default_rng(0)])

    live, other, snapshot = learner.actor(0), learner.actor(1), learner.actor(0).snapshot()
    before = act(live)
    assert before.shape == (1, learner.algorithm.horizon, 2) and np.abs(before).max() <= 1
    assert np.array_equal(before, act(snapshot)) and not np.array_equal(before, act(other))
    learner.update(random_batch(learner), learner.draw())
    assert np.array_equal(before, act(snapshot)) and not np.array_equal(before, act(live))
