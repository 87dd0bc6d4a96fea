"""The expectile critic: expectiles with known values, and its losses."""

import math
from typing import Any

import pytest
import torch

from algos.expectile import expectile_loss


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


def test_critic_loss_is_the_papers(problem: Any, gradient: Any):
    """Q on r_0 + gamma r_1 + gamma^2 min(mask) V(s'), V on the smaller slow Q by its expectile; V's target has no gradient."""
    algo, nets, params, batch, noise = problem("iql", "flow", discount=0.9, expectile=0.8)
    loss, _ = algo.critic_loss(nets, batch, noise)
    target = batch.reward[:, 0] + 0.9 * batch.reward[:, 1] + 0.81 * batch.mask.amin(1) * nets.value(batch.next_obs)
    q_loss = (nets.critic(batch.obs, batch.action) - target.detach()).square().mean()
    u = nets.slow.critic(batch.obs, batch.action).amin(0) - nets.value(batch.obs)
    value_loss = (torch.where(u > 0, 0.8, 0.2) * u**2).mean()
    torch.testing.assert_close(loss, q_loss + value_loss)
    torch.testing.assert_close(gradient(loss, params["value"]), gradient(value_loss, params["value"]))
