"""A learning rule of your own. As it stands: clone those of the data's actions that are better than usual. Called mine.py:

python -m eval.run --algo ./mine.py --backbone flow --task probe-bandit --horizon 1    a first run, seconds
python -m eval.run --algo ./mine.py --help                                             its options, too
python -m pytest CHECKOUT/tests --algo ./mine.py                                       what every rule keeps

Losses are written for one seed and never mention the device. The critic, its target network and action chunks come from
ActorCritic; a rule without a critic subclasses Algorithm (algos/bc.py). `batch` and `nets` are in algos/base.py, with shapes.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from algos.base import ActorCritic, Batch, Nets, Phase
from algos.critic import Value
from backbones.base import Backbone, Info, option


@dataclass(frozen=True)
class Mine(ActorCritic):
    """L = sigma((Q(s, a) - V(s)) / t) L_BC(s, a) + (V(s) - Q(s, a))^2 over the data's actions (after CRR, arXiv 2006.15134)."""

    temperature: float = option(1.0, "t: how much better than V(s) is clearly better")  # --algo.temperature

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        """The modules to train, by name; `actor` and `critic` come from above. One Adam trains all."""
        value = Value(obs_dim, self.critic_width, self.critic_depth)
        return super().networks(backbone, obs_dim, action_dim) | {"value": value}

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        """The random numbers of `actor_loss`."""
        return {"fit": backbone.draw(generator, self.batch_size, 1, action_dim)}

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        """A scalar to minimise, beside the critic's TD loss, and scalars for the record."""
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])  # [B]
        value = nets.value(batch.obs)  # [B]
        with torch.no_grad():
            q = nets.slow.critic(batch.obs, batch.action).mean(0)  # [E, B] to [B]
            better = torch.sigmoid((q - value) / self.temperature)
        return (better * bc).mean() + (value - q).square().mean(), info | {"better": better.mean()}
