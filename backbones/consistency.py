"""Consistency policies: one step from any point of a diffusion's path to the action at its end.

Song et al., "Consistency Models" (arXiv 2303.01469), trained from data alone and without an averaged teacher, as by Song and
Dhariwal (arXiv 2310.14189); as policies, Ding & Jin (arXiv 2309.16984). Noise is added: x = action + sigma noise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor, nn

from backbones.base import Info, Network, Noise, PerPositive, normal, option
from backbones.nets import MLP

Jump = Callable[[Tensor, Tensor], Tensor]  # f(x, sigma), the action that the path through x at sigma leads to

SIGMA_MIN, SIGMA_DATA, RHO = 0.002, 0.5, 7  # those of arXiv 2303.01469, section C


def noise_levels(count: int, sigma_max: float, device: torch.device | None = None) -> Tensor:
    """sigma_1 < ... < sigma_N from SIGMA_MIN to `sigma_max`, evenly spaced in sigma^(1/7) (arXiv 2303.01469, section 6)."""
    return torch.linspace(SIGMA_MIN ** (1 / RHO), sigma_max ** (1 / RHO), count, device=device) ** RHO


def boundary(network: Jump, x: Tensor, sigma: Tensor) -> Tensor:
    """f(x, sigma) = c_skip x + c_out F(c_in x, log sigma / 4), which is x at SIGMA_MIN (arXiv 2303.01469, section C)."""
    scale = (sigma.square() + SIGMA_DATA**2).sqrt()
    skip = SIGMA_DATA**2 / ((sigma - SIGMA_MIN).square() + SIGMA_DATA**2)
    return skip * x + SIGMA_DATA * (sigma - SIGMA_MIN) / scale * network(x / scale, sigma.log() / 4)


def consistency_loss(f: Jump, action: Tensor, noise: Tensor, sigma: Tensor, next_sigma: Tensor) -> Tensor:
    """|f(action + next_sigma noise) - sg f(action + sigma noise)|^2 / (next_sigma - sigma) (arXiv 2310.14189, section 3).

    action, noise [..., a]; sigma < next_sigma, neighbouring noise levels [..., 1]. Returns [..., a].
    """
    with torch.no_grad():
        target = f(action + sigma * noise, sigma)
    return (f(action + next_sigma * noise, next_sigma) - target).square() / (next_sigma - sigma)


@dataclass(frozen=True)
class Consistency(PerPositive):
    """a = f(s, sigma_max noise, sigma_max); more levels to sample at take the same noise again, as DDIM would."""

    num_levels: int = option(40, "N: noise levels in training, of which the lowest is 0.002")
    sigma_max: float = option(10.0, "the highest of them, where sampling begins; for images it is 80")
    refinements: tuple[float, ...] = option((), "lower levels at which a sample is noised and denoised once more, falling")

    def __post_init__(self) -> None:
        if self.num_levels < 2:
            raise ValueError(f"backbone.num_levels {self.num_levels}: at least 2")
        if not self.sigma_max > SIGMA_MIN:
            raise ValueError(f"backbone.sigma_max {self.sigma_max}: must exceed {SIGMA_MIN}")
        if any(not SIGMA_MIN < sigma < self.sigma_max for sigma in self.refinements):
            raise ValueError(f"backbone.refinements {self.refinements}: must lie between {SIGMA_MIN} and {self.sigma_max}")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        return MLP(obs_dim + action_dim + 1, action_dim, self.width, self.depth, layer_norm=False)

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        levels = noise_levels(self.num_levels, self.sigma_max, generator.device)
        n = torch.randint(self.num_levels - 1, (batch, positives, 1), generator=generator, device=generator.device)
        return {"noise": normal(generator, batch, positives, action_dim), "sigma": levels[n], "next_sigma": levels[n + 1]}

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """The consistency loss; every positive has its own (noise, sigma)."""
        f = partial(self.jump, net, obs)
        return consistency_loss(f, positives, noise["noise"], noise["sigma"], noise["next_sigma"]).mean(-1), {}

    def jump(self, net: Network, obs: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """f(s, x, sigma): the action, not yet clipped, to which the path through x leads."""
        return boundary(lambda x, c: net(obs, x, c), x, sigma)

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        action = torch.zeros_like(noise)
        for sigma in (self.sigma_max, *self.refinements):
            level = torch.full_like(noise[..., :1], sigma)
            action = self.jump(net, obs, action + sigma * noise, level).clamp(-1, 1)
        return action
