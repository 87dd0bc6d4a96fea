"""Gaussian policies: the unimodal baseline."""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from backbones.abilities import Density
from backbones.base import Info, Network, Noise, PerPositive, option
from backbones.nets import MLP


def negative_log_likelihood(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """-log N(action; mean, diag(exp(log_std))^2), one number a dimension: [..., a]."""
    return 0.5 * ((action - mean) / log_std.exp()).square() + log_std + 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Gaussian(PerPositive, Density):
    """a = mean(s) + std(s) * noise, fitted by maximum likelihood."""

    unimodal = True

    min_log_std: float = option(-5.0, "lower bound of log std; the upper one is 2")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        return MLP(obs_dim, 2 * action_dim, self.width, self.depth, layer_norm=False)

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """The negative log-likelihood per dimension."""
        return negative_log_likelihood(*self.moments(net, obs), positives).mean(-1), {}

    def moments(self, net: Network, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of pi(.|s), each [..., a]."""
        mean, log_std = net(obs).chunk(2, -1)
        return mean, log_std.clamp(self.min_log_std, 2.0)

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        mean, log_std = self.moments(net, obs)
        return (mean + log_std.exp() * noise).clamp(-1, 1)

    def sample_with_log_prob(self, net: Network, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The likelihood is that of the sample before it is clipped."""
        mean, log_std = self.moments(net, obs)
        action = mean + log_std.exp() * noise
        return action.clamp(-1, 1), -negative_log_likelihood(mean, log_std, action).sum(-1)

    def log_prob(self, net: Network, obs: Tensor, action: Tensor) -> Tensor:
        return -negative_log_likelihood(*self.moments(net, obs), action).sum(-1)
