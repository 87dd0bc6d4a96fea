"""Preferring actions by their value: best-of-N, top-K and advantage weights."""

from torch import Tensor

from algos.base import Nets
from algos.critic import pessimistic

NO_CHOICE = "it chooses among samples, and a deterministic policy's are all the same"


def take(candidates: Tensor, index: Tensor) -> Tensor:
    """The chosen candidates: [..., N, a] and index [..., K] to [..., K, a]."""
    return candidates.gather(-2, index[..., None].expand(*index.shape, candidates.shape[-1]))


def top_k(candidates: Tensor, values: Tensor, k: int) -> Tensor:
    """P_K(s), the k candidates of highest value, the best last: [..., N, a], [..., N] to [..., k, a] (Eq. 15)."""
    return take(candidates, values.topk(k, -1).indices.flip(-1))


def advantage_weights(advantage: Tensor, inverse_temperature: float) -> Tensor:
    """exp(alpha (Q(s, a) - V(s))), at most 100: advantage-weighted regression as IQL does it (arXiv 2110.06169, Eq. 7)."""
    return (inverse_temperature * advantage).exp().clamp_max(100)


def best_of_n(nets: Nets, obs: Tensor, noise: Tensor, pessimism: float = 0.0) -> Tensor:
    """argmax_j Q(s, a_j) over samples a_j of the policy, one a noise vector: noise [..., N, a] to [..., a].

    The critic's mean over its ensemble decides, or its pessimistic value (best-of-N, EMaQ: arXiv 2007.11091). One candidate
    needs no critic.
    """
    obs = obs.unsqueeze(-2)
    candidates = nets.actor.sample(obs, noise)
    if noise.shape[-2] == 1:
        return candidates.squeeze(-2)
    return top_k(candidates, pessimistic(nets.critic(obs, candidates), pessimism), 1).squeeze(-2)
