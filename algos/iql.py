"""Implicit Q-Learning (Kostrikov et al., arXiv 2110.06169), for any backbone.

    expectile critics; the policy clones the data's actions, the better ones more.

With inverse temperature 0 it clones all of them alike, and best-of-N makes the choice when it acts: with the diffusion backbone
that is IDQL (Hansen-Estruch et al., arXiv 2304.10573), with flow IFQL (arXiv 2502.02538).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from algos.base import Batch, Info, Nets, Phase
from algos.critic import pessimistic
from algos.expectile import ExpectileCritic
from algos.select import NO_CHOICE, advantage_weights, best_of_n
from backbones.base import Backbone, option, refuse_negative


@dataclass(frozen=True)
class IQL(ExpectileCritic):
    """L = exp(alpha (Q(s, a) - V(s))) L_BC(s, a), the weight at most 100 (Eq. 7)."""

    inverse_temperature: float = option(1.0, "alpha: how much more the policy clones better actions; 0 is cloning")
    num_samples: int = option(1, "N: samples of which the best by the pessimistic critic acts; 1 acts by one sample")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.inverse_temperature")
        if self.num_samples < 1:
            raise ValueError(f"algo.num_samples {self.num_samples}: at least 1")

    def misfit(self, backbone: Backbone) -> str:
        return NO_CHOICE if backbone.deterministic and self.num_samples > 1 else ""

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        return {"fit": backbone.draw(generator, self.batch_size, 1, action_dim)}

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        with torch.no_grad():
            advantage = pessimistic(nets.critic(batch.obs, batch.action), self.pessimism) - nets.value(batch.obs)
            weight = advantage_weights(advantage, self.inverse_temperature)
        return (weight * bc).mean(), info | {
            "bc_loss": bc.detach().mean(),
            "advantage": advantage.mean(),
            "weight": weight.mean(),
        }

    def noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        return self.num_samples, backbone.noise_size(action_dim)

    def act(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return best_of_n(nets, obs, noise, self.pessimism)
