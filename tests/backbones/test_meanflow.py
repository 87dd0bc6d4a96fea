"""MeanFlow policies: the identity u = v - (t - r) du/dt and its constraint."""

import torch
from torch import Generator, Tensor, nn

from backbones.flow import flow_matching_loss
from backbones.meanflow import MeanFlow, meanflow_loss, velocity_constraint_loss

DOUBLE = torch.float64


def problem() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """action, noise [5, 3] and times r < t [5, 1]."""
    g = Generator().manual_seed(0)
    action, noise = torch.randn(2, 5, 3, generator=g, dtype=DOUBLE)
    times = 0.1 + 0.8 * torch.rand(2, 5, 1, generator=g, dtype=DOUBLE)
    return action, noise, times.amin(0), times.amax(0)


def some_u() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3)).to(DOUBLE)

        def forward(self, z: Tensor, r: Tensor, t: Tensor) -> Tensor:
            return self.layers(torch.cat([z, r, t], -1))

    return Net()


def test_at_equal_times_the_identity_is_flow_matching():
    """With its time running the other way, and so the other sign."""
    action, noise, _, t = problem()
    u = some_u()
    other_way = flow_matching_loss(lambda x, s: -u(x, 1 - s, 1 - s), action, noise, 1 - t)
    torch.testing.assert_close(meanflow_loss(u, action, noise, t, t), other_way)
    torch.testing.assert_close(velocity_constraint_loss(u, action, noise, t), other_way)


def test_losses_vanish_for_the_mean_velocity_of_a_straight_path():
    """On the line from the action to the noise, (z - action) / t is the velocity, and its mean over any time."""
    action, noise, r, t = problem()

    def u(z: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return (z - action) / t

    assert meanflow_loss(u, action, noise, r, t).max() < 1e-20
    assert velocity_constraint_loss(u, action, noise, r).max() < 1e-20


def test_identity_holds_for_the_mean_velocity_of_a_curved_flow():
    """Actions N(0, 0.2^2) to noise N(0, 1): z moves as s(t) = sqrt((1-t)^2 0.2^2 + t^2), so v = z s'/s and
    u = z (1 - s(r) / s(t)) / (t - r). Action and noise are chosen to give the point z the marginal velocity v(z, t)."""
    _, z, r, t = problem()

    def s(t: Tensor) -> Tensor:
        return ((1 - t).square() * 0.04 + t.square()).sqrt()

    def u(z: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return z * (1 - s(r) / s(t)) / (t - r)

    v = z * (t - 0.04 * (1 - t)) / s(t).square()
    assert (u(z, r, t) - v).abs().max() > 0.05  # the path is curved
    assert meanflow_loss(u, z - t * v, z + (1 - t) * v, r, t).max() < 1e-20


def test_target_is_the_velocity_less_a_finite_difference_along_the_path():
    action, noise, r, t = problem()
    u, v, z, h = some_u(), noise - action, (1 - t) * action + t * noise, 1e-6
    with torch.no_grad():
        du_dt = (u(z + h * v, r, t + h) - u(z - h * v, r, t - h)) / (2 * h)
        expected = (u(z, r, t) - (v - (t - r) * du_dt)).square()
    assert du_dt.abs().max() > 1e-3
    torch.testing.assert_close(meanflow_loss(u, action, noise, r, t), expected, rtol=1e-6, atol=1e-9)


def test_target_is_constant():
    """The gradient is that of |u - c|^2, as if du/dt did not depend on the network."""
    action, noise, r, t = problem()
    u, z, v = some_u(), (1 - t) * action + t * noise, noise - action
    du_dt = torch.func.jvp(u, (z, r, t), (v, torch.zeros_like(r), torch.ones_like(t)))[1]
    constant = (v - (t - r) * du_dt).detach()
    losses = meanflow_loss(u, action, noise, r, t).sum(), (u(z, r, t) - constant).square().sum()
    ours, theirs = (torch.autograd.grad(loss, list(u.parameters())) for loss in losses)
    torch.testing.assert_close(ours, theirs)


def test_drawn_times_are_ordered_sigmoids_of_normals():
    draw = MeanFlow(time_mean=-0.4, time_std=1.0).draw(Generator().manual_seed(0), 100, 50, 2)
    r, t = draw["r"], draw["t"]
    assert (r < t).all() and r.min() > 0 and t.max() < 1
    normals = torch.cat([r, t]).logit()
    assert abs(normals.mean() + 0.4) < 0.05 and abs(normals.std() - 1) < 0.05


def test_share_of_equal_times_is_as_configured():
    draw = MeanFlow(equal_times=0.75).draw(Generator().manual_seed(0), 100, 50, 2)
    assert abs((draw["r"] == draw["t"]).float().mean() - 0.75) < 0.03
