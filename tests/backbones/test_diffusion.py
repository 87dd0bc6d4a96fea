"""Diffusion policies: the schedule, and the sampler where the best denoiser is known."""

import math

import pytest
import torch
from torch import Generator, Tensor

from backbones.diffusion import Diffusion, ddim, schedule

DOUBLE = torch.float64
MEAN, STD = 0.3, 0.2


def best_denoiser(x: Tensor, t: Tensor) -> Tensor:
    """E[action | x_t = x] for actions N(MEAN, STD^2)."""
    alpha, sigma = schedule(t)
    return MEAN + alpha * STD**2 / (alpha.square() * STD**2 + sigma.square()) * (x - alpha * MEAN)


def spread(t: Tensor) -> Tensor:
    """The standard deviation of x_t."""
    alpha, sigma = schedule(t)
    return (alpha.square() * STD**2 + sigma.square()).sqrt()


@pytest.mark.parametrize("steps", [5, 10, 50])
def test_schedule_is_that_of_idql(steps: int):
    """alpha_t^2 is the product of exp(-b_0 / T - (b_1 - b_0) (2 i - 1) / 2 T^2) over the steps i up to t T."""
    i = torch.arange(1, steps + 1, dtype=DOUBLE)
    kept = torch.exp(-0.1 / steps - 0.5 * 9.9 * (2 * i - 1) / steps**2)
    alpha, sigma = schedule(i / steps)
    torch.testing.assert_close(alpha.square(), kept.cumprod(0))
    torch.testing.assert_close(alpha.square() + sigma.square(), torch.ones_like(alpha))


def test_schedule_ends_at_the_action_and_near_pure_noise():
    alpha, sigma = schedule(torch.tensor([0.0, 1.0]))
    assert (alpha[0], sigma[0]) == (1, 0) and alpha[1] < 0.1 and sigma[1] > 0.99


def test_ddim_with_the_best_denoiser_follows_the_exact_flow():
    """Along the probability flow (x_t - alpha_t MEAN) / spread(t) does not change; many steps come close, more come closer."""
    noise, one = torch.randn(1000, 1, dtype=DOUBLE), torch.ones((), dtype=DOUBLE)
    exact = MEAN + STD * (noise - schedule(one)[0] * MEAN) / spread(one)
    error = {n: (ddim(best_denoiser, noise, n) - exact).square().mean().sqrt() for n in (10, 100, 200)}
    assert error[10] < 0.1 and error[100] < 0.012
    assert error[100] / error[200] == pytest.approx(2, rel=0.1)  # a method of first order


def test_ddim_maps_standard_normal_noise_to_the_gaussian():
    actions = ddim(best_denoiser, torch.randn(20_000, 1, dtype=DOUBLE), 100)
    assert abs(actions.mean() - MEAN) < 0.02 and abs(actions.std() - STD) < 0.015  # 100 steps leave 0.009


def test_one_step_gives_the_denoised_noise():
    noise = torch.randn(5, 2, dtype=DOUBLE)
    assert torch.equal(ddim(best_denoiser, noise, 1), best_denoiser(noise, torch.ones(5, 1, dtype=DOUBLE)))


def test_the_loss_is_least_at_the_noise_that_is_expected():
    """For actions N(MEAN, STD^2), E[noise | x_t] = sigma (x - alpha MEAN) / spread^2; its loss is alpha^2 STD^2 / spread^2."""
    diffusion, g = Diffusion(diffusion_steps=4), Generator().manual_seed(0)
    noise = diffusion.draw(g, 50_000, 1, 1)
    action = MEAN + STD * torch.randn(50_000, 1, 1, generator=g)

    def expected_noise(obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule(t)
        return sigma * (x - alpha * MEAN) / spread(t).square()

    def loss(off: float) -> float:
        net = lambda *inputs: expected_noise(*inputs) + off  # noqa: E731
        return float(diffusion.errors(net, torch.zeros(50_000, 1, 1), action, noise)[0].mean())

    t = torch.arange(1, 5) / 4
    least = (schedule(t)[0] * STD / spread(t)).square().mean()
    assert loss(0.0) == pytest.approx(float(least), rel=0.02)
    assert loss(0.1) == pytest.approx(loss(0.0) + 0.01, rel=0.02) and loss(-0.1) == pytest.approx(loss(0.0) + 0.01, rel=0.02)


def test_times_are_drawn_from_the_steps_of_the_sampler():
    t = Diffusion(diffusion_steps=5).draw(Generator().manual_seed(0), 100, 20, 2)["t"]
    assert sorted(set(t.flatten().tolist())) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_sampling_denoises_with_the_predicted_noise():
    """With the noise that is expected, the class samples what `ddim` does where no clipping is needed."""

    def expected_noise(obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule(t)
        return (x - alpha * best_denoiser(x, t)) / sigma

    noise = 0.5 * torch.randn(200, 1, dtype=DOUBLE)
    actions = Diffusion(diffusion_steps=7).sample(expected_noise, torch.zeros(200, 1, dtype=DOUBLE), noise)
    torch.testing.assert_close(actions, ddim(best_denoiser, noise, 7))
    assert math.isfinite(actions.sum())
