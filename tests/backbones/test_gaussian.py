"""Gaussian policies."""

import torch
from torch.distributions import Normal

from backbones.gaussian import Gaussian, negative_log_likelihood


def test_negative_log_likelihood_is_that_of_a_normal_distribution():
    mean, log_std, action = torch.randn(3, 5, 2).unbind(0)
    torch.testing.assert_close(negative_log_likelihood(mean, log_std, action), -Normal(mean, log_std.exp()).log_prob(action))


def test_samples_have_the_moments_of_the_network():
    gaussian = Gaussian()
    actions = gaussian.sample(
        lambda obs: torch.tensor([0.2, -2.0]).expand(*obs.shape[:-1], 2), torch.zeros(50_000, 1), torch.randn(50_000, 1)
    )
    assert abs(actions.mean() - 0.2) < 0.01 and abs(actions.std() - torch.tensor(-2.0).exp()) < 0.01


def test_log_std_is_bounded():
    _, log_std = Gaussian(min_log_std=-5.0).moments(lambda obs: torch.tensor([[0.0, 0.0, -99.0, 99.0]]), torch.zeros(1, 1))
    assert log_std.tolist() == [[-5.0, 2.0]]
