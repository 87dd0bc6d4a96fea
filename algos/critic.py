"""The critic: an ensemble of Q(s, a) over action chunks, and the target it is regressed on."""

import torch
from torch import Tensor, nn

from backbones.nets import MLP


class Critic(nn.Module):
    """E independent Q functions: obs [..., obs_dim] and action [..., a] to [E, ...]."""

    def __init__(self, obs_dim: int, action_dim: int, num_critics: int, width: int, depth: int):
        super().__init__()
        members = (MLP(obs_dim + action_dim, 1, width, depth, layer_norm=True) for _ in range(num_critics))
        self.members = nn.ModuleList(members)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        return torch.stack([q(obs, action).squeeze(-1) for q in self.members])


class Value(nn.Module):
    """V(s): obs [..., obs_dim] to [...]."""

    def __init__(self, obs_dim: int, width: int, depth: int):
        super().__init__()
        self.net = MLP(obs_dim, 1, width, depth, layer_norm=True)

    def forward(self, obs: Tensor) -> Tensor:
        return self.net(obs).squeeze(-1)


def chunk_return(reward: Tensor, discount: float) -> Tensor:
    """R_H = sum over i < H of discount^i r_i: [..., H] to [...] (Q-chunking, arXiv 2507.07969, Eq. 7)."""
    powers = discount ** torch.arange(reward.shape[-1], device=reward.device)
    return (reward * powers).sum(-1)


def pessimistic(values: Tensor, pessimism: float) -> Tensor:
    """mean - pessimism * std over the ensemble: [E, ...] to [...]. With E = 2 and pessimism 1 this is the minimum."""
    if pessimism == 0:
        return values.mean(0)
    if pessimism == 1 and len(values) == 2:
        return values.amin(0)  # also where the two are so near that a standard deviation loses its digits
    return values.mean(0) - pessimism * values.std(0, correction=0)


def climb(values: Tensor, normalize: bool) -> Tensor:
    """The mean of Q over the policy's actions [..., B], to be climbed; normalised, in units of the mean |Q| (TD3+BC,
    arXiv 2106.06860), so that the rewards' scale does not matter."""
    scale = values.detach().abs().mean().clamp_min(1e-6) if normalize else 1.0
    return values.mean() / scale


def td_target(chunk_return: Tensor, mask: Tensor, next_values: Tensor, discount: float, pessimism: float) -> Tensor:
    """y = R_H + discount * mask * Q(s', a'); `discount` is gamma^H, next_values [E, B], the rest [B]."""
    return chunk_return + discount * mask * pessimistic(next_values, pessimism)
