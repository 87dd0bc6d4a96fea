"""The bound on a gradient's norm."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from algos.learner import Learner


def gradients(learner: Learner, seed: int) -> Tensor:
    """One seed's, of all networks, in one vector."""
    stacked = len(learner.trained) == 1 and len(learner.seeds) > 1
    part = learner.trained[0 if stacked else seed]
    return torch.cat([(p.grad[seed] if stacked else p.grad).flatten() for p in tree_leaves(part) if p.grad is not None])


@pytest.mark.parametrize("mapped", [False, True])
def test_each_seed_s_gradient_is_bounded_as_a_whole(
    tiny_learner: Any, random_batch: Any, request: pytest.FixtureRequest, mapped: bool
):
    """The direction stays, over all networks; a seed below the bound is left alone; the record has the norm from before."""
    if mapped:
        request.getfixturevalue("as_on_gpu")
    free = tiny_learner("fql", "flow", seeds=(0, 1))
    batch, noise = random_batch(free), free.draw()
    free.update(batch, noise)
    norms = torch.stack([gradients(free, seed).norm() for seed in (0, 1)])
    bound = float(norms.mean())
    clipped = tiny_learner("fql", "flow", seeds=(0, 1), max_grad_norm=bound)
    torch.testing.assert_close(clipped.update(batch, noise)["grad_norm"], norms)
    for seed, norm in enumerate(norms):
        torch.testing.assert_close(gradients(clipped, seed), gradients(free, seed) * (bound / norm).clamp_max(1))
    assert norms.min() < bound < norms.max()
