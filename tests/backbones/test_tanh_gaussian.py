"""Tanh Gaussian policies."""

import torch
from torch import Tensor
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from backbones.tanh_gaussian import TanhGaussian, log_slope

DOUBLE = torch.float64


def fixed(mean: float, log_std: float, dtype: torch.dtype = DOUBLE) -> object:
    """A network with these moments in every state and dimension."""

    def net(obs: Tensor) -> Tensor:
        moments = torch.tensor([mean, log_std], dtype=dtype).repeat_interleave(2)
        return moments.expand(*obs.shape[:-1], 4)

    return net


def test_the_likelihood_of_all_actions_is_one():
    """In one dimension, by the trapezoidal rule; the other dimension is at its middle."""
    action = torch.linspace(-0.99999, 0.99999, 400_001, dtype=DOUBLE)
    both = torch.stack([action, torch.zeros_like(action)], -1)
    at_zero = Normal(0.4, 0.5).log_prob(torch.zeros((), dtype=DOUBLE))
    log_prob = TanhGaussian().log_prob(fixed(0.4, torch.tensor(0.5).log()), torch.zeros(1, 1, dtype=DOUBLE), both)
    assert abs(torch.trapezoid((log_prob - at_zero).exp(), action) - 1) < 1e-6


def test_log_prob_is_that_of_a_transformed_normal():
    noise = torch.randn(50, 2, dtype=DOUBLE)
    policy, net, obs = TanhGaussian(), fixed(-0.3, -1.0), torch.zeros(50, 1, dtype=DOUBLE)
    action, log_prob = policy.sample_with_log_prob(net, obs, noise)
    mean, std = torch.tensor(-0.3, dtype=DOUBLE), torch.tensor(-1.0, dtype=DOUBLE).exp()
    expected = TransformedDistribution(Normal(mean, std), TanhTransform()).log_prob(action).sum(-1)
    assert torch.equal(action, policy.sample(net, obs, noise))
    torch.testing.assert_close(log_prob, expected)
    torch.testing.assert_close(policy.log_prob(net, obs, action), expected)


def test_digits_are_kept_near_the_faces():
    u = torch.tensor([-30.0, -9.0, 0.0, 9.0, 30.0])
    exact = (1 - u.to(DOUBLE).tanh().square()).log()
    torch.testing.assert_close(log_slope(u)[1:4], exact[1:4].float(), rtol=1e-5, atol=1e-6)
    assert log_slope(u).isfinite().all()
    actions = torch.tensor([[-1.0, 1.0]])
    assert TanhGaussian().log_prob(fixed(0.0, 0.0, torch.float32), torch.zeros(1, 1), actions).isfinite().all()
