"""Consistency policies: what holds for every network, and the exact solution for a Gaussian."""

from typing import Any

import torch
from torch import Generator, Tensor

from backbones.consistency import SIGMA_MIN, Consistency, boundary, consistency_loss, noise_levels

DOUBLE = torch.float64
MEAN, STD = 0.3, 0.2


def exact(x: Tensor, sigma: Tensor) -> Tensor:
    """Where the path through x at sigma ends, at SIGMA_MIN: (x - MEAN) / sqrt(STD^2 + sigma^2) does not change along it."""
    return MEAN + (x - MEAN) * ((STD**2 + SIGMA_MIN**2) / (STD**2 + sigma.square())).sqrt()


def test_levels_rise_evenly_in_their_seventh_root():
    levels = noise_levels(5, 80.0).double()
    torch.testing.assert_close(levels[[0, -1]], torch.tensor([SIGMA_MIN, 80.0], dtype=DOUBLE), rtol=1e-5, atol=0)
    steps = (levels ** (1 / 7)).diff()
    torch.testing.assert_close(steps, steps[:1].expand(4), rtol=1e-5, atol=0)


def test_at_the_lowest_level_every_network_is_the_identity():
    x = torch.randn(5, 2, dtype=DOUBLE)
    sigma = torch.full((5, 1), SIGMA_MIN, dtype=DOUBLE)
    torch.testing.assert_close(boundary(lambda x, c: 7 * x + 3, x, sigma), x)


def test_a_network_s_inputs_and_outputs_have_the_data_s_scale():
    """At high noise c_in x is about the noise itself and f = sigma_data F."""
    noise, sigma = torch.randn(1000, 2, dtype=DOUBLE), torch.full((1000, 1), 80.0, dtype=DOUBLE)
    seen: list[Tensor] = []
    output = boundary(lambda x, c: seen.append(x) or torch.ones_like(x), 80 * noise, sigma)
    torch.testing.assert_close(seen[0], noise, rtol=1e-4, atol=0)
    assert (output - 0.5).abs().max() < 0.02


def test_loss_vanishes_for_a_function_that_is_constant_along_each_path():
    """With one action a state, the paths are the rays action + sigma noise, and the function is that action."""
    action, noise = torch.randn(2, 5, 3, dtype=DOUBLE).unbind(0)
    sigma, next_sigma = torch.full((5, 1), 0.5, dtype=DOUBLE), torch.full((5, 1), 0.7, dtype=DOUBLE)
    assert consistency_loss(lambda x, s: action, action, noise, sigma, next_sigma).max() == 0
    assert consistency_loss(lambda x, s: x, action, noise, sigma, next_sigma).mean() > 0.01


def test_the_target_is_at_the_lower_level_and_constant():
    """L = |f(x', s') - c|^2 / (s' - s): only the higher level has a gradient."""
    w = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True)
    action, noise, one = (torch.full((1, 1), value, dtype=DOUBLE) for value in (0.1, 3.0, 1.0))
    loss = consistency_loss(lambda x, s: w * x * s, action, noise, 0.5 * one, 0.75 * one)
    high, low = (0.1 + 0.75 * 3) * 0.75, (0.1 + 0.5 * 3) * 0.5
    torch.testing.assert_close(loss.squeeze(), (2 * (high - low) * one.squeeze()) ** 2 / 0.25)
    torch.testing.assert_close(torch.autograd.grad(loss.sum(), w)[0], 2 * (2 * high - 2 * low) * high * one.squeeze() / 0.25)


def test_sampling_with_the_exact_function_maps_noise_to_the_gaussian():
    """In one step exactly; taking the same noise s again, up to the factor (STD + s) / sqrt(STD^2 + s^2)."""
    noise = torch.linspace(-2, 2, 9, dtype=DOUBLE)[:, None]

    def network(obs: Tensor, x: Tensor, c: Tensor) -> Tensor:
        """The F for which f is the exact function."""
        sigma = (4 * c).exp()
        scale = (sigma.square() + 0.25).sqrt()
        skip = 0.25 / ((sigma - SIGMA_MIN).square() + 0.25)
        return (exact(x * scale, sigma) - skip * x * scale) / (0.5 * (sigma - SIGMA_MIN) / scale)

    for refinements, factor in (((), 1.0), ((2.0,), (STD + 2) / (STD**2 + 2**2) ** 0.5)):
        actions = Consistency(sigma_max=80.0, refinements=refinements).sample(network, torch.zeros(9, 1, dtype=DOUBLE), noise)
        torch.testing.assert_close(actions, MEAN + factor * STD * noise, rtol=0, atol=0.005)


def test_draws_neighbouring_levels():
    draw = Consistency(num_levels=6).draw(Generator().manual_seed(0), 100, 10, 2)
    levels = noise_levels(6, 10.0)
    lower = torch.searchsorted(levels, draw["sigma"].flatten())
    assert set(lower.tolist()) == set(range(5))
    assert torch.equal(levels[lower + 1], draw["next_sigma"].flatten())


def test_one_step_reaches_the_exact_solution_on_a_gaussian(gaussian_error: Any):
    assert gaussian_error(Consistency(32, 2, num_levels=20)) < 0.04
