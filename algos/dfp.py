"""Drifting Field Policy (arXiv 2605.07727, Algorithm 1), for any backbone.

    fit the data action; propose with the old, slow policy; keep the top K by Q; fit those too, with weight lambda.

With the drifting backbone this is DFP; with MeanFlow, "MVP w/ top-K". With `elite_weight` 0 it is best-of-N on a cloned policy.
"""

from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Generator, Tensor

from algos.ascent import climbed
from algos.base import ActorCritic, Batch, Info, Nets, Phase
from algos.select import NO_CHOICE, Precision, best_of_n, best_samples
from backbones.base import Backbone, normal, option, refuse_negative


@dataclass(frozen=True)
class DFP(ActorCritic):
    """L = L_BC + lambda L_top-K (Eqs. 16, 18); best-of-N' to act and in the TD target."""

    num_candidates: int = option(16, "N: actions that the old policy proposes a state")
    num_elites: int = option(4, "K: the proposals of highest value, kept as positives")
    elite_weight: float = option(0.5, "lambda: weight of the top-K loss; 0 is DFP w/o top-K")
    elite_step: float = option(0.0, "eta: how far elites are moved up the gradient of Q, as in FMQ; 0 leaves them", later=True)
    data_weight: float = option(1.0, "weight of the behaviour-cloning loss")
    old_policy_rate: float = option(1e-4, "tau_EMA: rate at which the old policy follows the policy")
    elites_offline: bool = option(False, "use the top-K loss from the first offline step (the paper's offline RL setting)")
    best_of: int = option(16, "N': samples of which the best acts")
    target_best_of: int = option(16, "N' of the TD target; 1 is Eq. (1) as printed")
    ranking: Precision = option(
        "float32", "of what is only ranked; bfloat16 is faster, and what is chosen stays float32", later=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.num_elites <= self.num_candidates:
            raise ValueError(
                f"algo.num_elites {self.num_elites}: K must lie in 1..N, and algo.num_candidates is {self.num_candidates}"
            )
        refuse_negative(self, "algo.elite_weight", "algo.elite_step", "algo.data_weight")
        if self.data_weight == self.elite_weight == 0:
            raise ValueError("algo.data_weight 0, algo.elite_weight 0: nothing would train the policy; one must be above 0")
        if not 0 <= self.old_policy_rate <= 1:
            raise ValueError(f"algo.old_policy_rate {self.old_policy_rate}: must lie in [0, 1]")
        if min(self.best_of, self.target_best_of) < 1:
            raise ValueError(f"algo.best_of {self.best_of}, algo.target_best_of {self.target_best_of}: at least 1")
        if self.ranking not in get_args(Precision):
            raise ValueError(f"algo.ranking '{self.ranking}': there are {', '.join(get_args(Precision))}")

    def online_options(self) -> tuple[str, ...]:
        of_elites = "num_candidates", "num_elites", "elite_weight", "elite_step", "old_policy_rate"
        return () if self.elites_offline else of_elites

    def misfit(self, backbone: Backbone) -> str:
        return NO_CHOICE if backbone.deterministic else ""

    def uses_elites(self, phase: Phase) -> bool:
        return self.elite_weight != 0 and (phase == "online" or self.elites_offline)

    def slow_rates(self, phase: Phase) -> dict[str, float]:
        old_policy = {"actor": self.old_policy_rate} if self.uses_elites(phase) else {}
        return super().slow_rates(phase) | old_policy

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        b = self.batch_size
        if not self.uses_elites(phase):
            return {"fit": backbone.draw(generator, b, 1, action_dim)}
        return {
            "fit": backbone.draw(generator, b, self.num_elites + 1, action_dim),
            "candidates": normal(generator, b, self.num_candidates, backbone.noise_size(action_dim)),
        }

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        if not self.uses_elites(phase):
            bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
            return self.data_weight * bc.mean(), info
        elites, elite_info = self.propose(nets, batch.obs, noise["candidates"])
        losses, info = nets.actor.fit(batch.obs, elites=elites, data=batch.action[:, None], noise=noise["fit"])
        loss = self.data_weight * losses["data"] + self.elite_weight * losses["elites"]
        return loss.mean(), info | elite_info

    @torch.no_grad()
    def propose(self, nets: Nets, obs: Tensor, noise: Tensor) -> tuple[Tensor, Info]:
        """P_K(s), the top K of N actions of the old policy by the critic's mean (Eq. 15), moved if asked for: [B, K, a]."""
        obs = obs[:, None]
        elites, values = best_samples(nets.slow.actor, nets.critic, obs, noise, self.num_elites, precision=self.ranking)
        info = {"q_candidates": values.mean(), "q_elites": values.topk(self.num_elites, -1).values.mean()}
        if self.elite_step == 0:
            return elites, info
        moved = climbed(lambda a: nets.critic(obs, a).mean(0), elites, self.elite_step)
        return moved, info | {"q_moved": nets.critic(obs, moved).mean()}

    def watch(self, nets: Nets, obs: Tensor, noise: Tensor) -> Info:
        """With ranking in less than float32, also the share of states in which it chooses the same action."""
        info = super().watch(nets, obs, noise)
        if self.ranking == "float32":
            return info
        noise = noise.expand(len(obs), -1, -1)
        exact, chosen = (best_of_n(nets, obs, noise, precision=precision) for precision in ("float32", self.ranking))
        return info | {"same_choice": (exact - chosen).abs().amax(-1).lt(1e-4).float().mean()}

    def noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        return self.best_of, backbone.noise_size(action_dim)

    def next_noise_shape(self, backbone: Backbone, action_dim: int) -> tuple[int, int]:
        return self.target_best_of, backbone.noise_size(action_dim)

    def act(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return best_of_n(nets, obs, noise, precision=self.ranking)
