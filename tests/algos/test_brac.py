"""Behaviour-regularised actor-critic: the gradient of Q through the whole sampler."""

from typing import Any

import torch


def test_brac_is_cloning_less_q_through_the_whole_sampler(problem: Any, gradient: Any):
    """L = alpha L_BC - eta Q(s, Euler(s, noise)), by hand through three Euler steps; the critic gets no gradient."""
    algo, nets, params, batch, noise = problem("brac", "flow", data_weight=3.0, q_weight=0.5)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    x = noise["action"]
    for i in range(3):
        x = x + nets.actor.net(batch.obs, x, torch.full((5, 1), i / 3)) / 3
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    expected = 3 * bc.mean() - 0.5 * nets.critic(batch.obs, x.clamp(-1, 1)).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient(loss, params["actor"]), gradient(expected, params["actor"]))
    assert all(g is None for g in gradient(loss, params["critic"]))
    assert not torch.allclose(gradient(loss, params["actor"])[0], gradient(3 * bc.mean(), params["actor"])[0])


def test_brac_with_normalised_q_does_not_depend_on_the_rewards_scale(problem: Any, gradient: Any):
    algo, nets, params, batch, noise = problem("brac", "consistency", normalize_q=True)
    small = gradient(algo.actor_loss(nets, batch, noise, "offline")[0], params["actor"])
    critic = nets.constant.critic
    nets.constant.critic = lambda obs, action: 100 * critic(obs, action)
    torch.testing.assert_close(gradient(algo.actor_loss(nets, batch, noise, "offline")[0], params["actor"]), small)


def test_max_q_backup_takes_each_critic_s_best_of_the_samples(problem: Any):
    algo, nets, _, batch, noise = problem("brac", "gaussian", target_samples=4)
    obs = batch.next_obs
    values = torch.stack([nets.slow.critic(obs, nets.actor.sample(obs, noise["next_action"][:, i])) for i in range(4)])
    torch.testing.assert_close(algo.next_values(nets, batch, noise["next_action"]), values.amax(0))
