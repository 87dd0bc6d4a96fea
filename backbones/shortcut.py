"""Shortcut policies: a flow that knows how far it steps, and so can go all the way at once.

Frans et al., "One Step Diffusion via Shortcut Models" (arXiv 2410.12557).
Time runs from the noise (t = 0) to the action (t = 1).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from backbones.abilities import Velocity
from backbones.base import Info, Network, Noise, PerPositive, normal, option, uniform
from backbones.flow import euler
from backbones.nets import MLP

Step = Callable[[Tensor, Tensor, Tensor], Tensor]  # s(x, t, d): x + d s(x, t, d) is where the flow is at t + d


def shortcut_loss(s: Step, action: Tensor, noise: Tensor, t: Tensor, d: Tensor, smallest: float) -> Tensor:
    """Squared error of s(x_t, t, d) at x_t = (1 - t) noise + t action (arXiv 2410.12557, Eq. 5). Returns [..., a].

    Where d = 0 it is flow matching, the target action - noise. Elsewhere two steps of d / 2 show where one of d should lead:
    the target is the mean of their directions, without gradient. A step of `smallest` is taken by the velocity, s at d = 0.
    """
    x = (1 - t) * noise + t * action
    with torch.no_grad():
        half = d / 2
        asked = torch.where(half > smallest, half, 0.0)
        first = s(x, t, asked)
        second = s(x + half * first, t + half, asked)
        target = torch.where(d > 0, (first + second) / 2, action - noise)
    return (s(x, t, d) - target).square()


@dataclass(frozen=True)
class Shortcut(PerPositive, Velocity):
    """a = x(1), x(t + d) = x(t) + d s(s, x, t, d), in one step or a few."""

    shortcut_steps: int = option(1, "steps from noise to action, a power of two up to finest_steps")
    finest_steps: int = option(
        16, "steps at which the velocity alone is trusted; longer ones are learned from pairs of shorter ones"
    )
    consistency_share: float = option(0.25, "share of draws that learn a longer step; the others learn the velocity")

    def __post_init__(self) -> None:
        if self.finest_steps not in (2**i for i in range(1, 11)):
            raise ValueError(f"backbone.finest_steps {self.finest_steps}: a power of two from 2 to 1024")
        if self.shortcut_steps not in (2**i for i in range(self.finest_steps.bit_length())):
            raise ValueError(f"backbone.shortcut_steps {self.shortcut_steps}: a power of two up to {self.finest_steps}")
        if not 0 < self.consistency_share < 1:
            raise ValueError(f"backbone.consistency_share {self.consistency_share}: a share in (0, 1)")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        return MLP(obs_dim + action_dim + 2, action_dim, self.width, self.depth, layer_norm=False)

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        """A velocity has d = 0 and t uniform; a longer step has d uniform in {1, 1/2, 1/4, ...} and t in its multiples."""
        shape = batch, positives, 1
        doublings = self.finest_steps.bit_length() - 1
        d = 0.5 ** torch.randint(doublings, shape, generator=generator, device=generator.device)
        t = uniform(generator, *shape)
        longer = uniform(generator, *shape) < self.consistency_share
        return {
            "noise": normal(generator, batch, positives, action_dim),
            "t": torch.where(longer, (t / d).floor() * d, t),
            "d": torch.where(longer, d, 0.0),
        }

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """The shortcut loss; every positive has its own (noise, t, d)."""

        def s(x: Tensor, t: Tensor, d: Tensor) -> Tensor:
            return net(obs, x, t, d)

        smallest = 1 / self.finest_steps
        return shortcut_loss(s, positives, noise["noise"], noise["t"], noise["d"], smallest).mean(-1), {}

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        d = torch.full_like(noise[..., :1], 0.0 if self.shortcut_steps == self.finest_steps else 1 / self.shortcut_steps)
        return euler(lambda x, t: net(obs, x, t, d), noise, self.shortcut_steps).clamp(-1, 1)

    def velocity(self, net: Network, obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The direction of a step of no length."""
        return net(obs, x, t, torch.zeros_like(t))
