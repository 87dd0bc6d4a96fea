"""Q-guided beam search (QGBS, of FMQ, github.com/chziakas/flow_map_policy): acting with more thought, at evaluation.

a few actions of the policy; in each round every one is noised and denoised several times, the best of all are kept and
moved up the gradient of Q; the best acts.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from algos.ascent import climbed
from algos.base import ActorCritic, Algorithm, Nets
from algos.select import top_k
from backbones.abilities import Velocity
from backbones.base import Backbone, names


@dataclass(frozen=True)
class QGBS:
    """Acts in the place of a rule: M particles, B branches of each in a round, all values the least of the critics.

    A branch of an action a starts at x = t a + (1 - t) noise, t = snr / (1 + snr), and goes all the way along the velocity at
    (x, t): the cloning policy's, also where another one acts. Particles of the round before are dropped. Without rounds the
    particles climb one step, which any backbone can.
    """

    algorithm: Algorithm
    rounds: int = 1
    particles: int = 4
    branches: int = 4
    step: float = 0.3
    snr: float = 1.5

    def misfit(self, backbone: Backbone) -> str:
        """Why this makes no sense with the rule and a backbone, in one line; empty where it does."""
        if not isinstance(self.algorithm, ActorCritic):
            return "it asks a critic, and the rule has none"
        if self.rounds and not isinstance(backbone, Velocity):
            able = " or ".join(names("backbones", Velocity))
            return f"a round asks for a velocity; take no round, or the backbone {able}"
        return ""

    @property
    def horizon(self) -> int:
        return self.algorithm.horizon

    def noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        """Of the particles' noise, then the branches' of each round, those of a particle side by side."""
        _, size = self.algorithm.noise_shape(backbone, action_dim)
        return self.particles * (1 + self.rounds * self.branches), max(size, action_dim) if self.rounds else size

    def act(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        """The chunk to execute: obs [..., obs_dim] and noise [..., *noise_shape] to [..., a]."""
        obs = obs.unsqueeze(-2)
        value = partial(self.value, nets, obs)
        start, *rounds = noise.split([self.particles] + [self.particles * self.branches] * self.rounds, -2)
        action = self.algorithm.generate(nets, obs, start)
        if not rounds:
            action = climbed(value, action, self.step)
        for fresh in rounds:
            branches = self.denoised(nets, obs, action.repeat_interleave(self.branches, -2), fresh)
            action = climbed(value, top_k(branches, value(branches), self.particles), self.step)
        return top_k(action, value(action), 1).squeeze(-2)

    def value(self, nets: Nets, obs: Tensor, action: Tensor) -> Tensor:
        return nets.critic(obs, action).amin(0)

    def denoised(self, nets: Nets, obs: Tensor, action: Tensor, noise: Tensor) -> Tensor:
        """New actions near these [..., a], where the policy would have them."""
        t = self.snr / (1 + self.snr)
        x = t * action + (1 - t) * noise[..., : action.shape[-1]]
        return (x + (1 - t) * nets.actor.velocity(obs, x, torch.full_like(x[..., :1], t))).clamp(-1, 1)
