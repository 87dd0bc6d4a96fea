"""Advantage-weighted actor-critic (Nair et al., AWAC, arXiv 2006.09359), for any backbone.

    the policy clones the data's actions, the better than its own the more; the critic is the policy's own.

With the flow backbone this is FAWAC (Park et al., arXiv 2502.02538, Eq. 10).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from algos.base import ActorCritic, Batch, Info, Nets, Phase
from algos.critic import pessimistic
from algos.select import advantage_weights
from backbones.base import Backbone, normal, option


@dataclass(frozen=True)
class AWAC(ActorCritic):
    """L = exp(alpha (Q(s, a) - V(s))) L_BC(s, a), the weight at most 100; V(s) is the mean Q of a few samples of the policy."""

    inverse_temperature: float = option(1.0, "alpha: how much more the policy clones better actions; 0 is cloning")
    value_samples: int = option(4, "samples of the policy whose mean Q is V(s)")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.value_samples < 1:
            raise ValueError(f"algo.value_samples {self.value_samples}: at least 1")

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        b = self.batch_size
        return {
            "fit": backbone.draw(generator, b, 1, action_dim),
            "value": normal(generator, b, self.value_samples, backbone.noise_size(action_dim)),
        }

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        advantage = self.advantage(nets, batch, noise["value"])
        weight = advantage_weights(advantage, self.inverse_temperature)
        return (weight * bc).mean(), info | {
            "bc_loss": bc.detach().mean(),
            "advantage": advantage.mean(),
            "weight": weight.mean(),
        }

    @torch.no_grad()
    def advantage(self, nets: Nets, batch: Batch, noise: Tensor) -> Tensor:
        """Q(s, a) - V(s) of the data's actions: [B]."""
        obs = batch.obs[:, None]
        values = pessimistic(nets.critic(obs, nets.actor.sample(obs, noise)), self.pessimism)
        return pessimistic(nets.critic(batch.obs, batch.action), self.pessimism) - values.mean(-1)
