"""Flow maps: the self-distillation's fixed point, the curriculum, the features of time."""

import torch
from torch import Generator, Tensor

from backbones.flow_map import FlowMap, embedded, eulerian_loss


def test_jumps_to_one_action_have_no_loss():
    """u = (a - x) / (1 - r) leads from everywhere straight to a: the velocity a - noise, however long the jump."""
    action, noise = torch.rand(50, 2) * 2 - 1, torch.randn(50, 2)
    times = 0.9 * torch.rand(2, 50, 1)
    r, t = times.amin(0), times.amax(0)
    assert eulerian_loss(lambda x, r, t: (action - x) / (1 - r), action, noise, r, t).max() < 1e-8
    assert eulerian_loss(lambda x, r, t: (action - x) / (1 - r / 2), action, noise, r, t).mean() > 0.01


def test_jumps_grow_with_the_curriculum():
    """None at first, then longer ones about the same middles."""
    policy = FlowMap(curriculum=(0.2, 0.6))
    none, half, whole = (policy.at(share).draw(Generator().manual_seed(0), 9, 1, 2) for share in (0.1, 0.4, 0.9))
    assert torch.equal(none["r"], none["t"]) and policy.at(1.0) == policy
    torch.testing.assert_close(half["t"] - half["r"], (whole["t"] - whole["r"]) / 2)
    torch.testing.assert_close(half["t"] + half["r"], whole["t"] + whole["r"])
    assert whole["r"].min() >= 0 and whole["t"].max() <= 1 and (whole["t"] > whole["r"]).all()


def test_without_jumps_it_is_flow_matching():
    def net(obs: Tensor, x: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return x * r + t

    policy = FlowMap(time_features=0)
    obs, action = torch.zeros(9, 1, 3), torch.rand(9, 2, 4)
    noise = policy.at(0.0).draw(Generator().manual_seed(0), 9, 2, 4)
    errors, info = policy.errors(net, obs, action, noise)
    t, z = noise["diagonal_t"], noise["diagonal_noise"]
    expected = (((1 - t) * z + t * action) * t + t - (action - z)).square().mean(-1)
    torch.testing.assert_close(errors, expected)
    assert info["jump_loss"] == 0


def test_features_of_time():
    time = torch.tensor([[0.0], [0.5]])
    rates = torch.tensor([1, 0.01, 0.0001])
    torch.testing.assert_close(embedded(time, 6), torch.cat([(time * rates).cos(), (time * rates).sin()], -1))
    assert torch.equal(embedded(time, 0), time)
