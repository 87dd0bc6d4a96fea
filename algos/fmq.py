"""Flow maps with Q guidance (FMQ, github.com/chziakas/flow_map_policy), for backbones with a mean velocity.

    offline the policy clones the data; online each of its jumps to the action aims at where the policy of the offline phase's
    end jumped, moved up the gradient of Q.

The idea for any backbone is `dfp` with `elite_step`: elites that are moved up the gradient of Q.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from algos.ascent import uphill
from algos.base import ActorCritic, Batch, Info, Nets, Phase
from algos.select import best_of_n
from backbones.abilities import MeanVelocity
from backbones.base import Backbone, normal, option, refuse_negative, uniform


@dataclass(frozen=True)
class FMQ(ActorCritic):
    """L = |u(s, x_r, r, 1) - sg(u_0(s, x_r, r, 1) + eta g)|^2, x_r = (1 - r) noise + r a, online; offline L_BC.

    u_0 is the policy as the phase began, g the unit gradient of the first critic where u_0 jumps to. TD targets and acting
    take the best of N'. Offline TD targets use the critics' mean, online ones and acting the pessimistic value.
    """

    needs: ClassVar[type] = MeanVelocity
    needs_offline: ClassVar[bool] = True

    pessimism: float = option(1.0, "rho: Q is the ensemble's mean - rho * std; with two critics 1 is their minimum")
    step: float = option(0.5, "eta: how far velocities are moved along the unit gradient of Q; 0 keeps the offline policy")
    caution: float = option(0.0, "beta: eta is divided by 1 + beta d, d the critics' spread in units of its batch mean")
    best_of: int = option(32, "N': samples of which the best acts")
    target_best_of: int = option(32, "N' of the TD target")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.step", "algo.caution")
        if min(self.best_of, self.target_best_of) < 1:
            raise ValueError(f"algo.best_of {self.best_of}, algo.target_best_of {self.target_best_of}: at least 1")

    def slow_rates(self, phase: Phase) -> dict[str, float]:
        anchor = {"actor": 0.0} if phase == "online" else {}  # it stays as it is when it is introduced
        return super().slow_rates(phase) | anchor

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        b = self.batch_size
        if phase == "offline":
            return {"fit": backbone.draw(generator, b, 1, action_dim)}
        return {"r": uniform(generator, b, 1), "noise": normal(generator, b, action_dim)}

    def loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        rule = self if phase == "online" else replace(self, pessimism=0.0)
        return ActorCritic.loss(rule, nets, batch, noise, phase)

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        if phase == "offline":
            bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
            return bc.mean(), info
        r = noise["r"]
        x, end = (1 - r) * noise["noise"] + r * batch.action, torch.ones_like(r)
        target, info = self.guided(nets, batch.obs, x, r)
        return (nets.actor.mean_velocity(batch.obs, x, r, end) - target).square().mean(), info

    @torch.no_grad()
    def guided(self, nets: Nets, obs: Tensor, x: Tensor, r: Tensor) -> tuple[Tensor, Info]:
        """u_0(s, x_r, r, 1) + eta g, and what to record: x [B, a] and r [B, 1] to [B, a]."""
        velocity = nets.slow.actor.mean_velocity(obs, x, r, torch.ones_like(r))
        action = (x + (1 - r) * velocity).clamp(-1, 1)
        direction = uphill(partial(self.guide, nets, obs), action)
        values = nets.critic(obs, action)
        spread = values.std(0, correction=0)
        step = self.step / (1 + self.caution * spread / spread.mean().clamp_min(1e-8))
        return velocity + step[:, None] * direction, {"q_anchor": values.mean(), "step": step.mean()}

    def guide(self, nets: Nets, obs: Tensor, action: Tensor) -> Tensor:
        """What velocities are moved up: the first critic alone, as in the authors' program."""
        return nets.critic(obs, action)[0]

    def noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        return self.best_of, backbone.noise_size(action_dim)

    def next_noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        return self.target_best_of, backbone.noise_size(action_dim)

    def act(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return best_of_n(nets, obs, noise, self.pessimism)
