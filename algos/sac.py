"""Soft actor-critic (Haarnoja et al., arXiv 1812.05905) on action chunks, for backbones with a likelihood.

    the policy climbs Q and keeps its entropy, at a price that is learnt; it may also clone the data.

RLPD (Ball et al., arXiv 2302.02948) is this with ten critics, balanced batches and no offline phase. As in its published runs
on chunks TD targets have no entropy bonus.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Generator, Tensor, nn

from algos.base import ActorCritic, Batch, Info, Nets, Phase
from algos.critic import pessimistic
from algos.entropy import EntropyWeight, entropy_losses
from backbones.abilities import Density
from backbones.base import Backbone, normal, option, refuse_negative


@dataclass(frozen=True)
class SAC(ActorCritic):
    """L = sg(lambda) log pi(a'|s) - Q(s, a') - w log pi(a|s) + lambda (sg(H) - H*), a' a sample of the policy, a the data's."""

    needs: ClassVar[type] = Density

    data_weight: float = option(0.0, "w: weight of the data's likelihood")
    target_entropy: float = option(-0.5, "H*: the entropy that the policy keeps, for each dimension of a chunk")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.data_weight")

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        return super().networks(backbone, obs_dim, action_dim) | {"entropy_weight": EntropyWeight()}

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        return {"action": normal(generator, self.batch_size, backbone.noise_size(action_dim))}

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        action, log_prob = nets.actor.sample_with_log_prob(batch.obs, noise["action"])
        q = pessimistic(nets.constant.critic(batch.obs, action), self.pessimism).mean()
        weight, target = nets.entropy_weight(), self.target_entropy * action.shape[-1]
        policy_loss, weight_loss = entropy_losses(weight, log_prob, target)
        bc = -nets.actor.log_prob(batch.obs, batch.action).mean()
        return policy_loss + weight_loss + self.data_weight * bc - q, {
            "bc_loss": bc.detach(),
            "entropy": -log_prob.detach().mean(),
            "entropy_weight": weight.detach(),
            "q_policy": q.detach(),
        }
