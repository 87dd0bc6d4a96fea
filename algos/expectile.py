"""The expectile critic of Implicit Q-Learning (Kostrikov et al., arXiv 2110.06169): values of the best actions in the data,
without asking for the value of any other."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from algos.base import ActorCritic, Batch, Info, Nets
from algos.critic import Value, pessimistic
from backbones.base import Backbone, option


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """|tau - 1(u < 0)| u^2 of u = target - prediction: least at the targets' tau-expectile (arXiv 2110.06169, Eq. 3)."""
    return torch.where(difference < 0, 1 - expectile, expectile) * difference.square()


@dataclass(frozen=True)
class ExpectileCritic(ActorCritic):
    """V(s) is an expectile of Q_slow(s, a) over the data's actions; Q(s, a) regresses on R_H + gamma^H mask V(s')."""

    pessimism: float = option(1.0, "rho: Q is the ensemble's mean - rho * std; with two critics 1 is their minimum")
    expectile: float = option(0.9, "tau: 0.5 is the mean over the data's actions, 1 their maximum")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.expectile < 1:
            raise ValueError(f"algo.expectile {self.expectile}: must lie in (0, 1)")

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        return super().networks(backbone, obs_dim, action_dim) | {"value": Value(obs_dim, self.critic_width, self.critic_depth)}

    def next_noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        return 0, backbone.noise_size(action_dim)  # V(s') asks for no action

    def next_values(self, nets: Nets, batch: Batch, noise: Tensor) -> Tensor:
        return nets.value(batch.next_obs)[None]

    def critic_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any]) -> tuple[Tensor, Info]:
        """The losses of Q and of V (arXiv 2110.06169, Eqs. 5-6)."""
        q_loss, info = super().critic_loss(nets, batch, noise)
        with torch.no_grad():
            q = pessimistic(nets.slow.critic(batch.obs, batch.action), self.pessimism)
        value = nets.value(batch.obs)
        value_loss = expectile_loss(q - value, self.expectile).mean()
        return q_loss + value_loss, info | {"value_loss": value_loss.detach(), "v_data": value.detach().mean()}
