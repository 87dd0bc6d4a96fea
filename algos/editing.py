"""An edit policy on top of a policy: it moves the actions of the one below a little, up Q (EXPO, arXiv 2507.07986)."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor, nn

from algos.base import ActorCritic, Batch, Info, Nets, Phase
from algos.entropy import EntropyWeight, entropy_losses
from backbones.base import Backbone, normal, option, refuse_negative
from backbones.nets import joined
from backbones.tanh_gaussian import TanhGaussian


@dataclass(frozen=True)
class Editing(ActorCritic):
    """A rule trains a policy; what acts is clip(b + c e), b that policy's action, e ~ edit(.|s, b) of a tanh Gaussian.

    L = L_base - Q(s, clip(b + c e)) + lambda log edit(e|s, b), and lambda's loss, which keeps e's entropy at H*. Edits are
    sampled whenever it acts. With c = 0 there is no edit policy.
    """

    edit_scale: float = option(0.0, "c: how far an edit moves an action, in each dimension; 0: no edit policy")
    edit_entropy: float = option(-0.5, "H*: the entropy that edits keep, for each dimension")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.edit_scale")

    @abstractmethod
    def base(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        """An action of the policy below: obs [..., obs_dim] and its noise [..., noise_size] to [..., a]."""

    @abstractmethod
    def draw_base(self, backbone: Backbone, generator: Generator, action_dim: int) -> dict[str, Any]:
        """The random numbers of `base_loss`."""

    @abstractmethod
    def base_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any]) -> tuple[Tensor, Info]:
        """The scalar that improves the policy below."""

    def policies(self, backbone: Backbone) -> dict[str, Backbone]:
        return super().policies(backbone) | {"edit": TanhGaussian(backbone.width, backbone.depth)}

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        networks = super().networks(backbone, obs_dim, action_dim)
        if self.edit_scale:
            networks["edit"] = self.policies(backbone)["edit"].network(obs_dim + action_dim, action_dim)
            networks["entropy_weight"] = EntropyWeight()
        return networks

    def noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        return 1, backbone.noise_size(action_dim) + (action_dim if self.edit_scale else 0)

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        noise = self.draw_base(backbone, generator, action_dim)
        if self.edit_scale:
            noise["edit"] = normal(generator, self.batch_size, self.noise_shape(backbone, action_dim)[1])
        return noise

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        loss, info = self.base_loss(nets, batch, noise)
        if not self.edit_scale:
            return loss, info
        edit_loss, edit_info = self.edit_loss(nets, batch.obs, noise["edit"])
        return loss + edit_loss, info | edit_info

    def edit_loss(self, nets: Nets, obs: Tensor, noise: Tensor) -> tuple[Tensor, Info]:
        """-Q(s, clip(b + c e)) + sg(lambda) log edit(e|s, b) + lambda (sg(H) - H*), a scalar."""
        action, log_prob = self.edited(nets, obs, noise)
        q, weight = nets.constant.critic(obs, action).mean(), nets.entropy_weight()
        policy_loss, weight_loss = entropy_losses(weight, log_prob, self.edit_entropy * action.shape[-1])
        return policy_loss + weight_loss - q, {
            "edit_q": q.detach(),
            "edit_entropy": -log_prob.detach().mean(),
            "entropy_weight": weight.detach(),
        }

    def edited(self, nets: Nets, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """clip(b + c e) and log edit(e|s, b): noise of b and then of e to [..., a] and [...]."""
        of_base, whole = nets.actor.backbone.noise_size, noise.shape[-1]
        size = next(of_base(a) for a in range(1, whole) if of_base(a) + a == whole)
        base = self.base(nets, obs, noise[..., :size]).detach()
        edit, log_prob = nets.edit.sample_with_log_prob(joined(obs, base), noise[..., size:])
        return (base + self.edit_scale * edit).clamp(-1, 1), log_prob

    def generate(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return self.edited(nets, obs, noise)[0] if self.edit_scale else self.base(nets, obs, noise)
