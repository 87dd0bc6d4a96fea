"""A cloned policy of any backbone, and an edit policy on top of it: with flow, FEdit of QAM's authors (arXiv 2601.14234)."""

from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor

from algos.base import Batch, Info, Nets
from algos.editing import Editing
from backbones.base import Backbone, option


@dataclass(frozen=True)
class Edit(Editing):
    """L = L_BC - Q(s, clip(b + c e)) + lambda log edit(e|s, b), and lambda's loss."""

    edit_scale: float = option(0.3, "c: how far an edit moves an action, in each dimension; 0: no edit policy")

    def draw_base(self, backbone: Backbone, generator: Generator, action_dim: int) -> dict[str, Any]:
        return {"fit": backbone.draw(generator, self.batch_size, 1, action_dim)}

    def base_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any]) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        return bc.mean(), info | {"bc_loss": bc.detach().mean()}

    def base(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return nets.actor.sample(obs, noise)
