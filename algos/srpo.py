"""Score-regularised policy optimisation (Chen et al., SRPO, arXiv 2310.07297).

    a diffusion model clones the data; a deterministic policy climbs Q and the diffusion model's score; the policy acts.

The paper trains the diffusion model and the critics first and the policy after them; here all train together.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from algos.base import Batch, Info, Nets, Phase
from algos.expectile import ExpectileCritic
from backbones.base import Backbone, option
from backbones.diffusion import Diffusion, schedule
from backbones.nets import MLP


@dataclass(frozen=True)
class SRPO(ExpectileCritic):
    """L = L_BC(diffusion) + sg[sigma_t^2 (e(s, a_t, t) - noise)] a - beta Q_slow(s, a), a = tanh pi(s).

    a_t = alpha_t a + sigma_t noise; e is the diffusion model's noise, -e / sigma_t the score of the behaviour. The weight
    sigma_t^2 and the subtracted noise, which changes no expectation, are the paper's (section 4).
    """

    q_weight: float = option(0.1, "beta: weight of the Q term")

    def misfit(self, backbone: Backbone) -> str:
        return (
            "" if isinstance(backbone, Diffusion) else "it follows the score of a diffusion model; take the backbone diffusion"
        )

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        policy = MLP(obs_dim, action_dim, backbone.width, backbone.depth, layer_norm=False)
        return super().networks(backbone, obs_dim, action_dim) | {"policy": policy}

    def draw(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        return {name: backbone.draw(generator, self.batch_size, 1, action_dim) for name in ("fit", "score")}

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        action = nets.policy(batch.obs).tanh()
        q = nets.slow.critic(batch.obs, action).mean(0)
        away = self.score_gap(nets, batch.obs, action.detach(), noise["score"])
        loss = bc.mean() + ((away * action).sum(-1) - self.q_weight * q).mean()
        return loss, info | {"bc_loss": bc.detach().mean(), "q_policy": q.detach().mean(), "score_gap": away.square().mean()}

    @torch.no_grad()
    def score_gap(self, nets: Nets, obs: Tensor, action: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """sigma_t^2 (e(s, a_t, t) - noise), which points away from where the behaviour is denser: [B, a]."""
        alpha, sigma = schedule(noise["t"])
        predicted = nets.actor.net(obs[:, None], alpha * action[:, None] + sigma * noise["noise"], noise["t"])
        return (sigma.square() * (predicted - noise["noise"])).squeeze(1)

    def generate(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return torch.broadcast_tensors(nets.policy(obs).tanh(), noise)[0]
