"""Networks that see observations by the data's mean and standard deviation; everything else sees them as they are."""

from typing import Any

import numpy as np
import pytest
import torch

from algos.learner import Learner
from algos.learner.standardize import Standardize
from tests.algos.learners import train

MEAN, STD = np.array([1.0, -2.0, 300.0]), np.array([2.0, 1.0, 50.0])


def test_mean_and_std_are_the_data_s_block_by_block(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("algos.learner.standardize.ROWS", 3)
    found = Standardize.of(np.array([[0, 5, 1e6], [2, 5, 1e6 + 2], [4, 5, 1e6], [6, 5, 1e6 + 2]], np.float32))
    assert found.mean.tolist() == [3, 5, 1e6 + 1] and found.std.tolist() == pytest.approx([5**0.5, 1, 1])


@pytest.mark.parametrize("devices", ["cpu", "as_on_gpu"])
def test_a_learner_that_standardizes_is_one_of_standardized_batches(
    tiny_algorithm: Any, tiny_backbone: Any, random_batch: Any, request: pytest.FixtureRequest, devices: str
):
    if devices == "as_on_gpu":
        request.getfixturevalue(devices)
    seen = Standardize(MEAN, STD)
    options = (tiny_algorithm("dfp"), tiny_backbone("flow"), 3, 2, (0, 1))
    plain, scaling = Learner(*options), Learner(*options, standardize=seen)

    def raw(learner: Learner, step: int) -> Any:
        batch = random_batch(learner, step)
        unscaled = {name: getattr(batch, name) * seen.std + seen.mean for name in ("obs", "next_obs")}
        return batch._replace(**unscaled)

    ours, theirs = train(scaling, raw), train(plain, random_batch)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    obs, noise = torch.randn(2, 4, 3), torch.randn(2, 4, *plain.actor(0).noise_shape())
    torch.testing.assert_close(scaling.act(obs * seen.std + seen.mean, noise), plain.act(obs, noise), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(scaling.watch(obs * seen.std + seen.mean), plain.watch(obs), rtol=1e-3, atol=1e-3)
    one, other = (learner.actor(1).snapshot() for learner in (scaling, plain))
    chunks = one.choose(obs[1] * seen.std + seen.mean, noise[1]), other.choose(obs[1], noise[1])
    torch.testing.assert_close(*chunks, rtol=1e-3, atol=1e-3)
    assert torch.equal(scaling.params["standardize"]["mean"], seen.mean.expand(2, -1)), "nothing trains it"
