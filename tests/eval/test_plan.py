"""Seeds that begin a chunk plan it in one call as each would by itself."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from eval.running.plan import at_once, one_by_one


@pytest.mark.parametrize("gpu", [False, True], ids=["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize(("algorithm", "backbone"), [("dfp", "drifting"), ("bc", "deterministic")])
def test_seeds_plan_at_once_as_one_by_one(tiny_learner: Any, monkeypatch: Any, gpu: bool, algorithm: str, backbone: str):
    monkeypatch.setattr("algos.learner.learner.is_gpu", lambda device: gpu)
    learner = tiny_learner(algorithm, backbone, seeds=(0, 1, 2))
    obs = np.random.default_rng(0).standard_normal((3, 3), dtype=np.float32)
    together, alone = (
        plan({index: (obs[index], np.random.default_rng(index)) for index in (2, 0)})
        for plan in (partial(at_once, learner), partial(one_by_one, [learner.actor(index) for index in range(3)]))
    )
    assert together.keys() == alone.keys() == {0, 2}
    for index, chunk in together.items():
        assert chunk.shape == (learner.algorithm.horizon, 2)
        np.testing.assert_allclose(chunk, alone[index], atol=1e-5)
