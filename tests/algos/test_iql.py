"""Implicit Q-Learning: what its policy clones, and which sample acts."""

from typing import Any

import pytest
import torch


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_actor_loss_is_weighted_cloning(problem: Any, gradient: Any, alpha: float):
    """exp(alpha (min Q - V)) L_BC, no gradient in the weight; with alpha 0 it is cloning, as in IDQL."""
    algo, nets, params, batch, noise = problem("iql", "gaussian", inverse_temperature=alpha)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    weight = (alpha * (nets.critic(batch.obs, batch.action).amin(0) - nets.value(batch.obs))).exp()
    torch.testing.assert_close(loss, (weight * bc).mean())
    assert all(g is None for g in gradient(loss, params["critic"] | params["value"]))


def test_acting_takes_the_best_sample_by_the_smaller_q(problem: Any, tiny_backbone: Any):
    algo, nets, _, batch, _ = problem("iql", "flow", num_samples=7)
    noise = torch.randn(5, 7, 4)
    for obs, draws, action in zip(batch.obs, noise, algo.act(nets, batch.obs, noise), strict=True):
        samples = [nets.actor.sample(obs, draw) for draw in draws]
        torch.testing.assert_close(action, max(samples, key=lambda a: nets.critic(obs, a).amin().item()))
    assert algo.noise_shape(tiny_backbone("flow"), 4) == (7, 4)
