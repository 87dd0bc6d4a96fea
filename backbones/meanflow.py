"""MeanFlow policies: one step along the mean velocity from noise to action.

Geng et al. (arXiv 2505.13447); with the instantaneous-velocity constraint of MVP (Zhan et al., ICLR 2026).
Time runs from the action (t = 0) to the noise (t = 1).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from backbones.abilities import MeanVelocity
from backbones.base import Info, Network, Noise, PerPositive, normal, option, refuse_negative, uniform
from backbones.nets import MLP

Field = Callable[[Tensor, Tensor, Tensor], Tensor]  # u(z, r, t)


def meanflow_loss(u: Field, action: Tensor, noise: Tensor, r: Tensor, t: Tensor) -> Tensor:
    """Squared error of the MeanFlow identity u = v - (t - r) du/dt, the right side constant (arXiv 2505.13447, Eq. 11).

    action, noise [..., a]; r <= t [..., 1]. Returns [..., a]. At r = t it is flow matching.
    """
    z, v = (1 - t) * action + t * noise, noise - action
    at = (z, r.clone(), t.clone())  # the compiler takes no views here, and one seed's times are a view of all seeds'
    mean_velocity, du_dt = torch.func.jvp(u, at, (v, torch.zeros_like(r), torch.ones_like(t)))[:2]
    return (mean_velocity - (v - (t - r) * du_dt).detach()).square()


def velocity_constraint_loss(u: Field, action: Tensor, noise: Tensor, r: Tensor) -> Tensor:
    """Squared error of u(z_r, r, r) = v: the mean velocity over no time is the velocity (MVP). Returns [..., a]."""
    z = (1 - r) * action + r * noise
    return (u(z, r, r) - (noise - action)).square()


@dataclass(frozen=True)
class MeanFlow(PerPositive, MeanVelocity):
    """a = noise - u(noise, r=0, t=1): the mean velocity of a flow over its whole time, in one network call."""

    constraint_weight: float = option(1.0, "weight of the instantaneous-velocity constraint")
    time_mean: float = option(-0.4, "r and t are sigmoids of normals with this mean")
    time_std: float = option(1.0, "and this standard deviation")
    equal_times: float = option(0.0, "share of draws with r = t (Geng et al. use 0.75)")

    def __post_init__(self) -> None:
        refuse_negative(self, "backbone.constraint_weight", "backbone.time_std")
        if not 0 <= self.equal_times <= 1:
            raise ValueError(f"backbone.equal_times {self.equal_times}: a share lies in [0, 1]")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        return MLP(obs_dim + action_dim + 2, action_dim, self.width, self.depth, layer_norm=False)

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        times = torch.sigmoid(self.time_mean + self.time_std * normal(generator, 2, batch, positives, 1))
        r, t = times.amin(0), times.amax(0)
        equal = uniform(generator, batch, positives, 1) < self.equal_times
        return {"noise": normal(generator, batch, positives, action_dim), "r": torch.where(equal, t, r), "t": t}

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """Identity plus constraint; every positive has its own (noise, r, t)."""

        def u(z: Tensor, r: Tensor, t: Tensor) -> Tensor:
            return net(obs, z, r, t)

        identity = meanflow_loss(u, positives, noise["noise"], noise["r"], noise["t"])
        constraint = velocity_constraint_loss(u, positives, noise["noise"], noise["r"])
        info = {"meanflow_loss": identity.detach().mean(), "constraint_loss": constraint.detach().mean()}
        return (identity + self.constraint_weight * constraint).mean(-1), info

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        r = torch.zeros_like(noise[..., :1])
        return (noise - net(obs, noise, r, r + 1)).clamp(-1, 1)

    def mean_velocity(self, net: Network, obs: Tensor, x: Tensor, r: Tensor, t: Tensor) -> Tensor:
        """In a time that runs the other way."""
        return -net(obs, x, 1 - t, 1 - r)
