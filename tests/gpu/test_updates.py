"""Updates on a GPU: launched one by one, replayed, compiled; of one seed, of many; saved and resumed.

Two ways to one result may differ in rounding, which Adam makes larger where a gradient is nearly zero. What is allowed is the
length of one step of Adam, of the fifty that a parameter takes.
"""

from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_map

from algos.base import Batch
from envs.dataset import Dataset
from envs.replay import Replay
from eval.running.plan import at_once, one_by_one
from tests.conftest import ACTION, OBS
from tests.gpu.conftest import LEARNING_RATE

pytestmark = pytest.mark.gpu
PAIRS = [("dfp", "drifting"), ("fql", "flow"), ("iql", "diffusion"), ("dfp", "meanflow"), ("rebrac", "deterministic")]
close = partial(torch.testing.assert_close, rtol=0, atol=LEARNING_RATE)


def state(learner: Any) -> Any:
    return learner.params, learner.slow


@pytest.mark.parametrize(("algorithm", "backbone", "seeds"), [*((*pair, (0, 1)) for pair in PAIRS), ("dfp", "drifting", (0,))])
def test_replayed_updates_are_the_launched_ones(learner: Any, update: Any, algorithm: str, backbone: str, seeds: Any):
    launched, replayed = (learner(algorithm, backbone, seeds, graph=graph) for graph in (False, True))
    before = tree_map(torch.clone, replayed.params)
    for step in range(50):
        if step == 25:
            for each in (launched, replayed):
                each.begin("online")
        info, expected = update(replayed, step), update(launched, step)
        assert info.keys() == expected.keys() and all(value.isfinite().all() for value in info.values())
    close(state(replayed), state(launched))
    for name, net in replayed.params.items():
        moved = max((p - before[name][key]).abs().max() for key, p in net.items())
        assert moved > 5 * LEARNING_RATE, f"{name} has not moved much further than it may differ"


def test_a_compiled_graph_is_the_launched_updates(learner: Any, update: Any):
    launched, compiled = learner(), learner(graph=True, compile=True)
    for each in (launched, compiled):
        each.begin("online")
    for step in range(20):
        update(launched, step), update(compiled, step)
    close(state(compiled), state(launched))


@pytest.mark.parametrize("graph", [False, True], ids=["launched", "replayed"])
def test_a_seed_of_eight_is_the_seed_alone(learner: Any, update: Any, graph: bool):
    together, alone = learner(seeds=tuple(range(8)), graph=graph), learner(seeds=(5,), graph=graph)
    for step in range(30):
        if step == 10:
            for each in (together, alone):
                each.begin("online")
        update(together, step), update(alone, step)
    for ours, theirs in zip(state(together), state(alone), strict=True):
        close(tree_map(lambda p: p[5:6], ours), theirs)


def test_saved_and_resumed_is_uninterrupted(learner: Any, update: Any):
    """In each phase after graphs were recorded, and from one phase into the next."""
    whole, resumed = learner(graph=True), learner(graph=True)
    for step in range(40):
        if step in (10, 25):
            file = BytesIO()
            torch.save(resumed.state_dict(), file)
            file.seek(0)
            resumed = learner(graph=True)
            resumed.load_state_dict(torch.load(file, weights_only=True))
        if step == 15:
            for each in (whole, resumed):
                each.begin("online")
        update(whole, step), update(resumed, step)
    close(state(resumed), state(whole))


def test_memory_does_not_grow(learner: Any, update: Any, device: str):
    """Of the device, over a thousand updates with their batches and the rows between them: one tensor kept at each would be a
    block of 512 bytes at least. Python may hold some others a while."""
    own = learner(graph=True)
    own.begin("online")
    rows = Dataset(*(np.zeros((12, n), np.float32) for n in (OBS, ACTION)), *np.zeros((2, 12), np.float32), np.array([11]))
    replay = Replay(rows, own.algorithm.horizon, 2, 100, device)

    def go(steps: int) -> tuple[int, int]:
        for _ in range(steps):
            for seed in (0, 1):
                replay.add(seed, np.ones(OBS, np.float32), np.ones(ACTION, np.float32), 0.0, 1.0)
            own.update(Batch(**replay.sample(own.generators, own.algorithm.batch_size)), own.draw())
        return torch.cuda.memory_allocated(), torch.cuda.memory_reserved()

    allocated, reserved = go(50)
    after = go(1000)
    assert after[0] - allocated < 1000 * 512 / 2 and after[1] == reserved


def test_planning_at_once_is_planning_one_by_one(learner: Any, update: Any):
    """For the seeds that ask, also when the call is replayed, and after updates."""
    own = learner(seeds=(0, 1, 2), graph=True)
    actors = [own.actor(index) for index in range(3)]
    for step in range(8):
        obs = np.random.default_rng(step).standard_normal((3, OBS), dtype=np.float32)
        asked = [index for index in range(3) if index != step % 3]
        together, alone = (
            plan({index: (obs[index], np.random.default_rng([step, index])) for index in asked})
            for plan in (partial(at_once, own), partial(one_by_one, actors))
        )
        assert list(together) == asked
        for index in asked:
            np.testing.assert_allclose(together[index], alone[index], atol=1e-4)
        update(own, step)
