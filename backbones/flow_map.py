"""Flow maps: a policy that jumps along its flow from any time to any later one, in one step or in many.

Boffi et al., "How to Build a Consistency Model: Learning Flow Maps via Self-Distillation" (arXiv 2505.18825), as the policy of
FMQ (github.com/chziakas/flow_map_policy). Time runs from the noise (t = 0) to the action (t = 1).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Generator, Tensor, nn

from backbones.abilities import MeanVelocity
from backbones.base import Info, Network, Noise, PerPositive, normal, option, uniform
from backbones.flow import flow_matching_loss
from backbones.nets import MLP

Field = Callable[[Tensor, Tensor, Tensor], Tensor]  # u(x, r, t): x + (t - r) u(x, r, t) is where the flow is at t


def eulerian_loss(u: Field, action: Tensor, noise: Tensor, r: Tensor, t: Tensor) -> Tensor:
    """Squared error of u = v + (t - r) du/dr at x_r = (1 - r) noise + r action, the right side constant: wherever a jump to t
    begins on one path, it ends at the same point (Eulerian self-distillation, arXiv 2505.18825).

    action, noise [..., a]; r <= t [..., 1]; v = action - noise. Returns [..., a].
    """
    x, v = (1 - r) * noise + r * action, action - noise
    mean_velocity, du_dr = torch.func.jvp(u, (x, r, t), (v, torch.ones_like(r), torch.zeros_like(t)))[:2]
    return (mean_velocity - (v + (t - r) * du_dr).detach()).square()


def embedded(time: Tensor, count: int) -> Tensor:
    """cos and sin of a time at count / 2 frequencies from 1 to 1 / 10,000: [..., 1] to [..., count]; 0 leaves it alone."""
    if count == 0:
        return time
    frequencies = 10_000.0 ** -torch.linspace(0, 1, count // 2, device=time.device)
    return torch.cat([(time * frequencies).cos(), (time * frequencies).sin()], -1)


@dataclass(frozen=True)
class FlowMap(PerPositive, MeanVelocity):
    """a = noise + u(s, noise, r=0, t=1): the mean velocity of a flow over its whole time, in one network call."""

    time_features: int = option(64, "numbers that a time becomes, cos and sin of it at as many frequencies; 0: the time itself")
    curriculum: tuple[float, ...] = option(
        (0.005, 0.05), "shares of the offline phase at which jumps begin to be learned, and have their whole length"
    )
    longest_jump: float = option(1.0, "t - r of the longest jump that is learned, from the curriculum's end on")

    def __post_init__(self) -> None:
        if self.time_features < 0 or self.time_features % 2:
            raise ValueError(f"backbone.time_features {self.time_features}: an even number, or 0")
        if len(self.curriculum) != 2 or not 0 <= self.curriculum[0] < self.curriculum[1] <= 1:
            raise ValueError(f"backbone.curriculum {self.curriculum}: two rising shares in [0, 1]")
        if not 0 <= self.longest_jump <= 1:
            raise ValueError(f"backbone.longest_jump {self.longest_jump}: must lie in [0, 1]")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        times = 2 * (self.time_features or 1)
        return MLP(obs_dim + action_dim + times, action_dim, self.width, self.depth, layer_norm=False)

    def at(self, share: float) -> "FlowMap":
        begin, end = self.curriculum
        grown = min(max((share - begin) / (end - begin), 0.0), 1.0)
        return replace(self, longest_jump=grown * self.longest_jump)

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        """r and t are two uniforms, drawn together about their middle by the curriculum."""
        times = uniform(generator, 2, batch, positives, 1)
        middle, half = times.mean(0), self.longest_jump * (times[0] - times[1]).abs() / 2
        return {
            "r": middle - half,
            "t": middle + half,
            "noise": normal(generator, batch, positives, action_dim),
            "diagonal_t": uniform(generator, batch, positives, 1),
            "diagonal_noise": normal(generator, batch, positives, action_dim),
        }

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """Flow matching on the diagonal, where a jump has no length, and self-distillation, where it has one; every positive
        has its own (noise, t) and (noise, r, t)."""
        r, t = noise["r"], noise["t"]
        velocity, u = partial(self.velocity, net, obs), partial(self.mean_velocity, net, obs)
        diagonal = flow_matching_loss(velocity, positives, noise["diagonal_noise"], noise["diagonal_t"])
        jumps = torch.where(t > r, eulerian_loss(u, positives, noise["noise"], r, t), 0.0)
        info = {"diagonal_loss": diagonal.detach().mean(), "jump_loss": jumps.detach().mean()}
        return (diagonal + jumps).mean(-1), info

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        r = torch.zeros_like(noise[..., :1])
        return (noise + self.mean_velocity(net, obs, noise, r, r + 1)).clamp(-1, 1)

    def mean_velocity(self, net: Network, obs: Tensor, x: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return net(obs, x, *(embedded(time, self.time_features) for time in (r, t)))
