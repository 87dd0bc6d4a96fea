"""What some families can do besides, where the answer is known: policies N(MEAN, STD^2), whatever the state."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from backbones.abilities import MeanVelocity
from backbones.flow import Flow, euler
from backbones.flow_map import FlowMap
from backbones.gaussian import Gaussian
from backbones.meanflow import MeanFlow
from backbones.shortcut import Shortcut

DOUBLE = torch.float64
MEAN, STD = 0.3, 0.2


def exact(x: Tensor, t: Tensor) -> Tensor:
    """E[action - noise | x_t = x] on x_t = (1 - t) noise + t action."""
    return MEAN + (t * STD**2 - (1 - t)) / ((1 - t).square() + (t * STD).square()) * (x - t * MEAN)


NETWORKS: dict[Callable[[], Any], Callable[..., Tensor]] = {  # as if trained, as far as they are asked about the velocity
    Flow: lambda obs, x, t: exact(x, t),
    Shortcut: lambda obs, x, t, d: exact(x, t) + d,
    MeanFlow: lambda obs, z, r, t: -exact(z, 1 - t) + (t - r),
    partial(FlowMap, time_features=0): lambda obs, x, r, t: exact(x, r) + (t - r),
}


@pytest.mark.parametrize("family", NETWORKS)
def test_velocity_carries_noise_to_the_action(family: Callable[[], Any]):
    noise, obs = torch.linspace(-2, 2, 9, dtype=DOUBLE)[:, None], torch.zeros(9, 1, dtype=DOUBLE)
    action = euler(lambda x, t: family().velocity(NETWORKS[family], obs, x, t), noise, 2000)
    torch.testing.assert_close(action, MEAN + STD * noise, rtol=0, atol=1e-3)


def jump(x: Tensor, r: Tensor, t: Tensor) -> Tensor:
    """The mean velocity of that flow from r to t: every point stays as many standard deviations off the mean of its time."""
    std = [((1 - time).square() + (time * STD).square()).sqrt() for time in (r, t)]
    return (t * MEAN + std[1] * (x - r * MEAN) / std[0] - x) / (t - r)


def test_mean_velocity_carries_noise_to_the_action_in_any_jumps():
    """Time runs from the noise on, whichever way it does in a network."""
    x, obs = torch.linspace(-2, 2, 9, dtype=DOUBLE)[:, None], torch.zeros(9, 1, dtype=DOUBLE)
    networks: dict[MeanVelocity, Callable[..., Tensor]] = {
        FlowMap(time_features=0): lambda obs, x, r, t: jump(x, r, t),
        MeanFlow(): lambda obs, z, r, t: -jump(z, 1 - t, 1 - r),
    }
    for policy, network in networks.items():
        y, times = x, [torch.full_like(x, time) for time in (0.0, 0.3, 0.4, 1.0)]
        for r, t in pairwise(times):
            y = y + (t - r) * policy.mean_velocity(network, obs, y, r, t)
        torch.testing.assert_close(y, MEAN + STD * x)


def test_log_prob_is_that_of_what_is_sampled():
    def net(obs: Tensor) -> Tensor:
        return torch.tensor([MEAN, -MEAN, math.log(STD), 0.0]).expand(*obs.shape[:-1], 4)

    obs, noise = torch.zeros(50, 1, 1), 0.5 * torch.randn(50, 3, 2)
    action, log_prob = Gaussian().sample_with_log_prob(net, obs, noise)
    assert torch.equal(action, Gaussian().sample(net, obs, noise)) and log_prob.shape == (50, 3)
    inside = action.abs().amax(-1) < 1
    expected = Normal(torch.tensor([MEAN, -MEAN]), torch.tensor([STD, 1.0])).log_prob(action).sum(-1)
    assert inside.sum() > 100
    torch.testing.assert_close(log_prob[inside], expected[inside], rtol=1e-4, atol=1e-4)
