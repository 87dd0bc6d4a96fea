"""Implicit Q-Learning: expectiles with known values, advantage weights, and who learns from whom."""

import math
from typing import Any

import pytest
import torch

from algos.expectile import expectile_loss
from algos.select import advantage_weights


def least(targets: torch.Tensor, expectile: float) -> float:
    """The constant prediction of least expectile loss, by gradient descent."""
    v = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for _ in range(2000):
        (gradient,) = torch.autograd.grad(expectile_loss(targets - v, expectile).mean(), v)
        v = (v - 0.1 * gradient).detach().requires_grad_()
    return float(v.detach())


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.9])
def test_expectile_of_two_points(tau: float):
    """Of 0 and 1, equally often, it is tau: tau (1 - v) = (1 - tau) v."""
    assert least(torch.tensor([0.0, 1.0], dtype=torch.float64), tau) == pytest.approx(tau, abs=1e-6)


@pytest.mark.parametrize("tau", [0.2, 0.7, 0.9])
def test_expectile_of_a_uniform_distribution(tau: float):
    """On [0, 1], tau (1 - v)^2 = (1 - tau) v^2, so v = sqrt(tau) / (sqrt(tau) + sqrt(1 - tau))."""
    targets = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    expected = math.sqrt(tau) / (math.sqrt(tau) + math.sqrt(1 - tau))
    assert least(targets, tau) == pytest.approx(expected, abs=1e-3)


def test_the_middle_expectile_is_half_the_squared_error():
    u = torch.randn(100)
    torch.testing.assert_close(expectile_loss(u, 0.5), u.square() / 2)


def test_advantage_weights_are_exponential_and_bounded():
    weights = advantage_weights(torch.tensor([-1.0, 0.0, 1.0, 2.0]), 3.0)
    torch.testing.assert_close(weights, torch.tensor([math.exp(-3), 1.0, math.exp(3), 100.0]))
    assert advantage_weights(torch.randn(5), 0.0).tolist() == [1.0] * 5


def test_critic_loss_is_the_papers(problem: Any):
    """Q on r_0 + gamma r_1 + gamma^2 min(mask) V(s'), V on the smaller slow Q by its expectile; V's target has no gradient."""
    algo, nets, params, batch, noise = problem("iql", "flow", discount=0.9, expectile=0.8)
    loss, _ = algo.critic_loss(nets, batch, noise)
    target = batch.reward[:, 0] + 0.9 * batch.reward[:, 1] + 0.81 * batch.mask.amin(1) * nets.value(batch.next_obs)
    q_loss = (nets.critic(batch.obs, batch.action) - target.detach()).square().mean()
    u = nets.slow.critic(batch.obs, batch.action).amin(0) - nets.value(batch.obs)
    value_loss = (torch.where(u > 0, 0.8, 0.2) * u**2).mean()
    torch.testing.assert_close(loss, q_loss + value_loss)
    ours, theirs = (torch.autograd.grad(x, list(params["value"].values()), retain_graph=True) for x in (loss, value_loss))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_actor_loss_is_weighted_cloning(problem: Any, alpha: float):
    """exp(alpha (min Q - V)) L_BC, no gradient in the weight; with alpha 0 it is cloning, as in IDQL."""
    algo, nets, params, batch, noise = problem("iql", "gaussian", inverse_temperature=alpha)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    weight = (alpha * (nets.critic(batch.obs, batch.action).amin(0) - nets.value(batch.obs))).exp()
    torch.testing.assert_close(loss, (weight * bc).mean())
    others = [*params["critic"].values(), *params["value"].values()]
    assert all(g is None for g in torch.autograd.grad(loss, others, allow_unused=True))


def test_acting_takes_the_best_sample_by_the_smaller_q(problem: Any):
    algo, nets, _, batch, _ = problem("iql", "flow", num_samples=7)
    noise = torch.randn(5, 7, 4)
    for obs, draws, action in zip(batch.obs, noise, algo.act(nets, batch.obs, noise), strict=True):
        samples = [nets.actor.sample(obs, draw) for draw in draws]
        torch.testing.assert_close(action, max(samples, key=lambda a: nets.critic(obs, a).amin().item()))
    assert algo.candidates() == 7
