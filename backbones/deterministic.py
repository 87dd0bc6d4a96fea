"""Deterministic policies: one action a state.

The policies that "Flow Q-Learning" (arXiv 2502.02538, section E.2) calls Gaussian are this: their standard deviation is 1 in
the likelihood, which leaves the squared error, and they act by their mean. ReBRAC's is this with a tanh.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backbones.base import Info, Network, Noise, PerPositive, option
from backbones.nets import MLP


@dataclass(frozen=True)
class Deterministic(PerPositive):
    """a = f(s), fitted by the squared error |f(s) - a|^2; the noise of a sample makes no difference."""

    unimodal = True
    deterministic = True

    squash: bool = option(True, "a = tanh f(s); otherwise f(s) is clipped where an action is wanted")
    output_gain: float = option(1.0, "widens the initial output layer; 0.1 begins near 0, as in FQL's baselines", later=True)

    def __post_init__(self) -> None:
        if self.output_gain <= 0:
            raise ValueError(f"backbone.output_gain {self.output_gain}: must be above 0")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        return MLP(obs_dim, action_dim, self.width, self.depth, False, self.output_gain)

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """The squared error per dimension."""
        return (self.mean(net, obs) - positives).square().mean(-1), {}

    def mean(self, net: Network, obs: Tensor) -> Tensor:
        return net(obs).tanh() if self.squash else net(obs)

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        return torch.broadcast_tensors(self.mean(net, obs), noise)[0].clamp(-1, 1)
