"""Behaviour cloning: the policy fits the data action and acts by one sample; no critic."""

from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor, nn

from algos.base import Algorithm, Batch, Info, Nets, Phase
from backbones.base import Backbone


@dataclass(frozen=True)
class BC(Algorithm):
    """L = the backbone's loss toward the data action; online, toward the actions that it took itself."""

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        return {"actor": backbone.network(obs_dim, action_dim)}

    def slow_rates(self, phase: Phase) -> dict[str, float]:
        return {}

    def draw(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        return backbone.draw(generator, self.batch_size, 1, action_dim)

    def loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise)
        return bc.mean(), {"actor_loss": bc.detach().mean()} | info
