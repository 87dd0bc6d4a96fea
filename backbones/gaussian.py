"""Gaussian policies: the unimodal baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor, nn

from backbones.base import Backbone, Network, Noise, option
from backbones.nets import MLP


def negative_log_likelihood(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """-log N(action; mean, diag(exp(log_std))^2), one number a dimension: [..., a]."""
    return 0.5 * ((action - mean) / log_std.exp()).square() + log_std + 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Gaussian(Backbone):
    """a = mean(s) + std(s) * noise, fitted by maximum likelihood."""

    unimodal = True

    min_log_std: float = option(-5.0, "lower bound of log std; the upper one is 2")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        return MLP(obs_dim, 2 * action_dim, self.width, self.depth, layer_norm=False)

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        return {}

    def losses(
        self, net: Network, obs: Tensor, positive_sets: Sequence[Tensor], noise: Noise
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Negative log-likelihood per dimension, averaged over each set."""
        mean, log_std = self.moments(net, obs[:, None])
        return [negative_log_likelihood(mean, log_std, positives).mean((1, 2)) for positives in positive_sets], {}

    def moments(self, net: Network, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of pi(.|s), each [..., a]."""
        mean, log_std = net(obs).chunk(2, -1)
        return mean, log_std.clamp(self.min_log_std, 2)

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        mean, log_std = self.moments(net, obs)
        return (mean + log_std.exp() * noise).clamp(-1, 1)
