"""Tanh Gaussian policies: a Gaussian squashed into the box of actions, where the likelihood of every action is known.

Haarnoja et al., "Soft Actor-Critic" (arXiv 1801.01290, appendix C).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from backbones.base import Info, Network, Noise, option
from backbones.gaussian import Gaussian, negative_log_likelihood

LIMIT = 1 - 1e-5  # given actions are taken no nearer to the box's faces, where the likelihood has no bound


def log_slope(u: Tensor) -> Tensor:
    """log d tanh(u) / du = log(1 - tanh(u)^2), in a form that keeps its digits where tanh(u) rounds to 1: [..., a]."""
    return 2 * (math.log(2) - u - softplus(-2 * u))


@dataclass(frozen=True)
class TanhGaussian(Gaussian):
    """a = tanh(u), u = mean(s) + std(s) * noise; log pi(a|s) = log N(u) - log |da/du|. Fitted by maximum likelihood."""

    min_log_std: float = option(-20.0, "lower bound of log std; the upper one is 2")

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """The negative log-likelihood per dimension."""
        return -self.log_prob(net, obs, positives) / positives.shape[-1], {}

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        mean, log_std = self.moments(net, obs)
        return (mean + log_std.exp() * noise).tanh()

    def sample_with_log_prob(self, net: Network, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.moments(net, obs)
        u = mean + log_std.exp() * noise
        of_u = negative_log_likelihood(torch.zeros_like(u), torch.zeros_like(u), noise) + log_std
        return u.tanh(), -(of_u + log_slope(u)).sum(-1)

    def log_prob(self, net: Network, obs: Tensor, action: Tensor) -> Tensor:
        u = action.clamp(-LIMIT, LIMIT).atanh()
        return -(negative_log_likelihood(*self.moments(net, obs), u) + log_slope(u)).sum(-1)
