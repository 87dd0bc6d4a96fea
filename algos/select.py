"""Preferring actions by their value: best-of-N, top-K and advantage weights."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Literal

from torch import Tensor

from algos.base import Nets, Policy
from algos.critic import pessimistic
from backbones.dense import has_bfloat16
from backbones.nets import lowered

Precision = Literal["float32", "bfloat16"]

CHOOSING = ("best_of", "num_samples")  # the options that say of how many samples the best acts
NO_CHOICE = "it chooses among samples, and a deterministic policy's are all the same"


def refuse_slow(algorithm: Any, device: str) -> None:
    """ValueError where an algorithm ranks in a precision that is no faster here: that is all it is for."""
    if getattr(algorithm, "ranking", "float32") == "bfloat16" and device == "cpu" and not has_bfloat16():
        raise ValueError("algo.ranking 'bfloat16': this processor has no such products, they take AVX-512; use float32")


def one_sample(algorithm: Any) -> Any:
    """The rule, acting by one sample that no critic chose; equal to the rule where it never chooses."""
    return replace(algorithm, **{f.name: 1 for f in fields(algorithm) if f.name in CHOOSING})


def take(candidates: Tensor, index: Tensor) -> Tensor:
    """The chosen candidates: [..., N, a] and index [..., K] to [..., K, a]."""
    return candidates.gather(-2, index[..., None].expand(*index.shape, candidates.shape[-1]))


def top_k(candidates: Tensor, values: Tensor, k: int) -> Tensor:
    """P_K(s), the k candidates of highest value, the best last: [..., N, a], [..., N] to [..., k, a] (Eq. 15)."""
    return take(candidates, values.topk(k, -1).indices.flip(-1))


def advantage_weights(advantage: Tensor, inverse_temperature: float) -> Tensor:
    """exp(alpha (Q(s, a) - V(s))), at most 100: advantage-weighted regression as IQL does it (arXiv 2110.06169, Eq. 7)."""
    return (inverse_temperature * advantage).exp().clamp_max(100)


def best_samples(
    policy: Policy,
    critic: Callable[..., Tensor],
    obs: Tensor,
    noise: Tensor,
    k: int,
    pessimism: float = 0.0,
    precision: Precision = "float32",
) -> tuple[Tensor, Tensor]:
    """P_K(s), the top K of N samples of a policy by the critic's (pessimistic) value, and the values of all N (Eq. 15).

    obs [..., 1, obs_dim] and noise [..., N, a] to [..., K, a] and [..., N]. With `precision` bfloat16 the networks' hidden
    layers generate and score in it what is only ranked; the chosen samples are generated again in float32. A processor without
    bfloat16 ranks in float32: it acts for a run that a GPU trains.
    """
    lower = precision != "float32" and (obs.device.type != "cpu" or has_bfloat16())
    ranked, by = (policy.lowered(), lowered(critic)) if lower else (policy, critic)
    samples = ranked.sample(obs, noise)
    values = pessimistic(by(obs, samples), pessimism)
    return policy.sample(obs, top_k(noise, values, k)) if lower else top_k(samples, values, k), values


def best_of_n(nets: Nets, obs: Tensor, noise: Tensor, pessimism: float = 0.0, precision: Precision = "float32") -> Tensor:
    """argmax_j Q(s, a_j) over samples a_j of the policy, one a noise vector: noise [..., N, a] to [..., a].

    The critic's mean over its ensemble decides, or its pessimistic value (best-of-N, EMaQ: arXiv 2007.11091). One candidate
    needs no critic.
    """
    obs = obs.unsqueeze(-2)
    if noise.shape[-2] == 1:
        return nets.actor.sample(obs, noise).squeeze(-2)
    return best_samples(nets.actor, nets.critic, obs, noise, 1, pessimism, precision)[0].squeeze(-2)
