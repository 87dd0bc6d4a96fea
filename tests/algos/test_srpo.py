"""Score-regularised policy optimisation: against the score, up Q."""

from typing import Any

import pytest
import torch
from torch import Tensor

from algos.base import Nets, Policy
from algos.srpo import SRPO
from backbones.diffusion import Diffusion, schedule


def test_srpo_moves_the_policy_up_q_and_the_behaviour_s_score(problem: Any, gradient: Any):
    """dL/da = sigma^2 (e - noise) - beta dQ_slow/da at a = tanh pi(s); the diffusion model only clones, the critic stays."""
    algo, nets, params, batch, noise = problem("srpo", "diffusion", q_weight=0.4)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    action = nets.policy.net(batch.obs).tanh()
    free = action.detach().requires_grad_()
    (up,) = torch.autograd.grad(nets.slow.critic(batch.obs, free).mean(0).sum(), free)
    t, eps = noise["score"]["t"][:, 0], noise["score"]["noise"][:, 0]
    alpha, sigma = schedule(t)
    away = sigma**2 * (nets.actor.net(batch.obs, alpha * free + sigma * eps, t) - eps)
    surrogate = ((away.detach() - 0.4 * up) * action).sum(1).mean()
    torch.testing.assert_close(gradient(loss, params["policy"]), gradient(surrogate, params["policy"]))
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    torch.testing.assert_close(gradient(loss, params["actor"]), gradient(bc.mean(), params["actor"]))
    assert all(g is None for g in gradient(loss, params["critic"]))


def test_srpo_s_score_points_to_the_data_of_a_gaussian():
    """With the best noise prediction for N(m, s^2), the mean of sigma^2 (e - noise) at a is proportional to a - m."""
    mean, std, diffusion, count = 0.2, 0.3, Diffusion(diffusion_steps=4), 40_000

    def expected_noise(obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule(t)
        return sigma * (x - alpha * mean) / ((alpha * std).square() + sigma.square())

    nets = Nets(actor=Policy(diffusion, expected_noise))
    g = torch.Generator().manual_seed(0)
    noise = diffusion.draw(g, count, 1, 1)
    t = torch.arange(1, 5) / 4
    alpha, sigma = schedule(t)
    slope = (sigma**3 * alpha / ((alpha * std) ** 2 + sigma**2)).mean()
    for at in (-0.5, 0.2, 0.6):
        gap = SRPO().score_gap(nets, torch.zeros(count, 1), torch.full((count, 1), at), noise)
        assert float(gap.mean()) == pytest.approx(float(slope) * (at - mean), abs=0.005)
