"""Flow policies: an ordinary differential equation from noise to action, solved in a few Euler steps.

Lipman et al. (arXiv 2210.02747), as the behaviour policy of Flow Q-Learning (Park et al., arXiv 2502.02538).
Time runs from the noise (t = 0) to the action (t = 1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor, nn

from backbones.abilities import Velocity
from backbones.base import Info, Network, Noise, PerPositive, normal, option, uniform
from backbones.nets import MLP

VectorField = Callable[[Tensor, Tensor], Tensor]  # v(x, t)


def flow_matching_loss(velocity: VectorField, action: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """|v(x_t, t) - (action - noise)|^2 at x_t = (1 - t) noise + t action (arXiv 2210.02747, Eq. 23). Returns [..., a]."""
    x = (1 - t) * noise + t * action
    return (velocity(x, t) - (action - noise)).square()


def euler(velocity: VectorField, noise: Tensor, steps: int) -> Tensor:
    """The solution at t = 1 of dx/dt = v(x, t) from x(0) = noise, in `steps` equal Euler steps."""
    x = noise
    for i in range(steps):
        t = torch.full_like(noise[..., :1], i / steps)
        x = x + velocity(x, t) / steps
    return x


@dataclass(frozen=True)
class Flow(PerPositive, Velocity):
    """a = x(1) with dx/dt = v(s, x, t) and x(0) = noise."""

    flow_steps: int = option(10, "Euler steps from noise to action")

    def __post_init__(self) -> None:
        if self.flow_steps < 1:
            raise ValueError(f"backbone.flow_steps {self.flow_steps}: at least 1")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        return MLP(obs_dim + action_dim + 1, action_dim, self.width, self.depth, layer_norm=False)

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        return {"noise": normal(generator, batch, positives, action_dim), "t": uniform(generator, batch, positives, 1)}

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """Flow matching; every positive has its own (noise, t)."""
        velocity = partial(self.velocity, net, obs)
        return flow_matching_loss(velocity, positives, noise["noise"], noise["t"]).mean(-1), {}

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        return euler(partial(self.velocity, net, obs), noise, self.flow_steps).clamp(-1, 1)

    def velocity(self, net: Network, obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return net(obs, x, t)
