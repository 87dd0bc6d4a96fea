"""Advantage-weighted actor-critic."""

from typing import Any

import torch


def test_awac_weights_cloning_by_the_advantage_over_its_own_samples(problem: Any, gradient: Any):
    algo, nets, params, batch, noise = problem("awac", "flow", inverse_temperature=2.0, value_samples=4)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    samples = [nets.actor.sample(batch.obs, noise["value"][:, i]) for i in range(4)]
    value = torch.stack([nets.critic(batch.obs, a).mean(0) for a in samples]).mean(0)
    weight = (2 * (nets.critic(batch.obs, batch.action).mean(0) - value)).exp().detach()
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    torch.testing.assert_close(loss, (weight * bc).mean())
    torch.testing.assert_close(gradient(loss, params["actor"]), gradient((weight * bc).mean(), params["actor"]))


def test_with_a_learned_v_the_advantage_is_the_critics_mean_above_it(problem: Any):
    """As in QAM's program: V regresses on every critic, so a pessimistic Q would lie below it for all actions alike."""
    algo, nets, _, batch, noise = problem("awac", "flow", inverse_temperature=2.0, pessimism=0.5)
    expected = nets.critic(batch.obs, batch.action).mean(0) - nets.value(batch.obs)
    torch.testing.assert_close(algo.advantage(nets, batch, noise), expected)
