"""Diffusion policies: an action is denoised in a few steps.

Ho et al., DDPM (arXiv 2006.11239), with the variance-preserving schedule and the few steps of IDQL (arXiv 2304.10573); sampled
as DDIM does (Song et al., arXiv 2010.02502), so that one noise vector gives one action.
Time runs from the action (t = 0) to the noise (t = 1).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from backbones.abilities import Score
from backbones.base import Info, Network, Noise, PerPositive, normal, option
from backbones.nets import MLP, ResidualMLP

Denoiser = Callable[[Tensor, Tensor], Tensor]  # E[action | x_t = x]


def schedule(t: Tensor) -> tuple[Tensor, Tensor]:
    """alpha_t and sigma_t of x_t = alpha_t action + sigma_t noise, alpha^2 + sigma^2 = 1 (arXiv 2011.13456, Eq. 33).

    alpha_t^2 = exp(-b_0 t - (b_1 - b_0) t^2 / 2), b_0 = 0.1, b_1 = 10: the product of IDQL's 1 - beta_i up to the step i = t T.
    """
    square = (-0.1 * t - 4.95 * t.square()).exp()
    return square.sqrt(), (1 - square).sqrt()


def ddim(denoise: Denoiser, noise: Tensor, steps: int) -> Tensor:
    """The action at t = 0 from x_1 = noise: x_s = alpha_s action + sigma_s (x_t - alpha_t action) / sigma_t, the action being
    the denoiser's at t (arXiv 2010.02502, Eq. 12 with sigma = 0), in `steps` equal steps."""
    x = noise
    for i in range(steps, 0, -1):
        t = torch.full_like(noise[..., :1], i / steps)
        action = denoise(x, t)
        (alpha, sigma), (next_alpha, next_sigma) = schedule(t), schedule(t - 1 / steps if i > 1 else torch.zeros_like(t))
        x = next_alpha * action + next_sigma * (x - alpha * action) / sigma
    return x


@dataclass(frozen=True)
class Diffusion(PerPositive, Score):
    """A network predicts the noise in a noisy action; L = |noise - e(s, x_t, t)|^2 (arXiv 2006.11239, Eq. 14)."""

    diffusion_steps: int = option(10, "T: denoising steps from noise to action")
    residual: bool = option(False, "IDQL's residual blocks in place of hidden layers, `depth` of them")

    def __post_init__(self) -> None:
        if self.diffusion_steps < 1:
            raise ValueError(f"backbone.diffusion_steps {self.diffusion_steps}: at least 1")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        inputs = obs_dim + action_dim + 1
        if self.residual:
            return ResidualMLP(inputs, action_dim, self.width, self.depth)
        return MLP(inputs, action_dim, self.width, self.depth, layer_norm=False)

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        step = torch.randint(self.diffusion_steps, (batch, positives, 1), generator=generator, device=generator.device)
        return {"noise": normal(generator, batch, positives, action_dim), "t": (step + 1) / self.diffusion_steps}

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """|noise - e(s, x_t, t)|^2 per dimension; every positive has its own (noise, t)."""
        return self.noise_error(net, obs, positives, noise)[0].square().mean(-1), {}

    def noise_error(self, net: Network, obs: Tensor, action: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        alpha, sigma = schedule(noise["t"])
        x = alpha * action + sigma * noise["noise"]
        return net(obs, x, noise["t"]) - noise["noise"], sigma

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        def denoise(x: Tensor, t: Tensor) -> Tensor:
            alpha, sigma = schedule(t)
            return ((x - sigma * net(obs, x, t)) / alpha).clamp(-1, 1)

        return ddim(denoise, noise, self.diffusion_steps)
