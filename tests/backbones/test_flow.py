"""Flow policies: the regression target, and the solver."""

import math

import pytest
import torch

from backbones.flow import euler, flow_matching_loss

DOUBLE = torch.float64


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_euler_is_exact_for_a_constant_velocity(steps: int):
    x, velocity = torch.randn(4, 2, dtype=DOUBLE), torch.randn(2, dtype=DOUBLE)
    torch.testing.assert_close(euler(lambda x, t: velocity.expand_as(x), x, steps), x + velocity)


def test_euler_is_of_first_order():
    """On dx/dt = x, twice the steps leave half the error."""
    x = torch.ones(1, 1, dtype=DOUBLE)
    error = {n: float(math.e - euler(lambda x, t: x, x, n)) for n in (64, 128)}
    assert error[64] > 0
    assert error[64] / error[128] == pytest.approx(2, rel=0.02)


def test_euler_takes_the_velocity_at_the_start_of_each_step():
    """On dx/dt = 2t the sum over i < n of 2 (i / n) / n is 1 - 1 / n."""
    x = torch.zeros(1, 1, dtype=DOUBLE)
    torch.testing.assert_close(euler(lambda x, t: 2 * t, x, 10), x + 0.9)


def test_flow_matching_loss_vanishes_for_the_velocity_to_the_action():
    """From x at time t, (action - x) / (1 - t) leads to the action at time 1."""
    action, noise, t = torch.randn(5, 3, dtype=DOUBLE), torch.randn(5, 3, dtype=DOUBLE), torch.rand(5, 1, dtype=DOUBLE)
    assert flow_matching_loss(lambda x, t: (action - x) / (1 - t), action, noise, t).max() < 1e-20
    assert flow_matching_loss(lambda x, t: (noise - x) / (1 - t), action, noise, t).mean() > 0.1


def test_flow_runs_from_the_noise_to_the_action():
    """The velocity that the loss asks for carries the noise onto the action."""
    action, noise = torch.randn(5, 3, dtype=DOUBLE), torch.randn(5, 3, dtype=DOUBLE)
    torch.testing.assert_close(euler(lambda x, t: (action - x) / (1 - t), noise, 7), action)
