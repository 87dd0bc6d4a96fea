"""Behaviour-regularised actor-critic (Wu et al., BRAC, arXiv 1911.11361), for any backbone.

    the policy clones the data and climbs Q, by a gradient through the whole of its sampler.

With the flow backbone this is FBRAC (Park et al., arXiv 2502.02538, Eq. 6), with diffusion Diffusion-QL (arXiv 2208.06193).
With consistency it is Consistency-AC (Ding & Jin, arXiv 2309.16984), L = L_c + eta L_q: as in its authors' program Q is divided
by its mean size, TD targets take the minimum of two critics, and on goal-reaching tasks the best of 10 next actions.
"""

from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor

from algos.base import ActorCritic, Batch, Info, Nets, Phase
from algos.critic import climb
from backbones.base import Backbone, normal, option, refuse_negative


@dataclass(frozen=True)
class BRAC(ActorCritic):
    """L = alpha L_BC - eta Q(s, a), a a sample of the policy."""

    data_weight: float = option(1.0, "alpha: weight of the behaviour-cloning loss")
    q_weight: float = option(1.0, "eta: weight of the Q term")
    normalize_q: bool = option(False, "divide the Q term by the batch's mean |Q|")
    target_samples: int = option(1, "next actions of which TD targets take the highest Q of each critic (max-Q backup)")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.data_weight", "algo.q_weight")
        if self.data_weight == self.q_weight == 0:
            raise ValueError("algo.data_weight 0, algo.q_weight 0: nothing would train the policy; one must be above 0")
        if self.target_samples < 1:
            raise ValueError(f"algo.target_samples {self.target_samples}: at least 1")

    def next_noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        return self.target_samples, backbone.noise_size(action_dim)

    def next_values(self, nets: Nets, batch: Batch, noise: Tensor) -> Tensor:
        obs = batch.next_obs[:, None]
        return nets.slow.critic(obs, nets.actor.sample(obs, noise)).amax(-1)

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        b = self.batch_size
        return {
            "fit": backbone.draw(generator, b, 1, action_dim),
            "action": normal(generator, b, backbone.noise_size(action_dim)),
        }

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        q = nets.constant.critic(batch.obs, nets.actor.sample(batch.obs, noise["action"])).mean(0)
        loss = self.data_weight * bc.mean() - self.q_weight * climb(q, self.normalize_q)
        return loss, info | {"bc_loss": bc.detach().mean(), "q_policy": q.detach().mean()}
