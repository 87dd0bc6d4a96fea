"""The two drifting fields: what their definitions promise (arXiv 2605.07727, sections 2-3 and C; arXiv 2602.04770)."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from algos.select import top_k
from backbones.drifting import Drifting, joint_field, mean_shift, mean_shift_field


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def rotation(size: int) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size)).Q


def joint(x: Tensor, positives: Tensor) -> Tensor:
    return joint_field(x, positives, (0.05, 0.3))[0]


def shift(x: Tensor, positives: Tensor) -> Tensor:
    return mean_shift_field(x, positives, (0.5, 1.0))


# ---- mean shift, Eqs. (3)-(8)


def test_exchanging_target_and_samples_reverses_the_mean_shift_field():
    """V_{p,q}(z) = -V_{q,p}(z), seen at a point z that belongs to both sets."""
    z, p, q = torch.randn(3, 1, 2), torch.randn(3, 6, 2), torch.randn(3, 4, 2)
    p, q = torch.cat([z, p], 1), torch.cat([z, q], 1)
    forward, backward = shift(q, p)[:, 0], shift(p, q)[:, 0]
    assert forward.abs().min() > 1e-3
    torch.testing.assert_close(forward, -backward)


def test_mean_shift_field_vanishes_when_samples_are_the_target():
    x = torch.randn(3, 6, 2)
    assert shift(x, x.flip(1)).abs().max() < 1e-12


def test_mean_shift_field_is_the_difference_of_kde_scores():
    """Eq. (8): V = h^2 (grad log p_kde - grad log q_kde), the scores taken by autograd."""
    x, y, h = torch.randn(2, 5, 3), torch.randn(2, 7, 3) + 1, 0.8

    def score(data: Tensor) -> Tensor:
        at = x.clone().requires_grad_()
        log_density = (-(at[:, :, None] - data[:, None]).square().sum(-1) / (2 * h**2)).logsumexp(2)
        return torch.autograd.grad(log_density.sum(), at)[0]

    torch.testing.assert_close(mean_shift_field(x, y, (h,)), h**2 * (score(y) - score(x)))


@pytest.mark.parametrize("bandwidth", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("kernel", ["gaussian", "laplacian"])
def test_attraction_to_one_positive_ignores_the_kernel(kernel: str, bandwidth: float):
    x, y = torch.randn(3, 5, 2), torch.randn(3, 1, 2)
    torch.testing.assert_close(mean_shift(x, y, bandwidth, kernel), y - x)


@pytest.mark.parametrize("kernel", ["gaussian", "laplacian"])
def test_mean_shift_is_the_kernel_weighted_mean_of_offsets(kernel: str):
    x, y, h = torch.randn(1, 1, 2), torch.randn(1, 3, 2), 0.7
    d = (x - y[0]).norm(dim=-1)[0]
    weight = torch.exp(-d.square() / (2 * h**2)) if kernel == "gaussian" else torch.exp(-d / h)
    by_hand = (weight[:, None] * (y[0] - x[0])).sum(0) / weight.sum()
    torch.testing.assert_close(mean_shift(x, y, h, kernel)[0, 0], by_hand)


def test_excluding_self_leaves_only_the_other_samples():
    """Of two samples, each sees the other alone, so it is repelled by the whole offset."""
    x = torch.randn(3, 2, 2)
    torch.testing.assert_close(mean_shift(x, x, 0.5, exclude_self=True), x.flip(1) - x)


def test_kl_to_a_gaussian_falls_along_the_flow():
    """Particles that follow V dissipate KL(q_kde || p_kde) at every step, nearly all of it in the end (section 2.3)."""
    h = 0.5
    quantiles = torch.special.ndtri((torch.arange(100) + 0.5) / 100)[None, :, None]
    target, x = 0.8 * quantiles, -2 + 0.3 * quantiles
    grid = torch.linspace(-7, 7, 1401)

    def kde(data: Tensor) -> Tensor:
        return torch.exp(-(grid[:, None] - data.flatten()).square() / (2 * h**2)).mean(1) / (h * math.sqrt(2 * math.pi))

    def kl() -> float:
        q, p = kde(x), kde(target)
        return float(torch.trapezoid(q * (q.clamp_min(1e-300) / p).log(), grid))

    course = [kl()]
    for _ in range(40):
        x = x + 0.3 * mean_shift_field(x, target, (h,))
        course.append(kl())
    assert all(after < before for before, after in pairwise(course))
    assert course[-1] < 0.01 * course[0]


# ---- Proposition 1, on finite sets: pi_old is uniform over N actions and Q = alpha log m with whole m, so the improved policy
# pi+ ~ pi_old exp(Q / alpha) gives each action the share m / sum m, and repeating it m times represents it exactly

ACTIONS = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None]
COUNTS = (1 + 30 * torch.exp(-((ACTIONS[:, 0] - 0.4) ** 2) / 0.1)).round().long()


def level_set(rho: float) -> tuple[Tensor, float]:
    """The actions of the best share rho, and their total variation from pi+."""
    kept = COUNTS.argsort(descending=True, stable=True)[: round(rho * len(ACTIONS))]
    share = torch.zeros(len(ACTIONS)).index_fill(0, kept, 1 / len(kept))
    return ACTIONS[kept], float((share - COUNTS / COUNTS.sum()).abs().sum() / 2)


def loss_toward(positives: Tensor, x: Tensor, h: float = 2.0) -> float:
    loss, _, _ = Drifting(temperatures=(h,), field="mean_shift").drift_loss(x[None], positives[None])
    return float(loss)


@pytest.mark.parametrize("start", [-0.9, 0.0, 0.9])
def test_bias_of_the_level_set_loss_is_bounded_by_total_variation(start: float):
    """|L_drift(tilting) - L_PI| <= C TV, C = 4 M L_V: M the diameter, L_V = M K_max / k_min for this kernel (Eqs. 29-32)."""
    diameter, h = 2.0, 2.0
    constant = 4 * diameter * diameter / math.exp(-(diameter**2) / (2 * h**2))
    x = start + 0.1 * torch.linspace(-1, 1, 8)[:, None]
    improvement = loss_toward(ACTIONS.repeat_interleave(COUNTS, 0), x)
    for rho in (0.05, 0.1, 0.25, 0.5, 0.75, 1.0):
        positives, variation = level_set(rho)
        assert 0 < abs(loss_toward(positives, x) - improvement) <= constant * variation


def test_bias_vanishes_with_total_variation_in_the_sharp_limit():
    """As alpha falls, pi+ tends to the best action, which is the level set of the least rho (C.2, tightness)."""
    actions, counts = torch.tensor([[-0.9], [-0.8], [0.6], [-0.2], [0.3]]), torch.tensor([1, 2, 4, 3, 1])
    x = 0.1 * torch.linspace(-1, 1, 8)[:, None] - 0.5

    def bias(sharpness: int) -> tuple[float, float]:
        tilted = counts**sharpness  # exp(Q / alpha) with alpha = 1 / sharpness
        variation = 1 - tilted.max() / tilted.sum()
        return abs(loss_toward(actions[2:3], x) - loss_toward(actions.repeat_interleave(tilted, 0), x)), float(variation)

    (soft, soft_variation), (sharp, sharp_variation) = bias(1), bias(9)
    assert soft > 1e-3 and sharp_variation < 0.15 * soft_variation and sharp < 0.3 * soft


def test_top_k_loss_converges_to_the_level_set_loss():
    """With K / N fixed, the loss toward the top K of N draws from pi_old approaches the loss toward the tilting (Eq. 17)."""
    x = 0.1 * torch.linspace(-1, 1, 8)[:, None]
    exact = loss_toward(level_set(0.25)[0], x)

    def error(n: int) -> float:
        draws = torch.randint(len(ACTIONS), (200, n))
        elites = top_k(ACTIONS[draws], COUNTS[draws].double(), n // 4)
        return float(torch.tensor([loss_toward(positives, x) - exact for positives in elites]).abs().mean())

    few, many = error(16), error(1600)
    assert many < 0.2 * few  # the error falls as 1 / sqrt(N), by 10 here


# ---- the joint field


def two_modes(states: int, count: int) -> tuple[Tensor, Tensor]:
    """Samples [states, count, 1] around -0.5 and 0.5, and the sign of each one's mode."""
    sign = torch.randint(2, (states, count, 1)) * 2.0 - 1
    return 0.5 * sign + 0.05 * torch.randn(states, count, 1), sign


def test_joint_field_keeps_two_modes_in_place():
    """Samples and one positive a state from the same two modes: no mean force at either mode. From one mode: a force."""
    positives, _ = two_modes(10_000, 1)
    x, sign = two_modes(10_000, 8)
    field, _, _ = joint_field(x, positives, (0.2,))
    at_rest = [(field[sign == s]).mean().abs() for s in (-1, 1)]
    collapsed, _, _ = joint_field(0.5 + 0.05 * torch.randn(10_000, 8, 1), positives, (0.2,))
    assert collapsed.mean() < -0.1
    assert max(at_rest) < 0.1 * collapsed.mean().abs()


def test_a_sample_does_not_repel_itself():
    """The pull to a positive is weighted by the repulsion of others: with none near, nothing is left of it."""
    positives = torch.tensor([[[-0.9]]])
    alone = joint_field(torch.tensor([[[-1.0], [1.0]]]), positives, (0.05,))[2]
    crowded = joint_field(torch.tensor([[[-1.0], [-1.05], [1.0]]]), positives, (0.05,))[2]
    assert alone < 1e-2 * crowded


def test_samples_repel_each_other():
    x = torch.tensor([[[-0.01], [0.01]]])
    field, _, _ = joint_field(x, torch.zeros(1, 1, 1), (0.1,))
    spread = field[0, 1] - field[0, 0]
    assert spread > 0


def test_negatives_repel():
    x, positives, negatives = torch.randn(1, 3, 1), torch.tensor([[[0.0]]]), torch.full((1, 4, 1), 5.0)
    without, _, _ = joint_field(x, positives, (1.0,))
    assert joint_field(x, positives, (1.0,), negatives)[0].mean() < without.mean()


@pytest.mark.parametrize("temperatures", [(0.05,), (1.0,)])
def test_joint_force_has_unit_mean_square(temperatures: tuple[float, ...]):
    field, _, _ = joint_field(torch.randn(4, 5, 3), torch.randn(4, 2, 3), temperatures)
    torch.testing.assert_close(field.square().mean(), torch.tensor(1.0))


def test_fields_of_several_temperatures_are_added():
    x, positives = torch.randn(4, 5, 3), torch.randn(4, 2, 3)
    one, other = (joint_field(x, positives, (t,)) for t in (0.05, 0.5))
    both = joint_field(x, positives, (0.05, 0.5))
    torch.testing.assert_close(both[0], one[0] + other[0])
    torch.testing.assert_close(both[2], torch.cat([one[2], other[2]]))


def test_joint_field_has_no_unit_of_length():
    """Stretching the problem leaves the field, in units of the unit, and stretches the unit."""
    x, positives = torch.randn(4, 5, 3), torch.randn(4, 2, 3)
    field, unit, force = joint_field(x, positives, (0.1,))
    stretched = joint_field(7 * x, 7 * positives, (0.1,))
    for ours, expected in zip(stretched, (field, 7 * unit, force), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-3)  # but for the floor under the distances


# ---- both fields, and the loss


@pytest.mark.parametrize("field", [joint, shift])
def test_translation_does_not_change_the_field(field):
    x, positives, offset = torch.randn(3, 5, 2), torch.randn(3, 4, 2), torch.randn(2)
    torch.testing.assert_close(field(x + offset, positives + offset), field(x, positives))


@pytest.mark.parametrize("field", [joint, shift])
def test_rotation_turns_the_field_along(field):
    x, positives, turn = torch.randn(3, 5, 4), torch.randn(3, 4, 4), rotation(4)
    torch.testing.assert_close(field(x @ turn, positives @ turn), field(x, positives) @ turn)


@pytest.mark.parametrize("field", [joint, shift])
def test_order_of_samples_and_positives_does_not_matter(field):
    x, positives, order = torch.randn(3, 5, 2), torch.randn(3, 4, 2), torch.randperm(5)
    torch.testing.assert_close(field(x[:, order], positives.flip(1)), field(x, positives)[:, order])


def test_loss_of_one_temperature_is_always_one():
    """Its mean over the states; see the docstring of drift_loss."""
    for scale in (0.01, 1.0, 100.0):
        loss, _, _ = Drifting().drift_loss(scale * torch.randn(6, 5, 3), torch.randn(6, 2, 3))
        assert loss.shape == (6,) and loss.std() > 0
        torch.testing.assert_close(loss.mean(), torch.tensor(1.0))


@pytest.mark.parametrize("kind", ["joint", "mean_shift"])
def test_descending_the_loss_moves_samples_along_the_field(kind):
    """The goal x + V is constant, so the gradient of the loss is -2 V a number (Eq. 4)."""
    drifting, positives = Drifting(temperatures=(0.4,), field=kind), torch.randn(2, 3, 2)
    x = torch.randn(2, 5, 2, requires_grad=True)
    loss, _, _ = drifting.drift_loss(x, positives)
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    if kind == "joint":
        field, unit, _ = joint_field(x.detach(), positives, (0.4,))
    else:
        field, unit = mean_shift_field(x.detach(), positives, (0.4,)), 1.0
    torch.testing.assert_close(gradient, -2 * field / unit / (5 * 2))


@pytest.mark.parametrize("kind", ["joint", "mean_shift"])
def test_loss_and_scale_where_all_points_coincide_are_finite(kind):
    x = torch.zeros(2, 4, 3, requires_grad=True)
    loss, scale, force = Drifting(field=kind).drift_loss(x, torch.zeros(2, 1, 3))
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    assert all(value.isfinite().all() for value in (loss, scale, force, gradient))


# ---- rounding


class TF32(TorchDispatchMode):
    """Products as a GPU's TF32 computes them: of factors with 10 bits after the leading one."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation.overloadpacket.__name__ in ("mm", "bmm"):
            args = [((x.view(torch.int32) + 2**12) & -(2**13)).view(torch.float32) for x in args]
        return operation(*args, **(kwargs or {}))


def test_tf32_gives_three_digits():
    x = torch.rand(4, 3, 3).float() + 1
    with TF32():
        ours = x @ x.mT
    assert 1e-5 < (ours / (x @ x.mT) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("field", [lambda x, y: joint_field(x, y, (0.05,))[0], lambda x, y: mean_shift_field(x, y, (0.1,))])
@pytest.mark.parametrize("spread", [0.5, 0.01])
def test_fields_of_close_samples_hold_in_tf32(field: Any, spread: float):
    """A thousandth of their size, however close; without a centre of the targets it were two hundredths at 0.01."""
    x, positives = (torch.rand(64, 1, 5) + spread * torch.randn(2, 64, 8, 5)).float()
    exact = field(x.double(), positives.double())
    with TF32():
        ours = field(x, positives)
    assert (ours - exact).norm() < 1e-3 * exact.norm()
