"""An environment explored online is restored as it was."""

from functools import partial

import numpy as np
import pytest

from algos.learner import Learner
from envs.dataset import Dataset
from envs.replay import Replay
from eval.config.configure import configure
from eval.running.explore import Explorer, explore
from eval.running.plan import one_by_one


@pytest.mark.parametrize("apart", [False, True], ids=["here", "in a process of its own"])
def test_a_simulator_is_restored_in_the_middle_of_an_episode(apart):
    config = configure("cube-single-task2", **{"backbone.width": 16, "algo.critic_width": 16, "online_steps": 200})
    rows = Dataset(*(np.zeros((12, n), np.float32) for n in (28, 5)), *np.zeros((2, 12), np.float32), np.array([11]))
    actor = Learner(config.algo, config.backbone, 28, 5, (0,)).actor(0)

    def collected(explorer: Explorer, steps: int) -> np.ndarray:
        replay = Replay(rows, 5, 1, 100)
        for _ in range(steps):
            explore([explorer], partial(one_by_one, [actor]), replay)
        return replay.obs[12 : 12 + steps].numpy().copy()

    explorer = Explorer(config, 0)
    collected(explorer, 33)
    restored = Explorer(config, 0, apart)
    restored.load_state_dict(explorer.state_dict())
    assert np.array_equal(collected(explorer, 20), collected(restored, 20))
    restored.simulator.close()
