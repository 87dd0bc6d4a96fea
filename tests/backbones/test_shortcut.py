"""Shortcut policies: two short steps make a long one."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from backbones.flow import flow_matching_loss
from backbones.shortcut import Shortcut, shortcut_loss

DOUBLE = torch.float64
MEAN, STD = 0.3, 0.2


def exact(x: Tensor, t: Tensor, d: Tensor) -> Tensor:
    """The direction in which the flow to N(MEAN, STD^2) goes between t and t + d: (x - t MEAN) / r(t) does not change."""

    def r(t: Tensor) -> Tensor:
        return ((1 - t).square() + (t * STD).square()).sqrt()

    later = t + torch.where(d > 0, d, 1e-7)
    return (later * MEAN + r(later) / r(t) * (x - t * MEAN) - x) / (later - t)


def problem(d: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """action, noise [5, 3], t and d [5, 1]."""
    g = Generator().manual_seed(0)
    action, noise = torch.randn(2, 5, 3, generator=g, dtype=DOUBLE)
    t = (1 - d) * torch.rand(5, 1, generator=g, dtype=DOUBLE)
    return action, noise, t, torch.full_like(t, d)


def test_steps_of_no_length_learn_the_velocity():
    action, noise, t, d = problem(0.0)

    def s(x: Tensor, t: Tensor, d: Tensor) -> Tensor:
        return torch.sin(3 * x) + t + d

    torch.testing.assert_close(
        shortcut_loss(s, action, noise, t, d, 0.125), flow_matching_loss(lambda x, t: s(x, t, d), action, noise, t)
    )


@pytest.mark.parametrize("d", [0.5, 1.0])
def test_loss_of_longer_steps_vanishes_for_the_exact_flow(d: float):
    action, noise, t, d = problem(d)
    assert shortcut_loss(exact, action, noise, t, d, 0.125).max() < 1e-20
    assert shortcut_loss(lambda x, t, d: exact(x, t, 0 * d), action, noise, t, d, 0.125).max() > 1e-4  # the path is curved


def test_the_shortest_pair_is_made_of_velocities():
    """With 8 finest steps, the step of 1/4 is learned from two of 1/8 that go by s at d = 0."""
    asked: list[Tensor] = []

    def s(x: Tensor, t: Tensor, d: Tensor) -> Tensor:
        asked.append(d)
        return exact(x, t, d)

    shortcut_loss(s, *problem(0.25), 0.125)
    shortcut_loss(s, *problem(0.5), 0.125)
    assert [float(d.max()) for d in asked] == [0, 0, 0.25, 0.25, 0.25, 0.5]


def test_the_target_of_a_longer_step_is_constant():
    action, noise, t, d = problem(0.5)
    w = torch.tensor(1.5, dtype=DOUBLE, requires_grad=True)
    loss = shortcut_loss(lambda x, t, d: w * x, action, noise, t, d, 0.125)
    x = (1 - t) * noise + t * action
    target = (1.5 * x + 1.5 * (x + 0.25 * 1.5 * x)) / 2
    torch.testing.assert_close(torch.autograd.grad(loss.sum(), w)[0], (2 * (1.5 * x - target) * x).sum())


def test_draws_steps_and_their_multiples():
    draw = Shortcut(finest_steps=16, consistency_share=0.4).draw(Generator().manual_seed(0), 200, 50, 2)
    t, d = draw["t"], draw["d"]
    longer = d > 0
    assert sorted(set(d.flatten().tolist())) == [0, 0.125, 0.25, 0.5, 1]
    assert abs(longer.float().mean() - 0.4) < 0.02
    assert torch.equal((t / d)[longer], (t / d)[longer].round()) and (t + d)[longer].max() == 1


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_sampling_with_the_exact_steps_maps_noise_to_the_gaussian(steps: int):
    noise = torch.linspace(-2, 2, 9, dtype=DOUBLE)[:, None]
    actions = Shortcut(shortcut_steps=steps).sample(lambda obs, x, t, d: exact(x, t, d), torch.zeros(9, 1), noise)
    torch.testing.assert_close(actions, MEAN + STD * noise)


def test_the_finest_sampling_is_euler_s_on_the_velocity():
    asked: list[Tensor] = []
    Shortcut(shortcut_steps=8, finest_steps=8).sample(
        lambda obs, x, t, d: asked.append(d) or x, torch.zeros(9, 1), torch.zeros(9, 1)
    )
    assert len(asked) == 8 and not any(d.any() for d in asked)


def test_one_step_reaches_what_the_finest_steps_do(gaussian_error: Any):
    """Eight steps along the exact velocity (t STD^2 - (1 - t)) / r(t)^2 shrink the noise to 0.144 of itself, not yet to STD."""
    t = torch.arange(8) / 8
    std = float((1 + (t * STD**2 - (1 - t)) / ((1 - t).square() + (t * STD).square()) / 8).prod())
    assert std == pytest.approx(0.144, abs=0.001)
    assert gaussian_error(Shortcut(32, 2, finest_steps=8), std) < 0.04
