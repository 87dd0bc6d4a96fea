"""Advantage-weighted actor-critic (Nair et al., AWAC, arXiv 2006.09359), for any backbone.

    the policy clones the data's actions, the better than its own the more; the critic is the policy's own.

With the flow backbone this is FAWAC (Park et al., arXiv 2502.02538, Eq. 10), which learns V(s), as QAM's authors' program does.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from algos.base import ActorCritic, Batch, Info, Nets, Phase
from algos.critic import Value, pessimistic
from algos.select import advantage_weights
from backbones.base import Backbone, normal, option, refuse_negative


@dataclass(frozen=True)
class AWAC(ActorCritic):
    """L = exp(alpha (Q(s, a) - V(s))) L_BC(s, a), the weight at most 100; V(s) is learned from the data, or the mean Q of a few
    samples of the policy."""

    inverse_temperature: float = option(1.0, "alpha: how much more the policy clones better actions; 0 is cloning")
    value_samples: int = option(
        0, "samples of the policy whose mean Q is V(s); 0: V(s) regresses on Q_slow of the data's actions"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.inverse_temperature", "algo.value_samples")

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        value = {} if self.value_samples else {"value": Value(obs_dim, self.critic_width, self.critic_depth)}
        return super().networks(backbone, obs_dim, action_dim) | value

    def critic_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any]) -> tuple[Tensor, Info]:
        """With a learned V also the mean over critics and states of (V(s) - Q_slow(s, a))^2 at the data's actions."""
        q_loss, info = super().critic_loss(nets, batch, noise)
        if self.value_samples:
            return q_loss, info
        with torch.no_grad():
            q = nets.slow.critic(batch.obs, batch.action)
        value = nets.value(batch.obs)
        value_loss = (value - q).square().mean()
        return q_loss + value_loss, info | {"value_loss": value_loss.detach(), "v_data": value.detach().mean()}

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        noise: dict[str, Any] = {"fit": backbone.draw(generator, self.batch_size, 1, action_dim)}
        if self.value_samples:
            noise["value"] = normal(generator, self.batch_size, self.value_samples, backbone.noise_size(action_dim))
        return noise

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        advantage = self.advantage(nets, batch, noise)
        weight = advantage_weights(advantage, self.inverse_temperature)
        return (weight * bc).mean(), info | {
            "bc_loss": bc.detach().mean(),
            "advantage": advantage.mean(),
            "weight": weight.mean(),
        }

    @torch.no_grad()
    def advantage(self, nets: Nets, batch: Batch, noise: dict[str, Any]) -> Tensor:
        """Q(s, a) - V(s) of the data's actions: [B]."""
        q = nets.critic(batch.obs, batch.action)
        if not self.value_samples:
            return q.mean(0) - nets.value(batch.obs)  # which regresses on every critic, without pessimism
        obs = batch.obs[:, None]
        own = nets.critic(obs, nets.actor.sample(obs, noise["value"]))
        return pessimistic(q, self.pessimism) - pessimistic(own, self.pessimism).mean(-1)
