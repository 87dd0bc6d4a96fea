"""ReBRAC (Tarasov et al., arXiv 2305.09836): TD3+BC with a penalty in the actor and one in the critic.

a deterministic policy climbs Q near the data, and the value of what comes next is the less, the farther from the data it is.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from algos.base import ActorCritic, Batch, Info, Nets, Phase
from algos.critic import climb, pessimistic
from backbones.base import Backbone, option, refuse_negative


def target_noise(noise: Tensor, std: float, clip: float) -> Tensor:
    """What TD3 adds to the next action, so that Q is smooth around it (arXiv 1802.09477, Eq. 14): [..., a]."""
    return (std * noise).clamp(-clip, clip)


@dataclass(frozen=True)
class ReBRAC(ActorCritic):
    """L = a_1 |pi(s) - a|^2 - Q(s, pi(s)); y = R_H + gamma^H mask (Q_slow(s', a') - a_2 |a' - the data's a'|^2).

    Q is in units of its mean size. Slow networks follow where the policy has its turn. Acting has no noise in either phase.
    """

    reads_next_action: ClassVar[bool] = True

    pessimism: float = option(1.0, "rho: Q is the ensemble's mean - rho * std; with two critics 1 is their minimum")
    actor_penalty: float = option(1.0, "a_1: weight of the squared distance to the data's action")
    critic_penalty: float = option(0.0, "a_2: weight of the squared distance to the data's next action, in the target")
    target_std: float = option(0.2, "standard deviation of the noise on the target policy's actions")
    target_clip: float = option(0.5, "bound of that noise")
    actor_every: int = option(2, "updates of the critic for one of the policy")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.actor_penalty", "algo.critic_penalty", "algo.target_std", "algo.target_clip")
        if self.actor_every < 1:
            raise ValueError(f"algo.actor_every {self.actor_every}: at least 1")

    def misfit(self, backbone: Backbone) -> str:
        return "" if backbone.deterministic else "its penalties are distances to one action; take the backbone deterministic"

    def slow_rates(self, phase: Phase) -> dict[str, float]:
        return {"critic": self.target_rate, "actor": self.target_rate}

    def delays(self) -> dict[str, int]:
        return {"actor": self.actor_every}

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        return {}

    def next_values(self, nets: Nets, batch: Batch, noise: Tensor) -> Tensor:
        noise = noise.squeeze(1)
        action = nets.slow.actor.sample(batch.next_obs, noise) + target_noise(noise, self.target_std, self.target_clip)
        action = action.clamp(-1, 1)
        distance = (action - batch.next_action).square().sum(-1).nan_to_num(0.0)  # none where the data ends
        return nets.slow.critic(batch.next_obs, action) - self.critic_penalty * distance

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        action = nets.actor.sample(batch.obs, torch.zeros_like(batch.action))
        distance = (action - batch.action).square().sum(-1).mean()
        q = pessimistic(nets.constant.critic(batch.obs, action), self.pessimism)
        loss = self.actor_penalty * distance - climb(q, normalize=True)
        return loss, {"bc_loss": distance.detach(), "q_policy": q.detach().mean()}
