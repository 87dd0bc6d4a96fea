"""Score-regularised policy optimisation (Chen et al., SRPO, arXiv 2310.07297).

    a diffusion model clones the data; a deterministic policy climbs Q and the diffusion model's score; the policy acts.

The paper trains the diffusion model and the critics first and the policy after them; here all train together.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from algos.base import Batch, Info, Nets, Phase
from algos.expectile import ExpectileCritic
from backbones.abilities import Score
from backbones.base import Backbone, option, refuse_negative
from backbones.deterministic import Deterministic


@dataclass(frozen=True)
class SRPO(ExpectileCritic):
    """L = L_BC(diffusion) + sg[sigma_t^2 (e(s, a_t, t) - noise)] a - beta Q_slow(s, a), a = tanh pi(s).

    a_t = alpha_t a + sigma_t noise; e is the diffusion model's noise, -e / sigma_t the score of the behaviour. The weight
    sigma_t^2 and the subtracted noise, which changes no expectation, are the paper's (section 4).
    """

    needs: ClassVar[type] = Score

    q_weight: float = option(0.1, "beta: weight of the Q term")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.q_weight")

    def policies(self, backbone: Backbone) -> dict[str, Backbone]:
        return {"actor": backbone, "policy": Deterministic(backbone.width, backbone.depth)}

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        policy = self.policies(backbone)["policy"].network(obs_dim, action_dim)
        return super().networks(backbone, obs_dim, action_dim) | {"policy": policy}

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        return {name: backbone.draw(generator, self.batch_size, 1, action_dim) for name in ("fit", "score")}

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        action = nets.policy.sample(batch.obs, torch.zeros_like(batch.action))
        q = nets.slow.critic(batch.obs, action).mean(0)
        away = self.score_gap(nets, batch.obs, action.detach(), noise["score"])
        loss = bc.mean() + ((away * action).sum(-1) - self.q_weight * q).mean()
        return loss, info | {"bc_loss": bc.detach().mean(), "q_policy": q.detach().mean(), "score_gap": away.square().mean()}

    @torch.no_grad()
    def score_gap(self, nets: Nets, obs: Tensor, action: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """sigma_t^2 (e(s, a_t, t) - noise), which points away from where the behaviour is denser: [B, a]."""
        error, sigma = nets.actor.noise_error(obs[:, None], action[:, None], noise)
        return (sigma.square() * error).squeeze(1)

    def generate(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return nets.policy.sample(obs, noise)
