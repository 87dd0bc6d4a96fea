"""What every algorithm is: how the policy and the critic improve each other, written for one seed.

Shapes: B states; H = horizon; a = H * action_dim; E critics; N candidates a state. An algorithm holds numbers only. The
networks come bound to their parameters: `nets.actor` (a policy of any backbone), `nets.critic`, and
`nets.slow.<name>`, copies that trail their source; `nets.constant.<name>` is the network without gradient to itself.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn

from algos.critic import Critic, chunk_return, td_target
from backbones.base import Backbone, Info, Network, Noise, names, normal, option, refuse_negative
from backbones.nets import lowered

Phase = Literal["offline", "online"]


class Batch(NamedTuple):
    """Chunks of H transitions that lie in one episode: next_obs is what was seen after the last action."""

    obs: Tensor  # [B, obs_dim]
    action: Tensor  # [B, a]
    reward: Tensor  # [B, H]
    mask: Tensor  # [B, H], 0 where the task ended: only it stops the bootstrap
    next_obs: Tensor  # [B, obs_dim]
    next_action: Tensor = ()  # type: ignore[assignment]  # [B, a], the data's next chunk, NaN where there is none; if asked for


class Nets:
    """One seed's networks by name, as attributes: `nets.critic`, `nets.slow.critic`."""

    slow: "Nets"  # copies that trail their source
    constant: "Nets"  # the networks without gradient to themselves; their inputs get one

    def __init__(self, **networks: Any):
        for name, network in networks.items():
            setattr(self, name, network)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Policy:
    """A backbone bound to a network's parameters: pi(.|s). Its abilities (`backbones.abilities`) are the backbone's."""

    def __init__(self, backbone: Any, net: Network):
        self.backbone, self.net = backbone, net

    def sample(self, obs: Tensor, noise: Tensor) -> Tensor:
        return self.backbone.sample(self.net, obs, noise)

    def lowered(self) -> "Policy":
        """The policy with its network's hidden layers in bfloat16."""
        return Policy(self.backbone, lowered(self.net))

    def fit(self, obs: Tensor, *, noise: Noise, **sets: Tensor) -> tuple[dict[str, Tensor], Info]:
        """The backbone's loss toward each set of positives [B, P, a], by the set's name: [B] each, and scalars to record."""
        return self.backbone.losses(self.net, obs, sets, noise)

    def clone(self, obs: Tensor, action: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """The backbone's loss toward the data's action [B, a], which is a set of one: [B], and scalars to record."""
        losses, info = self.fit(obs, data=action[:, None], noise=noise)
        return losses["data"], info

    def velocity(self, obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return self.backbone.velocity(self.net, obs, x, t)

    def mean_velocity(self, obs: Tensor, x: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return self.backbone.mean_velocity(self.net, obs, x, r, t)

    def sample_with_log_prob(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        return self.backbone.sample_with_log_prob(self.net, obs, noise)

    def log_prob(self, obs: Tensor, action: Tensor) -> Tensor:
        return self.backbone.log_prob(self.net, obs, action)

    def noise_error(self, obs: Tensor, action: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        return self.backbone.noise_error(self.net, obs, action, noise)


@dataclass(frozen=True)
class Algorithm(ABC):
    """A learning rule. `loss` is minimised by one Adam; slow networks trail at the rates that `slow_rates` gives."""

    needs: ClassVar[type | None] = None  # the ability (`backbones.abilities`) without which a backbone is refused
    reads_next_action: ClassVar[bool] = False  # whether batches need the data's next chunk
    needs_offline: ClassVar[bool] = False  # whether its online phase keeps to the policy that its offline phase learned

    horizon: int = option(5, "H: actions a policy call, executed open loop (Q-chunking); 1 is no chunking")
    learning_rate: float = option(3e-4, "of Adam")
    final_rate: float = option(1.0, "share of the learning rate that is left, linearly, at the end of the offline phase")
    batch_size: int = option(256, "chunks an update")
    max_grad_norm: float = option(
        0.0, "bound of the gradient's norm, over all networks of a seed together, before Adam; 0: none", later=True
    )

    def __post_init__(self) -> None:
        for name in ("horizon", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"algo.{name} {getattr(self, name)}: at least 1")
        if not self.learning_rate > 0:
            raise ValueError(f"algo.learning_rate {self.learning_rate}: must be > 0")
        if not 0 < self.final_rate <= 1:
            raise ValueError(f"algo.final_rate {self.final_rate}: a share in (0, 1]; 1 keeps the learning rate")
        refuse_negative(self, "algo.max_grad_norm")

    def online_options(self) -> tuple[str, ...]:
        """Those of its options that the offline phase does not read, so that runs which differ in them alone can share one."""
        return ()

    def misfit(self, backbone: Backbone) -> str:
        """Why this rule makes no sense with a backbone, in one line; empty where it does."""
        if self.needs is None or isinstance(backbone, self.needs):
            return ""
        able = " or ".join(names("backbones", self.needs))
        ability = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.needs.__name__).lower()
        return f"it needs a policy with a {ability}; take the backbone {able}"

    def policies(self, backbone: Backbone) -> dict[str, Backbone]:
        """The networks that are policies, and the backbone of each; losses get them as `Policy`, the others as they are."""
        return {"actor": backbone}

    @abstractmethod
    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        """Fresh modules by name, those of the policies among them; `action_dim` is a."""

    def delays(self) -> dict[str, int]:
        """The networks that only every n-th update trains, the first included, by n (TD3's delayed policy updates, arXiv
        1802.09477). Between, all slow networks wait with them, and Adam moves them on by momentum."""
        return {}

    @abstractmethod
    def slow_rates(self, phase: Phase) -> dict[str, float]:
        """The networks with a slow copy in this phase, and its rate: slow += rate * (net - slow), net before the update."""

    @abstractmethod
    def draw(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        """The random numbers of one `loss` (tensors, or dicts of tensors)."""

    @abstractmethod
    def loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        """The scalar to minimise for one seed, and scalars to record."""

    def generate(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        """An action for each noise vector, none of them chosen: obs [..., obs_dim] and noise [..., noise size] to [..., a]."""
        return nets.actor.sample(obs, noise)

    def watch(self, nets: Nets, obs: Tensor, noise: Tensor) -> Info:
        """Scalars worth recording at log points, of the actions generated in states [B, obs_dim] from N noise vectors."""
        return spread_and_clipping(self.generate(nets, obs[:, None], noise))

    def noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        """Of the noise with which `act` chooses one action: N' candidates, and the size of a noise vector of `generate`."""
        return 1, backbone.noise_size(action_dim)

    def act(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        """The chunk to execute: obs [..., obs_dim] and noise [..., *noise_shape] to [..., a]."""
        return self.generate(nets, obs, noise.squeeze(-2))


@dataclass(frozen=True)
class ActorCritic(Algorithm):
    """The off-policy actor-critic skeleton (arXiv 2605.07727, Eqs. 1-2) on action chunks (Q-chunking, arXiv 2507.07969)."""

    discount: float = option(0.99, "gamma")
    target_rate: float = option(5e-3, "tau: rate at which the target critic follows the critic")
    num_critics: int = option(2, "E: size of the critic ensemble")
    pessimism: float = option(0.0, "rho: TD targets use the ensemble's mean - rho * std; with two critics 1 is their minimum")
    critic_width: int = option(512, "units of each hidden layer of a critic")
    critic_depth: int = option(4, "hidden layers of a critic")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.discount <= 1:
            raise ValueError(f"algo.discount {self.discount}: must lie in (0, 1]")
        if not 0 <= self.target_rate <= 1:
            raise ValueError(f"algo.target_rate {self.target_rate}: must lie in [0, 1]")
        if self.num_critics < 1:
            raise ValueError(f"algo.num_critics {self.num_critics}: at least 1")

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        return {"actor": backbone.network(obs_dim, action_dim), "critic": self.critic(obs_dim, action_dim)}

    def slow_rates(self, phase: Phase) -> dict[str, float]:
        return {"critic": self.target_rate}

    def draw(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        """Of the TD target's next actions, and of `actor_loss`."""
        next_action = normal(generator, self.batch_size, *self.next_noise_shape(backbone, action_dim))
        return {"next_action": next_action} | self.draw_actor(backbone, generator, action_dim, phase)

    def next_noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        """Of the noise with which `next_values` chooses one next action; unless overridden as in `act`."""
        return self.noise_shape(backbone, action_dim)

    def next_values(self, nets: Nets, batch: Batch, noise: Tensor) -> Tensor:
        """Q_slow(s', a'), a' = act(s'), of which TD targets are made: noise [B, *next_noise_shape] to [E, B]."""
        return nets.slow.critic(batch.next_obs, self.act(nets, batch.next_obs, noise))

    @abstractmethod
    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        """The random numbers of `actor_loss`."""

    @abstractmethod
    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        """The scalar that improves the policy."""

    def critic_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any]) -> tuple[Tensor, Info]:
        """Mean over critics and states of (Q(s, a) - y)^2, y = R_H + gamma^H mask Q_slow(s', a') (Eq. 1)."""
        with torch.no_grad():
            target = td_target(
                chunk_return(batch.reward, self.discount),
                batch.mask.amin(-1),
                self.next_values(nets, batch, noise["next_action"]),
                self.discount**self.horizon,
                self.pessimism,
            )
        values = nets.critic(batch.obs, batch.action)
        info = {"q_data": values.detach().mean(), "q_target": target.mean()}
        return (values - target).square().mean(), info

    def loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        critic_loss, critic_info = self.critic_loss(nets, batch, noise)
        actor_loss, actor_info = self.actor_loss(nets, batch, noise, phase)
        losses = {"critic_loss": critic_loss.detach(), "actor_loss": actor_loss.detach()}
        return critic_loss + actor_loss, losses | critic_info | actor_info

    def watch(self, nets: Nets, obs: Tensor, noise: Tensor) -> Info:
        actions = self.generate(nets, obs[:, None], noise)
        return spread_and_clipping(actions) | {"q_generated": nets.critic(obs[:, None], actions).mean()}

    def critic(self, obs_dim: int, action_dim: int) -> nn.Module:
        return Critic(obs_dim, action_dim, self.num_critics, self.critic_width, self.critic_depth)


def spread_and_clipping(actions: Tensor) -> Info:
    """Of each state's actions [B, N, a]: the RMS distance to their mean, per dimension, and the share of clipped dimensions."""
    spread = (actions - actions.mean(1, keepdim=True)).square().mean().sqrt()
    return {"actor_spread": spread, "actor_clipped": (actions.abs() >= 1).float().mean()}
