"""Flow Q-Learning (Park et al., arXiv 2502.02538), with any backbone as the teacher.

    the teacher clones the data; a one-step student imitates it and climbs Q; the student acts.

QC-FQL is this with horizon 5 (arXiv 2507.07969).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from algos.base import ActorCritic, Batch, Info, Nets, Phase, Policy
from algos.critic import climb
from backbones.base import Backbone, normal, option, refuse_negative
from backbones.nets import MLP


def imitate(nets: Nets, teacher: Policy, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """|student(s, noise) - sg teacher(s, noise)|^2, a scalar, and the values of the student's actions [B]."""
    with torch.no_grad():
        taught = teacher.sample(obs, noise)
    action = nets.student(obs, noise)
    return (action - taught).square().mean(), nets.constant.critic(obs, action.clamp(-1, 1)).mean(0)


@dataclass(frozen=True)
class FQL(ActorCritic):
    """L = L_BC(teacher) + alpha |student(s, noise) - sg teacher(s, noise)|^2 - Q(s, student(s, noise))."""

    distill_weight: float = option(100.0, "alpha: weight of the student's distance to the teacher")
    normalize_q: bool = option(False, "divide the Q term by the batch's mean |Q|")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.distill_weight")

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        noise_size = backbone.noise_size(action_dim)
        return {
            "actor": backbone.network(obs_dim, action_dim),
            "student": MLP(obs_dim + noise_size, action_dim, backbone.width, backbone.depth, layer_norm=False),
            "critic": self.critic(obs_dim, action_dim),
        }

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        b = self.batch_size
        return {
            "fit": backbone.draw(generator, b, 1, action_dim),
            "distill": normal(generator, b, backbone.noise_size(action_dim)),
        }

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        distill, q = imitate(nets, nets.actor, batch.obs, noise["distill"])
        loss = bc.mean() + self.distill_weight * distill - climb(q, self.normalize_q)
        return loss, info | {"bc_loss": bc.detach().mean(), "distill_loss": distill.detach()}

    def generate(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return nets.student(obs, noise).clamp(-1, 1)
